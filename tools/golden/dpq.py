# SPDX-License-Identifier: Apache-2.0
"""DPQ: product codes, one number of centroids for all ids. In the mode sx the codebook is the value table."""
import numpy as np

from . import codes
from .case import Case, Draw, join, plain


def lookup(config, tensors, ids, shape):
    found = tensors["codes"][ids]
    if config.get("packing", "bytes") == "bits":
        found = codes.unpack(found, int(config["parts"]), codes.width(config["k"]))
    return codes.assemble(config, tensors["codebook"], found.astype(np.int64), config["k"])


def make(name, rows, dim, parts, k, shared=False, packing=None, wide=False, mode=None):
    draw = Draw(f"dpq {name}")
    drawn = draw.integers(0, k, rows, parts)
    config = {"parts": parts, "k": k}
    config.update({"shared": True} if shared else {}, **({"packing": packing} if packing else {}))
    config.update({"mode": mode} if mode else {})
    stored = ("U8", codes.pack(drawn, codes.width(k))) if packing == "bits" else ("U16" if wide or k > 256 else "U8", drawn)
    return Case(name, "dpq", rows, dim, {
        "codebook": ("F32", draw.floats(k * (1 if shared else parts), dim // parts)), "codes": stored}, config)


def cases():
    yield make("dpq", 90, 16, 8, 32)
    yield make("dpq_sx", 90, 16, 4, 8, mode="sx")
    yield make("dpq_vq", 50, 8, 4, 8, mode="vq", packing="bytes")
    yield make("dpq_uneven_k", 60, 15, 5, 11)
    yield make("dpq_u16", 60, 4, 2, 300)
    yield make("dpq_u16_small", 60, 4, 2, 5, wide=True)
    yield make("dpq_shared", 60, 12, 4, 16, shared=True)
    yield make("dpq_shared_sx", 60, 12, 4, 16, shared=True, mode="sx")
    yield make("dpq_one_centroid", 20, 6, 2, 1)
    yield make("dpq_bits", 70, 16, 4, 32, packing="bits")
    yield make("dpq_bits_uneven", 70, 15, 5, 11, packing="bits", mode="sx")
    yield make("dpq_bits_wide", 50, 6, 3, 300, packing="bits")
    yield make("dpq_bits_shared", 50, 12, 3, 20, shared=True, packing="bits")
    yield join("dpq_fields", [make("a", 40, 12, 4, 9), plain(7, 12), make("b", 33, 12, 3, 20, packing="bits")])
