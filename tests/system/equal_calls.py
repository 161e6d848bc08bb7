# SPDX-License-Identifier: Apache-2.0
"""The lookups that every client must see answered the same, and their expected bytes from reference.py."""
import numpy as np

import reference

FORMATS = ["F32", "F16", "BF16", "INT8"]


class Call:
    """One table's lookup: what is asked, and the bytes and missing positions of the answer."""

    def __init__(self, case, ids, fmt=0, pooling=0, offsets=None, weights=None):
        self.case, self.ids, self.fmt, self.pooling = case, [int(i) for i in ids], fmt, pooling
        self.offsets = [] if offsets is None else [int(o) for o in offsets]
        self.weights = [] if weights is None else [float(np.float32(w)) for w in weights]
        rows = (case.bags(self.ids, self.offsets, pooling == 2, self.weights or None) if pooling
                else case.lookup(self.ids))
        self.rows = len(rows)
        self.value = reference.encode(rows, fmt)
        self.missing = [int(i) for i in np.flatnonzero(case.resolve(self.ids) < 0)]
        self.tolerance = case.tolerance(self.ids, self.offsets if pooling else None, pooling == 2, self.weights or None)

    def agrees(self, value):
        """The exact bytes; or, of a method that adds many products up, rows that are as near as they must be."""
        if self.tolerance is None or len(value) != len(self.value):
            return value == self.value
        found, expected = (np.frombuffer(v, "<f4").reshape(self.rows, self.case.dim) for v in (value, self.value))
        return bool(np.all(abs(found - expected) <= self.tolerance[:, None]))

    def __str__(self):
        kind = ["rows", "sum", "mean"][self.pooling] + (" weighted" if self.weights else "")
        return f"{self.case.name} {FORMATS[self.fmt]} {kind} of {len(self.ids)} ids"


def random_ids(rng, case, n, unknown=True):
    """Known ids, with some unknown ones among them where the table has such."""
    if case.hashed:
        return rng.integers(-(1 << 63), 1 << 63, n)
    known = np.zeros(n, np.int64) - 1
    if case.keys is not None:
        known = rng.choice(case.keys, n).astype(np.int64)
    elif case.count:
        known = rng.integers(0, case.count, n)
        if case.table.ids is not None:  # where something is to be seen
            known = np.where(rng.random(n) < 0.5, rng.choice(case.table.ids, n), known)
    if unknown:
        strange = np.array([case.count, -1, 1 << 62, -(1 << 62)], np.int64)
        at = rng.random(n) < 0.1
        known[at] = rng.choice(strange, at.sum())
    return known


def calls(cases, seed=11):
    rng = np.random.default_rng(seed)
    out = []
    for case in cases:
        for fmt in range(4 if case.exact else 1):
            out.append(Call(case, random_ids(rng, case, 37), fmt))
            n = 50
            cuts = np.sort(rng.integers(0, n + 1, 9))
            offsets = np.concatenate([[0], cuts, [n]])
            unknown = not case.pool  # the reference pools first over known ids alone
            ids = random_ids(rng, case, n, unknown)
            out.append(Call(case, ids, fmt, 1, offsets))
            out.append(Call(case, ids, fmt, 2, offsets))
            out.append(Call(case, ids, fmt, 1, offsets, rng.standard_normal(n)))
        out.append(Call(case, []))
        out.append(Call(case, [], 0, 1, [0]))
        out.append(Call(case, random_ids(rng, case, 3000)))
    return out
