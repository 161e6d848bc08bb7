#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Each failpoint of the code: the daemon dies there; and where something can fail, it fails there, with EIO and as on a full
disk. EMBD_FAILPOINT_HITS (1) hits of each; EMBD_FAILPOINT_NAMES: only these, separated by spaces."""
import collections
import os
import unittest
from concurrent import futures

from crash import failpoints
from crash.rounds import SLOW, summary

HITS = int(os.environ.get("EMBD_FAILPOINT_HITS", 1))
NAMES = os.environ.get("EMBD_FAILPOINT_NAMES", "").split()
SEED = int(os.environ.get("EMBD_SEED", 1))


@unittest.skipIf(not failpoints.DEVELOPER, "only developer builds have failpoints")
@unittest.skipIf(SLOW > 1 and HITS == 1, "too slow under sanitizers")
class Failpoints(unittest.TestCase):
    def setUp(self):
        self.count = collections.Counter()
        self.points = [point for point in failpoints.names() if not NAMES or point[0] in NAMES]
        self.assertGreater(len(self.points), 0)

    @unittest.skipIf(HITS > 1, "there is a longer form")
    def test_every_point_once(self):
        points = [(name, "kill") for name, _ in self.points]
        points += [(name, ("error", "full")[i % 2]) for i, (name, can_fail) in enumerate(self.points) if can_fail]
        counts = [collections.Counter(), collections.Counter()]  # two campaigns at a time: most of their time they wait
        with futures.ThreadPoolExecutor(2) as pool:
            halves = list(pool.map(lambda i: failpoints.hit_once(points[i::2], SEED + 1000 * i, counts[i].update), range(2)))
        unmet, problems = (sum(some, []) for some in zip(*halves))
        print(f"{len(points)} points, {summary(counts[0] + counts[1])}")
        self.assertEqual(problems, [], "\n".join(problems))
        self.assertEqual(unmet, [])

    @unittest.skipIf(HITS == 1, "takes long")
    def test_every_point_often(self):
        unmet, problems = [], []
        for name, can_fail in self.points:
            for action, wanted in (("kill", HITS), ("error", HITS // 3), ("full", HITS // 3)):
                if action != "kill" and not can_fail:
                    continue
                hits, wrong = failpoints.hit(name, action, wanted, SEED, self.count.update)
                problems += wrong
                print(f"{name:32} {action:6} {hits} hits{', WRONG' if wrong else ''}", flush=True)
                if hits < wanted:
                    unmet.append(f"{name}={action} ({hits} hits)")
        print(summary(self.count))
        self.assertEqual(problems, [], "\n".join(problems))
        self.assertEqual(unmet, [])


if __name__ == "__main__":
    unittest.main()
