#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""kill -9 at random moments, also during snapshots and replay, with four trainers on tables of all seven methods: no
answered push is lost or doubled, and the state is that of the same pushes undisturbed. EMBD_KILLS rounds (30); every
tenth round a bit of a snapshot flips while the daemon is down."""
import os
import unittest

from crash.rounds import SLOW, Campaign

KILLS = int(os.environ.get("EMBD_KILLS", 30 if SLOW == 1 else 8))


class Kills(unittest.TestCase):
    def test_nothing_is_lost_or_doubled(self):
        with Campaign(seed=int(os.environ.get("EMBD_SEED", 1))) as campaign:
            for _ in range(KILLS):
                campaign.round()
                if campaign.problems:
                    break
                if campaign.random.random() < 0.1:
                    campaign.damage()
            problems = campaign.finish()
            print(campaign.summary())
            self.assertEqual(problems, [], "\n".join(problems))
            self.assertGreater(campaign.count["pushes"], 0)


if __name__ == "__main__":
    unittest.main()
