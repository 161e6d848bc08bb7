# SPDX-License-Identifier: Apache-2.0
"""Lookups: LookupRequest out, LookupResponse in. Pure functions of bytes and arrays; any thread."""
from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Optional, Sequence, Union

import numpy as np
from numpy.typing import ArrayLike, NDArray

from embd import arrays, wire
from embd.wire import Broken

MISSING = {"fill": 0, "error": 1}


@dataclass(eq=False)
class Lookup:
    """Rows of one table.

    table        its name
    ids          [n] whole numbers: rows, keys, or anything that is hashed, as the table has it
    pooling      "none": one row an id; "sum" or "mean": one row a bag
    offsets      with pooling: [bags + 1] whole numbers from 0 to n that never fall; bag b has
                 ids[offsets[b]:offsets[b + 1]]
    weights      with "sum": [n] floats, one an id
    min_version  the call waits until the table has this version
    """

    table: str
    ids: ArrayLike
    pooling: str = "none"
    offsets: Optional[ArrayLike] = None
    weights: Optional[ArrayLike] = None
    min_version: int = 0


@dataclass(eq=False)
class Rows:
    """What came of a Lookup.

    values   [rows, dim], one row an id or a bag: float16 with format "f16", float32 else. In "f32" and "f16" it is a
             view of the reply: read-only, and not aligned for every purpose; np.array(values) is a copy
    version  of the table
    missing  positions in `ids` of ids that the table does not have
    """

    values: arrays.Floats
    version: int
    missing: NDArray[np.uint32]


@dataclass(eq=False)
class Found:
    """Rows of each Lookup, in their order, and the daemon's log position when the call was answered."""

    results: list[Rows]
    lsn: int


# What a call asked for, as far as its answer is held against it: rows of the result, ids, and a name for sentences.
Asked = list[tuple[int, int, str]]
Parts = list[Any]  # bytes and arrays, to be joined


def listed(what: str, items: object, kind: type) -> list[Any]:
    """One of a kind, or several."""
    if isinstance(items, kind):
        return [items]
    if not isinstance(items, Sequence):
        raise TypeError(f"{what} is {type(items).__name__}; embd.{kind.__name__} is needed, or a list of them")
    for place, item in enumerate(items):
        if not isinstance(item, kind):
            raise TypeError(f"{what}[{place}] is {type(item).__name__}; embd.{kind.__name__} is needed")
    return list(items)


def name_of(what: str, place: int, table: str) -> str:
    """How sentences call an item, as the daemon's do."""
    return f'{what}[{place}] (table "{table}")'


def put_array(parts: Parts, field: int, array: NDArray[Any]) -> int:
    """A field of an array without a copy of it; nothing if it is empty. Returns the bytes."""
    if not array.size:
        return 0
    head = wire.bytes_head(field, array.nbytes)
    parts += (head, array)
    return len(head) + array.nbytes


def bags(name: str, item: Any, ids: int) -> tuple[int, NDArray[np.uint32], NDArray[np.float32], int]:
    """Pooling, offsets, weights and rows of a Lookup or a Push of `ids` ids."""
    pooling = arrays.choice(f"{name}: pooling", item.pooling, arrays.POOLINGS)
    cuts, scales = np.empty(0, "<u4"), np.empty(0, "<f4")
    if not pooling and item.offsets is not None:
        raise ValueError(f"{name}: offsets without pooling")
    if pooling and item.offsets is None:
        raise ValueError(f"{name}: pooling without offsets")
    if pooling:
        cuts = arrays.offsets(f"{name}: offsets", item.offsets, ids)
    if item.weights is not None:
        if item.pooling != "sum":
            raise ValueError(f'{name}: weights without pooling "sum"')
        scales = arrays.weights(f"{name}: weights", item.weights, ids)
    return pooling, cuts, scales, cuts.size - 1 if pooling else ids


def encode(lookups: Union[Lookup, Sequence[Lookup]], form: str, missing: str) -> tuple[bytes, Asked]:
    """A LookupRequest. ValueError or TypeError names what does not fit."""
    kind = arrays.choice("format", form, arrays.FORMATS)
    policy = arrays.choice("missing", missing, MISSING)
    parts: Parts = []
    asked: Asked = []
    for place, one in enumerate(listed("lookups", lookups, Lookup)):
        name = name_of("lookups", place, one.table)
        ids = arrays.integers(f"{name}: ids", one.ids)
        pooling, cuts, scales, rows = bags(name, one, ids.size)
        body: Parts = [wire.bytes_field(1, arrays.text(f"{name}: table", one.table))]
        size = len(body[0]) + put_array(body, 2, ids)
        body.append(wire.number_field(3, pooling))
        size += len(body[-1]) + put_array(body, 4, cuts) + put_array(body, 5, scales)
        body.append(wire.number_field(6, arrays.number(f"{name}: min_version", one.min_version)))
        parts += (wire.bytes_head(1, size + len(body[-1])), *body)
        asked.append((rows, int(ids.size), name))
    parts += (wire.number_field(2, kind), wire.number_field(3, policy))
    return b"".join(parts), asked


# ---- Answers ----


def decode(reply: Optional[bytes], asked: Asked, form: str) -> Found:
    """A LookupResponse. Broken if it is none, or not the answer to what was asked."""
    if reply is None:
        raise Broken("the reply has no message")
    results: list[Rows] = []
    lsn = 0
    try:
        for field, kind, value in wire.fields(memoryview(reply)):
            if field == 1:
                if len(results) == len(asked):
                    raise Broken(f"it has more results than the {len(asked)} asked for")
                results.append(_rows(wire.bytes_of(kind, value), *asked[len(results)], form))
            elif field == 2:
                lsn = wire.number_of(kind, value)
    except Broken as error:
        raise Broken(f"the reply to Lookup cannot be read: {error}") from None
    if len(results) != len(asked):
        raise Broken(f"the reply to Lookup has {len(results)} results for {len(asked)} lookups")
    return Found(results, lsn)


def _rows(data: memoryview, rows: int, ids: int, name: str, form: str) -> Rows:
    values: list[memoryview] = []
    missing: list[memoryview] = []
    packed = memoryview(b"")
    dim = count = version = 0
    for field, kind, value in wire.fields(data):
        if field == 1:
            dim = wire.number_of(kind, value)
        elif field == 2:
            count = wire.number_of(kind, value)
        elif field == 3:
            values.append(wire.words_of(kind, value, 4))
        elif field == 4:
            packed = wire.bytes_of(kind, value)
        elif field == 5:
            version = wire.number_of(kind, value)
        elif field == 6:
            missing.append(wire.words_of(kind, value, 4))
    body, other = (_join(values), packed) if form == "f32" else (packed, _join(values))
    if len(other):
        raise Broken(f"{name}: the rows came in another format")
    if count != rows:
        raise Broken(f"{name}: it has {count} rows, and {rows} were asked for")
    if not 0 < dim < 1 << 32:
        raise Broken(f"{name}: its rows have {dim} columns")
    if len(body) != rows * arrays.row_bytes(form, dim):
        raise Broken(f"{name}: {len(body)} bytes are not {rows} rows of {dim} columns")
    places = np.frombuffer(_join(missing), "<u4")
    if places.size and int(places.max()) >= ids:
        raise Broken(f"{name}: it calls id number {places.max()} of {ids} unknown")
    return Rows(arrays.rows_of(body, form, rows, dim), version, places)


def _join(parts: list[memoryview]) -> memoryview:
    """A packed array may come in pieces, though embd sends one."""
    return parts[0] if len(parts) == 1 else memoryview(b"".join(parts))
