# SPDX-License-Identifier: Apache-2.0
"""PyTorch on one side, embd on the other: modules like torch.nn.EmbeddingBag whose tables are in embd, and are
trained there.

    session = embd.torch.Session("127.0.0.1:3623", "job-7", learning_rate=0.05)
    tables = embd.torch.EmbeddingBagCollection(session, {"user": ("users", 16, None), "tags": ("tags", 16, "mean")})
    for batch, label in batches:
        optimizer.zero_grad()
        rows = tables({"user": batch.users, "tags": (batch.tags, batch.offsets)})    # one lookup
        loss = criterion(model(rows), label)
        loss.backward()
        optimizer.step()                                                             # the dense network
        session.step()                                                               # one push, to the tables

The tables' optimizer is embd's. Session says what a lookup sees, and what happens when embd is away."""
try:
    import torch as _torch  # noqa: F401
except ModuleNotFoundError as missing:
    if missing.name != "torch":
        raise
    raise ModuleNotFoundError("embd.torch needs PyTorch 1.13 or newer: pip install torch, or Debian's python3-torch",
                              name="torch") from None

from embd.torch.modules import Embedding, EmbeddingBag, EmbeddingBagCollection
from embd.torch.session import Restored, Session

__all__ = ["Embedding", "EmbeddingBag", "EmbeddingBagCollection", "Restored", "Session"]
