#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Each failpoint of the code: the daemon dies there; and where something can fail, it fails there, with EIO and as on a full
disk. EMBD_FAILPOINT_HITS (1) hits of each; EMBD_FAILPOINT_NAMES: only these, separated by spaces."""
import collections
import os
import unittest

from crash import failpoints
from crash.rounds import SLOW, summary

HITS = int(os.environ.get("EMBD_FAILPOINT_HITS", 1))
NAMES = os.environ.get("EMBD_FAILPOINT_NAMES", "").split()
SEED = int(os.environ.get("EMBD_SEED", 1))


@unittest.skipIf(not failpoints.DEVELOPER, "only developer builds have failpoints")
@unittest.skipIf(SLOW > 1 and HITS == 1, "too slow under sanitizers")
class Failpoints(unittest.TestCase):
    def test_every_point(self):
        count, unmet, problems = collections.Counter(), [], []
        points = [point for point in failpoints.names() if not NAMES or point[0] in NAMES]
        self.assertGreater(len(points), 0)
        for name, can_fail in points:
            for action in ("kill", "error", "full") if can_fail else ("kill",):
                hits, wrong = failpoints.hit(name, action, HITS, SEED, count.update)
                problems += wrong
                print(f"{name:32} {action:6} {hits} hits{', WRONG' if wrong else ''}", flush=True)
                if hits < HITS:
                    unmet.append(f"{name}={action} ({hits} hits)")
        print(summary(count))
        self.assertEqual(problems, [], "\n".join(problems))
        self.assertEqual(unmet, [])


if __name__ == "__main__":
    unittest.main()
