# SPDX-License-Identifier: Apache-2.0
"""Dedup: the table is cut in blocks of bx rows and by columns, and alike blocks are kept once. Those at the edges are
padded."""
import numpy as np

from .case import Case, Draw, f32, join, plain


def lookup(config, tensors, ids, shape):
    blocks, bx, by = tensors["blocks"], int(config["bx"]), int(config["by"])
    across = -(-shape.dim // by)
    k, t = ids // bx, ids % bx
    out = np.empty((len(ids), across * by), f32)
    for j in range(across):
        out[:, j * by:(j + 1) * by] = blocks[tensors["map"][k * across + j], t]
    return out[:, :shape.dim]


def make(name, rows, dim, bx, by, kept, **more):
    draw = Draw(f"dedup {name}")
    count = -(-rows // bx) * -(-dim // by)
    places = draw.integers(0, max(kept, 1), count).astype(np.int32)
    return Case(name, "dedup", rows, dim, {"blocks": ("F32", draw.floats(kept, bx, by)), "map": ("I32", places)},
                {"bx": bx, "by": by, **more})


def cases():
    yield make("dedup", 60, 12, 5, 4, 17)
    yield make("dedup_rows", 53, 9, 8, 9, 4, update="frozen")
    yield make("dedup_padded", 53, 10, 8, 4, 7, nbx=7, nby=3, update="shared")
    yield make("dedup_one_block", 3, 5, 64, 8, 1)
    yield make("dedup_single", 20, 6, 1, 1, 11)
    yield make("dedup_empty", 0, 6, 4, 6, 0)
    yield join("dedup_fields", [make("a", 20, 8, 4, 8, 3), make("b", 31, 8, 7, 3, 5), plain(6, 8), make("c", 0, 8, 4, 8, 0)])
    case = make("dedup_hashed", 40, 6, 8, 6, 3)
    case.config["seed"], case.id_kind = "7", "hash"
    case.ids = [0, 1, -1, 40, 1 << 62, -(1 << 63)]
    yield case
