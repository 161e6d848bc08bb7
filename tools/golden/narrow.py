# SPDX-License-Identifier: Apache-2.0
"""Narrow rows with a projection to D columns: mde and autodim."""
from .case import Case, Draw, f32


def lookup(config, tensors, ids, shape):
    rows = tensors["emb"][ids].astype(float)
    if "proj" in tensors:
        rows = rows @ tensors["proj"].astype(float)
    if "bias" in tensors:
        rows = rows + tensors["bias"].astype(float)
    return rows.astype(f32)


def make(method, name, rows, width, dim, proj=True, bias=False, config=None):
    draw = Draw(f"narrow {method} {name}")
    tensors = {"emb": ("F32", draw.floats(rows, width))}
    if proj:
        tensors["proj"] = ("F32", draw.floats(width, dim))
    if bias:
        tensors["bias"] = ("F32", draw.floats(dim))
    return Case(name, method, rows, dim, tensors, config or {})
