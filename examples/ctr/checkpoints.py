# SPDX-License-Identifier: Apache-2.0
"""Checkpoints LABEL-STEP of a run: its table as a group in embd, its network in FOLDER/LABEL-STEP.pt. Either may be without
the other after a crash, so each has a name of its own, and the newest that has both counts."""
import re

from run import Refused

KEPT = 2


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

    def steps(self):
        """Of the groups that embd has, ascending."""
        found = (re.fullmatch(re.escape(self.label) + r"-(0|[1-9][0-9]*)", g.label) for g in self.session.client.groups())
        return sorted(int(m.group(1)) for m in found if m)

    def newest(self):
        """The step of the newest that is whole, or None."""
        return max((s for s in self.steps() if self.path(s).exists()), default=None)

    def save(self, run, arguments):
        steps = self.steps()
        if run.done in steps:
            self.session.client.drop_group(self.name(run.done))  # half of one, of an earlier life
        self.session.save(self.name(run.done), self.path(run.done), run.model, run.optimizer, step=run.done, extra=arguments)
        for old in [s for s in steps if s != run.done][:-(KEPT - 1)]:
            self.session.client.drop_group(self.name(old))
            self.path(old).unlink(missing_ok=True)

    def restore(self, run, step, arguments):
        there = self.session.restore(self.name(step), self.path(step), run.model, run.optimizer)
        other = ["--" + k.replace("_", "-") for k, v in arguments.items() if there.extra.get(k) != v]
        if other:
            raise Refused(f"{self.name(step)} was trained with another {', '.join(other)}")
        run.done = there.step
