#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The power-cut library itself: what was synced stays, what was not may go, names included. SQLite stands in for the
daemon: with synchronous=FULL no acknowledged row may be lost; with NORMAL, and with the syncs of its write-ahead log
dropped, some must be, or the instrument is blunt."""
import os
import pathlib
import random
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import unittest

from daemon import SANITIZED
from powercut import PowerCut

SHARED = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None

INSERTER = """
import sqlite3, sys
db = sqlite3.connect(sys.argv[1], isolation_level=None)
db.execute("PRAGMA locking_mode = EXCLUSIVE")
db.execute("PRAGMA journal_mode = WAL")
db.execute(f"PRAGMA synchronous = {sys.argv[2]}")
db.execute("PRAGMA wal_autocheckpoint = 40")
db.execute("CREATE TABLE IF NOT EXISTS t (n INTEGER PRIMARY KEY, x BLOB)")
n = (db.execute("SELECT max(n) FROM t").fetchone()[0] or 0) + 1
while True:
    db.execute("INSERT INTO t VALUES (?, zeroblob(2000))", (n,))
    print(n, flush=True)
    n += 1
"""


@unittest.skipIf(SANITIZED, "sanitizers want to be loaded first")
class Cuts(unittest.TestCase):
    def setUp(self):
        self.top = pathlib.Path(tempfile.mkdtemp(prefix="embd-power-", dir=SHARED))
        self.folder = self.top / "data"
        self.folder.mkdir()
        self.random = random.Random(3623)

    def tearDown(self):
        shutil.rmtree(self.top)

    def run_python(self, power, text, *arguments):
        """Run a program to its end, by os._exit so that nothing is closed."""
        subprocess.run([sys.executable, "-c", "import os\nos.chdir(os.environ['EMBD_POWERCUT_ROOT'])\n" + text +
                        "\nos._exit(0)", *arguments], env=power.environment(), check=True)

    def outcomes(self, text, look, rounds=60):
        """What look() sees after each of many cuts of a program that starts with an empty folder."""
        seen = set()
        for _ in range(rounds):
            shutil.rmtree(self.folder)
            self.folder.mkdir()
            with PowerCut(self.folder) as power:
                self.run_python(power, text)
                power.cut(self.random)
            seen.add(look())
        return seen

    def names(self):
        return tuple(sorted(str(path.relative_to(self.folder)) for path in self.folder.rglob("*")))

    def test_a_name_needs_a_sync_of_its_folder(self):
        make = "f = os.open('a', os.O_CREAT | os.O_WRONLY); os.write(f, b'x' * 1000); os.fsync(f)\n"
        sync = "d = os.open('.', os.O_RDONLY); os.fsync(d)\n"
        self.assertEqual(self.outcomes(make, self.names, 20), {(), ("a",)})
        self.assertEqual(self.outcomes(make + sync, self.names, 20), {("a",)})
        self.assertEqual(self.outcomes(make + sync, lambda: (self.folder / "a").read_bytes(), 20), {b"x" * 1000})
        self.assertEqual(self.outcomes(make + sync + "os.unlink('a')", self.names, 20), {(), ("a",)})
        self.assertEqual(self.outcomes("os.mkdir('d')\n" + make.replace("'a'", "'d/a'") + sync.replace("'.'", "'d'"),
                                       self.names, 20), {(), ("d", "d/a")})

    def test_a_rename_is_whole(self):
        text = """
for name, byte in (('a', b'1'), ('b', b'2')):
    f = os.open(name, os.O_CREAT | os.O_WRONLY); os.write(f, byte); os.fsync(f)
d = os.open('.', os.O_RDONLY); os.fsync(d)
os.rename('a', 'b')
"""
        look = lambda: tuple((name, (self.folder / name).read_bytes()) for name in self.names())  # noqa: E731
        self.assertEqual(self.outcomes(text, look, 20), {(("a", b"1"), ("b", b"2")), (("b", b"1"),)})
        self.assertEqual(self.outcomes(text + "os.fsync(d)", look, 20), {(("b", b"1"),)})

    def test_sectors_tear(self):
        text = """
f = os.open('a', os.O_CREAT | os.O_WRONLY); os.write(f, b'1' * 2000); os.fsync(f)
d = os.open('.', os.O_RDONLY); os.fsync(d)
os.pwrite(f, b'2' * 2000, 0)
os.ftruncate(f, 3000)
"""
        seen = self.outcomes(text, lambda: (self.folder / "a").read_bytes(), 200)
        self.assertGreater(len({len(content) for content in seen}), 2)
        for content in seen:
            self.assertTrue(2000 <= len(content) <= 3000)
            self.assertFalse(any(content[2000:]))
            for at in range(0, 2000, 512):
                self.assertEqual(len(set(content[at:min(at + 512, 2000)])), 1, "a sector is torn inside")
        self.assertGreater(len({content[:2000] for content in seen}), 8)  # of 16 that are possible

    def test_only_what_was_written_before_the_sync(self):
        text = """
import mmap
f = os.open('a', os.O_CREAT | os.O_RDWR)
os.posix_fallocate(f, 0, 4096)
m = mmap.mmap(f, 4096)
m[:] = b'1' * 4096
os.fdatasync(f)
d = os.open('.', os.O_RDONLY); os.fsync(d)
m[:512] = b'2' * 512
g = os.open('b', os.O_CREAT | os.O_WRONLY | os.O_SYNC)
os.fsync(d)
os.write(g, b'3' * 100)
"""
        seen = self.outcomes(text, lambda: ((self.folder / "a").read_bytes(), (self.folder / "b").read_bytes()), 30)
        self.assertEqual(seen, {(byte * 512 + b"1" * 3584, b"3" * 100) for byte in (b"1", b"2")})

    def sqlite(self, rounds, synchronous, drop=None):
        """Cut the power of an inserter again and again; how many acknowledged rows were lost, of how many, and in how
        many rounds the file was damaged."""
        lost = acknowledged = unreadable = 0
        for _ in range(rounds):
            shutil.rmtree(self.folder)
            self.folder.mkdir()
            sqlite3.connect(self.folder / "d").execute("PRAGMA user_version = 1").connection.commit()
            with PowerCut(self.folder, drop) as power:
                process = subprocess.Popen([sys.executable, "-c", INSERTER, str(self.folder / "d"), synchronous],
                                           env=power.environment(), stdout=subprocess.PIPE, text=True)
                last = 0
                for _ in range(self.random.randint(1, 120)):
                    last = int(process.stdout.readline())
                process.kill()
                last = int((process.stdout.read().split() or [last])[-1])
                process.wait()
                process.stdout.close()
                power.cut(self.random)
            db = sqlite3.connect(self.folder / "d")
            try:
                there = [n for n, in db.execute("SELECT n FROM t ORDER BY n")]
                sound = db.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
            except sqlite3.DatabaseError:
                sound = False
            if not sound:
                there, unreadable = [], unreadable + 1
            db.close()
            self.assertEqual(there, list(range(1, len(there) + 1)))
            acknowledged += last
            lost += max(0, last - len(there))
        return lost, acknowledged, unreadable

    def test_full_loses_nothing(self):
        lost, acknowledged, unreadable = self.sqlite(15, "FULL")
        self.assertEqual((lost, unreadable), (0, 0))
        self.assertGreater(acknowledged, 100)

    def test_normal_loses(self):
        self.assertGreater(self.sqlite(15, "NORMAL")[0], 0)

    def test_dropped_syncs_lose(self):
        self.assertGreater(self.sqlite(15, "FULL", "-wal")[0], 0)


if __name__ == "__main__":
    unittest.main()
