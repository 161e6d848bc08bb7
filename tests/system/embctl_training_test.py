#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""embctl's commands for training, against a stand-in that knows the rules of sequences (fake_daemon.py): what is
sent, how large arrays are cut, and what is said when a push is refused or its outcome is not known."""
import os
import pathlib
import pty
import re
import signal
import subprocess
import sys
import tempfile

import grpc
import numpy as np

from embctl_kit import EMBCTL, Embctl
from fake_daemon import DIM, ROWS, Daemon, pb

f32 = np.float32
RANDOM = np.random.default_rng(7)
UNAVAILABLE, INVALID = grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.INVALID_ARGUMENT


class Arrays:
    """Ten rows of gradients, and their files."""

    def __init__(self, folder):
        self.folder = folder
        self.ids = RANDOM.integers(0, ROWS, 10)
        self.gradients = RANDOM.normal(size=(10, DIM)).astype(f32)
        self.push = ("push", "words", "--ids", self.file("ids", self.ids.astype("<i4")), "--gradients",
                     self.file("gradients", self.gradients))

    def file(self, name, array):
        path = self.folder / (name + ".npy")
        np.save(path, array)
        return path


def pushed(e, method="PushStream"):
    return [one for request in e.asked(method) for one in request.pushes]


def test_what_is_sent(e, a):
    version = e.daemon.tables["words"].version
    text = e.text(*a.push)
    assert text == f"words: 10 rows pushed, version {version + 1}, lsn {e.daemon.lsn}\n", text
    (request,) = e.asked("PushStream")
    assert not request.trainer and not request.sequence and not request.HasField("learning_rate")
    (one,) = request.pushes
    assert list(one.ids) == a.ids.tolist() and np.array(one.gradients, f32).tobytes() == a.gradients.tobytes()
    e.text(*a.push, "--rate", "0.25", "--trainer", "who:1", "--missing", "skip")
    (request,) = e.asked("PushStream")
    assert (request.trainer, request.sequence, request.learning_rate) == ("who:1", 1, 0.25)
    assert request.missing == pb.PUSH_MISSING_SKIP
    e.text(*a.push, "--rate", "0")
    assert e.asked("PushStream")[0].HasField("learning_rate")
    text = e.text("push", "words", "--ids", "-", "--gradients", a.file("two", a.gradients[:2].astype("f8")),
                  "--missing", "skip", input=b"7 1000")
    assert "2 rows pushed, 1 unknown id skipped" in text
    found = e.document(*a.push, "--trainer", "who:1")
    assert list(found) == ["table", "rows", "ids", "pushes", "trainer", "sequence_first", "sequence_last", "duplicates",
                           "skipped", "admitted", "version", "lsn"]
    assert (found["sequence_first"], found["pushes"], found["duplicates"]) == (2, 1, 0)
    assert e.document(*a.push)["trainer"] is None


def test_formats(e, a):
    bf16 = (a.gradients.view("<u4") >> 16).astype("<u2")
    for name, array, format, bits in (("f16", a.gradients, "f16", a.gradients.astype("<f2")),
                                      ("f16 as it is", a.gradients.astype("<f2"), "f16", a.gradients.astype("<f2")),
                                      ("bf16 as it is", bf16, "bf16", bf16),
                                      ("bf16 from wider", (bf16.astype("<u4") << 16).view(f32), "bf16", bf16)):
        e.asked("PushStream")
        e.text(*a.push[:5], a.file("other", array), "--format", format)
        (one,) = pushed(e)
        assert one.packed == bits.tobytes() and not one.gradients, name
        assert one.format == (pb.VECTOR_FORMAT_F16 if format == "f16" else pb.VECTOR_FORMAT_BF16)
    for array in a.gradients.astype("<f8"), a.gradients.astype("<f2"):
        e.text(*a.push[:5], a.file("other", array))
        (one,) = pushed(e)
        assert np.array(one.gradients, f32).tobytes() == array.astype(f32).tobytes()
    large = a.gradients.copy()
    large[3, 4] = 1e6
    e.fails(1, "gradient 4 of row 3, 1e+06, is too large for f16", *a.push[:5], a.file("other", large), "-f", "f16")
    e.fails(1, "with --format bf16", *a.push[:5], a.file("other", bf16))


def test_bags(e, a):
    offsets, weights = [0, 4, 4, 10], RANDOM.normal(size=10).astype(f32)
    bags = ("push", "words", "--ids", a.push[3], "--gradients", a.file("bags", a.gradients[:3]), "--offsets",
            a.file("offsets", np.array(offsets, "<u4")))
    text = e.text(*bags, "--pooling", "sum", "--weights", a.file("weights", weights))
    assert "words: 3 bags pushed, " in text
    (one,) = pushed(e)
    assert list(one.offsets) == offsets and one.pooling == pb.POOLING_SUM
    assert np.array(one.weights, f32).tobytes() == weights.tobytes()
    e.text(*bags, "--pooling", "sum", "--weights", a.file("weights", weights), "--batch", "2")
    first, second = pushed(e)
    assert list(first.offsets) == [0, 4, 4] and list(second.offsets) == [0, 6]
    assert list(first.ids) + list(second.ids) == a.ids.tolist()
    assert np.array(list(first.weights) + list(second.weights), f32).tobytes() == weights.tobytes()
    assert np.array(list(second.gradients), f32).tobytes() == a.gradients[2].tobytes()
    e.fails(1, "3 rows of gradients for 2 bags", *bags[:-1], a.file("offsets", np.array([0, 4, 10])), "-p", "mean")
    e.fails(1, "3 rows of gradients for 10 ids", *bags[:-2])


def test_batches_go_in_order(e, a):
    ids = RANDOM.integers(0, ROWS, 5000)
    gradients = RANDOM.normal(size=(5000, DIM)).astype(f32)
    push = ("push", "words", "--ids", a.file("many_ids", ids), "--gradients", a.file("many", gradients), "--batch", "64",
            "--trainer", "many")
    version = e.daemon.tables["words"].version
    e.asked("PushStream")
    text = e.text(*push)
    assert f"5,000 rows pushed in 79 steps, numbers 1 to 79 of many, version {version + 79}" in text, text
    requests = e.asked("PushStream")
    assert [r.sequence for r in requests] == list(range(1, 80))
    assert [i for r in requests for i in r.pushes[0].ids] == ids.tolist()
    sent = b"".join(np.array(r.pushes[0].gradients, f32).tobytes() for r in requests)
    assert sent == gradients.tobytes()
    text = e.text(*push, "--sequence", "1")
    assert "numbers 1 to 79 of many had all been applied before" in text, text
    ours, theirs = pty.openpty()  # a terminal sees how far it is, and nothing of it stays
    process = subprocess.run([EMBCTL, *map(str, push)], stderr=theirs, env=e.environment, capture_output=False,
                             stdout=subprocess.DEVNULL, check=False)
    os.close(theirs)
    shown = b""
    try:
        while part := os.read(ours, 65536):
            shown += part
    except OSError:  # all of it has been read
        pass
    os.close(ours)
    shown = shown.decode()
    assert process.returncode == 0 and "push " in shown and " %" in shown and shown.endswith("\r\033[K"), shown


def test_outcomes_that_are_not_known(e, a):
    e.daemon.trainers.clear()
    push = (*a.push, "--trainer", "t", "--batch", "3")
    e.daemon.script = [None, None, "drop"]
    e.fails(1, "push 3 of 4, rows 6 to 8: the answer is lost; whether it was applied is not known: the same command with "
            "--sequence 1 tells, and counts it once", *push)
    version = e.daemon.tables["words"].version
    text = e.text(*push, "--sequence", "1")
    assert "10 rows pushed in 4 steps, numbers 1 to 4 of t, 3 of which had been applied before" in text, text
    assert e.daemon.tables["words"].version == version + 1
    e.daemon.script = [UNAVAILABLE]
    e.fails(1, "without --trainer it may count twice", *a.push)
    e.daemon.script = ["drop"]
    e.fails(1, "--sequence 5 tells", *a.push, "--trainer", "t")
    assert "number 5 of t had been applied before" in e.text(*a.push, "--trainer", "t", "--sequence", "5")


def test_refusals(e, a):
    push = (*a.push, "--trainer", "t", "--batch", "3")
    at = len(e.daemon.trainers["t"])
    e.daemon.script = [None, INVALID]
    e.fails(1, f"push 2 of 4, rows 3 to 5: as the script says; the one before it is applied, and once it is mended the same "
            f"command with --sequence {at + 1} goes on", *push)
    e.daemon.script = [None, None, INVALID]
    e.fails(1, "those before it are applied", *a.push, "--batch", "3")
    e.fails(1, f"the next number is {at + 2}", *a.push, "--trainer", "t", "--sequence", at + 7)
    e.fails(1, "another content", *a.push, "--trainer", "t", "--sequence", 1, "--rate", "9")
    e.fails(1, 'table "keyed" cannot be trained', "push", "keyed", *a.push[2:])
    e.fails(1, 'no table "nope"', "push", "nope", *a.push[2:])
    e.fails(1, "pushes[0] has the unknown id 1000", "push", "words", "--ids", "-", "--gradients",
            a.file("one", a.gradients[:1]), input=b"1000")
    e.fails(1, 'table "words" has 100 columns, the gradients have 99', *a.push[:5], a.file("other", a.gradients[:, :99]))
    e.fails(1, "U32; gradients are float32", *a.push[:5], a.file("other", np.zeros((10, DIM), "<u4")))
    e.fails(1, "1 dimension; gradients have two", *a.push[:5], a.file("other", a.gradients.ravel()))
    e.fails(1, "No such file", *a.push[:5], a.folder / "none.npy")
    e.fails(1, "cannot connect to", *a.push, "--server", "127.0.0.1:1")
    for words, arguments in (("which ids", ["words"]), ("which gradients", ["words", "--ids", "x"]),
                             ("only one array", ["words", "--ids", "-", "--gradients", "-"]),
                             ("goes with --trainer", [*a.push[1:], "--sequence", "1"]),
                             ("no number from 1", [*a.push[1:], "--trainer", "t", "--sequence", "0"]),
                             ("no learning rate", [*a.push[1:], "--rate", "fast"]),
                             ("no number of rows", [*a.push[1:], "--batch", "0"]),
                             ("f32, f16 or bf16", [*a.push[1:], "--format", "int8"]),
                             ("goes with --pooling", [*a.push[1:], "--offsets", "x"]), ("TABLE", [])):
        e.fails(2, words, "push", *arguments)


def test_interrupted(e, a):
    """Ctrl-C says that the outcome is not known, and how to go on."""
    e.daemon.script = ["wait"]
    process = subprocess.Popen([EMBCTL, *map(str, a.push), "--trainer", "slow"], env=e.environment,
                               stderr=subprocess.PIPE)
    assert e.daemon.waiting.wait(30)
    process.send_signal(signal.SIGINT)
    text = process.communicate(timeout=30)[1].decode()
    e.daemon.go.set()
    assert process.returncode == 130 and text.count("\n") == 1, (process.returncode, text)
    assert "interrupted; whether it was applied is not known" in text and "--sequence 1" in text, text


def test_trainers(e):
    e.daemon.trainers = {"t": [b"x"] * 12}
    assert e.text("position", "t") == "t: number 12 was the last push applied\n"
    assert e.text("position", "new") == "new: no push was applied yet\n"
    assert e.document("position", "t") == {"trainer": "t", "sequence": 12}
    assert e.text("forget", "t") == f"t: forgotten, its last push was number 12, lsn {e.daemon.lsn}\n"
    e.fails(1, 'no trainer "t"', "forget", "t")
    e.daemon.trainers = {"t": [b"x"]}
    assert e.document("forget", "t") == {"trainer": "t", "sequence": 1, "lsn": e.daemon.lsn}
    e.fails(2, "it takes TRAINER", "position")


def test_snapshots(e):
    version = e.daemon.tables["words"].version
    assert e.text("save", "words") == (f"words: saved version {version}, what changed, 4.00 KiB in 1.23 ms, lsn "
                                       f"{version + 3}\n")
    found = e.document("save", "words")
    assert list(found) == ["table", "version", "lsn", "whole", "bytes", "time", "file", "checksum", "us"]
    assert found["version"] == version and found["checksum"] == "fedcba9876543210"
    e.fails(1, 'table "keyed" is read-only', "save", "keyed")
    assert e.text("restore", "words") == f"words: restored, version {version + 1} from now on, lsn {e.daemon.lsn}\n"
    assert e.document("restore", "words", "--version", 5) == {"table": "words", "version": version + 2,
                                                              "lsn": e.daemon.lsn}
    assert [r.version for r in e.asked("Restore")] == [0, 5]
    e.fails(1, "no snapshot of version 6", "restore", "words", "--version", "6")
    e.fails(2, "no version from 1", "restore", "words", "--version", "0")
    e.asked("Restore")
    for command in "save", "restore", "load":  # long work: no deadline unless one is given
        e.run(command, "words", *(["x"] if command == "load" else []), "--timeout", "1m")
        e.run(command, "words", *(["x"] if command == "load" else []))
    left = [left for name, _, left in e.daemon.calls if name in ("Save", "Restore", "Load")]
    assert len(left) == 6 and all(a <= 60 and b > 1e6 for a, b in zip(left[::2], left[1::2])), left
    assert "embctl 0" in e.text("--version") and "embctl 0" in e.text("restore", "-V")


def test_describe(e):
    e.daemon.tables["words"] = e.daemon.info("words")
    text = e.text("describe", "words")
    assert re.search(r"\noptimizer +adagrad, learning_rate 0\.05, epsilon 1e-08, step 12\n", text), text
    assert "\ndurability  always: a push is on disk before it is answered\n" in text
    assert re.search(r"\nversion 5 +8 +changes +4\.00 KiB +1\.5\d min +/data/tables/words/5\n"
                     r"version 3 +6 +whole +1\.00 MiB +1\.5\d min +/data/tables/words/3\n", text), text
    found = e.document("describe", "words")
    assert found["optimizer"] == {"name": "adagrad", "learning_rate": 0.05, "epsilon": 1e-08, "weight_decay": 0, "step": 12}
    assert '"learning_rate": 0.05,' in e.good("describe", "words", "--json").decode(), "the digits that were sent"
    assert (found["durability"], found["trainable"], found["snapshot_version"]) == ("always", True, 5)
    assert [(s["version"], s["whole"]) for s in found["snapshots"]] == [(5, False), (3, True)]
    assert e.document("describe", "keyed")["snapshots"] == [] and "durability" not in e.document("describe", "keyed")
    tables = {t["table"]: t for t in e.document("tables")["tables"]}
    assert tables["words"]["trainable"] and not tables["keyed"]["trainable"]
    assert "snapshot_version" not in tables["keyed"]


def main():
    with Daemon() as daemon, tempfile.TemporaryDirectory(prefix="embctl-test-") as name:
        e, a = Embctl(daemon), Arrays(pathlib.Path(name))
        test_what_is_sent(e, a)
        test_formats(e, a)
        test_bags(e, a)
        test_batches_go_in_order(e, a)
        test_outcomes_that_are_not_known(e, a)
        test_refusals(e, a)
        test_interrupted(e, a)
        test_trainers(e)
        test_snapshots(e)
        test_describe(e)
    return 0


if __name__ == "__main__":
    sys.exit(main())
