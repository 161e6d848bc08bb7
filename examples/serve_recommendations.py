#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A recommendation service over a factorization machine in embd (examples/ctr/train.py --model fm): what of the videos
given will the user watch for long? One request a line on standard input, one answer a line:

    {"user": [ids of the user's fields], "videos": [[ids of a video's fields], ...], "count": 3}
    [[place of the best video, score], ...]
"""
import json
import sys

import numpy as np

import embd


def main(table="kuairand-fm", address=None):
    client = embd.Client(address)
    for line in map(json.loads, sys.stdin):
        ids = np.array([line["user"] + video for video in line["videos"]], np.int64)
        rows = client.lookup(embd.Lookup(table, ids.ravel())).results[0].values.reshape(*ids.shape, -1)
        vectors, weights = rows[..., :-1], rows[..., -1]
        pairs = (vectors.sum(1) ** 2).sum(1) - (vectors ** 2).sum((1, 2))
        scores = weights.sum(1) + pairs / 2
        best = np.argsort(-scores, kind="stable")[:line.get("count", 10)]
        print(json.dumps([[int(i), float(scores[i])] for i in best]), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
