# SPDX-License-Identifier: Apache-2.0
"""Rows on their way from embd into PyTorch's graph, and their gradients on the way back: which ids a forward pass
needs, the lookup of them, and the node of the graph that hands their gradient over."""
from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Callable, Optional

import numpy as np
import torch
from numpy.typing import NDArray
from torch.autograd.function import once_differentiable

from embd.errors import Error
from embd.lookups import Found, Lookup, Rows


MARKED = 16  # ids within a range of so many times their number are told apart by marks


def _unique(ids: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """numpy.unique(ids, return_inverse=True), without sorting where the ids lie close to each other."""
    low, high = (int(ids.min()), int(ids.max())) if ids.size else (0, 0)
    if high - low >= MARKED * ids.size:
        unique, places = np.unique(ids, return_inverse=True)
        return unique, places.reshape(-1)
    at = ids - low
    marked = np.zeros(high - low + 1, bool)
    marked[at] = True
    unique = np.flatnonzero(marked)
    place = np.empty(marked.size, np.int64)
    place[unique] = np.arange(unique.size)
    return unique + low, place[at]


def distinct(ids: NDArray[np.int64], padding: Optional[int]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The different ids, ascending, and the place of each id among them. `padding` is none of them: its place is the
    one behind the last."""
    unique, places = _unique(ids)
    if padding is not None:
        at = int(np.searchsorted(unique, padding))
        if at < unique.size and unique[at] == padding:
            unique = np.delete(unique, at)
            places = np.where(places == at, unique.size, places - (places > at))
    return unique, places


class Need:
    """What a forward pass needs of one table: `ids`, as they came, of all features that share the table."""

    def __init__(self, table: str, dim: int, ids: NDArray[np.int64], padding: Optional[int]) -> None:
        self.table, self.dim, self.ids = table, dim, ids
        self.unique, self.places = distinct(ids, padding)

    def matrix(self, rows: Optional[Rows]) -> NDArray[np.float32]:
        """[different ids + 1, dim], the last row zero, for the padding."""
        values = np.empty((self.unique.size + 1, self.dim), np.float32)
        values[-1] = 0
        if rows is not None:
            if rows.values.shape[1] != self.dim:
                raise ValueError(f"table {self.table} has rows of {rows.values.shape[1]} numbers; "
                                 f"the module was made for {self.dim}")
            values[:-1] = rows.values
        return values


class Fetch:
    """The lookup of a forward pass: done, or under way.

    seen  the session's pushes up to this number are in it, and maybe later ones"""

    def __init__(self, owner: object, needs: list[Need], missing: str, seen: int) -> None:
        self.owner, self.needs, self.missing, self.seen = owner, needs, missing, seen
        self._found: Optional[Found] = None
        self._later: Any = None

    def lookups(self) -> list[Lookup]:
        """What is asked: nothing of a table of which no id is needed."""
        return [Lookup(need.table, need.unique) for need in self.needs if need.unique.size]

    def run(self, lookup: Callable[[list[Lookup]], Found]) -> None:
        """Look up now."""
        asked = self.lookups()
        self._found = lookup(asked) if asked else Found([], 0)

    def start(self, lookup_later: Callable[[list[Lookup]], Any]) -> None:
        """Begin to look up."""
        asked = self.lookups()
        if asked:
            self._later = lookup_later(asked)
        else:
            self._found = Found([], 0)

    def cancel(self) -> None:
        """Give it up."""
        if self._later is not None:
            self._later.cancel()

    def serves(self, owner: object, given: dict[str, NDArray[np.int64]], missing: str) -> bool:
        """Whether it is what that forward pass would ask for."""
        return (self.owner is owner and self.missing == missing and [n.table for n in self.needs] == list(given)
                and all(np.array_equal(n.ids, given[n.table]) for n in self.needs))

    def arrive(self) -> bool:
        """Wait for it. False if it failed: whoever needs it looks up anew, and is told why that fails."""
        try:
            if self._found is None:
                self._found = self._later.result()
        except Error:
            return False
        return True

    def matrices(self) -> tuple[list[NDArray[np.float32]], dict[str, int]]:
        """Of each need, in order, and the versions of the tables."""
        assert self._found is not None
        asked = [need.table for need in self.needs if need.unique.size]
        rows = dict(zip(asked, self._found.results))
        return ([need.matrix(rows.get(need.table)) for need in self.needs],
                {table: there.version for table, there in rows.items()})


@dataclass(eq=False)
class Gradient:
    """dL/drow of some rows of a table; `order` is that of the forward passes."""

    order: int
    table: str
    ids: NDArray[np.int64]
    values: NDArray[np.float32]


class Entry(torch.autograd.Function):
    """Where rows enter the graph: its backward pass hands their gradient, summed over all that used them, to
    `collect`. The anchor is a tensor that requires a gradient, and gets none."""

    @staticmethod
    def forward(ctx: Any, anchor: torch.Tensor, rows: NDArray[np.float32], collect: Callable[[torch.Tensor], None]
                ) -> torch.Tensor:
        ctx.collect = collect
        return torch.from_numpy(rows)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: torch.Tensor) -> tuple[None, None, None]:
        ctx.collect(gradient)
        return None, None, None


def enter(rows: NDArray[np.float32], collect: Callable[[torch.Tensor], None]) -> torch.Tensor:
    """The rows as a part of the graph."""
    return Entry.apply(torch.empty(0, requires_grad=True), rows, collect)
