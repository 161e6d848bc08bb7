# SPDX-License-Identifier: Apache-2.0
"""Tables: what is served, and changing it. The messages, and the calls as a part of Client."""
from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Iterable, Mapping, Optional, Sequence, Type, Union

import numpy as np
from numpy.typing import ArrayLike, NDArray

from embd import arrays
from embd.connection import Connection
from embd.errors import Internal
from embd.messages import M, Message, ask, optional, several, single
from embd.wire import Broken

STATES = {"serving": 0, "damaged": 1}
MEMORIES = {"map": 0, "copy": 1, "lock": 2}
IDS = {"rows": 0, "keys": 1, "hash": 2}


@dataclass
class TableInfo(Message):
    """A served table."""

    name: str = single(1, "string")
    method: str = single(2, "string")
    rows: int = single(3, "uint")
    dim: int = single(4, "uint")
    version: int = single(5, "uint")
    generation: int = single(6, "uint")  # which life of the name
    state: str = single(7, STATES)  # "serving" or "damaged"
    trouble: str = single(8, "string")  # of a damaged table: why
    memory: str = single(9, MEMORIES)  # "map", "copy" or "lock"
    ids: str = single(10, IDS)  # "rows", "keys" or "hash"
    parameter_bytes: int = single(11, "uint")
    ratio: float = single(12, "double")  # parameter_bytes / (4 * rows * dim)
    private_bytes: int = single(13, "uint")
    mapped_bytes: int = single(14, "uint")
    file: str = single(15, "string")
    trainable: bool = single(16, "bool")
    snapshot_version: int = single(17, "uint")
    optimizer_bytes: int = single(18, "uint")
    grows: bool = single(19, "bool")  # new ids get spare rows
    used_rows: int = single(20, "uint")  # if it grows: rows that are not spare
    cache_bytes: int = single(21, "uint")  # memory of its caches of decoded rows


@dataclass
class TensorInfo(Message):
    """One of a method's tensors."""

    name: str = single(1, "string")
    dtype: str = single(2, "string")
    shape: list[int] = several(3, "uint")
    bytes: int = single(4, "uint")


@dataclass
class SnapshotInfo(Message):
    """A snapshot that is kept."""

    version: int = single(1, "uint")
    lsn: int = single(2, "uint")
    whole: bool = single(3, "bool")  # or only what changed since the one before
    bytes: int = single(4, "uint")
    time_us: int = single(5, "int")  # since 1970
    file: str = single(6, "string")
    checksum: int = single(7, "fixed64")


@dataclass
class Description(Message):
    """All about a table."""

    table: TableInfo = single(1, TableInfo)
    config: str = single(2, "string")  # the method's settings as JSON
    origin: str = single(3, "string")
    optimizer: str = single(4, "string")  # settings as JSON, empty if there is none
    fields: list[int] = several(5, "uint")  # rows of each
    tensors: list[TensorInfo] = several(6, TensorInfo)
    extra_bytes: int = single(7, "uint")
    work: int = single(8, "uint")  # multiply-adds a row
    checksum: int = single(9, "fixed64")
    loaded_us: int = single(10, "int")
    lsn: int = single(11, "uint")  # log position of the load
    snapshots: list[SnapshotInfo] = several(12, SnapshotInfo)  # newest first
    durability: str = single(13, "string")  # "always" or "interval", if trainable
    count: str = single(14, "string")  # "no", "pushes" or "both": what is counted, if trainable
    accesses: int = single(15, "uint")  # counted so far, if trainable


@dataclass
class Listed(Message):
    """The answer to tables()."""

    tables: list[TableInfo] = several(1, TableInfo)
    lsn: int = single(2, "uint")


@dataclass
class Loaded(Message):
    """The answer to load()."""

    table: TableInfo = single(1, TableInfo)
    lsn: int = single(2, "uint")


@dataclass
class Created(Message):
    """The answer to create()."""

    table: TableInfo = single(1, TableInfo)
    lsn: int = single(2, "uint")
    config: str = single(3, "string")


@dataclass
class Unloaded(Message):
    """The answer to unload()."""

    lsn: int = single(1, "uint")
    version: int = single(2, "uint")  # the last one served


@dataclass
class Saved(Message):
    """The answer to save()."""

    snapshot: SnapshotInfo = single(1, SnapshotInfo)
    us: int = single(2, "uint")  # how long it took


@dataclass
class Restored(Message):
    """The answer to restore()."""

    version: int = single(1, "uint")  # of the table now
    lsn: int = single(2, "uint")


