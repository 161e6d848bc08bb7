#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""No lookup sees half of a push: half_push.c pushes to all rows and looks rows up at full load while the table is saved all
the time, EMBD_HALF_SECONDS (2) long. And the checker would see it: pushes to half of the rows must be noticed."""
import os
import pathlib
import shutil
import subprocess
import tempfile
import threading
import unittest

import numpy as np

import tablefile
from crash.saver import admin
from crash.tables import pb
from daemon import Daemon, program

SECONDS = int(os.environ.get("EMBD_HALF_SECONDS", 2))
ROWS, DIM = 256, 16


class Halves(unittest.TestCase):
    def setUp(self):
        self.top = pathlib.Path(tempfile.mkdtemp(prefix="embd-half-"))
        self.addCleanup(shutil.rmtree, self.top)
        tablefile.write(self.top / "t", tablefile.table("full", ROWS, DIM,
                                                        {"weight": ("F32", np.zeros((ROWS, DIM), "<f4"))}))

    def daemon(self):
        return Daemon(tables={"t": f"{self.top}/t,optimizer=sgd"}, config="workers = 2\n")

    def check(self, daemon, seconds, pushers, readers):
        done = subprocess.run([program("tests/system/half_push"), daemon.address, "t", str(ROWS), str(DIM),
                               str(seconds), str(pushers), str(readers)], capture_output=True, text=True)
        return done

    def test_none_is_seen(self):
        with self.daemon() as daemon:
            over = threading.Event()
            save = daemon.unary("/embd.v1.Tables/Save", admin.SaveRequest, admin.SaveResponse)
            saver = threading.Thread(target=lambda: [save(admin.SaveRequest(table="t"))
                                                     for _ in iter(lambda: over.wait(0.05), True)])
            saver.start()
            done = self.check(daemon, SECONDS, 2, 4)
            over.set()
            saver.join()
            print(done.stdout.strip(), flush=True)
            self.assertEqual(done.returncode, 0, done.stderr)
            self.assertNotIn(" 0 lookups", done.stdout)

    def test_one_would_be_seen(self):
        with self.daemon() as daemon:
            push = daemon.unary("/embd.v1.Embedding/Push", pb.PushRequest, pb.PushResponse)
            request = pb.PushRequest(learning_rate=1.0)
            request.pushes.add(table="t", ids=np.arange(ROWS // 2, dtype="<i8").tobytes(),
                               gradients=np.full(ROWS // 2 * DIM, -1, "<f4").tobytes())
            push(request)
            done = self.check(daemon, 1, 0, 2)
            self.assertEqual(done.returncode, 1)
            self.assertIn("at version 1", done.stderr)


if __name__ == "__main__":
    unittest.main()
