# SPDX-License-Identifier: Apache-2.0
"""What tests of counts share: a trainer that knows what it named, and what the daemon has counted."""
import random

import numpy as np

from training_kit import DIM, ROWS, pb


def counts(c, table="t", **fields):
    reply = c.counts(table=table, **fields)
    assert not isinstance(reply, tuple), reply
    return np.array(reply.counts, "i8")


class Trainer:
    """Random pushes of one trainer, numbered, and how often each row was named by those that were answered."""

    def __init__(self, rows=ROWS, seed=1):
        self.random, self.named, self.sequence, self.rows = random.Random(seed), np.zeros(rows, "i8"), 0, rows

    def message(self):
        """Repeats, bags, unknown ids."""
        ids = [self.random.randrange(self.rows + 3) for _ in range(self.random.randint(1, 20))]
        push = pb.TablePush(table="t", ids=ids)
        bags = len(ids)
        if self.random.random() < 0.5:
            cuts = sorted(self.random.randint(0, len(ids)) for _ in range(3))
            push.pooling, bags = self.random.choice((pb.POOLING_SUM, pb.POOLING_MEAN)), 4
            push.offsets.extend([0, *cuts, len(ids)])
        push.gradients.extend([self.random.gauss(0, 1) for _ in range(bags * DIM)])
        return push

    def push(self, c, times=1):
        for _ in range(times):
            message, self.sequence = self.message(), self.sequence + 1
            request = dict(trainer="job", sequence=self.sequence, missing=pb.PUSH_MISSING_SKIP, pushes=[message])
            reply = c.push(**request)
            assert not isinstance(reply, tuple) and not reply.duplicate, reply
            if self.random.random() < 0.2:
                assert c.push(**request).duplicate
            np.add.at(self.named, [i for i in message.ids if i < self.rows], 1)
        return reply.versions[0]


def look(c, ids, **more):
    reply = c.lookup(lookups=[pb.TableLookup(table="t", ids=ids, **more)])
    assert not isinstance(reply, tuple), reply
