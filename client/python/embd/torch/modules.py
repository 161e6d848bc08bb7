# SPDX-License-Identifier: Apache-2.0
"""Modules whose tables are in embd."""
from __future__ import annotations

from typing import Any, Mapping, NamedTuple, Optional, Sequence, Union

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional as F

from embd.torch.session import Session

MODES = ("sum", "mean", None)


class Part(NamedTuple):
    """The input of one feature."""

    ids: torch.Tensor
    offsets: Optional[torch.Tensor]
    weights: Optional[torch.Tensor]


class Feature(NamedTuple):
    """Where the rows of a feature are, and what is made of them."""

    table: str
    dim: int
    mode: Optional[str]


Input = Union[torch.Tensor, NDArray[Any], Sequence[Any]]


def _feature(name: str, table: str, dim: int, mode: Optional[str]) -> Feature:
    if not isinstance(table, str) or not table:
        raise TypeError(f"{name}: the table is {table!r}; its name is needed")
    if isinstance(dim, bool) or not isinstance(dim, (int, np.integer)) or dim < 1:
        raise ValueError(f"{name}: dim is {dim!r}; a whole number from 1 is needed")
    if mode not in MODES:
        raise ValueError(f"{name}: there is no mode {mode!r}: bags are pooled by 'sum' or 'mean', "
                         f"and None gives a row for each id")
    return Feature(table, int(dim), mode)


def _ids(name: str, value: Any) -> torch.Tensor:
    ids = torch.as_tensor(value)
    if ids.dtype not in (torch.int64, torch.int32, torch.int16, torch.int8, torch.uint8) and ids.numel():
        raise TypeError(f"{name}: ids are {ids.dtype}; whole numbers are needed")
    return ids


def _part(name: str, value: Any) -> Part:
    """ids, or (ids, offsets[, weights])."""
    if isinstance(value, tuple):
        if not 1 <= len(value) <= 3:
            raise ValueError(f"{name}: {len(value)} values; (ids, offsets, weights) is what can be given")
        ids, offsets, weights = (*value, None, None)[:3]
    else:
        ids, offsets, weights = value, None, None
    ids = _ids(name, ids)
    return Part(ids, None if offsets is None else torch.as_tensor(offsets, dtype=torch.int64, device=ids.device),
                None if weights is None else torch.as_tensor(weights, dtype=torch.float32, device=ids.device))


class _Tables(torch.nn.Module):
    """Features, and a forward pass over all of them with one lookup."""

    def __init__(self, session: Session, features: dict[str, Feature], include_last_offset: bool,
                 padding_idx: Optional[int], freeze: bool, dtype: torch.dtype) -> None:
        super().__init__()
        if not isinstance(session, Session):
            raise TypeError(f"session is {type(session).__name__}; embd.torch.Session is needed")
        for feature in features.values():
            session.register(feature.table, feature.dim)
        self.session = session
        self.include_last_offset, self.padding_idx, self.freeze, self.dtype = (
            include_last_offset, padding_idx, freeze, dtype)
        self._features = features

    def parts(self, batch: Any) -> dict[str, Part]:
        """A batch, as forward() and prefetch() take it, by feature."""
        raise NotImplementedError

    def needed(self, parts: dict[str, Part]) -> dict[str, NDArray[np.int64]]:
        """All ids of each table, feature after feature."""
        ids: dict[str, list[NDArray[np.int64]]] = {}
        for name, part in parts.items():
            flat = part.ids.detach().reshape(-1).cpu().numpy().astype(np.int64, copy=False)
            ids.setdefault(self._features[name].table, []).append(flat)
        # A copy, for a caller who fills the same tensor again: a lookup under way is compared with what is asked then.
        return {table: np.concatenate(arrays) for table, arrays in ids.items()}

    def run(self, parts: dict[str, Part]) -> dict[str, torch.Tensor]:
        """The forward pass."""
        fetched = self.session.fetch(self, self.needed(parts), self.padding_idx, not self.freeze)
        at = dict.fromkeys(fetched, 0)
        moved: dict[tuple[str, torch.device], torch.Tensor] = {}
        out = {}
        for name, part in parts.items():
            table, _, mode = self._features[name]
            places, rows = fetched[table]
            mine = torch.from_numpy(places[at[table]:at[table] + part.ids.numel()]).reshape(part.ids.shape)
            at[table] += part.ids.numel()
            there = moved.get((table, part.ids.device))
            if there is None:
                there = moved[table, part.ids.device] = rows.to(part.ids.device)
            out[name] = self._pooled(there, mine.to(part.ids.device), part, mode).to(self.dtype)
        return out

    def _pooled(self, rows: torch.Tensor, places: torch.Tensor, part: Part, mode: Optional[str]) -> torch.Tensor:
        """As PyTorch does it, over the different rows alone; the last row is the padding's."""
        padding = None if self.padding_idx is None else len(rows) - 1  # PyTorch is slower with one
        if mode is None:
            if part.offsets is not None or part.weights is not None:
                raise ValueError("there are no bags with mode None, and so no offsets and no weights")
            return F.embedding(places, rows, padding_idx=padding)
        return F.embedding_bag(places, rows, part.offsets, mode=mode, per_sample_weights=part.weights,
                               include_last_offset=self.include_last_offset, padding_idx=padding)

    def _words(self) -> list[str]:
        """What is not as usual, for extra_repr()."""
        words = [] if self.padding_idx is None else [f"padding_idx={self.padding_idx}"]
        return words + ["freeze=True"] * self.freeze


