# SPDX-License-Identifier: Apache-2.0
"""Runs embctl for tests of its commands, and holds what it prints against the rules that all of them keep."""
import io
import json
import os
import pathlib
import subprocess

import numpy as np

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
