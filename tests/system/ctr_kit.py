# SPDX-License-Identifier: Apache-2.0
"""What tests of examples/ctr share: a small log, and the training script as a process."""
import json
import os
import pathlib
import re
import subprocess
import sys
import time

import numpy as np

from daemon import SOURCE, program

CTR = SOURCE / "examples" / "ctr"
sys.path[:0] = [str(CTR), str(SOURCE / "client" / "python")]
FIELDS = ("user_id", "video_id", "tab", "tag", "duration_bucket", "onehot_feat8", "visible_status")


def small_log(folder, train=20000, test=5000):
    """Some fields of the last rows of KuaiRand before the test begins, and of the first ones of the test."""
    import data
    log = data.load("kuairand")
    rows = np.concatenate([log.rows(data.VALIDATION)[-train:], log.rows(data.TEST)[:test]])
    arrays = {}
    for name in FIELDS:
        column = log.ids[rows, log.names.index(name)]
        arrays[f"f_{name}"] = np.unique(column, return_inverse=True)[1].astype(np.uint16)
    split = np.where(log.split[rows] == data.TEST, 2, 0).astype(np.uint8)
    folder.mkdir(parents=True, exist_ok=True)
    np.savez(folder / "data.npz", **arrays, y=log.label[rows].astype(np.uint8), split=split)
    return folder


def all_rows(daemon, table):
    import embd
    with embd.Client(daemon.address) as client:
        rows = client.describe(table).table.rows
        return client.lookup(embd.Lookup(table, np.arange(rows))).results[0].values


class Trainer:
    """examples/ctr/train.py, as a process."""

    def __init__(self, *arguments):
        command = [sys.executable, str(CTR / "train.py"), "--json", "--threads", "1", "--embd", program("embd"),
                   *map(str, arguments)]
        environment = dict(os.environ, PYTHONPATH=str(SOURCE / "client" / "python"))
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                                        env=environment)

    def end(self, wait=300):
        """(exit status, the document or None, standard error)"""
        out, err = self.process.communicate(timeout=wait)
        return self.process.returncode, json.loads(out) if out else None, err

    def result(self):
        status, found, err = self.end()
        assert status == 0, err
        return found

    def refusal(self):
        """The last line of a run that does not work out."""
        status, found, err = self.end()
        assert status == 1 and found is None, (status, found, err)
        line = err.strip().splitlines()[-1]
        assert line.startswith("train: "), err
        return line.removeprefix("train: ")

    def kill(self):
        self.process.kill()
        self.process.communicate()

    def daemon_address(self, folder, wait=60):
        """Of the daemon that it has started with this folder."""
        deadline = time.monotonic() + wait
        while time.monotonic() < deadline and self.process.poll() is None:
            log = folder / "embd.log"
            ready = re.findall(r" ready .*listen=(\S+)", log.read_text()) if log.exists() else []
            if ready:
                return ready[-1]
            time.sleep(0.01)
        raise AssertionError("no daemon of the trainer's got ready")

    def daemon_pid(self, wait=60):
        """Of the daemon that it has started."""
        deadline = time.monotonic() + wait
        while time.monotonic() < deadline:
            for path in pathlib.Path(f"/proc/{self.process.pid}/task").glob("*/children"):
                for pid in path.read_text().split():
                    if pathlib.Path(f"/proc/{pid}/comm").read_text().strip() in ("embd", "lt-embd"):
                        return int(pid)
            time.sleep(0.02)
        raise AssertionError("the trainer started no daemon")


def wait_for_step(folder, label, step, process, wait=120):
    """Until there is a checkpoint of this step, or a later one."""
    deadline = time.monotonic() + wait
    while not any(int(p.stem.rsplit("-", 1)[1]) >= step for p in folder.glob(f"{label}-*.pt")):
        assert process.poll() is None and time.monotonic() < deadline, process.poll()
        time.sleep(0.01)
