#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""One training run of examples/ctr, through trainers and daemons that are killed at random times: it ends with the bits
and the AUC of a run that nobody disturbed, also when the daemon is killed once more and has to apply its log again.
EMBD_CTR_KILLS: how many kills (8)."""
import importlib.util
import os
import pathlib
import random
import sys
import tempfile
import time

import numpy as np

from ctr_kit import Trainer, all_rows, small_log
from daemon import Daemon

KILLS = int(os.environ.get("EMBD_CTR_KILLS", "8"))
SAVE_EVERY = 4
CONFIG = "snapshot_interval = 1s\nlog_save_bytes = 1MiB\n"  # snapshots come and go, and the log is shortened


def newest(folder):
    """Step of the last checkpoint that was made, -1 if there is none."""
    return max((int(p.stem.rsplit("-", 1)[1]) for p in folder.glob("*.pt")), default=-1)


def await_moment(folder, trainer, draw):
    """Most of the times training has got on by then; now and then it is just starting."""
    step, deadline, starting = newest(folder), time.monotonic() + 120, draw.random() < 0.3
    while not starting and newest(folder) == step:
        assert time.monotonic() < deadline, "training does not get on"
        assert trainer.process.poll() is None, f"it ended early: {trainer.end()}"
        time.sleep(0.01)
    until = time.monotonic() + draw.uniform(0, 0.7)
    while time.monotonic() < until:
        assert trainer.process.poll() is None, f"it ended early: {trainer.end()}"
        time.sleep(0.01)


def disturbed(command, folder, daemon, draw):
    """Kill one or the other until enough are dead, then let it end; the result, and what was done."""
    count = {"trainer": 0, "daemon": 0, "both": 0}
    trainer = Trainer(*command)
    for _ in range(KILLS):
        who = draw.choice(list(count))
        count[who] += 1
        await_moment(folder, trainer, draw)
        if who != "daemon":
            trainer.kill()
        if who != "trainer":
            daemon.kill()
            daemon.start()
        if who != "daemon":
            trainer = Trainer(*command)
    return trainer.result(), count


def main():
    draw = random.Random(KILLS)
    with tempfile.TemporaryDirectory(prefix="embd-ctr-") as name:
        top = pathlib.Path(name)
        log = small_log(top / "log")
        with Daemon(listen=f"unix:{top}/socket", config=CONFIG) as daemon:
            def command(table):
                return ("--data", log, "--server", daemon.address, "--table", table, "--batch", 256, "--lr", 0.02,
                        "--model", "deepfm", "--epochs", 1000, "--steps", 40 + 40 * KILLS, "--folder", top / table,
                        "--resume", table, "--save-every", SAVE_EVERY)
            undisturbed = Trainer(*command("calm")).result()
            found, count = disturbed(command("killed"), top / "killed", daemon, draw)
            assert found["test"] == undisturbed["test"], (found, undisturbed)
            calm, killed = (all_rows(daemon, table) for table in ("calm", "killed"))
            assert np.array_equal(calm, killed), f"{(calm != killed).any(1).sum()} rows differ"
            daemon.kill()
            daemon.start()
            assert np.array_equal(calm, all_rows(daemon, "killed"))
    print(f"{KILLS} kills ({count['trainer']} of the trainer, {count['daemon']} of the daemon, {count['both']} of "
          f"both): {undisturbed['steps']} steps, the same bits, AUC {found['test']['auc']:.4f}")


if __name__ == "__main__":
    if not importlib.util.find_spec("torch"):
        print("SKIP: PyTorch is not installed")
        sys.exit(77)
    sys.exit(main())
