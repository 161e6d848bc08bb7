# SPDX-License-Identifier: Apache-2.0
"""Whether the answers that trainers got can be those of a daemon that applies each push exactly once, in one order.
Every check gives a list of sentences about what is wrong; an empty list is an acquittal. Whether the tables' state is
right, too, is for replay.py to find out."""
from crash.tables import Admissions, pb


def order(pushes):
    """The pushes in the order of the log, by what the trainers were told."""
    return sorted((push for push in pushes.values() if push.answers), key=lambda push: push.answers[0]["lsn"])


def judge(pushes, positions, first_lsn, last_lsn, foreign=0):
    """`positions` {trainer: sequence} as the daemon tells them at the end; `first_lsn` is that of the first push, and
    `last_lsn` that of the daemon's log: between the two there are only pushes, with the
    admissions that they make, and at most `foreign` other changes."""
    wrong = []
    for push in pushes.values():
        if not push.answers:
            wrong.append(f"{push} has no answer")
        elif len({answer["lsn"] for answer in push.answers}) > 1:
            wrong.append(f"{push} has several lsn: {[answer['lsn'] for answer in push.answers]}")
        elif [answer["duplicate"] for answer in push.answers].count(False) > 1:
            wrong.append(f"{push} was applied twice")
    wrong += lsns(pushes, first_lsn, last_lsn, foreign) + sequences(pushes, positions) + versions(pushes)
    return wrong


def lsns(pushes, first_lsn, last_lsn, foreign):
    wrong, missing, expected, admissions = [], [], first_lsn, Admissions()
    for push in order(pushes):
        lsn = push.answers[0]["lsn"]
        begin = lsn - admissions.admits(push.message)
        if begin < expected:
            wrong.append(f"lsn {begin} was given twice, the second time to {push}")
        missing += range(expected, begin)
        expected = max(expected, lsn + 1)
    missing += range(expected, last_lsn + 1)
    if len(missing) > foreign:
        wrong.append(f"the lsn {', '.join(map(str, missing[:10]))}, {len(missing)} in all, belong to no push that was made")
    if expected > last_lsn + 1:
        wrong.append(f"the log ends at lsn {last_lsn}, the pushes at {expected - 1}")
    return wrong


def sequences(pushes, positions):
    wrong, last = [], {}
    for push in order(pushes):
        expected = last.get(push.trainer, 0) + 1
        if push.sequence != expected:
            wrong.append(f"{push} was applied where {push.trainer}/{expected} was due")
        last[push.trainer] = push.sequence
    for trainer in {push.trainer for push in pushes.values()} | set(positions):
        if positions.get(trainer) != last.get(trainer, 0):
            wrong.append(f"{trainer} stands at {positions.get(trainer)}, and {last.get(trainer, 0)} was answered")
    return wrong


def versions(pushes):
    """A table's versions are 1, 2, 3, … in the order of the log. A duplicate may tell the current ones instead."""
    wrong, now = [], {}
    for push in order(pushes):
        names = [table.table for table in pb.PushRequest.FromString(push.message).pushes]
        for name in dict.fromkeys(names):
            now[name] = now.get(name, 0) + 1
        for answer in push.answers:
            told = answer["versions"]
            right = len(told) == len(names) and all(
                version >= now[name] if answer["duplicate"] else version == now[name]
                for name, version in zip(names, told))
            if not right:
                wrong.append(f"{push} at lsn {answer['lsn']} was told versions {told} of {names}, and they are "
                             f"{[now[name] for name in names]}")
    return wrong
