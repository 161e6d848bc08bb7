#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""examples/ctr/train.py on a part of KuaiRand: it learns, its rows in embd or in its own process alike, with every
model and every method; it goes on after its daemon or itself was killed, and ends with the same bits."""
import importlib.util
import json
import os
import signal
import subprocess
import sys

import numpy as np

from ctr_kit import Trainer, all_rows, small_log, wait_for_step
from daemon import Daemon, program
from training_kit import run

import embd

SMALL = ("--batch", 256, "--lr", 0.05, "--epochs", 2)


def methods():
    told = subprocess.run([program("embctl"), "--json", "methods"], check=True, capture_output=True).stdout
    return [m["name"] for m in json.loads(told)]


def test_equal_to_pytorch(folder):
    """Every model, through embd and without it: the same batches from the same rows."""
    log = small_log(folder / "log")
    for model, least, rate in (("lr", 0.68, 0.05), ("fm", 0.68, 0.05), ("deepfm", 0.67, 0.01), ("dlrm", 0.65, 0.01)):
        there = Trainer("--data", log, "--model", model, *SMALL, "--lr", rate)
        here = Trainer("--data", log, "--model", model, *SMALL, "--lr", rate, "--local")
        there, here = there.result(), here.result()
        assert there["where"] == "embd" and here["where"] == "local" and there["steps"] == here["steps"] == 158, there
        assert there["test"]["auc"] > least, (model, there)
        assert abs(there["test"]["auc"] - here["test"]["auc"]) < 0.0005, (model, there, here)
        assert abs(there["test"]["log_loss"] - here["test"]["log_loss"]) < 0.0005, (model, there, here)
    for optimizer in ("sgd", "adam"):
        both = [Trainer("--data", log, *SMALL, "--optimizer", optimizer, *how) for how in ((), ("--local",))]
        a, b = (t.result()["test"]["auc"] for t in both)
        assert abs(a - b) < 0.001, (optimizer, a, b)


def test_every_method(folder):
    """Its bytes are within the ratio, and it learns something."""
    log = small_log(folder / "log", train=8000, test=2000)
    with Daemon() as daemon:
        for method in methods():
            ratio = {"full": 1, "fp16": 0.5, "bf16": 0.5, "int16": 0.6}.get(method, 0.4)
            found = Trainer("--data", log, "--server", daemon.address, "--table", method, "--method", method,
                            "--dim", 16, "--ratio", ratio, "--batch", 256, "--deviation", 0.05, "--lr",
                            {"dhe": 0.002, "autodim": 0.02, "mde": 0.02}.get(method, 0.1)).result()
            assert found["table"]["ratio"] <= ratio, found
            assert found["test"]["auc"] > 0.62, (method, found)
            assert found["optimizer"] == ("rowwise_adagrad" if method in ("int8", "int16", "fp16", "bf16", "alpt")
                                          else "adagrad"), found


def test_daemon_killed(folder):
    """One that is somebody else's, killed and started again, and one of its own, which it starts again."""
    log = small_log(folder / "log")
    with Daemon(listen=f"unix:{folder}/socket") as daemon:
        arguments = ("--data", log, "--server", daemon.address, *SMALL)
        undisturbed = Trainer(*arguments, "--table", "a").result()
        disturbed = Trainer(*arguments, "--table", "b")
        with embd.Client(daemon.address) as client:
            for version in (20, 60, 110):
                while "b" not in {t.name for t in client.tables()} or client.describe("b").table.version < version:
                    assert disturbed.process.poll() is None
                daemon.kill()
                daemon.start()
        disturbed = disturbed.result()
        assert disturbed["test"] == undisturbed["test"], (disturbed, undisturbed)
        rows = all_rows(daemon, "a")
        assert np.array_equal(rows, all_rows(daemon, "b"))
    own = Trainer("--data", log, *SMALL, "--table", "a", "--folder", folder / "own")
    for version in (20, 80):
        with embd.Client(own.daemon_address(folder / "own")) as client:
            while "a" not in {t.name for t in client.tables()} or client.describe("a").table.version < version:
                assert own.process.poll() is None
        os.kill(own.daemon_pid(), signal.SIGKILL)
    assert own.result()["test"] == undisturbed["test"]
    with Daemon(folder=folder / "own") as daemon:
        assert np.array_equal(rows, all_rows(daemon, "a"))


def test_trainer_killed(folder):
    """Killed at any time, the same command goes on, and ends with the same bits."""
    log = small_log(folder / "log")
    with Daemon() as daemon:
        arguments = ("--data", log, "--server", daemon.address, *SMALL)
        undisturbed = Trainer(*arguments, "--table", "a").result()
        resumed = (*arguments, "--table", "b", "--folder", folder / "points", "--resume", "run", "--save-every", 20)
        for step in (0, 20, 100):
            trainer = Trainer(*resumed)
            wait_for_step(folder / "points", "run", step, trainer.process)
            trainer.kill()
        found = Trainer(*resumed).result()
        assert found["first_step"] >= 100 and found["first_step"] % 20 == 0, found
        assert found["test"] == undisturbed["test"], (found, undisturbed)
        assert np.array_equal(all_rows(daemon, "a"), all_rows(daemon, "b"))
        again = Trainer(*resumed).result()  # there is nothing left to do
        assert again["steps"] == 0 and again["test"] == undisturbed["test"], again
        with embd.Client(daemon.address) as client:
            assert len(client.groups()) == 2, client.groups()  # older ones are dropped
        assert len(list((folder / "points").glob("*.pt"))) == 2
        assert "another --batch" in Trainer(*resumed, "--batch", 128).refusal()


def test_refusals(folder):
    log = small_log(folder / "log", train=2000, test=500)
    with Daemon() as daemon:
        there = ("--data", log, "--server", daemon.address)
        assert Trainer(*there, "--table", "t").result()["steps"] == 1
        for arguments, words in (
                ((*there, "--table", "t"), "the daemon has a table t already"),
                ((*there, "--method", "fool"), "no method"),
                ((*there, "--method", "fp16", "--ratio", 0.1), "needs"),
                ((*there, "--set", "nothing=1"), "no setting"),
                ((*there, "--save-every", 5), "--resume LABEL"),
                ((*there, "--resume", "x"), "--folder FOLDER"),
                ((*there, "--resume", "x y", "--folder", folder / "p"), "no label"),
                ((*there, "--model", "lr", "--dim", 2), "--dim has to be 1"),
                (("--data", folder / "none"), "no such file"),
                (("--data", log, "--local", "--method", "tt"), "--method does not go with it"),
                (("--data", log, "--local", "--pipeline"), "--pipeline does not go with it"),
                (("--data", log, "--embd", "/no/such"), "no program /no/such"),
                (("--data", log, "--batch", 16, "--at-most", 0.001), "--at-most is 0.001 s")):
            sentence = Trainer(*arguments).refusal()
            assert words in sentence, (words, sentence)


if __name__ == "__main__":
    if not importlib.util.find_spec("torch"):
        print("SKIP: PyTorch is not installed")
        sys.exit(77)
    sys.exit(run({name: test for name, test in globals().items() if name.startswith("test_")}))
