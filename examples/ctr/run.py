# SPDX-License-Identifier: Apache-2.0
"""A training run: model, optimizer, table, and the order of the batches."""
import sys
import time

import numpy as np
import torch

import data
import metrics
import models
import tables
from progress import Progress, span

SPLITS = {"train": data.TRAIN, "validation": data.VALIDATION, "test": data.TEST}
EVALUATED = 16384  # rows a lookup
OPTIMIZERS = {"sgd": torch.optim.SGD, "adagrad": torch.optim.Adagrad, "rowwise_adagrad": torch.optim.Adagrad,
              "adam": torch.optim.Adam}


class Refused(Exception):
    """What cannot be done as asked, in one sentence."""


class Run:
    """From the arguments of the command. Which rows a step has is a function of seed and epoch alone."""

    def __init__(self, a, log, store):
        torch.manual_seed(a.seed)
        self.a, self.log, self.store = a, log, store
        self.model = models.MODELS[a.model](store.layer, len(log.cards), a.dim, log.numbers.shape[1])
        kind = OPTIMIZERS[tables.optimizer_of(a.optimizer, a.method)]
        self.optimizer = kind(self.model.parameters(), a.dense_lr)
        self.rows = log.rows(*(SPLITS[s] for s in a.train_on))
        self.an_epoch = -(-len(self.rows) // a.batch)
        self.steps = min(self.an_epoch * a.epochs, a.steps or sys.maxsize)
        self.done, self.losses, self.waited = 0, [], {}
        self.order = None, None

    def batch(self, step):
        """Row numbers of a step."""
        epoch, at = divmod(step, self.an_epoch)
        if self.order[0] != epoch:
            self.order = epoch, np.random.default_rng([self.a.seed, epoch]).permutation(self.rows)
        return self.order[1][at * self.a.batch:(at + 1) * self.a.batch]

    def tensors(self, rows):
        return (torch.from_numpy(self.log.ids[rows].astype(np.int64)), torch.from_numpy(self.log.numbers[rows]),
                torch.from_numpy(self.log.label[rows]))

    def step(self, batch):
        """Forward, backward, step; the loss of the batch before the step."""
        ids, numbers, label = batch
        loss = torch.nn.functional.binary_cross_entropy_with_logits(self.model(ids, numbers), label)
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        self.store.step()
        return loss.item()

    def at_most(self, first, began):
        """Give up early what would take too long."""
        passed, limit = time.monotonic() - began, self.a.at_most
        whole = passed / (self.done - first) * (self.steps - first)
        if limit and whole > limit and (self.done - first >= 3 or passed > limit):
            raise Refused(f"a step takes {passed / (self.done - first):.3g} s, so all {self.steps - first:,} would "
                          f"take {span(whole)}; --at-most is {limit:g} s")

    def train(self, save):
        """To the last step. `save()` is called where one is due."""
        a, progress = self.a, Progress(self.done, self.steps, self.an_epoch, self.a.batch)
        first, began = self.done, time.monotonic()
        self.model.train()
        batch = self.tensors(self.batch(self.done)) if self.done < self.steps else None
        while self.done < self.steps:
            following = self.tensors(self.batch(self.done + 1)) if self.done + 1 < self.steps else None
            if a.pipeline and following:
                self.store.prefetch(following[0])
            loss = self.step(batch)
            self.losses.append(loss)
            self.done, batch = self.done + 1, following
            progress.step(self.done, loss)
            self.at_most(first, began)
            if a.save_every and self.done % a.save_every == 0 and self.done < self.steps:
                with self.store.time("save"):
                    save()
        self.store.flush()
        self.waited = dict(self.store.seconds)
        progress.end()

    def recent_loss(self):
        """Mean over the last hundred batches, each before its step."""
        return float(np.mean(self.losses[-100:])) if self.losses else None

    def evaluate(self, rows):
        """AUC and log loss on these rows."""
        self.model.eval()
        logits = np.empty(len(rows), np.float32)
        with torch.no_grad():
            for first in range(0, len(rows), EVALUATED):
                ids, numbers, _ = self.tensors(rows[first:first + EVALUATED])
                logits[first:first + len(ids)] = self.model(ids, numbers).numpy()
        label = self.log.label[rows]
        return {"rows": len(rows), "auc": metrics.auc(label, logits), "log_loss": metrics.log_loss(label, logits)}
