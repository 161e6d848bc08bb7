# SPDX-License-Identifier: Apache-2.0
"""A daemon of one's own, for a script that was not told of one: on a Unix socket, with its data in a folder. It is
started again when it dies, and ends with the process that started it."""
import ctypes
import os
import pathlib
import shutil
import signal
import subprocess
import tempfile
import threading
import time

PR_SET_PDEATHSIG = 1
LIBC = ctypes.CDLL(None)


class DaemonError(Exception):
    """Why there is no daemon, in one sentence."""


def find(embd):
    path = shutil.which(str(embd))
    if not path:
        raise DaemonError(f"there is no program {embd}: name it with --embd, or a daemon that runs with --server")
    return path


class OwnDaemon:
    """with OwnDaemon("embd", folder, options) as daemon: ... daemon.address

    `folder` keeps data and log; None: a temporary one. `options` are more of the command line."""

    def __init__(self, embd="embd", folder=None, options=()):
        self.embd = find(embd)
        self.temporary = tempfile.mkdtemp(prefix="embd-")  # the socket's, whose path must be short
        self.folder = pathlib.Path(folder or self.temporary)
        self.options, self.ending = list(options), threading.Event()
        self.address = f"unix:{self.temporary}/socket"
        self.process, self.started_again = None, 0
        self.ready = threading.Event()
        try:
            (self.folder / "data").mkdir(mode=0o750, parents=True, exist_ok=True)
            self.log = open(self.folder / "embd.log", "ab")
        except OSError as e:
            shutil.rmtree(self.temporary, ignore_errors=True)
            raise DaemonError(f"cannot write to {self.folder}: {e.strerror}") from e

    def command(self):
        return [self.embd, "--data-dir", str(self.folder / "data"), "--listen", self.address, "--http", "",
                *self.options]

    def watch(self):
        """The life of the thread that starts it: its children end when it does, so it lives as long as we do."""
        while not self.ending.is_set():
            begin = self.log.seek(0, os.SEEK_END)
            began = time.monotonic()
            self.process = subprocess.Popen(  # pylint: disable=consider-using-with,subprocess-popen-preexec-fn
                self.command(), stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log,
                preexec_fn=lambda: LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGTERM))
            self.await_ready(begin)
            if self.ending.is_set():
                self.process.terminate()
            self.process.wait()
            if not self.ready.is_set():
                return
            self.started_again += 1
            self.ending.wait(max(0.0, 0.2 - (time.monotonic() - began)))

    def await_ready(self, begin):
        while self.process.poll() is None and not self.ending.is_set():
            with open(self.log.name, "rb") as log:
                log.seek(begin)
                if b" ready " in log.read():
                    self.ready.set()
                    return
            time.sleep(0.01)

    def last_words(self):
        return pathlib.Path(self.log.name).read_text(errors="replace").strip().splitlines()[-1:] or ["no word"]

    def __enter__(self):
        self.thread = threading.Thread(target=self.watch, daemon=True)
        self.thread.start()
        while not self.ready.wait(0.05):
            if not self.thread.is_alive() and not self.ready.is_set():
                self.__exit__(None, None, None)
                raise DaemonError(f"{self.embd} did not start: {self.last}")
        return self

    def __exit__(self, kind, error, trace):
        self.ending.set()
        if self.process and self.process.poll() is None:
            self.process.terminate()
        self.thread.join()
        self.log.close()
        (self.last,) = self.last_words()
        shutil.rmtree(self.temporary, ignore_errors=True)
