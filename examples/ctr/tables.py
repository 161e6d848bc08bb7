# SPDX-License-Identifier: Apache-2.0
"""Where the rows of a model are: in embd, or in this process as PyTorch has them.

Both kinds have .layer (a module: ids [batch, fields] to rows), .step() after loss.backward(), .prefetch(ids) of the
batch after this one, .flush(), and count the seconds they took in .seconds."""
import collections
import contextlib
import time

import numpy as np
import torch
from torch import nn

import embd
import embd.torch

# These are trained with random rounding, which needs an optimizer without a state for each element.
ROUNDED = {"int8", "int16", "fp16", "bf16", "alpt"}
EPSILON = 1e-8
CHUNK, IDS = 8 << 20, 1 << 19  # of a lookup of all rows: bytes, and ids
DEVIATION = 0.01


def optimizer_of(wanted, method):
    return wanted or ("rowwise_adagrad" if method in ROUNDED else "adagrad")


def create(client, name, a, log, frequency):
    """A new table for all fields of a log, from the arguments of the command."""
    options = {"optimizer": optimizer_of(a.optimizer, a.method), "learning_rate": a.lr, "epsilon": EPSILON}
    client.create(name, a.method, log.id_count, a.dim, ratio=a.ratio, fields=log.cards, options=options,
                         settings=dict(a.set), seed=a.seed, deviation=a.deviation, frequency=frequency)


def all_rows(client, name, rows, dim):
    out = np.empty((rows, dim), np.float32)
    step = min(IDS, max(1, CHUNK // (4 * dim)))
    for first in range(0, rows, step):
        ids = np.arange(first, min(first + step, rows), dtype=np.int64)
        out[first:first + len(ids)] = client.lookup(embd.Lookup(name, ids)).results[0].values
    return out


class Timed:
    def __init__(self):
        self.seconds = collections.Counter()

    @contextlib.contextmanager
    def time(self, what):
        began = time.perf_counter()
        yield
        self.seconds[what] += time.perf_counter() - began


class Rows(nn.Module):
    """The layer. It has a function and no module, so that the model has the dense part alone. Its time is counted."""

    def __init__(self, lookup, timed):
        super().__init__()
        self.lookup, self.timed = lookup, timed

    def forward(self, ids):
        with self.timed.time("lookup"):
            return self.lookup(ids)


class Served(Timed):
    """A table in embd, its gradients pushed by a session."""

    def __init__(self, session, name, dim, pooled):
        super().__init__()
        self.session = session
        self.bags = embd.torch.EmbeddingBag(session, name, dim, "sum" if pooled else None)
        self.layer = Rows(lambda ids: self.bags(ids), self)

    def prefetch(self, ids):
        with self.time("lookup"):
            self.session.prefetch(self.bags, ids)

    def step(self):
        with self.time("push"):
            self.session.step()
            if self.session.synchronous:
                self.session.flush()  # the next lookup would wait for it

    def flush(self):
        with self.time("push"):
            self.session.flush()


class Local(Timed):
    """The same table in this process: torch.nn.EmbeddingBag (or Embedding) from the same rows, the same optimizer.
    Gradients are dense if a batch has more ids than the table, which is quicker then; the results are the same."""

    def __init__(self, rows, pooled, optimizer, rate, ids_a_batch):
        super().__init__()
        weight, sparse = torch.from_numpy(rows), optimizer == "adam" or len(rows) > ids_a_batch
        if pooled:
            table = nn.EmbeddingBag.from_pretrained(weight, freeze=False, mode="sum", sparse=sparse)
        else:
            table = nn.Embedding.from_pretrained(weight, freeze=False, sparse=sparse)
        made = {"sgd": lambda p: torch.optim.SGD(p, rate),
                "adagrad": lambda p: torch.optim.Adagrad(p, rate, eps=EPSILON),
                "adam": lambda p: torch.optim.SparseAdam(p, rate, eps=EPSILON)}
        self.optimizer = made[optimizer](list(table.parameters()))
        self.layer = Rows(lambda ids: table(ids), self)

    def prefetch(self, ids):
        """The rows are here already."""

    def step(self):
        with self.time("push"):
            self.optimizer.step()
            self.optimizer.zero_grad()

    def flush(self):
        """Nothing is under way."""
