# SPDX-License-Identifier: Apache-2.0
"""System calls and allocations that fail: the test's end of tests/preload/faults.c.

    with Faults(folder) as faults:
        process = subprocess.Popen(…, env=faults.environment())
        faults.arm("sync", 3, errno.EIO, ever=True)   # the third one from now on
        …; faults.failed; faults.counts()"""
import ctypes
import mmap
import os
import pathlib
import tempfile

from powercut import library

KINDS = ("none", "write", "sync", "rename", "open", "size", "unlink", "map", "memory")
FILES = KINDS[1:7]


class Shared(ctypes.Structure):
    """struct faults of faults.c."""
    _fields_ = [("kind", ctypes.c_uint), ("ever", ctypes.c_uint), ("error", ctypes.c_int), ("trace", ctypes.c_uint),
                ("at", ctypes.c_ulonglong), ("failed", ctypes.c_ulonglong),
                ("count", ctypes.c_ulonglong * len(KINDS)), ("places", ctypes.c_ulonglong),
                ("place", ctypes.c_ulonglong * 16384)]


class Faults:
    """Files below `folder` are meant."""

    def __init__(self, folder):
        self.folder = pathlib.Path(folder)
        fd, self.path = tempfile.mkstemp(prefix="embd-faults-")
        os.truncate(fd, ctypes.sizeof(Shared))
        self.memory = mmap.mmap(fd, ctypes.sizeof(Shared))
        os.close(fd)
        self.shared = Shared.from_buffer(self.memory)

    def environment(self, base=None):
        env = dict(os.environ if base is None else base)
        env.update(LD_PRELOAD=library("faults"), EMBD_FAULTS=self.path, EMBD_FAULTS_ROOT=str(self.folder))
        return env

    def arm(self, kind, at, error, ever=False):
        """The `at`-th call of this kind from now on fails."""
        self.disarm()
        self.shared.error, self.shared.ever, self.shared.failed = error, ever, 0
        self.shared.at = self.shared.count[KINDS.index(kind)] + at
        self.shared.kind = KINDS.index(kind)

    def disarm(self):
        self.shared.kind = 0

    @property
    def failed(self):
        """How many calls have failed since arm()."""
        return self.shared.failed

    def counts(self):
        return {kind: self.shared.count[i] for i, kind in enumerate(KINDS) if i}

    def trace(self):
        """Note from which places memory is allocated, from now on."""
        self.shared.places, self.shared.trace = 0, 1

    def places(self):
        """The numbers of the allocations that were the first from their places (stacks of callers)."""
        self.shared.trace = 0
        return sorted(self.shared.place[:self.shared.places])

    def close(self):
        self.shared = None
        self.memory.close()
        os.unlink(self.path)

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.close()
