# SPDX-License-Identifier: Apache-2.0
"""PEP: what pruning left."""
from . import sparse
from .sparse import lookup  # noqa: F401


def cases():
    yield from sparse.cases("pep")
