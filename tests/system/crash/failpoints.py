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
    """Lives with one failpoint armed each."""

    def __init__(self, seed=1, **more):
        super().__init__(seed, operator=True, **more)
        self.note = self.top / "failpoints"

    def hits(self):
        return len(self.note.read_text().splitlines()) if self.note.exists() else 0

    def undisturbed(self, seconds):
        """A life without a failpoint, so that there is something to find at the next start."""
        self.start()
        if not self.push_for(seconds * SLOW):
            self.problems.append(f"embd died by itself:\n{self.daemon.log_text()[-3000:]}")
        self.end({grpc.StatusCode.RESOURCE_EXHAUSTED})

    def life(self, name, action, seconds, places=PLACES):
        """How often the point acted in one life, of so many seconds at most."""
        before = self.hits()
        at = self.random.choice(places)
        arm = {"EMBD_FAILPOINTS": f"{name}={action}@{at}", "EMBD_FAILPOINT_LOG": str(self.note)}
        self.count["rounds"] += 1
        for trainer in self.trainers:
            trainer.patient = {grpc.StatusCode.RESOURCE_EXHAUSTED}
        self.operator.looks = action == "kill"
        if action != "kill":
            self.saver.saved.clear()  # a snapshot that could not be read is not the newest one any more
        try:
            self.start(**arm)
        except RuntimeError:
            self.failed_start(name, action, before)
            return self.hits() - before
        lives = self.push_for(seconds * SLOW, until=lambda: self.hits() > before)
        met = self.hits() > before  # looked at once: what it meets from here on ends with the life, one way or the other
        if lives and met:
            lives = self.wait(20 if action == "kill" else 0.05)  # it has to die now, or goes on with the failure
        if not lives and (action != "kill" or self.hits() == before):
            self.problems.append(f"{name}={action}@{at}: embd died by itself:\n{self.daemon.log_text()[-3000:]}")
        if lives and met and action == "kill":
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
    """Hit a point so many times, in campaigns that begin with nothing; the hits there were, and what went wrong. What
    the daemon does only once a second is met in longer lives."""
    hits = tries = 0
    for seconds in (0.1, 3):
        while hits < wanted:
            tries += 1
            with Failpoints(seed + tries) as campaign:
                missed, before = 0, hits
                while hits < wanted and missed < TRIES and not campaign.problems and campaign.count["rounds"] < 25:
                    more = campaign.life(name, action, seconds)
                    hits, missed = hits + more, 0 if more else missed + 1
                problems = campaign.finish()
                if problems:
                    return hits, [f"{name}={action}: {problem}" for problem in problems]
                report(campaign.count)
            if hits == before:
                break
    return hits, []


def hit_once(points, seed, report):
    """Hit each of [(name, action)] once, many of them in one campaign. Those that were not met, and what went wrong."""
    problems = []
    for seconds, lives in ((0.1, 30), (0.1, 1), (0.1, 4), (5, 4), (5, 1)):  # in passing; at the first start; and late
        unmet = []
        while points and not problems:
            some, points = points[:lives], points[lives:]
            with Failpoints(seed) as campaign:
                if seconds > 1:
                    campaign.undisturbed(2)
                unmet += [point for point in some if not campaign.life(*point, seconds, (1,))]
                problems += [f"in {', '.join('='.join(point) for point in some)}: {problem}"
                             for problem in campaign.finish()]
                report(campaign.count)
            seed += 1
        points = unmet
    return points, problems
