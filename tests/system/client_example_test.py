#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The ten lines of embdclient.h are those of client/example.c, and they do what they say."""
import os
import subprocess
import sys

from fake_daemon import Daemon, TOP, value

BUILD = os.environ.get("TOP_BUILDDIR", ".")


def lines(path, first, last):
    text = [line.strip() for line in open(TOP + "/" + path)]
    return text[text.index(first):text.index(last) + 1]


def main():
    header = lines("client/embdclient.h", "embd_client *client = NULL;", "embd_client_close(client);")
    example = lines("client/example.c", "embd_client *client = NULL;", "embd_client_close(client);")
    assert header == example, (header, example)
    assert len(header) == 10, len(header)

    program = [BUILD + "/client/example"]
    with Daemon() as daemon:
        environment = dict(os.environ, EMBD_SERVER=daemon.address)
        done = subprocess.run(program, env=environment, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        assert done.stdout == "row 3 begins with %g\n" % value(3, 0), done.stdout
        method, request, left = daemon.calls[0]
        assert method == "Lookup" and list(request.lookups[0].ids) == [3, 1, 4]
        assert 9 < left <= 10, left  # the default deadline reaches the server
        del daemon.tables["words"]
        done = subprocess.run(program, env=environment, capture_output=True, text=True)
        assert done.returncode == 1 and done.stderr == 'no table "words"\n', done
    done = subprocess.run(program, env=environment, capture_output=True, text=True)
    assert done.returncode == 1 and "cannot connect to" in done.stderr, done


if __name__ == "__main__":
    sys.exit(main())
