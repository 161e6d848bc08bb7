# SPDX-License-Identifier: Apache-2.0
"""IEEE half rows."""
from .case import Case, Draw, f32


def lookup(config, tensors, ids, shape):
    return tensors["weight"][ids].astype(f32)


def cases():
    weight = (Draw("fp16").floats(100, 17) * 100).astype("<f2")
    weight[2, :5] = [6e-8, 65504, -0.0, -65504, 6.1e-5]
    yield Case("fp16", "fp16", 100, 17, {"weight": ("F16", weight)})
