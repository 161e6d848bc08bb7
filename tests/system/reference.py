# SPDX-License-Identifier: Apache-2.0
"""What a lookup must answer, from the formulas in tools/golden: no code of embd is used. Bags, unknown ids and the
formats of the wire are added here."""
import functools
import pathlib
import sys

import numpy as np

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent.parent / "tools"))
import golden  # noqa: E402
from golden import bf16, compo, make  # noqa: E402

f32 = np.float32
to_bf16, from_bf16 = bf16.to_bits, bf16.from_bits
WHOLE = 100000  # rows of a table that is looked at as a whole
TOLERANCE = f32(1e-5)  # of a row's largest element, for methods that add many products up


class Case:
    """A table file and the float32 rows that it stands for."""

    def __init__(self, table):
        self.table, self.name, self.method, self.dim, self.count = table, table.name, table.method, table.dim, table.rows
        self.bytes = make.table_bytes(table)
        self.keys = np.asarray(table.tensors["keys"][1]) if "keys" in table.tensors else None
        self.hashed = table.id_kind == "hash"
        self.exact = table.method not in golden.INEXACT
        self.pool = None  # pool_first: positions, weights, divisor -> row
        if table.config.get("pool") == "pool_first":
            tensors = {name: array for name, (_, array) in table.tensors.items()}
            self.pool = lambda at, weights, divisor: compo.pool(table.config, tensors, at, weights, divisor)

    @functools.cached_property
    def rows(self):
        """All rows in order."""
        assert self.count <= WHOLE
        return golden.rows_at(self.table, np.arange(self.count))

    def resolve(self, ids):
        """Row numbers, -1 for unknown ids."""
        return golden.resolve(self.table, ids)

    def lookup(self, ids):
        return golden.lookup(self.table, ids)

    def bags(self, ids, offsets, mean=False, weights=None):
        at, out = self.resolve(ids), np.zeros((len(offsets) - 1, self.dim), f32)
        rows = self.lookup(ids)
        for b in range(len(out)):
            begin, end = offsets[b], offsets[b + 1]
            if begin == end:
                continue
            divisor = f32(end - begin if mean else 1)
            if self.pool and np.all(at[begin:end] >= 0):
                out[b] = self.pool(at[begin:end], None if weights is None else weights[begin:end], divisor)
                continue
            acc = np.zeros(self.dim, f32)
            for i in range(begin, end):
                with np.errstate(over="ignore"):
                    acc = acc + (rows[i] if weights is None else f32(weights[i]) * rows[i])
            out[b] = acc / divisor if mean else acc
        return out

    def tolerance(self, ids, offsets=None, mean=False, weights=None):
        """By how much each row, or each bag, may differ; None: not at all."""
        if self.exact:
            return None
        row = TOLERANCE * abs(self.lookup(ids)).max(1, initial=0)
        if offsets is None:
            return row
        row = row * (1 if weights is None else abs(np.asarray(weights, f32)))
        return np.array([row[a:b].sum() / max(b - a if mean else 1, 1) for a, b in zip(offsets, offsets[1:])])


def encode(rows, fmt):
    """Rows in a wire format: 0 F32, 1 F16, 2 BF16, 3 INT8."""
    rows = np.ascontiguousarray(rows, f32)
    if fmt == 0:
        return rows.tobytes()
    if fmt == 1:
        with np.errstate(over="ignore"):
            return rows.astype("<f2").tobytes()
    if fmt == 2:
        return to_bf16(rows).tobytes()
    out = []
    for row in rows:
        low, high = row.min() + f32(0), row.max() + f32(0)  # -0 is written as 0
        with np.errstate(over="ignore"):
            span = f32(high - low)
            code = np.rint((row - low) * f32(255) / (span + f32(1e-8)))
        out.append(np.clip(code, 0, 255).astype(np.uint8).tobytes()
                   + np.array([span / f32(255), low], "<f4").tobytes())
    return b"".join(out)


@functools.cache
def cases():
    """Every variant of every method."""
    return [Case(table) for table in golden.cases()]


def case(name):
    return next(c for c in cases() if c.name == name)


def small(each=None):
    """Those that can be looked at whole, with a row at least; of each method the first `each`."""
    out, seen = [], {}
    for c in cases():
        seen[c.method] = seen.get(c.method, 0) + (0 < c.count <= WHOLE)
        if 0 < c.count <= WHOLE and (each is None or seen[c.method] <= each):
            out.append(c)
    return out
