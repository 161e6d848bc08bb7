# SPDX-License-Identifier: Apache-2.0
"""Hashed rows: e(x) = table[x mod H]."""
from .case import Case, Draw, join, plain


def lookup(config, tensors, ids, shape):
    table = tensors["table"]
    return table[ids % len(table)]


def make(name, rows, slots, dim, **more):
    return Case(name, "hash", rows, dim, {"table": ("F32", Draw(f"hash {name}").floats(slots, dim))}, **more)


def cases():
    yield make("hash", 500, 37, 16)
    yield make("hash_one_slot", 9, 1, 4)
    yield make("hash_roomy", 9, 12, 4)
    yield make("hash_large", 10**15, 7, 3, ids=[0, 1, 6, 7, 10**15 - 1, 2**31, 2**32 + 5, 2**40 - 1])
    yield join("hash_fields", [make("a", 40, 10, 12), make("b", 0, 3, 12), make("c", 75, 18, 12), plain(20, 12)])
