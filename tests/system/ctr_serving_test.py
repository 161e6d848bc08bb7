#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The inference services of examples/, in Python and in C: their scores of a factorization machine are those of its
formula over the rows that the daemon has."""
import json
import os
import pathlib
import subprocess
import sys
import tempfile

import numpy as np

import tablefile
from daemon import SOURCE, Daemon, program

ROWS, DIM = 50, 9


def score(rows):
    """By pairs: what the examples do with sums of squares."""
    v = rows[:, :-1].astype(np.float64)
    products = v @ v.T
    return rows[:, -1].astype(np.float64).sum() + np.triu(products, 1).sum()


def main():
    rows = np.random.default_rng(1).normal(0, 0.5, (ROWS, DIM)).astype("<f4")
    samples = [[1, 7, 30], [1, 7, 31], [2], [49, 0, 3, 3, 11, 12, 13, 14]]
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        tablefile.write(folder / "t", tablefile.table("full", ROWS, DIM, {"weight": ("F32", rows)}))
        with Daemon(tables={"kuairand-fm": str(folder / "t")}) as daemon:
            environment = dict(os.environ, EMBD_SERVER=daemon.address, PYTHONPATH=str(SOURCE / "client/python"))

            def run(command, text):
                return subprocess.run(command, input=text, env=environment, capture_output=True, text=True, check=False)

            c = [program("examples/score"), "kuairand-fm"]
            done = run(c, "".join(" ".join(map(str, s)) + "\n" for s in samples))
            assert done.returncode == 0, done.stderr
            assert np.allclose(list(map(float, done.stdout.split())), [score(rows[s]) for s in samples], atol=1e-5)
            for text, words in (("1 two\n", "a line is not up to"), ("1 99999999999999999999\n", "a line is not up to"),
                                (" ".join(["1"] * 1001) + "\n", "a line is not up to")):
                done = run(c, text)
                assert done.returncode == 1 and words in done.stderr, done
            done = run([*c[:1], "nothing"], "1\n")
            assert done.returncode == 1 and '(table "nothing"): no such table' in done.stderr, done
            assert run(c[:1], "").returncode == 2

            python = [sys.executable, str(SOURCE / "examples/serve_recommendations.py")]
            requests = [{"user": [1, 7], "videos": [[30], [31], [32], [33]], "count": 3},
                        {"user": [2], "videos": [[5, 6]]}]
            done = run(python, "".join(json.dumps(r) + "\n" for r in requests))
            assert done.returncode == 0, done.stderr
            for request, line in zip(requests, done.stdout.splitlines()):
                scores = [score(rows[request["user"] + video]) for video in request["videos"]]
                best = sorted(range(len(scores)), key=lambda i: -scores[i])[:request.get("count", 10)]
                told = json.loads(line)
                assert [i for i, _ in told] == best and np.allclose([s for _, s in told], [scores[i] for i in best],
                                                                    atol=1e-4), (told, scores)


if __name__ == "__main__":
    sys.exit(main())