@dataclass
class NumberList(Message):
    """Several numbers of a fact."""

    number: list[int] = several(1, "sint")


@dataclass
class Cells(Message):
    """Elements [first, first + count) of place `unit` of a tensor."""

    unit: int = single(1, "uint")
    first: int = single(2, "uint")
    count: int = single(3, "uint")
    sharers: Optional[int] = optional(4, "uint")  # other rows that read the same; None: not counted


@dataclass
class Fact(Message):
    """One step on the way to a row; one of its values is there, the others are None."""

    name: str = single(1, "string")
    number: Optional[int] = optional(2, "sint")
    real: Optional[float] = optional(3, "double")
    text: Optional[str] = optional(4, "string")
    numbers: Optional[NumberList] = optional(5, NumberList)
    cells: Optional[Cells] = optional(6, Cells)


@dataclass
class Explained(Message):
    """How an id is answered."""

    method: str = single(1, "string")
    version: int = single(2, "uint")
    known: bool = single(3, "bool")  # else the row is the default one, and there are no facts
    row: int = single(4, "uint")
    field: Optional[int] = optional(5, "uint")
    local_row: int = single(6, "uint")  # within the field
    facts: list[Fact] = several(7, Fact)
    values: list[float] = several(8, "float")


# ---- Requests ----


@dataclass
class TableRequest(Message):
    """Describe and Save."""

    table: str = single(1, "string")


@dataclass
class FlagRequest(Message):
    """Unload: `forget`."""

    table: str = single(1, "string")
    flag: bool = single(2, "bool")


@dataclass
class RestoreRequest(Message):
    """Restore."""

    table: str = single(1, "string")
    version: int = single(2, "uint")


@dataclass
class ExplainRequest(Message):
    """Explain."""

    table: str = single(1, "string")
    id: int = single(2, "sfixed64")


@dataclass
class Option(Message):
    """One option of a table, or setting of a method."""

    key: str = single(1, "string")
    value: str = single(2, "string")


@dataclass
class LoadRequest(Message):
    """Load."""

    table: str = single(1, "string")
    file: str = single(2, "string")
    replace: bool = single(3, "bool")
    options: list[Option] = several(4, Option)


@dataclass
class CreateRequest(Message):
    """Create."""

    table: str = single(1, "string")
    method: str = single(2, "string")
    rows: int = single(3, "uint")
    dim: int = single(4, "uint")
    ratio: Optional[float] = optional(5, "double")
    budget: Optional[int] = optional(6, "uint")
    fields: Sequence[int] = several(7, "uint")
    settings: list[Option] = several(8, Option)
    options: list[Option] = several(9, Option)
    seed: int = single(10, "uint")
    deviation: float = single(11, "double")
    ids: str = single(12, IDS)
    keys: Sequence[int] = several(13, "sfixed64")
    frequency: Sequence[int] = several(14, "sfixed64")
    grows: bool = single(15, "bool")


@dataclass
class CountsRequest(Message):
    """Counts."""

    table: str = single(1, "string")
    first: int = single(2, "uint")
    rows: int = single(3, "uint")


@dataclass
class CountsSlice(Message):
    """How often rows were named; the keys of these rows where ids are keys, and places of rows that have none; rows of
    the table, its version, and the log position."""

    counts: list[int] = several(1, "fixed64")
    keys: list[int] = several(2, "sfixed64")
    rows: int = single(3, "uint")
    version: int = single(4, "uint")
    lsn: int = single(5, "uint")
    spare: list[int] = several(6, "fixed32")


Options = Mapping[str, Union[str, int, float, bool]]


def _texts(what: str, options: Optional[Options], words: tuple[str, str]) -> list[Option]:
    """Texts, as the daemon reads them; `words` are what it calls False and True."""
    out = []
    for key, value in (options or {}).items():
        if isinstance(value, bool):
            value = words[value]
        if not isinstance(value, (str, int, float)):
            raise TypeError(f'{what} "{key}" is {type(value).__name__}; a text or a number is needed')
        out.append(Option(key, value if isinstance(value, str) else repr(value)))
    return out


def _settings(settings: Optional[Options]) -> list[Option]:
    return _texts("setting", settings, ("false", "true"))


def _options(options: Optional[Options]) -> list[Option]:
    return _texts("option", options, ("no", "yes"))


def _list(what: str, numbers: Optional[ArrayLike]) -> list[int]:
    out: list[int] = [] if numbers is None else arrays.integers(what, numbers).tolist()
    return out


