#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""What happens to the files of the data folder from outside, and what the daemon promises then: a disk that is full and
freed again, a folder that cannot be written, a log that is deleted or replaced while it is open, a database that
another process holds, bits that flip in the log and in snapshots."""
import errno
import os
import random
import shutil
import sqlite3
import subprocess
import unittest

import grpc

from crash.saver import admin
from crash.session import Session, expected
from crash.tables import tables
from daemon import SANITIZED

UNAVAILABLE, EXHAUSTED = grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.RESOURCE_EXHAUSTED
FLIPS = int(os.environ.get("EMBD_FLIPS", 8))


class Case(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.expected = expected()

    def setUp(self):
        self.session = Session(self.expected, faults=False)
        self.addCleanup(self.session.close)
        self.daemon, self.data = self.session.daemon, self.session.top / "data"

    def pushes(self, n):
        for _ in range(n):
            self.assertTrue(self.session.push(), getattr(self.session, "refused", None))

    def recovers(self):
        """The next start has all that was answered and takes more."""
        self.session.end()

    def refuses_to_start(self, *words):
        with self.assertRaises(RuntimeError) as caught:
            self.daemon.start()
        self.assertEqual(self.daemon.process.returncode, 1)
        for word in words:
            self.assertIn(word, str(caught.exception))

    def serves_without_log(self, *words):
        """It starts and looks rows up, says what is wrong with the log, and takes no pushes."""
        self.daemon.start()
        status, text = self.daemon.http("/readyz")
        self.assertEqual(status, 503)
        for word in words:
            self.assertIn(word, text)
        self.assertFalse(self.session.push())
        self.assertEqual(self.session.refused, UNAVAILABLE)
        self.assertIsInstance(self.session.lookups(), dict)
        self.daemon.kill()

    def no_more_pushes(self, *words):
        """Pushes are UNAVAILABLE, lookups go on, /readyz says why."""
        self.assertFalse(self.session.push())
        self.assertEqual(self.session.refused, UNAVAILABLE)
        self.assertFalse(self.session.push())
        self.assertEqual(self.session.refused, UNAVAILABLE)
        self.session.see(sure=True)
        status, text = self.daemon.http("/readyz")
        self.assertEqual(status, 503)
        for word in words:
            self.assertIn(word, text)


class Full(Case):
    """A disk of a few MB, if we may mount one."""

    def setUp(self):
        super().setUp()
        self.data.mkdir(mode=0o750)
        if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=3m,mode=0750", "tmpfs", str(self.data)],
                          capture_output=True).returncode:
            self.skipTest("mounting is not allowed here")
        self.addCleanup(subprocess.run, ["umount", "-l", str(self.data)], check=True)

    def fill(self):
        file = os.open(self.data / "ballast", os.O_CREAT | os.O_WRONLY)
        with self.assertRaises(OSError) as caught:
            while True:
                os.write(file, bytes(4096))
        self.assertEqual(caught.exception.errno, errno.ENOSPC)
        os.close(file)

    def test_pushes_are_refused_until_there_is_room(self):
        self.daemon.start()
        self.pushes(3)
        for _ in range(3):
            self.fill()
            refused = False
            for _ in range(12):  # what is left in the log's pages may do for some
                if not self.session.push():
                    refused = True
                    break
            self.assertTrue(refused)
            self.assertEqual(self.session.refused, EXHAUSTED)
            self.session.see(sure=True)
            os.unlink(self.data / "ballast")
            self.pushes(1)
            self.session.see(sure=True)
            if self.session.answered > len(self.expected) - 16:
                break
        self.assertEqual(self.daemon.http("/readyz")[0], 200)
        self.daemon.kill()
        self.recovers()

    def test_a_start_without_room_says_so(self):
        self.daemon.start()
        self.pushes(2)
        self.daemon.kill()
        self.fill()
        try:
            self.daemon.start()  # it may do without room, and then lookups must be right
            self.session.see(sure=True)
            self.daemon.kill()
        except RuntimeError as error:
            self.assertEqual(self.daemon.process.returncode, 1)
            self.assertIn(str(self.data), str(error))
        os.unlink(self.data / "ballast")
        self.recovers()


class Folder(Case):
    @unittest.skipIf(os.geteuid() == 0, "root may write anywhere")
    def test_read_only_at_the_start(self):
        self.daemon.start()
        self.pushes(2)
        self.daemon.kill()
        self.data.chmod(0o500)
        try:
            self.refuses_to_start(str(self.data))
        finally:
            self.data.chmod(0o750)
        self.recovers()

    @unittest.skipIf(SANITIZED, "sanitizers want to be loaded first")
    def test_read_only_file_system(self):
        """As when the kernel gives a file system up: every change is EROFS."""
        for kind in ("write", "open"):
            with Session(self.expected) as session:
                self.session, self.daemon = session, session.daemon
                self.daemon.start()
                self.pushes(3)
                session.faults.arm(kind, 1, errno.EROFS, ever=True)
                if kind == "write":
                    self.no_more_pushes("log.db")
                    self.daemon.stop()
                else:
                    self.daemon.kill()
                    self.refuses_to_start(str(session.top / "data"))
                    self.daemon.log.close()
                session.end()


class Log(Case):
    def gone(self, act, *words):
        self.daemon.start()
        self.pushes(4)
        act()
        self.no_more_pushes(*words)
        self.daemon.kill()

    def test_deleted_under_the_daemon(self):
        self.gone(lambda: os.unlink(self.data / "log.db"), "log.db")
        self.serves_without_log("log.db", "is missing")

    def test_its_wal_deleted(self):
        self.gone(lambda: os.unlink(self.data / "log.db-wal"), "log.db-wal")
        self.serves_without_log("log.db", "-wal is missing")

    def test_both_deleted(self):
        self.gone(lambda: [os.unlink(path) for path in self.data.glob("log.db*")], "log.db")
        self.serves_without_log("log.db", "is missing")

    def test_replaced_by_a_copy(self):
        def replace():
            shutil.copy(self.data / "log.db", self.data / "copy")
            os.rename(self.data / "copy", self.data / "log.db")
        self.gone(replace, "log.db")

    def test_moved_away_and_back(self):
        """Pushes stay refused until a restart, and then nothing is lost."""
        def move():
            os.rename(self.data / "log.db", self.data / "elsewhere")
        self.gone(move, "log.db")
        os.rename(self.data / "elsewhere", self.data / "log.db")
        self.recovers()

    def test_held_by_another_process(self):
        self.daemon.start()
        self.pushes(2)
        other = sqlite3.connect(self.data / "log.db", timeout=0)
        with self.assertRaises(sqlite3.OperationalError) as caught:
            other.execute("SELECT * FROM change")
        self.assertIn("locked", str(caught.exception))
        other.close()
        second = subprocess.run(self.daemon.command(), capture_output=True, text=True)
        self.assertEqual(second.returncode, 1)
        self.assertIn(f"another daemon (process {self.daemon.pid})", second.stderr)
        self.pushes(1)
        self.daemon.kill()
        holder = sqlite3.connect(self.data / "log.db", timeout=0)
        holder.execute("PRAGMA locking_mode = EXCLUSIVE")
        holder.execute("BEGIN IMMEDIATE")
        try:
            self.refuses_to_start("log.db", "another process")
        finally:
            holder.close()
        self.recovers()


class Bits(Case):
    def flip(self, path, draw):
        data = bytearray(path.read_bytes())
        at = draw.randrange(len(data))
        data[at] ^= 1 << draw.randrange(8)
        path.write_bytes(data)
        return at

    def starts_right_or_not(self, what, *words):
        """After damage: the daemon comes up with the right state, or says what is damaged and takes no pushes."""
        self.daemon.start()
        status, text = self.daemon.http("/readyz")
        if status == 200:
            self.session.see(sure=True)
        else:
            for word in words:
                self.assertIn(word, text, what)
            self.assertFalse(self.session.push())
            self.assertEqual(self.session.refused, UNAVAILABLE)
            self.session.sent = self.session.answered
        self.daemon.kill()
        return status == 200

    def test_in_the_log(self):
        self.daemon.start()
        self.pushes(8)
        self.daemon.kill()
        kept, refused, draw = self.data.with_name("kept"), 0, random.Random(1)
        shutil.copytree(self.data, kept)
        for i in range(FLIPS):
            name = ("log.db", "log.db-wal")[i % 2]
            at = self.flip(self.data / name, draw)
            refused += not self.starts_right_or_not(f"{name}, byte {at}", "log.db")
            shutil.rmtree(self.data)
            shutil.copytree(kept, self.data)
        self.assertGreater(refused, 0)
        self.recovers()

    def snapshots(self, table):
        return sorted(path for path in (self.data / "tables" / table).iterdir()
                      if path.suffix in (".safetensors", ".blocks"))

    def test_in_one_snapshot(self):
        """The other one is used, and nothing is lost."""
        self.daemon.start()
        for _ in range(3):
            self.pushes(2)
            self.session.save()
        self.pushes(2)
        self.daemon.kill()
        kept, draw = self.data.with_name("kept"), random.Random(2)
        shutil.copytree(self.data, kept)
        for i in range(FLIPS):
            table = tables()[i % len(tables())].name
            path = self.snapshots(table)[-1 - i % 2]
            at = self.flip(path, draw)
            self.assertTrue(self.starts_right_or_not(f"{path.name} of {table}, byte {at}"))
            shutil.rmtree(self.data)
            shutil.copytree(kept, self.data)
        self.recovers()

    def test_in_all_snapshots(self):
        """The table is damaged and says so, the others serve; and when the files are back, all is as it was."""
        self.daemon.start()
        for _ in range(3):
            self.pushes(2)
            self.session.save()
        self.pushes(2)
        self.daemon.kill()
        kept, draw = self.data.with_name("kept"), random.Random(3)
        shutil.copytree(self.data, kept)
        for path in self.snapshots("full"):
            data = bytearray(path.read_bytes())
            data[-1 - draw.randrange(len(data) // 2)] ^= 1  # in the data
            path.write_bytes(data)
        self.daemon.start()
        listed = {info.name: info for info in
                  self.session.call("Tables", "List", admin.ListRequest(), admin.ListResponse).tables}
        self.assertEqual({name for name, info in listed.items() if info.state}, {"full"})
        self.assertIn("safetensors", listed["full"].trouble)
        self.assertEqual(self.session.lookups(), grpc.StatusCode.DATA_LOSS)
        self.daemon.stop()
        for path in (kept / "tables/full").iterdir():
            shutil.copy(path, self.data / "tables/full" / path.name)
        self.recovers()


if __name__ == "__main__":
    unittest.main()
