# SPDX-License-Identifier: Apache-2.0
"""AdaptEmb: frequent ids own a row, rare ones share hashed rows."""
import numpy as np

from .case import Case, Draw, f32, join, plain


def lookup(config, tensors, ids, shape):
    freq, rare = tensors["freq"], tensors["rare"]
    if config["remap"] == "dense":
        v = tensors["remap"][ids].astype(np.int64)
        high, own, shared = v >= 0, v, -(v + 1)
    else:
        hot = tensors["hot.ids"].astype(np.int64)
        own = np.searchsorted(hot, ids)  # hot ids below
        high = np.isin(ids, hot)
        shared = ids if config["rare_hash"] == "id_mod" else ids - own
    out = np.empty((len(ids), shape.dim), f32)
    out[high] = freq[own[high]]
    if not high.all():
        out[~high] = rare[shared[~high] % len(rare)]
    return out


def make(name, rows, dim, high, low, remap, rare_hash=None, ids=None, dtype="U32"):
    draw = Draw(f"adapt {name}")
    tensors = {"freq": ("F32", draw.floats(high, dim)), "rare": ("F32", draw.floats(low, dim))}
    config = {"remap": remap, **({"rare_hash": rare_hash} if rare_hash else {})}
    if remap == "dense":
        is_high = np.zeros(rows, bool)
        is_high[draw.chosen(rows, high)] = True
        rank = np.cumsum(is_high)
        values = np.where(is_high, rank - 1, -(np.arange(rows) - rank + 1))
        tensors["remap"] = ("I32", values)
    else:
        hot = draw.chosen(rows, high) if rows < 10**6 else np.array([3, 2**20, rows - 5, rows - 1])
        tensors["hot.ids"] = (dtype, hot)
    return Case(name, "adapt", rows, dim, tensors, config, ids=ids)


def check():
    """The example: seven ids, two high, two shared rows."""
    tensors = {"remap": np.array([-1, 0, -2, -3, 1, -4, -5]), "freq": np.array([[10], [11]], f32),
               "rare": np.array([[0], [1]], f32)}
    shape = type("", (), {"dim": 1})
    expected = [0, 10, 1, 0, 11, 1, 0]
    assert lookup({"remap": "dense"}, tensors, np.arange(7), shape).ravel().tolist() == expected
    tensors["hot.ids"] = np.array([1, 4])
    config = {"remap": "hot_list", "rare_hash": "low_rank"}
    assert lookup(config, tensors, np.arange(7), shape).ravel().tolist() == expected


def cases():
    check()
    yield make("adapt_dense", 70, 12, 9, 7, "dense")
    yield make("adapt_dense_all_rare", 30, 6, 0, 7, "dense")
    yield make("adapt_dense_all_hot", 15, 6, 15, 0, "dense")
    case = make("adapt_dense_any_order", 20, 5, 6, 3, "dense")  # what no fit makes, but the formula takes
    case.tensors["remap"] = ("I32", [5, 5, -1, -(2**31), -(2**31) + 1, 0, *range(-14, 0)])
    yield case
    for how in ("low_rank", "id_mod"):
        yield make(f"adapt_hot_{how}", 70, 12, 9, 7, "hot_list", how)
        yield make(f"adapt_hot_{how}_u64", 40, 6, 9, 5, "hot_list", how, dtype="U64")
        yield make(f"adapt_hot_{how}_all_rare", 30, 6, 0, 7, "hot_list", how)
        yield make(f"adapt_hot_{how}_all_hot", 12, 6, 12, 0, "hot_list", how)
        n = 2**40
        yield make(f"adapt_hot_{how}_far", n, 4, 4, 5, "hot_list", how, dtype="U64",
                   ids=[0, 2, 3, 4, 2**20 - 1, 2**20, 2**20 + 1, n - 6, n - 5, n - 4, n - 2, n - 1])
    yield make("adapt_hot_far_u32", 2**32, 4, 4, 5, "hot_list", "low_rank", ids=[0, 3, 4, 2**31, 2**32 - 5, 2**32 - 2, 2**32 - 1])
    yield join("adapt_fields", [make("a", 30, 8, 4, 5, "dense"), plain(6, 8),
                                make("b", 25, 8, 4, 3, "hot_list", "low_rank"), make("c", 0, 8, 0, 0, "dense"),
                                make("d", 22, 8, 3, 4, "hot_list", "id_mod")])
