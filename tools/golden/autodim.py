# SPDX-License-Identifier: Apache-2.0
"""AutoDim as it is retrained: e(x) = emb[x] P + bias, the projection always there."""
import functools

from . import narrow
from .case import join, plain
from .narrow import lookup  # noqa: F401

make = functools.partial(narrow.make, "autodim", bias=True)


def cases():
    yield make("autodim", 70, 4, 16)
    yield make("autodim_two", 30, 2, 9)
    yield make("autodim_square", 25, 8, 8)
    yield make("autodim_dims", 25, 4, 8, config={"dims": [4]})
    yield join("autodim_fields", [make("a", 30, 2, 12), make("b", 5, 12, 12), make("c", 0, 2, 12), plain(9, 12),
                                  make("d", 21, 8, 12)])
