# SPDX-License-Identifier: Apache-2.0
"""Every failpoint of the code: the daemon dies there, or what it does there fails, and is judged as ever."""
import os
import signal
import subprocess

import grpc

from crash.rounds import SLOW, Campaign
from daemon import BUILD, SOURCE

DEVELOPER = "#define EMBD_DEVELOPER 1" in (BUILD / "config.h").read_text() if (BUILD / "config.h").exists() else False
PLACES = (1, 1, 2, 3, 5, 9)  # the how-manieth time a point is passed
TRIES = 8                    # lives without a hit after which a name counts as one that is not met
ALLOWED = {grpc.StatusCode.RESOURCE_EXHAUSTED, grpc.StatusCode.UNAVAILABLE}


def names():
    """[(name, whether it can fail)]"""
    text = subprocess.run(["bash", str(SOURCE / "tests/check_failpoints.sh"), "--list"], check=True, text=True,
                          capture_output=True, env=dict(os.environ, TOP_SRCDIR=str(SOURCE))).stdout
    return [(line.split()[0], line.split()[1] == "fail") for line in text.splitlines()]


class Failpoints(Campaign):
    """Lives with one failpoint armed."""

    def __init__(self, seed=1, **more):
        super().__init__(seed, operator=True, **more)
        self.note = self.top / "failpoints"

    def hits(self):
        return len(self.note.read_text().splitlines()) if self.note.exists() else 0

    def life(self, name, action):
        """How often the point acted in one life."""
        before = self.hits()
        at = self.random.choice(PLACES)
        arm = {"EMBD_FAILPOINTS": f"{name}={action}@{at}", "EMBD_FAILPOINT_LOG": str(self.note)}
        self.count["rounds"] += 1
        for trainer in self.trainers:
            trainer.patient = {grpc.StatusCode.RESOURCE_EXHAUSTED}
        try:
            self.start(**arm)
        except RuntimeError:
            self.failed_start(name, action, before)
            return self.hits() - before
        lives = self.push_for((0.3 if action == "kill" else 0.08) * SLOW)
        if not lives and (action != "kill" or self.hits() == before):
            self.problems.append(f"{name}={action}@{at}: embd died by itself:\n{self.daemon.log_text()[-3000:]}")
        if lives and action == "kill" and self.hits() > before:
            self.problems.append(f"{name}={action}@{at}: embd was to die and lives")
        self.end(ALLOWED if action != "kill" else {grpc.StatusCode.RESOURCE_EXHAUSTED})
        return self.hits() - before

    def failed_start(self, name, action, before):
        """It may die where it was told to, and end with a sentence where something failed."""
        status = self.daemon.process.returncode
        self.daemon.log.close()
        wanted = -signal.SIGKILL if action == "kill" else 1
        if status != wanted or self.hits() == before:
            self.problems.append(f"{name}={action}: embd ended with {status} at the start:\n"
                                 f"{self.daemon.log_text()[-3000:]}")
        if self.power:
            self.count += self.power.cut(self.random)


def hit(name, action, wanted, seed, report):
    """Hit a point so many times, in campaigns that begin with nothing; the hits there were, and what went wrong."""
    hits = tries = 0
    while hits < wanted and tries < TRIES:
        with Failpoints(seed + hits + tries) as campaign:
            missed = 0
            while hits < wanted and missed < TRIES and not campaign.problems and campaign.count["rounds"] < 25:
                more = campaign.life(name, action)
                hits, missed = hits + more, 0 if more else missed + 1
            tries += 1
            problems = campaign.finish()
            if problems:
                return hits, [f"{name}={action}: {problem}" for problem in problems]
            report(campaign.count)
        if not hits:
            break
    return hits, []
