# SPDX-License-Identifier: Apache-2.0
"""One row of float32 an id."""
import numpy as np

from .case import Case, Draw


def lookup(config, tensors, ids, shape):
    return tensors["weight"][ids]


def cases():
    draw = Draw("full")
    weight = draw.floats(200, 33)
    weight[5, :4] = [0.0, -0.0, 1e-40, 3e38]
    yield Case("full", "full", 200, 33, {"weight": ("F32", weight)})
    yield Case("full_fields", "full", 30, 5, {"weight": ("F32", draw.floats(30, 5))}, fields=[10, 0, 20])
    yield Case("full_empty", "full", 0, 5, {"weight": ("F32", draw.floats(0, 5))})
    yield Case("full_one", "full", 1, 1, {"weight": ("F32", draw.floats(1, 1))})
    keys = draw.shuffle(64) * 977 + (10**12 - 5 * 10**11)
    keys[0], keys[1] = -(1 << 63), (1 << 63) - 1
    ids = [int(k) for k in keys] + [0, 1, -1]
    yield Case("keys", "full", 64, 10, {"weight": ("F32", draw.floats(64, 10)), "keys": ("I64", keys),
                                        "default": ("F32", draw.floats(10))}, ids=ids)
    ids = [0, 1, -1, 100, 101, -(1 << 63), (1 << 63) - 1, *map(int, draw.bits(93).astype(np.int64))]
    yield Case("hashed", "full", 101, 8, {"weight": ("F32", draw.floats(101, 8))},
               {"seed": "12345678901234567890"}, id_kind="hash", ids=ids)
    draw = Draw("growing")
    touched = draw.integers(0, 2 * 10**9, 40)
    spare = draw.chosen(40, 15)
    keys, touched[spare] = draw.shuffle(40) * 13 - 200, -1
    keys[spare[:9]] = 0  # what spare rows have is no key, also where others have the same
    keys[spare[9:]] = keys[int(np.flatnonzero(touched >= 0)[3])]
    ids = [int(k) for k in keys] + [0, 1, -1]
    yield Case("growing", "full", 40, 6, {"weight": ("F32", draw.floats(40, 6)), "keys": ("I64", keys),
                                          "touched": ("I64", touched), "default": ("F32", draw.floats(6))}, ids=ids)
