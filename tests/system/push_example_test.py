#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The examples of doc/wire.md are what they are taken from, and do what they say: the C trainer, and the Python one,
whose last push is sent again after a kill."""
import os
import pathlib
import re
import subprocess
import sys
import tempfile

import numpy as np

import tablefile
from daemon import SOURCE, Daemon, messages, program

ROWS, DIM = 10, 100


def blocks(language):
    return re.findall(rf"^```{language}\n(.*?)^```$", (SOURCE / "doc/wire.md").read_text(), re.M | re.S)


def code(text):
    return " ".join(text.split())


def main():
    (block,) = blocks("c")
    source = (SOURCE / "client/example_push.c").read_text()
    assert code(block) in code(source), "doc/wire.md shows another example_push.c"

    pb = messages("embd_bulk")
    with tempfile.TemporaryDirectory(prefix="embd-example-") as name:
        folder = pathlib.Path(name)
        tablefile.write(folder / "t", tablefile.table("full", ROWS, DIM,
                                                      {"weight": ("F32", np.zeros((ROWS, DIM), "<f4"))}))
        with Daemon(tables={"words": f"{folder}/t,optimizer=sgd,learning_rate=0.5"}) as daemon:
            lookup = daemon.unary("/embd.v1.Embedding/Lookup", pb.LookupRequest, pb.LookupResponse)

            def rows():
                request = pb.LookupRequest()
                request.lookups.add(table="words", ids=np.array([3, 1, 4], "<i8").tobytes())
                return np.frombuffer(lookup(request, wait_for_ready=True).results[0].values, "<f4").reshape(3, DIM)

            for run in 1, 2:
                done = subprocess.run([program("client/example_push")], capture_output=True, text=True, check=False,
                                      env={**os.environ, "EMBD_SERVER": daemon.address})
                assert done.returncode == 0, done.stderr
                assert done.stdout == f"pushed up to number {20 * run}, version {20 * run}\n", done.stdout
            goal = np.arange(DIM, dtype="<f4")
            assert np.abs(rows() - goal).max() < 1e-3
            done = subprocess.run([program("client/example_push")], capture_output=True, text=True, check=False,
                                  env={**os.environ, "EMBD_SERVER": "127.0.0.1:1"})
            assert done.returncode == 1 and done.stderr.startswith("cannot connect"), done

            sys.modules["embd_bulk_pb2"] = pb  # what `protoc --python_out=.` would have made
            python = "\n".join(blocks("python")).replace("127.0.0.1:3623", daemon.address)
            assert daemon.address in python and "push_stream" in python
            names = {}
            before = rows()
            exec(compile(python, "doc/wire.md", "exec"), names)  # pylint: disable=exec-used
            assert names["sequence"] == 110 and names["answer"].versions[0] == 150 and not names["answer"].duplicate
            assert np.allclose(rows(), before - 55, atol=1e-3)

            # The last one once more, as if its answer had been lost with the daemon.
            (last,) = names["requests"](110, 1)
            daemon.kill()
            daemon.start()
            again = daemon.unary("/embd.v1.Embedding/Push", pb.PushRequest, pb.PushResponse)(last)
            assert again.duplicate and again.versions[0] == 150, again


if __name__ == "__main__":
    sys.exit(main())
