# SPDX-License-Identifier: Apache-2.0
"""Several tables at once: checkpoints under a label, and loads as one switch. The messages, and the calls as a part of
Client."""
from __future__ import annotations

from dataclasses import dataclass
from typing import Mapping, Optional, Sequence

from embd.messages import Message, several, single
from embd.tables import LoadRequest, Options, TableInfo, Tables, _options


@dataclass
class GroupTable(Message):
    """A table of a checkpoint; `bytes` of all files that its snapshot consists of, `file` is the newest of them."""

    table: str = single(1, "string")
    version: int = single(2, "uint")
    bytes: int = single(3, "uint")
    file: str = single(4, "string")


@dataclass
class SavedGroup(Message):
    """A checkpoint: log position of all tables, the tables by name, and how long it took in microseconds."""

    lsn: int = single(1, "uint")
    tables: list[GroupTable] = several(2, GroupTable)
    us: int = single(3, "uint")


@dataclass
class RestoredGroup(Message):
    """Log position of the last of the changes; tables and their versions now."""

    lsn: int = single(1, "uint")
    tables: list[GroupTable] = several(2, GroupTable)


@dataclass
class LoadedGroup(Message):
    """The tables in the order of the loads; log position of the last of the changes."""

    tables: list[TableInfo] = several(1, TableInfo)
    lsn: int = single(2, "uint")


@dataclass
class GroupInfo(Message):
    """A checkpoint that is kept."""

    label: str = single(1, "string")
    lsn: int = single(2, "uint")
    time_us: int = single(3, "int")  # microseconds since 1970
    tables: list[str] = several(4, "string")
    bytes: int = single(5, "uint")  # of all files; those that snapshots have, too, take no room twice
    trouble: str = single(6, "string")  # why it cannot be restored; empty if nothing is known


@dataclass
class GroupList(Message):
    """Groups' answer."""

    groups: list[GroupInfo] = several(1, GroupInfo)


@dataclass
class SaveGroupRequest(Message):
    """SaveGroup."""

    label: str = single(1, "string")
    tables: Sequence[str] = several(2, "string")
    replace: bool = single(3, "bool")


@dataclass
class LabelRequest(Message):
    """RestoreGroup and DropGroup."""

    label: str = single(1, "string")


@dataclass
class LoadGroupRequest(Message):
    """LoadGroup."""

    loads: list[LoadRequest] = several(1, LoadRequest)


class Groups(Tables):
    """The calls."""

    def save_group(self, label: str, tables: Sequence[str] = (), *, replace: bool = False,
                   timeout: Optional[float] = None) -> SavedGroup:
        """Save several tables (none named: all trainable ones) as of one place of the log, and keep that under a label.
        Raises AlreadyExists unless it may `replace`; NotFound, FailedPrecondition."""
        return self._ask("SaveGroup", SaveGroupRequest(label, list(tables), replace), SavedGroup, timeout, slow=True)

    def restore_group(self, label: str, *, timeout: Optional[float] = None) -> RestoredGroup:
        """Take all tables of a checkpoint back to it, as one switch. Versions go on from the present ones, and
        trainers keep their positions. Raises NotFound."""
        return self._ask("RestoreGroup", LabelRequest(label), RestoredGroup, timeout, slow=True)

    def load_group(self, loads: Mapping[str, str], *, replace: bool = False, options: Optional[Options] = None,
                   timeout: Optional[float] = None) -> LoadedGroup:
        """Load or replace several tables, {name: file}, as one switch, all or nothing. The rest as in load()."""
        given = _options(options)
        request = LoadGroupRequest([LoadRequest(name, file, replace, given) for name, file in loads.items()])
        return self._ask("LoadGroup", request, LoadedGroup, timeout, slow=True)

    def groups(self, *, timeout: Optional[float] = None) -> list[GroupInfo]:
        """The checkpoints there are, by label."""
        return self._ask("Groups", Message(), GroupList, timeout, again=True).groups

    def drop_group(self, label: str, *, timeout: Optional[float] = None) -> None:
        """Delete a checkpoint. Raises NotFound."""
        self._ask("DropGroup", LabelRequest(label), Message, timeout, wait=True)
