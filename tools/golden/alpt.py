# SPDX-License-Identifier: Apache-2.0
"""ALPT: signed rows with a learned step each, e(x) = q[x] * scale[x] + middle."""
from .case import Case, Draw, f32


def lookup(config, tensors, ids, shape):
    return tensors["q"][ids].astype(f32) * tensors["scale"][ids][:, None] + f32(config.get("middle", 0))


def make(name, rows, dim, digit, **more):
    draw = Draw(f"alpt {name}")
    half = 1 << (digit - 1)
    q = draw.integers(-half, half, rows, dim).astype(f"i{digit // 8}")
    scale = draw.floats(rows, low=0.001, high=0.02)
    scale[1] = 1e-8
    return Case(name, "alpt", rows, dim, {"q": (f"I{digit}", q), "scale": ("F32", scale)}, {"digit": digit, **more})


def cases():
    for digit in (8, 16):
        yield make(f"alpt_{digit}", 60, 16, digit)
        yield make(f"alpt_{digit}_middle", 40, 9, digit, middle=0.37)
    yield make("alpt_scale_lr", 20, 5, 8, scale_lr=0.001)
