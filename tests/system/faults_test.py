#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The library that makes system calls fail: the one that was asked for fails, and no other."""
import errno
import os
import shutil
import subprocess
import sys
import tempfile
import unittest

from daemon import SANITIZED
from faults import FILES, Faults

# Tries each kind five times and prints the errno of each, 0 if it went well.
PROGRAM = """
import os, sys
folder = sys.argv[1]
def attempt(what):
    try:
        what()
        return 0
    except OSError as error:
        return error.errno
def open_close():
    os.close(os.open(folder + "/b", os.O_CREAT | os.O_WRONLY))
def make_rename():
    os.rename(folder + "/b", folder + "/b")
def renew():
    os.close(os.open("/tmp/" + str(os.getpid()), os.O_CREAT)); os.unlink("/tmp/" + str(os.getpid()))
    if os.path.exists(folder + "/c"):
        os.unlink(folder + "/c")
f = os.open(folder + "/a", os.O_CREAT | os.O_RDWR)
elsewhere = os.open("/tmp", os.O_TMPFILE | os.O_WRONLY)
kinds = {"write": lambda: (os.write(elsewhere, b"12"), os.pwrite(f, b"1234", 0)), "sync": lambda: os.fsync(f),
         "rename": make_rename, "open": open_close, "size": lambda: os.ftruncate(f, 10), "unlink": renew}
os.close(os.open(folder + "/b", os.O_CREAT | os.O_WRONLY))
sys.stdin.readline()
for kind, what in kinds.items():
    seen = []
    for i in range(5):
        if kind == "unlink":
            open_ = os.open(folder + "/c", os.O_CREAT); os.close(open_)
        seen.append(attempt(what))
    print(kind, *seen, flush=True)
"""


@unittest.skipIf(SANITIZED, "sanitizers want to be loaded first")
class Fails(unittest.TestCase):
    def outcome(self, kind, at, error, ever=False):
        folder = tempfile.mkdtemp(prefix="embd-faults-")
        try:
            with Faults(folder) as faults:
                process = subprocess.Popen([sys.executable, "-c", PROGRAM, folder], env=faults.environment(),
                                           stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
                if kind:
                    while not os.path.exists(os.path.join(folder, "b")):
                        self.assertIsNone(process.poll())
                    faults.arm(kind, at, error, ever)
                out, _ = process.communicate("go\n")
                self.assertEqual(process.returncode, 0)
                return {line.split()[0]: [int(x) for x in line.split()[1:]] for line in out.splitlines()}, \
                    faults.failed, faults.counts()
        finally:
            shutil.rmtree(folder)

    def test_counts(self):
        seen, failed, counts = self.outcome(None, 0, 0)
        self.assertEqual(failed, 0)
        self.assertEqual({errno for errnos in seen.values() for errno in errnos}, {0})
        for kind in FILES[:3] + ("size", "unlink"):
            self.assertEqual(counts[kind], 5, kind)
        self.assertGreater(counts["open"], 5)
        self.assertGreater(counts["memory"], 1000)

    def test_each_kind_fails_where_it_should(self):
        for kind in FILES:
            if kind == "open":
                continue  # others open, too: see below
            for at, ever, pattern in ((2, False, [0, 1, 0, 0, 0]), (4, True, [0, 0, 0, 1, 1])):
                seen, failed, _ = self.outcome(kind, at, errno.EIO, ever)
                self.assertEqual(seen.pop(kind), [errno.EIO * x for x in pattern], kind)
                self.assertEqual(failed, sum(pattern))
                self.assertEqual({errno for errnos in seen.values() for errno in errnos}, {0})

    def test_open_fails(self):
        seen, failed, _ = self.outcome("open", 2, errno.EMFILE)
        self.assertEqual(failed, 1)
        self.assertEqual(seen["open"], [0, errno.EMFILE, 0, 0, 0])

    def test_an_allocation_fails(self):
        """sort says so; the loop ends when it makes fewer allocations than asked for."""
        with tempfile.TemporaryDirectory() as folder, Faults(folder) as faults:
            for n in range(1, 1000):
                faults.arm("memory", n, errno.ENOMEM, ever=True)
                status = subprocess.run(["sort", "/dev/null"], env=faults.environment(), capture_output=True).returncode
                if not faults.failed:
                    break
            self.assertEqual(status, 0)
            self.assertGreater(n, 3)
            faults.arm("memory", n - 1, errno.ENOMEM)
            subprocess.run(["sort", "/dev/null"], env=faults.environment(), capture_output=True)
            self.assertEqual(faults.failed, 1)


if __name__ == "__main__":
    unittest.main()
