#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Snapshots while they are taken: the process is killed at random moments and at each failpoint, the power goes, each
write, sync, rename and open fails once or for ever, the disk is full. After each, what was said to be saved is there,
bit for bit, in both lineages. EMBD_SNAPSHOT_ROUNDS times (15) for what is random."""
import errno
import os
import pathlib
import random
import shutil
import subprocess
import tempfile
import time
import unittest

from daemon import SANITIZED
from faults import Faults
from powercut import PowerCut

BUILD = pathlib.Path(os.environ.get("TOP_BUILDDIR", ".")).resolve()
SOURCE = pathlib.Path(os.environ.get("TOP_SRCDIR", ".")).resolve()
DRIVER = BUILD / "tests/system/snapshot_driver"
SHARED = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
ROUNDS = int(os.environ.get("EMBD_SNAPSHOT_ROUNDS", 15))


@unittest.skipUnless(DRIVER.exists(), "the driver is not built")
class Snapshots(unittest.TestCase):
    def setUp(self):
        self.top = pathlib.Path(tempfile.mkdtemp(prefix="embd-snapshots-", dir=SHARED))
        self.random = random.Random(3623)
        self.data = self.top / "data"
        self.data.mkdir()
        self.saved = {}  # lineage: newest version that was said to be saved
        self.run_driver(0)
        shutil.copy(self.data / "source", self.top)
        self.begin()

    def tearDown(self):
        shutil.rmtree(self.top)

    def begin(self):
        """A folder in which nothing is but the file that the table begins with."""
        shutil.rmtree(self.data)
        self.data.mkdir()
        shutil.copy(self.top / "source", self.data)
        self.saved = {}

    def start(self, rounds, env=None):
        return subprocess.Popen([DRIVER, "run", self.data, str(rounds)], env=env, stdout=subprocess.PIPE,
                                stderr=subprocess.PIPE, text=True)

    def heard(self, text):
        """What the driver said; returns what failed."""
        failed = []
        for line in text.splitlines():
            what, rest = line.split(" ", 1)
            if what == "saved":
                version, lineage = map(int, rest.split())
                self.saved[lineage] = version
            else:
                failed.append(rest)
        return failed

    def run_driver(self, rounds, env=None, codes=(0,)):
        process = self.start(rounds, env)
        out, error = process.communicate()
        self.assertIn(process.returncode, codes, error)
        return self.heard(out)

    def check(self):
        """Everything that opens is right, and everything that was said to be saved opens."""
        done = subprocess.run([DRIVER, "check", self.data], capture_output=True, text=True, check=False)
        self.assertEqual(done.returncode, 0, done.stderr)
        good, bad = {}, []
        for line in done.stdout.splitlines():
            what, version, lineage = line.split()
            if what == "good":
                good.setdefault(int(lineage), int(version))
            else:
                bad.append((int(lineage), int(version)))
        for lineage, version in self.saved.items():
            self.assertGreaterEqual(good.get(lineage, -1), version, done.stdout + done.stderr)
        for lineage, version in bad:  # what a prune that was cut short has left, and no more
            self.assertLess(version, good.get(lineage, -1), done.stdout + done.stderr)
        return good

    def leftovers(self):
        return list((self.data / "tables").rglob("*.tmp"))

    def test_kills(self):
        for _ in range(ROUNDS):
            process = self.start(100000)
            first = process.stdout.readline()
            time.sleep(self.random.random() * 0.08)
            process.kill()
            out, _ = process.communicate()
            if "\n" in first + out:
                self.heard((first + out)[:(first + out).rindex("\n")])
            self.check()
        self.run_driver(2)  # two snapshots later nothing tells of it
        self.assertEqual(self.leftovers(), [])
        self.assertGreater(max(self.saved.values()), ROUNDS)

    @unittest.skipIf(SANITIZED, "sanitizers want to be loaded first")
    def test_power_cuts(self):
        for _ in range(ROUNDS):
            with PowerCut(self.data) as power:
                process = self.start(100000, power.environment())
                out = "".join(process.stdout.readline() for _ in range(self.random.randint(0, 12)))
                time.sleep(self.random.random() * 0.01)
                process.kill()
                out += process.communicate()[0]
                if "\n" in out:
                    self.heard(out[:out.rindex("\n")])
                power.cut(self.random)
            if self.saved:
                self.check()
        self.assertGreater(max(self.saved.values()), ROUNDS)

    @unittest.skipIf(SANITIZED, "sanitizers want to be loaded first")
    def test_power_cuts_without_syncs(self):
        """The control: where the syncs of snapshots do nothing, something must be lost."""
        lost = False
        for _ in range(10 * ROUNDS):
            self.begin()
            with PowerCut(self.data, drop=".tmp") as power:
                self.run_driver(4, power.environment())
                power.cut(self.random)
            try:
                self.check()
            except AssertionError:
                lost = True
                break
        self.assertTrue(lost)

    @unittest.skipIf(SANITIZED, "sanitizers want to be loaded first")
    def test_failing_calls(self):
        for kind in ("write", "sync", "rename", "open", "size", "unlink"):
            for error in (errno.EIO, errno.ENOSPC):
                for ever in (False, True):
                    self.fail_each(kind, error, ever)

    def fail_each(self, kind, error, ever):
        seen, rounds = 0, 30 if kind == "unlink" else 4  # nothing is deleted before a lineage begins anew
        for at in range(1, 1000):
            self.begin()
            with Faults(self.data / "tables") as faults:
                faults.arm(kind, at, error, ever)
                failed = self.run_driver(rounds, faults.environment(), (0, 3))
                hit = faults.failed
                faults.disarm()
            if not hit:
                break
            seen += 1
            status = "RESOURCE_EXHAUSTED" if error == errno.ENOSPC else "UNAVAILABLE"
            for sentence in failed:
                self.assertTrue(sentence.startswith(status), (kind, at, sentence))
                self.assertIn(str(self.data), sentence)
            if kind != "unlink":
                self.assertEqual(self.leftovers(), [], (kind, at))
            self.check()
            self.run_driver(2)  # and it goes on where it was
            self.check()
            self.assertEqual(self.leftovers(), [])
        self.assertGreater(seen, 2, kind)

    def test_failpoints(self):
        log = self.top / "log"
        everything = dict(os.environ, EMBD_FAILPOINTS="*=sleep:0", EMBD_FAILPOINT_LOG=str(log))
        self.run_driver(5, everything)
        self.run_driver(5, everything)  # which begins with opening what is there
        if not log.exists():
            self.skipTest("no developer build")
        passed = sorted({line.split()[0] for line in log.read_text().splitlines()
                         if line.startswith("snapshot.")})
        listed = subprocess.run([SOURCE / "tests/check_failpoints.sh", "--list"], capture_output=True, text=True,
                                check=True, env=dict(os.environ, TOP_SRCDIR=str(SOURCE))).stdout.split("\n")
        ours = {line.split()[0] for line in listed if line.startswith("snapshot.")}
        self.assertEqual(ours - set(passed), {"snapshot.forget.unlink"})
        for point in passed:
            for action in ("kill", "error", "full"):
                for at in (1, 4):
                    self.begin()
                    self.run_driver(at - 1)
                    env = dict(os.environ, EMBD_FAILPOINTS=f"{point}={action}@{at}")
                    self.run_driver(12, env, (0, 3, -9))
                    self.check()
                    self.run_driver(2)
                    self.check()
                    self.assertEqual(self.leftovers(), [])


if __name__ == "__main__":
    unittest.main()
