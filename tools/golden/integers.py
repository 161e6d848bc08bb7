# SPDX-License-Identifier: Apache-2.0
"""Rows of integers with one step for the table, or a step and a minimum for each row: int8 and int16."""
import numpy as np

from .case import Case, Draw, f32


def lookup(config, tensors, ids, shape):
    q = tensors["q"][ids].astype(f32)
    if config["qparam"] == "row":
        scale, least = tensors["qparams"][ids].T
        return q * scale[:, None] + least[:, None]
    scale, middle = float(config["scale"]), float(config.get("middle", 0))
    if not config["signed"]:  # the least value: in double, then one float
        middle = middle - (1 << (int(config["digit"]) - 1)) * scale
    return q * f32(scale) + f32(middle)


def make(name, rows, dim, digit, signed, qparam, scale=0.0123, middle=0.37):
    draw = Draw(f"integers {name}")
    low, high = (-(1 << (digit - 1)), 1 << (digit - 1)) if signed else (0, 1 << digit)
    q = draw.integers(low, high, rows, dim)
    q[0, :2] = low, high - 1
    tensors = {"q": (("I" if signed else "U") + str(digit), q.astype(f"i{digit // 8}" if signed else f"u{digit // 8}"))}
    config = {"digit": digit, "signed": signed, "qparam": qparam}
    if qparam == "table":
        config["scale"] = scale
        if middle is not None:
            config["middle"] = middle
    else:
        params = np.stack([draw.floats(rows, low=0) / f32(1 << digit), draw.floats(rows)], 1)
        params[3, 0] = 0  # every element is the minimum
        tensors["qparams"] = ("F32", params)
    return Case(name, f"int{digit}", rows, dim, tensors, config)


def cases(digit):
    for signed in (False, True):
        for qparam in ("table", "row"):
            yield make(f"int{digit}_{'i' if signed else 'u'}_{qparam}", 80, 21, digit, signed, qparam)
        yield make(f"int{digit}_{'i' if signed else 'u'}_plain", 20, 7, digit, signed, "table", 0.01, None)
