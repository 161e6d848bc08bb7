# SPDX-License-Identifier: Apache-2.0
"""Rows put together from centroids, a code for each part: mgqe and dpq."""
import numpy as np

from .case import f32


def width(k):
    """Bits of a code below k."""
    return max(int(k) - 1, 0).bit_length()


def pack(codes, bits):
    """Rows of codes as whole bytes, least significant bit first."""
    out = np.zeros((len(codes), -(-codes.shape[1] * bits // 8)), np.uint8)
    for p in range(codes.shape[1]):
        for b in range(bits):
            at = p * bits + b
            out[:, at // 8] |= ((codes[:, p] >> b & 1) << at % 8).astype(np.uint8)
    return out


def unpack(packed, parts, bits):
    out = np.zeros((len(packed), parts), np.int64)
    for p in range(parts):
        for b in range(bits):
            at = p * bits + b
            out[:, p] |= (packed[:, at // 8].astype(np.int64) >> at % 8 & 1) << b
    return out


def bitmap(flags):
    return np.packbits(np.asarray(flags, np.uint8), bitorder="little")


def flagged(packed, ids):
    return (packed[ids // 8] >> (ids % 8).astype(np.uint8) & 1).astype(bool)


def assemble(config, codebook, codes, k):
    """Rows from codes [ids][parts]."""
    parts = int(config["parts"])
    base = 0 if config.get("shared", False) else np.arange(parts) * int(k)
    return codebook[codes + base].reshape(len(codes), -1).astype(f32, copy=False)
