# SPDX-License-Identifier: Apache-2.0
"""Runs embctl for tests of its commands, and holds what it prints against the rules that all of them keep."""
import io
import json
import os
import pathlib
import pty
import struct
import subprocess

import numpy as np
import tablefile

EMBCTL = pathlib.Path(os.environ.get("TOP_BUILDDIR", ".")) / "embctl"


class Embctl:
    def __init__(self, daemon):
        """`daemon` has an address, and if it keeps what it was asked, `calls`."""
        self.daemon = daemon
        self.environment = {**os.environ, "EMBD_SERVER": daemon.address}

    def run(self, *arguments, **more):
        return subprocess.run([EMBCTL, *map(str, arguments)], capture_output=True, check=False,
                              env=self.environment, **more)

    def good(self, *arguments, **more):
        done = self.run(*arguments, **more)
        assert done.returncode == 0 and not done.stderr, (arguments, done)
        return done.stdout

    def text(self, *arguments, **more):
        text = self.good(*arguments, **more).decode()
        assert "\033" not in text and all(line == line.rstrip() for line in text.splitlines()), text
        return text

    def document(self, *arguments, **more):
        return json.loads(self.good(*arguments, "--json", **more))

    def array(self, *arguments, **more):
        return np.load(io.BytesIO(self.good(*arguments, "-o", "-", **more)))

    def fails(self, status, words, *arguments, **more):
        done = self.run(*arguments, **more)
        text = done.stderr.decode()
        assert done.returncode == status and words in text, (arguments, done)
        assert text.startswith("embctl: ") and text.count("\n") == 1, (arguments, text)

    def asked(self, name):
        """The requests of one kind since the last time."""
        found = [request for call, request, _ in self.daemon.calls if call == name]
        self.daemon.calls.clear()
        return found


# Commands for files, which need no daemon.

def run(*arguments, **more):
    return subprocess.run([EMBCTL, *map(str, arguments)], capture_output=True, check=False, **more)


def good(*arguments, **more):
    done = run(*arguments, **more)
    assert done.returncode == 0 and not done.stderr, (arguments, done)
    return done.stdout


def document(*arguments, **more):
    """The one JSON document that --json prints; NaN and the like are no JSON."""
    def refuse(text):
        raise AssertionError(f"{arguments}: {text} is not JSON")
    return json.loads(good(*arguments, "--json", **more), parse_constant=refuse)


def read_table(path):
    """Metadata and arrays of a table file."""
    data = pathlib.Path(path).read_bytes()
    (size,) = struct.unpack_from("<Q", data)
    header = json.loads(data[8:8 + size])
    assert (8 + size) % 64 == 0, "the data area is not aligned"
    arrays = {}
    for name, t in header.items():
        if name != "__metadata__":
            begin, end = (8 + size + at for at in t["data_offsets"])
            arrays[name] = np.frombuffer(data[begin:end], tablefile.DTYPES[t["dtype"]]).reshape(t["shape"])
    return header["__metadata__"], arrays


def one_line(done):
    text = done.stderr.decode()
    return text.startswith("embctl: ") and text.endswith("\n") and text.count("\n") == 1


def on_terminal(arguments, environment):
    """What a command prints when its output is a terminal."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen([EMBCTL, *map(str, arguments)], stdout=theirs, stderr=theirs, env=environment)
    os.close(theirs)
    text = b""
    while True:
        try:
            part = os.read(ours, 65536)
        except OSError:  # the other side is closed
            break
        if not part:
            break
        text += part
    os.close(ours)
    return process.wait(), text.decode()
