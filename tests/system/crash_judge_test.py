#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The judge of the crash campaigns is judged: it must see a push that was lost, doubled or swapped, in what trainers were
told as well as in the tables."""
import json
import pathlib
import random
import shutil
import tempfile
import unittest

import numpy

from crash import journal, judge, replay, state
from crash.rounds import CONFIG
from crash.tables import Admissions, Pushes, pb

FIRST = 10


class Answers(unittest.TestCase):
    """By journals alone: a history that is right, and what becomes of it by one edit."""

    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="embd-judge-"))
        draw, lsn, versions, done = random.Random(1), FIRST, {}, {}
        sources, admissions = {name: Pushes(name) for name in ("a", "b", "c")}, Admissions()
        journals = {name: journal.Journal(self.folder / f"{name}.journal") for name in sources}
        for _ in range(60):
            name = draw.choice(sorted(sources))
            done[name] = sequence = done.get(name, 0) + 1
            message = sources[name].message(sequence)
            tables = [table.table for table in pb.PushRequest.FromString(message).pushes]
            lsn += admissions.admits(message)
            for table in set(tables):
                versions[table] = versions.get(table, 0) + 1
            journals[name].push(sequence, message)
            answer = pb.PushResponse(lsn=lsn, versions=[versions[table] for table in tables])
            journals[name].answer(sequence, answer)
            if draw.random() < 0.2:  # it was sent again
                answer.duplicate = True
                journals[name].answer(sequence, answer)
            lsn += 1
        for one in journals.values():
            one.close()
        self.done, self.last = done, lsn - 1

    def tearDown(self):
        shutil.rmtree(self.folder)

    def edit(self, name, change):
        """Pass each record of a journal through `change`, which gives a list of records."""
        path = self.folder / f"{name}.journal"
        records = [json.loads(line) for line in path.read_text().splitlines()]
        path.write_text("".join(json.dumps(out) + "\n" for record in records for out in change(record)))

    def verdict(self, last=None, foreign=0):
        pushes = journal.read(sorted(self.folder.glob("*.journal")))
        return judge.judge(pushes, self.done, FIRST, last or self.last, foreign)

    def answers(self, sequence, change):
        """An edit of the answers to one push."""
        def edit(record):
            return change(record) if record.get("answer") == sequence else [record]
        return edit

    def test_acquits(self):
        self.assertEqual(self.verdict(), [])
        self.assertEqual(self.verdict(self.last + 2, foreign=2), [])

    def test_sees_a_push_of_nobody(self):
        self.assertIn("belong to no push", "\n".join(self.verdict(self.last + 1)))
        self.assertIn("belong to no push", "\n".join(self.verdict(self.last + 3, foreign=2)))

    def test_sees_a_lost_push(self):
        self.edit("b", lambda record: [] if 5 in (record.get("push"), record.get("answer")) else [record])
        self.assertIn("belong to no push", "\n".join(self.verdict()))

    def test_sees_an_answer_that_is_missing(self):
        self.edit("b", self.answers(5, lambda record: []))
        self.assertIn("b/5 has no answer", self.verdict())

    def test_sees_the_last_one_lost(self):
        self.assertIn("the log ends at", "\n".join(self.verdict(self.last - 1)))
        self.done["b"] -= 1
        self.assertIn("b stands at", "\n".join(self.verdict()))

    def test_sees_a_doubled_push(self):
        self.edit("b", self.answers(5, lambda record: [dict(record, duplicate=False), dict(record, duplicate=False)]))
        self.assertIn("b/5 was applied twice", self.verdict())

    def test_sees_two_lsns(self):
        self.edit("b", self.answers(5, lambda record: [record, dict(record, lsn=record["lsn"] + 1, duplicate=True)]))
        self.assertIn("b/5 has several lsn", "\n".join(self.verdict()))

    def test_sees_one_lsn_for_two(self):
        self.edit("b", self.answers(5, lambda record: [dict(record, lsn=record["lsn"] - 1)]))
        self.assertIn("was given twice", "\n".join(self.verdict()))

    def test_sees_swapped_pushes(self):
        pushes = judge.order(journal.read(sorted(self.folder.glob("*.journal"))))
        for one, other in zip(pushes, pushes[1:]):
            names = [{table.table for table in pb.PushRequest.FromString(push.message).pushes} for push in (one, other)]
            if one.trainer != other.trainer and names[0] & names[1]:
                break
        lsn = one.answers[0]["lsn"]
        self.edit(one.trainer, self.answers(one.sequence, lambda record: [dict(record, lsn=lsn + 1)]))
        self.edit(other.trainer, self.answers(other.sequence, lambda record: [dict(record, lsn=lsn)]))
        self.assertIn("was told versions", "\n".join(self.verdict()))

    def test_sees_a_trainer_out_of_order(self):
        lsn = {}
        for push in judge.order(journal.read(sorted(self.folder.glob("*.journal")))):
            lsn[str(push)] = push.answers[0]["lsn"]
        self.edit("b", self.answers(5, lambda record: [dict(record, lsn=lsn["b/6"])]))
        self.edit("b", lambda record: [dict(record, lsn=lsn["b/5"])] if record.get("answer") == 6 else [record])
        self.assertIn("was applied where b/5 was due", "\n".join(self.verdict()))

    def test_sees_a_wrong_version(self):
        self.edit("b", self.answers(5, lambda record: [dict(record, duplicate=False,
                                                            versions=[v + 1 for v in record["versions"]])]))
        self.assertIn("b/5 at lsn", "\n".join(self.verdict()))


class State(unittest.TestCase):
    """By the tables: the same pushes with one of them lost, doubled or swapped end in another state."""

    @classmethod
    def setUpClass(cls):
        cls.top = pathlib.Path(tempfile.mkdtemp(prefix="embd-judge-"))
        source = Pushes("t", seed=5)
        cls.messages = [source.message(sequence) for sequence in range(1, 41)]
        cls.right = cls.state(cls, cls.messages)

    @classmethod
    def tearDownClass(cls):
        shutil.rmtree(cls.top)

    def state(self, messages):
        """Lookups and snapshots after these pushes, numbered anew, and the lsn of the first."""
        pushes = []
        for sequence, message in enumerate(messages, 1):
            request = pb.PushRequest.FromString(message)
            request.sequence = sequence
            push = journal.Push("t", sequence, request.SerializeToString())
            push.answers = [{"lsn": sequence}]
            pushes.append(push)
        looked, saved, _ = replay.replay({str(push): push for push in pushes}, CONFIG, self.top, 1)
        return looked, saved

    def differences(self, messages):
        looked, saved = self.state(messages)
        return (state.differences(self.right[0], looked, "lookups"),
                state.differences(self.right[1], saved, "snapshots"))

    def values_differ(self, messages):
        """Whether lookups differ in more than versions, and snapshots, too."""
        looked, saved = self.state(messages)
        return (any(looked[name][1] != self.right[0][name][1] for name in looked) and
                bool(state.differences(self.right[1], saved, "snapshots")))

    def counting(self):
        """The places of pushes that change values: their rate is not 0, and they do not skip ids that may all be
        unknown."""
        requests = map(pb.PushRequest.FromString, self.messages)
        return [at for at, request in enumerate(requests) if request.WhichOneof("rate") is None and
                not (request.missing == pb.PUSH_MISSING_SKIP and {p.table for p in request.pushes} == {"growing"})]

    def test_the_same_is_equal(self):
        self.assertEqual(self.differences(self.messages), ([], []))

    def test_a_lost_one_shows(self):
        for at in self.counting()[::12]:
            self.assertTrue(self.values_differ(self.messages[:at] + self.messages[at + 1:]))

    def test_a_doubled_one_shows(self):
        at = self.counting()[15]
        self.assertTrue(self.values_differ(self.messages[:at] + self.messages[at:at + 1] + self.messages[at:]))

    def test_swapped_ones_show(self):
        """Two pushes to the same rows of a table whose optimizer remembers."""
        ids = range(8)
        request = pb.PushRequest(trainer="t")
        request.pushes.add(table="full", ids=numpy.array(ids, "<i8").tobytes(),
                           gradients=numpy.linspace(-1, 1, 64, dtype="<f4").tobytes())
        one = request.SerializeToString()
        request.pushes[0].gradients = numpy.linspace(3, -2, 64, dtype="<f4").tobytes()
        other = request.SerializeToString()
        type(self).right = self.state(self.messages + [one, other])
        try:
            self.assertTrue(self.values_differ(self.messages + [other, one]))
        finally:
            type(self).right = self.state(self.messages)


if __name__ == "__main__":
    unittest.main()
