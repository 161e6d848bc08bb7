# SPDX-License-Identifier: Apache-2.0
"""A table as data, and numbers to fill it with that are the same on every machine and under every NumPy."""
import dataclasses
import zlib

import numpy as np

f32 = np.float32


@dataclasses.dataclass
class Shape:
    """What a method knows of its table, or of its field of one."""
    rows: int
    dim: int
    fields: list = None  # rows of each, where one set of parameters spans several

    def of_field(self, f):
        return Shape(self.fields[f], self.dim)


@dataclasses.dataclass
class Case:
    name: str
    method: str
    rows: int
    dim: int
    tensors: dict  # name: (type as in safetensors, array); BF16 as bits in uint16
    config: dict = dataclasses.field(default_factory=dict)
    fields: list = None
    ids: list = None  # those to look up; None: all rows
    id_kind: str = None  # "hash": any integer is an id

    @property
    def shape(self):
        return Shape(self.rows, self.dim, self.fields)


class Draw:
    """Numbers from SplitMix64, seeded by a name."""

    def __init__(self, name):
        self.at = zlib.crc32(name.encode()) << 20

    def bits(self, n):
        with np.errstate(over="ignore"):
            z = np.arange(self.at + 1, self.at + 1 + n, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
            z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
            z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        self.at += n
        return z ^ (z >> np.uint64(31))

    def floats(self, *shape, low=-1.0, high=1.0):
        """Float32, even in [low, high)."""
        unit = (self.bits(int(np.prod(shape))) >> np.uint64(11)).astype(np.float64) * 2.0**-53
        return (low + (high - low) * unit).astype(f32).reshape(shape)

    def integers(self, low, high, *shape):
        """Int64 in [low, high)."""
        found = self.bits(int(np.prod(shape))) % np.uint64(int(high) - int(low))
        return (found.astype(np.int64) + np.int64(low)).reshape(shape)

    def shuffle(self, n):
        return np.argsort(self.bits(n), kind="stable").astype(np.int64)

    def chosen(self, n, k):
        """k different numbers below n, ascending."""
        return np.sort(self.shuffle(n)[:k])


def join(name, parts, **more):
    """A table of one set of parameters for each field, from tables of the same method; those of `full` are fields
    left uncompressed."""
    tensors, per_field = {}, []
    method = next(part.method for part in parts if part.method != "full")
    for i, part in enumerate(parts):
        tensors.update({f"f{i}.{key}": value for key, value in part.tensors.items()})
        per_field.append({"method": "full"} if part.method != method else part.config)
        assert part.dim == parts[0].dim and part.method in (method, "full")
    fields = [part.rows for part in parts]
    return Case(name, method, sum(fields), parts[0].dim, tensors, {"per_field": per_field}, fields, **more)


def plain(rows, dim):
    """A field left uncompressed."""
    return Case("", "full", rows, dim, {"weight": ("F32", Draw(f"plain {rows} {dim}").floats(rows, dim))})