class Tables:
    """The calls, as a part of Client. Load, create, save and restore take the time they need: they have a deadline only
    if they are given one."""

    _connection: Connection

    def _ask(self, name: str, request: Message, answer: Type[M], timeout: Optional[float], **how: bool) -> M:
        try:
            return ask(self._connection.call, f"/embd.v1.Tables/{name}", request, answer, timeout, **how)
        except Broken as error:
            raise Internal(f"the reply to {name} cannot be read: {error}") from None

    def tables(self, *, timeout: Optional[float] = None) -> list[TableInfo]:
        """What is served, by name."""
        return self._ask("List", Message(), Listed, timeout, again=True).tables

    def describe(self, name: str, *, timeout: Optional[float] = None) -> Description:
        """All about a table. Raises NotFound."""
        return self._ask("Describe", TableRequest(name), Description, timeout, again=True)

    def explain(self, name: str, id: int, *, timeout: Optional[float] = None) -> Explained:
        """How an id is answered: what the method reads for it, and who shares that."""
        return self._ask("Explain", ExplainRequest(name, id), Explained, timeout, again=True)

    def counts(self, name: str, *, timeout: Optional[float] = None) -> NDArray[np.int64]:
        """How often each row was named, [rows], of a table with the option count, or whose file has counts: what
        create() takes as `frequency`. Asked for in slices, each with the deadline. Raises FailedPrecondition."""
        out: list[int] = []
        while True:
            part = self._ask("Counts", CountsRequest(name, len(out)), CountsSlice, timeout, again=True)
            out += part.counts
            if len(out) >= part.rows or not part.counts:
                return np.array(out, np.int64)

    def create(self, name: str, method: str, rows: int, dim: int, *, ratio: Optional[float] = None,
               budget: Optional[int] = None, fields: Iterable[int] = (), settings: Optional[Options] = None,
               options: Optional[Options] = None, seed: int = 0, deviation: float = 0.0, ids: str = "rows",
               keys: Optional[ArrayLike] = None, frequency: Optional[ArrayLike] = None, grows: bool = False,
               timeout: Optional[float] = None) -> Created:
        """Make a trainable table of random parameters; it never exists uncompressed.

        ratio, budget  of 4 * rows * dim bytes, or bytes; at most one. Neither: the method's natural size
        fields         rows of each field; they sum up to `rows`
        settings       of the method, such as {"collisions": 64}
        options        of the table, such as {"optimizer": "adam", "learning_rate": 0.001}
        seed           the same one gives the same parameters
        deviation      wanted standard deviation of a row's elements; 0: the method's own
        ids            "rows", "keys" (with `keys`: at most `rows` whole numbers) or "hash"
        grows          with "keys": new ids get spare rows, in pushes with missing="admit"; so they do if there are
                       fewer keys than rows
        frequency      [rows] whole numbers: how often each row is used, for methods that ask

        Raises AlreadyExists, InvalidArgument, ResourceExhausted."""
        if ratio is not None and budget is not None:
            raise ValueError("ratio and budget: only one of them can be said")
        request = CreateRequest(name, method, rows, dim, ratio, budget, list(fields), _settings(settings),
                                _options(options), seed, deviation, ids, _list("keys", keys),
                                _list("frequency", frequency), grows)
        return self._ask("Create", request, Created, timeout, slow=True)

    def load(self, name: str, file: str, *, replace: bool = False, options: Optional[Options] = None,
             timeout: Optional[float] = None) -> Loaded:
        """Serve a file (relative to the daemon's import_dir) under a name. Answered when every later lookup sees it.
        `options` as in create(). Raises AlreadyExists unless it may `replace`; NotFound, InvalidArgument, DataLoss."""
        request = LoadRequest(name, file, replace, _options(options))
        return self._ask("Load", request, Loaded, timeout, slow=True)

    def unload(self, name: str, *, forget: bool = False, timeout: Optional[float] = None) -> Unloaded:
        """Stop serving a table; with `forget` the daemon's own files of it are deleted."""
        return self._ask("Unload", FlagRequest(name, forget), Unloaded, timeout, wait=True)

    def save(self, table: str, *, timeout: Optional[float] = None) -> Saved:
        """Write a snapshot of a trainable table, and wait until it is durable. Raises FailedPrecondition."""
        return self._ask("Save", TableRequest(table), Saved, timeout, slow=True)

    def restore(self, table: str, version: int = 0, *, timeout: Optional[float] = None) -> Restored:
        """Go back to a kept snapshot, of `version` or the newest (0). Versions go on from the present one."""
        return self._ask("Restore", RestoreRequest(table, version), Restored, timeout, slow=True)