class EmbeddingBag(_Tables):
    """torch.nn.EmbeddingBag over a table in embd, and with mode None torch.nn.Embedding.

    session       an embd.torch.Session
    table, dim    its name, and how many numbers a row has
    mode          "sum" or "mean" of the rows of a bag; None: the row of each id. "max" there is not
    include_last_offset, padding_idx, per_sample_weights   as in torch.nn.EmbeddingBag. An id that is `padding_idx` is
                  never looked up and never pushed: it is left out of its bag, and without bags its row is zero; so it
                  need not be an id of the table
    freeze        look up only: no gradient is collected
    dtype         of what comes out; pooling itself is done in float32

    forward(input, offsets=None, per_sample_weights=None) has the results and the gradients of
    torch.nn.EmbeddingBag(sparse=True): each id is looked up once, the rows are pooled here, and the backward pass
    gives one gradient for each different id, which session.step() pushes. The input's device is the output's. Nothing
    of the table is in parameters() or state_dict()."""

    def __init__(self, session: Session, table: str, dim: int, mode: Optional[str] = "sum", *,
                 include_last_offset: bool = False, padding_idx: Optional[int] = None, freeze: bool = False,
                 dtype: torch.dtype = torch.float32) -> None:
        feature = _feature(f"table {table}", table, dim, mode)
        super().__init__(session, {"": feature}, include_last_offset, padding_idx, freeze, dtype)
        self.table, self.embedding_dim, self.mode = feature

    def parts(self, batch: Any) -> dict[str, Part]:
        return {"": _part(f"table {self.table}", batch)}

    def forward(self, input: Input, offsets: Optional[Input] = None,  # noqa: A002 (as PyTorch calls it)
                per_sample_weights: Optional[Input] = None) -> torch.Tensor:
        return self.run(self.parts((input, offsets, per_sample_weights)))[""]

    def extra_repr(self) -> str:
        return ", ".join([f"table={self.table!r}, dim={self.embedding_dim}, mode={self.mode!r}", *self._words()])


class Embedding(EmbeddingBag):
    """torch.nn.Embedding over a table in embd: EmbeddingBag with mode None."""

    def __init__(self, session: Session, table: str, dim: int, *, padding_idx: Optional[int] = None,
                 freeze: bool = False, dtype: torch.dtype = torch.float32) -> None:
        super().__init__(session, table, dim, None, padding_idx=padding_idx, freeze=freeze, dtype=dtype)

    def forward(self, input: Input) -> torch.Tensor:  # type: ignore[override]  # noqa: A002
        return self.run(self.parts(input))[""]


class EmbeddingBagCollection(_Tables):
    """Many features over any number of tables in embd, with one lookup for all of them, and one push.

    tables   {feature: (table, dim, mode)}. Features may share a table: an id that two of them have is looked up once,
             and its gradient is the sum of both
    The other arguments are EmbeddingBag's, and hold for all features.

    forward({feature: ids, or (ids, offsets), or (ids, offsets, weights)}) -> {feature: tensor}. A batch may lack
    features; a name that there is not is refused."""

    def __init__(self, session: Session, tables: Mapping[str, tuple[str, int, Optional[str]]], *,
                 include_last_offset: bool = False, padding_idx: Optional[int] = None, freeze: bool = False,
                 dtype: torch.dtype = torch.float32) -> None:
        features = {name: _feature(f"feature {name}", *spec) for name, spec in tables.items()}
        super().__init__(session, features, include_last_offset, padding_idx, freeze, dtype)

    def parts(self, batch: Any) -> dict[str, Part]:
        for name in batch:
            if name not in self._features:
                raise KeyError(f"there is no feature {name!r}; there are {', '.join(self._features)}")
        return {name: _part(f"feature {name}", value) for name, value in batch.items()}

    def forward(self, batch: Mapping[str, Any]) -> dict[str, torch.Tensor]:
        return self.run(self.parts(batch))

    def extra_repr(self) -> str:
        lines = [f"{name}: table={f.table!r}, dim={f.dim}, mode={f.mode!r}" for name, f in self._features.items()]
        return "\n".join(lines + self._words())
