# SPDX-License-Identifier: Apache-2.0
"""An echo_server for a test: with Echo(max_streams=10, …) as server: server.peer(), server.counts()."""
import json
import os
import pathlib
import signal
import subprocess
import sys
import tempfile
import time
import traceback

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import h2raw  # noqa: E402

PROGRAM = pathlib.Path(os.environ.get("TOP_BUILDDIR", ".")) / "tests/system/echo_server"
UNARY, SLOW, STREAM, BOTH, FAIL, LARGE, PIECES, WAIT = (f"/echo.Echo/{name}" for name in
                                                ("Unary", "Slow", "Stream", "Both", "Fail", "Large", "Pieces", "Wait"))


class Echo:
    def __init__(self, listen=("127.0.0.1:0",), prefix=(), **limits):
        self.log = tempfile.TemporaryFile()
        command = [*prefix, str(PROGRAM)] + [f"{name}={value}" for name, value in limits.items()]
        self.process = subprocess.Popen(command + [f"listen={address}" for address in listen],
                                        stdout=subprocess.PIPE, stderr=self.log, text=True)
        ready = self.process.stdout.readline().split()
        if not ready:
            raise RuntimeError(self.log_text())
        self.addresses = ready[1:]
        self.address = ready[1] if len(ready) > 1 else None

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        status = self.stop()
        if status != 0 and kind is None:
            raise AssertionError(f"echo_server ended with {status}:\n{self.log_text()[-8000:]}")
        if status != 0:
            print(self.log_text()[-8000:], file=sys.stderr)

    def stop(self, wait=30):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(wait)
        except subprocess.TimeoutExpired:
            self.process.kill()
            return self.process.wait()

    def log_text(self):
        self.log.seek(0)
        return self.log.read().decode(errors="replace")

    def peer(self, **options):
        return h2raw.Peer(self.address, **options)

    def counts(self):
        with self.peer() as peer:
            peer.send(h2raw.call(1, "/echo.Echo/Counts"))
            return json.loads(peer.answer(1).messages[0])

    def until(self, condition, what, timeout=20):
        """The counts, as soon as the condition holds for them."""
        deadline = time.monotonic() + timeout
        while True:
            counts = self.counts()
            if condition(counts):
                return counts
            if time.monotonic() > deadline:
                raise AssertionError(f"{what}: {counts}")
            time.sleep(0.01)

    def quiet(self):
        """The counts once nothing is left but the call that asks."""
        return self.until(lambda c: c["connections"] == 1 and c["streams"] == 1 and c["inflight"] == 0,
                          "something is left")

    def quiet_after_refusals(self):
        """The same for a server that had no room left, and may not have any for the first who ask."""
        deadline = time.monotonic() + 20
        while True:
            try:
                return self.quiet()
            except (h2raw.Closed, TimeoutError):
                assert time.monotonic() < deadline, "there is never room"

    def resident(self):
        """Bytes of memory of the process; 0 under a sanitizer, whose own memory would be most of it."""
        if b"__asan_init" in PROGRAM.read_bytes() or b"__tsan_init" in PROGRAM.read_bytes():
            return 0
        pages = int(pathlib.Path(f"/proc/{self.process.pid}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE")


def pattern(n):
    return (bytes(range(256)) * (n // 256 + 1))[:n]


def upload(peer, stream, body, frame_size=16384):
    """DATA as the server's windows allow, END_STREAM with the last, unless an answer comes first; counts on a
    connection of its own."""
    at, sent = 0, 0
    connection, own = 65535, peer.settings[h2raw.INITIAL_WINDOW_SIZE]
    while at < len(body) and not (stream in peer.answers and peer.answers[stream].headers):
        n = min(frame_size, len(body) - at, connection + peer.windows[0] - sent, own + peer.windows[stream] - sent)
        if n <= 0:
            peer.read()
            continue
        at += n
        sent += n
        peer.send(h2raw.data(stream, body[at - n:at], h2raw.END_STREAM if at == len(body) else 0))


def run(tests):
    """Run every test_… of a module (or those named on the command line); the process's exit status."""
    chosen = sys.argv[1:] or [name for name in tests if name.startswith("test_")]
    failed = 0
    for name in chosen:
        began = time.monotonic()
        try:
            tests[name]()
            verdict = "ok"
        except Exception:  # noqa: BLE001: whatever it is, the next test runs
            traceback.print_exc()
            verdict, failed = "FAILED", failed + 1
        print(f"{verdict:6} {time.monotonic() - began:6.2f} s  {name}", flush=True)
    sys.exit(1 if failed else 0)
