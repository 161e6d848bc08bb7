# SPDX-License-Identifier: Apache-2.0
"""MDE: e(x) = emb[x] P, each field with a width of its own; the row itself where there is no P."""
import functools

from . import narrow
from .case import join, plain
from .narrow import lookup  # noqa: F401

make = functools.partial(narrow.make, "mde")


def cases():
    yield make("mde", 70, 5, 16)
    yield make("mde_one_column", 30, 1, 9)
    yield make("mde_wide", 20, 40, 48)
    yield make("mde_without_projection", 25, 8, 8, proj=False)
    yield make("mde_square", 25, 8, 8)
    yield make("mde_dims", 25, 3, 8, config={"dims": [3]})
    yield join("mde_fields", [make("a", 30, 3, 12), make("b", 5, 12, 12, proj=False), make("c", 0, 2, 12), plain(9, 12),
                              make("d", 17, 12, 12), make("e", 21, 1, 12)])
