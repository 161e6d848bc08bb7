# SPDX-License-Identifier: Apache-2.0
"""Checkpoints LABEL-STEP of a run: its table as a group in embd, its network in FOLDER/LABEL-STEP.pt. Either may be
without the other after a crash, so each has a name of its own, and the newest that has both counts."""
import re
import time

from run import Refused

import embd

KEPT = 2
PATIENCE = 60.0  # seconds


def patiently(call):
    """The result of a call that may be repeated: once more when the daemon died under it, for a while."""
    until = time.monotonic() + PATIENCE
    while True:
        try:
            return call()
        except embd.Unavailable:
            if time.monotonic() > until:
                raise
            time.sleep(0.1)


class Checkpoints:
    def __init__(self, session, folder, label):
        self.session, self.folder, self.label = session, folder, label
        if not re.fullmatch(r"[A-Za-z0-9_.-]{1,100}", label):
            raise Refused(f"{label} is no label: letters, digits, '_', '.' and '-' are")
        folder.mkdir(parents=True, exist_ok=True)

    def name(self, step):
        return f"{self.label}-{step}"

    def path(self, step):
        return self.folder / f"{self.name(step)}.pt"

    def steps_of(self, names):
        """The steps of those of the names that are ours, ascending."""
        found = (re.fullmatch(re.escape(self.label) + r"-(0|[1-9][0-9]*)", name) for name in names)
        return sorted(int(m.group(1)) for m in found if m)

    def steps(self):
        """Of the groups that embd has."""
        return self.steps_of(g.label for g in self.session.client.groups())

    def newest(self):
        """The step of the newest that is whole, or None."""
        return max((s for s in self.steps() if self.path(s).exists()), default=None)

    def save(self, run, arguments):
        """Of where the run is now."""
        patiently(lambda: self.try_save(run, arguments))

    def try_save(self, run, arguments):
        steps = self.steps()
        if run.done in steps:
            self.session.client.drop_group(self.name(run.done))  # half of one, of an earlier life
        self.session.save(self.name(run.done), self.path(run.done), run.model, run.optimizer, step=run.done,
                          extra=arguments)
        keep = sorted({*steps, run.done})[-KEPT:]
        for old in set(steps).difference(keep):
            self.session.client.drop_group(self.name(old))
        for old in set(self.steps_of(p.stem for p in self.folder.glob("*.pt"))).difference(keep):
            self.path(old).unlink(missing_ok=True)

    def restore(self, run, step, arguments):
        """Go back to it."""
        there = patiently(lambda: self.session.restore(self.name(step), self.path(step), run.model, run.optimizer))
        other = ["--" + k.replace("_", "-") for k, v in arguments.items() if there.extra.get(k) != v]
        if other:
            raise Refused(f"{self.name(step)} was trained with another {', '.join(other)}")
        run.done = there.step
