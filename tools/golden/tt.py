# SPDX-License-Identifier: Apache-2.0
"""TT-Rec: a row is the product of three small slices, chosen by the digits of its id."""
import numpy as np

from .case import Case, Draw, f32, join, plain


def digits(config, ids):
    """The rows of the three cores."""
    n = [int(v) for v in config["n"]]
    if config["digit_order"] == "little":  # the first core has the least significant digit; no last mod
        return ids % n[0], ids // n[0] % n[1], ids // n[0] // n[1]
    return ids // n[2] // n[1], ids // n[2] % n[1], ids % n[2]


def lookup(config, tensors, ids, shape):
    d, r = ([int(v) for v in config[key]] for key in "dr")
    slices = [tensors[f"core.{t}"][at].astype(float).reshape(-1, r[t], d[t], r[t + 1])
              for t, at in enumerate(digits(config, ids))]
    rows = np.einsum("xiak,xkbl,xlcj->xabc", *slices, optimize=False).reshape(len(ids), -1)
    rows = rows[:, :shape.dim].astype(f32)
    if "cache.ids" in tensors:
        place = {int(x): i for i, x in enumerate(tensors["cache.ids"])}
        for i, x in enumerate(ids):
            if int(x) in place:
                rows[i] = tensors["cache.weight"][place[int(x)]]
    return rows


def make(name, rows, dim, n, d, r, order, cached=0, ids=None):
    draw = Draw(f"tt {name}")
    r = [1, *r, 1]
    tensors = {f"core.{t}": ("F32", draw.floats(n[t], r[t] * d[t] * r[t + 1])) for t in range(3)}
    if cached is not None and cached:
        hot = draw.chosen(rows, cached)
        tensors["cache.ids"] = ("I64", hot)
        tensors["cache.weight"] = ("F32", draw.floats(cached, dim))
    return Case(name, "tt", rows, dim, tensors, {"n": n, "d": d, "r": r, "digit_order": order}, ids=ids)


def cases():
    example = {"n": [10, 10, 10]}
    x = np.array([537])
    assert [int(v[0]) for v in digits({**example, "digit_order": "little"}, x)] == [7, 3, 5]
    assert [int(v[0]) for v in digits({**example, "digit_order": "big"}, x)] == [5, 3, 7]
    for order in ("little", "big"):
        yield make(f"tt_{order}", 57, 16, [4, 5, 3], [2, 2, 4], [3, 3], order)
        yield make(f"tt_{order}_unequal", 120, 24, [6, 4, 5], [4, 2, 3], [4, 2], order)
        yield make(f"tt_{order}_padded", 50, 13, [4, 4, 4], [2, 3, 3], [2, 5], order)
        yield make(f"tt_{order}_cached", 60, 12, [4, 5, 3], [3, 2, 2], [3, 2], order, cached=9)
        yield make(f"tt_{order}_rank_one", 24, 8, [2, 3, 4], [2, 2, 2], [1, 1], order)
        n = [301, 407, 503]
        yield make(f"tt_{order}_large", 301 * 407 * 503, 4, n, [2, 1, 2], [1, 2], order,
                   ids=[0, 1, 300, 301, 502, 503, 407 * 503, 301 * 407, 12345678, 301 * 407 * 503 - 1])
    case = make("tt_keys", 20, 6, [3, 3, 3], [1, 2, 3], [2, 2], "big", cached=3)
    case.tensors["keys"] = ("I64", Draw("tt keys").shuffle(20) * 1001 - 7)
    case.tensors["default"] = ("F32", Draw("tt default").floats(6))
    case.ids = [*map(int, case.tensors["keys"][1]), 0, 19]
    yield case
    yield join("tt_fields", [make("a", 20, 8, [3, 3, 3], [2, 2, 2], [2, 2], "little"), plain(5, 8),
                             make("b", 33, 8, [4, 3, 3], [2, 2, 2], [2, 3], "big", cached=4)])
