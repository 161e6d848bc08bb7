# SPDX-License-Identifier: Apache-2.0
"""Sixteen-bit rows."""
from . import integers
from .integers import lookup  # noqa: F401


def cases():
    return integers.cases(16)
