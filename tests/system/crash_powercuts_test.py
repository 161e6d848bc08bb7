#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Simulated power cuts: after each the folder holds what was synced, and a random part of the rest. No answered push is
lost or doubled; and in the control, where the syncs of the write-ahead log are dropped, some must be, or the instrument
is blunt. EMBD_POWERCUTS rounds (30), and EMBD_CONTROLS of the control (8)."""
import os
import unittest

import grpc

from crash.rounds import Campaign
from daemon import SANITIZED

CUTS = int(os.environ.get("EMBD_POWERCUTS", 30))
CONTROLS = int(os.environ.get("EMBD_CONTROLS", 8))
SEED = int(os.environ.get("EMBD_SEED", 1))


@unittest.skipIf(SANITIZED, "sanitizers want to be loaded first")
class PowerCuts(unittest.TestCase):
    def test_nothing_is_lost_or_doubled(self):
        with Campaign(SEED, power=True, operator=True) as campaign:
            for _ in range(CUTS):
                campaign.round()
                if campaign.problems:
                    break
            problems = campaign.finish()
            print(campaign.summary())
            self.assertEqual(problems, [], "\n".join(problems))
            self.assertGreater(campaign.count["pushes"], 0)
            self.assertGreater(campaign.count["sectors"] + campaign.count["files"], 0)

    def test_the_control_loses(self):
        lost = answered = refused = 0
        for i in range(CONTROLS):
            with Campaign(SEED + i, power=True, drop="log.db-wal") as campaign:
                campaign.start()
                campaign.push_for(20, until=lambda: sum(one.answered for one in campaign.trainers) > 100)
                campaign.end()
                answered += sum(trainer.answered for trainer in campaign.trainers)
                try:
                    campaign.start()
                    positions = campaign.positions()
                except grpc.RpcError as error:  # it says that its log is shorter than it was
                    self.assertEqual(error.code(), grpc.StatusCode.UNAVAILABLE)
                    self.assertIn("log.db", error.details())
                    positions, refused = {}, refused + 1
                except RuntimeError as error:  # so much is gone that there are snapshots of unknown tables
                    self.assertIn("the log does not know", str(error))
                    positions, refused = {}, refused + 1
                lost += sum(max(0, trainer.answered - positions.get(trainer.name, 0)) for trainer in campaign.trainers)
        print(f"control: {lost} of {answered} answered pushes lost, {refused} of {CONTROLS} logs refused")
        self.assertGreater(lost, 0)


if __name__ == "__main__":
    unittest.main()
