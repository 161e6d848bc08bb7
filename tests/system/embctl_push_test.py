#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""embctl push and its kin against a real daemon: rows change as NumPy says, a run that a killed daemon cut in two counts
once, snapshots come back, and what is refused leaves everything as it was."""
import pathlib
import re
import subprocess
import sys
import tempfile
import time

import numpy as np

import tablefile
from daemon import Daemon
from embctl_kit import EMBCTL, Embctl

ROWS, DIM = 500, 16
f32 = np.float32
RANDOM = np.random.default_rng(11)


class Scene:
    """A table that is trained by sgd in steps of whole numbers, so that every order of sums has the same bits."""

    def __init__(self, folder):
        self.folder = folder
        self.start = RANDOM.integers(-100, 100, (ROWS, DIM)).astype(f32)
        tablefile.write(folder / "t", tablefile.table("full", ROWS, DIM, {"weight": ("F32", self.start)}))
        self.ids = RANDOM.integers(0, ROWS, 2000)
        self.gradients = RANDOM.integers(-8, 9, (2000, DIM)).astype(f32)
        self.push = ("push", "t", "--ids", self.file("ids", self.ids), "--gradients",
                     self.file("gradients", self.gradients))

    def file(self, name, array):
        path = self.folder / (name + ".npy")
        np.save(path, array)
        return path

    def pushed(self, table, times=1):
        out = table.copy()
        np.subtract.at(out, self.ids, times * self.gradients)
        return out


def rows(e):
    return e.array("lookup", "t", "--ids", "-", input=b" ".join(b"%d" % i for i in range(ROWS)))


def test_rows_change(e, s):
    want = s.start
    assert np.array_equal(rows(e), want)
    text = e.text(*s.push)
    assert re.fullmatch(r"t: 2,000 rows pushed, version 1, lsn \d+\n", text), text
    want = s.pushed(want)
    assert np.array_equal(rows(e), want)
    text = e.text(*s.push, "--rate", "2", "--batch", "300", "--trainer", "b")
    assert "2,000 rows pushed in 7 steps, numbers 1 to 7 of b, version 8, " in text, text
    want = s.pushed(want, 2)
    assert np.array_equal(rows(e), want)
    for more in ("--format", "f16"), ("--format", "bf16"):  # small whole numbers have no bits to lose
        e.text(*s.push, *more)
        want = s.pushed(want)
        assert np.array_equal(rows(e), want)
    return want


def test_bags(e, s, want):
    offsets, weights = np.array([0, 5, 5, 2000], "<u4"), RANDOM.integers(1, 4, 2000).astype(f32)
    e.text("push", "t", "--ids", s.push[3], "--gradients", s.file("bags", s.gradients[:3]), "--offsets",
           s.file("offsets", offsets), "--pooling", "sum", "--weights", s.file("weights", weights))
    each = np.repeat(s.gradients[:3], np.diff(offsets.astype(int)), axis=0) * weights[:, None]
    np.subtract.at(want, s.ids, each)
    assert np.array_equal(rows(e), want)
    return want


def test_refusals(e, s, want):
    e.fails(1, "leaves a gap: 8 is expected", *s.push, "--trainer", "b", "--sequence", "10")
    e.fails(1, "applied with another content", *s.push, "--trainer", "b", "--sequence", "7")
    e.fails(1, "read-only", "push", "plain", *s.push[2:])
    e.fails(1, 'pushes[0] (table "nope"): no such table', "push", "nope", *s.push[2:])
    e.fails(1, 'table "t" has 16 columns, the gradients have 8', *s.push[:5], s.file("narrow", s.gradients[:, :8]))
    bad = s.gradients.copy()
    bad[1234, 5] = np.nan
    e.fails(1, "push 7 of 10, rows 1200 to 1399: pushes[0] (table \"t\"): gradients[549] is not finite; those before it "
            "are applied, and once it is mended the same command with --sequence 1 goes on", *s.push[:5],
            s.file("bad", bad), "--trainer", "mended", "--batch", "200")
    done = s.gradients.copy()
    done[1200:] = 0
    np.subtract.at(want, s.ids, done)
    assert np.array_equal(rows(e), want)
    text = e.text(*s.push, "--trainer", "mended", "--batch", "200", "--sequence", "1")
    assert "numbers 1 to 10 of mended, 6 of which had been applied before" in text, text
    np.subtract.at(want, s.ids[1200:], s.gradients[1200:])
    assert np.array_equal(rows(e), want)
    e.fails(1, "is not in the table", "push", "t", "--ids", "-", "--gradients", s.file("one", s.gradients[:1]), input=b"500")
    assert "1 unknown id skipped" in e.text("push", "t", "--ids", "-", "--gradients", s.file("one", s.gradients[:1]),
                                            "--missing", "skip", input=b"500")
    e.fails(1, "and the table does not grow", "push", "t", "--ids", "-", "--gradients", s.file("one", s.gradients[:1]),
            "--missing", "admit", input=b"500")
    e.fails(2, "--missing: \"always\" is not refuse, skip or admit", *s.push, "--missing", "always")
    e.fails(1, "name of a trainer", *s.push, "--trainer", "two words")
    e.fails(1, "learning_rate", *s.push, "--rate", "-1")
    assert np.array_equal(rows(e), want)
    return want


def test_new_ids(e, s):
    """A table that grows, all of it by embctl."""
    e.text("create", "grown", "-m", "full", "-n", "3", "-d", str(s.gradients.shape[1]), "--grow", "--option",
           "admit_after=2")
    push = ("push", "grown", "--ids", "-", "--gradients", s.file("few", s.gradients[:4]), "--missing", "admit")
    assert "4 unknown ids skipped" in e.text(*push, input=b"1 2 3 4")
    text = e.text(*push, input=b"2 1 3 4")
    assert "3 new ids, 1 unknown id skipped, version 2" in text, text
    told = e.document(*push, input=b"2 1 3 4")
    assert told["admitted"] == 0 and told["skipped"] == 1
    assert "keys; 3 rows in use, 0 spare" in e.text("describe", "grown")
    listed = e.document("describe", "grown")
    assert listed["grows"] and listed["used_rows"] == 3
    wait_for = lambda: e.document("stats")["training"]  # noqa: E731
    for _ in range(200):
        row = {row["table"]: row for row in wait_for()}.get("grown", {})
        if row.get("admitted"):
            break
        time.sleep(0.05)
    assert row["admitted"] == 3 and row["used_rows"] == 3 and row["crowded"] == 2 and row["evicted"] == 0, row
    assert "rows in use" in e.text("stats")
    e.text("unload", "grown", "--forget")


def test_trainers(e):
    assert e.text("position", "b") == "b: number 7 was the last push applied\n"
    assert e.text("position", "nobody") == "nobody: no push was applied yet\n"
    assert re.fullmatch(r"b: forgotten, its last push was number 7, lsn \d+\n", e.text("forget", "b"))
    assert e.document("position", "b") == {"trainer": "b", "sequence": 0}
    e.fails(1, "no trainer", "forget", "b")
    e.fails(1, "name of a trainer", "position", "two words")


def test_snapshots(e, s, want):
    version = e.document("describe", "t")["version"]
    text = e.text("save", "t")
    assert re.fullmatch(rf"t: saved version {version}, (a whole file|what changed), \S+ [KM]iB in \S+ \w+, lsn \d+\n",
                        text), text
    e.text(*s.push)
    assert not np.array_equal(rows(e), want)
    assert f"restored, version {version + 2} from now on" in e.text("restore", "t", "--version", version)
    assert np.array_equal(rows(e), want)
    e.fails(1, "has no snapshot of version 98765", "restore", "t", "--version", "98765")
    e.fails(1, "read-only", "save", "plain")
    e.fails(1, "read-only", "restore", "plain")
    e.fails(1, "no such table", "save", "nope")
    e.fails(1, "no such table", "restore", "nope")
    found = e.document("describe", "t")
    assert found["trainable"] and found["optimizer"]["name"] == "sgd" and found["optimizer"]["learning_rate"] == 1
    assert found["durability"] == "always" and found["snapshots"] and found["snapshots"][0]["version"] == version + 2
    assert "optimizer   sgd, learning_rate 1, " in e.text("describe", "t")
    listed = {t["table"]: t for t in e.document("tables")["tables"]}
    assert listed["t"]["version"] == version + 2 and listed["t"]["trainable"] and not listed["plain"]["trainable"]


def test_load_trainable(e, s):
    text = e.text("load", "new", "t", "--set", "optimizer=adagrad", "--set", "learning_rate=0.25")
    assert "new: serving full, 500 × 16" in text
    found = e.document("describe", "new")["optimizer"]
    assert found["name"] == "adagrad" and found["learning_rate"] == 0.25
    e.text("push", "new", *s.push[2:])
    e.fails(1, "optimizer must be", "load", "other", "t", "--set", "optimizer=adagrid")
    assert e.text("unload", "new", "--forget").startswith("new: not served any more and forgotten")


def test_killed_in_the_middle(daemon, e, s, want):
    """The daemon dies under a run of many pushes; the command that the message names finishes it, and each counts once."""
    count = 20000
    ids, gradients = RANDOM.integers(0, ROWS, count), RANDOM.integers(-8, 9, (count, DIM)).astype(f32)
    push = ("push", "t", "--ids", s.file("many_ids", ids), "--gradients", s.file("many", gradients), "--batch", "20",
            "--trainer", "long")
    process = subprocess.Popen([EMBCTL, *map(str, push)], env=e.environment, stderr=subprocess.PIPE,
                               stdout=subprocess.PIPE)
    while e.document("position", "long")["sequence"] < 30:
        assert process.poll() is None, process.communicate()
    daemon.kill()
    text = process.communicate(timeout=60)[1].decode()
    assert process.returncode == 1 and text.count("\n") == 1, (process.returncode, text)
    assert re.match(r"embctl: push \d+ of 1000, rows \d+ to \d+: .*whether it was applied is not known: the same command "
                    r"with --sequence 1 tells, and counts it once\n", text), text
    daemon.start()
    e.environment["EMBD_SERVER"] = daemon.address
    at = e.document("position", "long")["sequence"]
    assert 30 <= at < 1000
    found = e.document(*push, "--sequence", "1")
    assert (found["pushes"], found["duplicates"], found["sequence_last"]) == (1000, at, 1000), (found, at)
    np.subtract.at(want, ids, gradients)
    assert np.array_equal(rows(e), want)
    daemon.kill()
    daemon.start()
    e.environment["EMBD_SERVER"] = daemon.address
    assert np.array_equal(rows(e), want) and e.document("position", "long")["sequence"] == 1000


def main():
    with tempfile.TemporaryDirectory(prefix="embctl-push-") as name:
        s = Scene(pathlib.Path(name))
        with Daemon(tables={"t": f"{name}/t,optimizer=sgd,learning_rate=1", "plain": f"{name}/t"},
                    import_dir=name) as daemon:
            e = Embctl(daemon)
            want = test_rows_change(e, s)
            want = test_bags(e, s, want)
            want = test_refusals(e, s, want)
            test_new_ids(e, s)
            test_trainers(e)
            test_snapshots(e, s, want)
            test_load_trainable(e, s)
            test_killed_in_the_middle(daemon, e, s, want)
    return 0


if __name__ == "__main__":
    sys.exit(main())
