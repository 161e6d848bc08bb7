# SPDX-License-Identifier: Apache-2.0
"""A daemon of a measurement's own, and lookups of it by hand: what measurements in Python share."""
import json
import os
import pathlib
import re
import signal
import struct
import subprocess
import sys
import time

import numpy as np

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "tests/system"))
import h2raw  # noqa: E402
from protowire import field  # noqa: E402


def lookup_request(lookups):
    """A LookupRequest of [(table, ids), …]."""
    return b"".join(field(1, field(1, name.encode()) + field(2, np.asarray(ids, "<i8").tobytes()))
                    for name, ids in lookups)


def table_values(path, rows, dim):
    """The rows of a file that make_table.py wrote."""
    with open(path, "rb") as f:
        offset = 8 + struct.unpack("<Q", f.read(8))[0]
    return np.memmap(path, "<f4", "r", offset, (rows, dim))


def cached(path):
    """Have a file in the page cache."""
    with open(path, "rb", buffering=0) as f:
        piece = bytearray(8 << 20)
        while f.readinto(piece):
            pass


def uncached(path):
    with open(path, "rb") as f:
        os.fsync(f.fileno())
        os.posix_fadvise(f.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def seconds_since(start, condition, limit=120):
    while not condition():
        if time.monotonic() - start > limit:
            raise TimeoutError("waited in vain")
        time.sleep(0.0005)
    return time.monotonic() - start


class Served:
    """embd on a Unix socket (or on `address`), pinned to some cores. The data folder stays for the next one."""

    def __init__(self, build, work, *arguments, core="0", data="data", workers=1, wait=True, address=None):
        self.build, self.address = build, address or f"unix:{work}/socket"
        self.log = pathlib.Path(work) / "log"
        folder = pathlib.Path(work) / data
        folder.mkdir(exist_ok=True)
        with open(self.log, "w") as log:
            self.start = time.monotonic()
            self.process = subprocess.Popen(
                ["taskset", "-c", str(core), f"{build}/embd", "--data-dir", str(folder), "--listen", self.address,
                 "--http", "", "--workers", str(workers), *map(str, arguments)], stderr=log)
        self.pid = self.process.pid
        if wait:
            self.ready()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()

    def alive(self):
        if self.process.poll() is not None:
            sys.exit(f"embd has ended:\n{self.log.read_text()}")
        return True

    def ready(self):
        """Seconds from its start to its line `ready`."""
        return seconds_since(self.start, lambda: self.alive() and " ready " in self.log.read_text())

    def first_reply(self, lookups, rows):
        """Seconds from its start to the whole reply, which must hold these rows."""
        peer = None
        while peer is None:
            try:
                peer = h2raw.Peer(self.address, timeout=120)
            except (FileNotFoundError, ConnectionRefusedError):
                self.alive()
                time.sleep(0.0002)
        with peer:
            peer.send(h2raw.call(1, "/embd.v1.Embedding/Lookup", lookup_request(lookups)))
            answer = peer.answer(1)
        took = time.monotonic() - self.start
        if answer.status != 0 or np.asarray(rows, "<f4").tobytes() not in answer.body:
            sys.exit(f"the first reply is wrong: status {answer.status}")
        return took

    def embctl(self, *command, core="1"):
        done = subprocess.run(["taskset", "-c", str(core), f"{self.build}/embctl", "--server", self.address, "--json",
                               *map(str, command)], stdout=subprocess.PIPE, text=True, check=True)
        return json.loads(done.stdout) if done.stdout.strip() else None

    def bench(self, *options, core="1"):
        return self.embctl("bench", "--server-pid", self.pid, *options, core=core)

    def said(self, words):
        """The key=value pairs of its last line with these words."""
        line = [l for l in self.log.read_text().splitlines() if words in l][-1]
        return dict(re.findall(r"(\w+)=(\S+)", line))

    def status(self, key):
        """A figure of /proc/PID/status, in bytes."""
        text = pathlib.Path(f"/proc/{self.pid}/status").read_text()
        return int(re.search(rf"^{key}:\s*(\d+) kB", text, re.M).group(1)) * 1024

    def stop(self, how=signal.SIGTERM):
        if self.process.poll() is None:
            self.process.send_signal(how)
            self.process.wait()
