# SPDX-License-Identifier: Apache-2.0
"""Rows of float32 without their low sixteen bits; an array holds the upper bits as uint16."""
import numpy as np

from .case import Case, Draw, f32


def from_bits(h):
    return (np.asarray(h, np.uint16).astype(np.uint32) << 16).view(f32)


def to_bits(x):
    """To the nearest, ties to even."""
    bits = np.asarray(x, f32).view(np.uint32)
    return ((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16).astype(np.uint16)


def lookup(config, tensors, ids, shape):
    return from_bits(tensors["weight"][ids])


def cases():
    weight = to_bits(Draw("bf16").floats(100, 19))
    weight[3, :4] = [0x0000, 0x8000, 0x0001, 0x7F7F]  # 0, -0, the least, the largest
    yield Case("bf16", "bf16", 100, 19, {"weight": ("BF16", weight)})
