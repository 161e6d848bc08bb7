# SPDX-License-Identifier: Apache-2.0
"""MGQE: product codes, where frequent ids choose among k_high centroids and rare ones among the first k_low."""
import numpy as np

from . import codes
from .case import Case, Draw, join, plain


def stored_codes(config, tensors, ids):
    if config.get("packing", "bytes") == "bytes":
        return tensors["codes"][ids].astype(np.int64)
    parts = int(config["parts"])
    count = 8 * len(tensors["high"])
    is_high = codes.flagged(tensors["high"], np.arange(count))
    rank = np.cumsum(is_high) - is_high  # of high ids before each
    out = np.empty((len(ids), parts), np.int64)
    mine = is_high[ids]
    high = codes.unpack(tensors["codes.high"], parts, codes.width(config["k_high"]))
    low = codes.unpack(tensors["codes.low"], parts, codes.width(config["k_low"]))
    out[mine] = high[rank[ids[mine]]]
    out[~mine] = low[(ids - rank[ids])[~mine]]
    return out


def lookup(config, tensors, ids, shape):
    return codes.assemble(config, tensors["codebook"], stored_codes(config, tensors, ids), config["k_high"])


def make(name, rows, dim, parts, k_high, k_low, shared=False, packing=None, wide=False, high=0.2):
    draw = Draw(f"mgqe {name}")
    is_high = draw.floats(rows, low=0) < high
    drawn = draw.integers(0, 2**62, rows, parts)
    drawn = np.where(is_high[:, None], drawn % k_high, drawn % k_low)
    config = {"parts": parts, "k_high": k_high, "k_low": k_low}
    config.update({"shared": True} if shared else {}, **({"packing": packing} if packing else {}))
    tensors = {"codebook": ("F32", draw.floats(k_high * (1 if shared else parts), dim // parts))}
    if packing == "bits":
        tensors["high"] = ("U8", codes.bitmap(is_high))
        tensors["codes.high"] = ("U8", codes.pack(drawn[is_high], codes.width(k_high)))
        tensors["codes.low"] = ("U8", codes.pack(drawn[~is_high], codes.width(k_low)))
    else:
        tensors["codes"] = ("U16" if wide or k_high > 256 else "U8", drawn)
    return Case(name, "mgqe", rows, dim, tensors, config)


def cases():
    yield make("mgqe", 90, 16, 4, 16, 4)
    yield make("mgqe_k256", 60, 4, 4, 256, 64, packing="bytes")
    yield make("mgqe_uneven_k", 90, 12, 3, 37, 10)
    yield make("mgqe_u16", 60, 6, 2, 300, 37)
    yield make("mgqe_u16_small", 60, 6, 2, 30, 7, wide=True)
    yield make("mgqe_shared", 60, 12, 4, 20, 6, shared=True)
    yield make("mgqe_one_part", 40, 5, 1, 9, 2)
    yield make("mgqe_parts_of_one", 40, 6, 6, 9, 2)
    yield make("mgqe_bits", 90, 16, 4, 32, 8, packing="bits")
    yield make("mgqe_bits_uneven", 83, 15, 5, 37, 10, packing="bits")
    yield make("mgqe_bits_u16", 83, 6, 3, 300, 100, packing="bits")
    yield make("mgqe_bits_shared", 70, 12, 6, 20, 3, shared=True, packing="bits")
    yield make("mgqe_bits_high", 30, 8, 4, 11, 5, packing="bits", high=2)
    yield make("mgqe_bits_low", 30, 8, 4, 11, 5, packing="bits", high=-1)
    yield make("mgqe_bits_one_low", 50, 8, 4, 11, 1, packing="bits")  # low codes take no bits
    yield make("mgqe_bits_long", 1500, 2, 2, 5, 2, packing="bits", high=0.1)
    yield join("mgqe_fields", [make("a", 40, 12, 4, 9, 3), make("b", 33, 12, 3, 20, 6, packing="bits"), plain(7, 12),
                               make("c", 21, 12, 2, 6, 2, shared=True)])
    case = make("mgqe_keys", 40, 8, 4, 12, 4)
    case.tensors["keys"] = ("I64", Draw("mgqe keys").shuffle(40) - 20)
    case.tensors["default"] = ("F32", Draw("mgqe default").floats(8))
    case.ids = list(range(-22, 22))
    yield case
