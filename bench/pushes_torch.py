#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""PyTorch's sparse optimizers on the ids, gradients and rows of push_rows, one thread; called by pushes.py.

    pushes_torch.py TABLE.safetensors OPTIMIZER RATE IDS BATCH GRADIENTS ROWS

A gradient is as nn.Embedding(sparse=True) leaves it: one entry an id, repeats included. Prints a line for every sixteen
batches: microseconds of one optimizer.step() in the mean. The rows of the ids 0, 977, 1954, ... go to ROWS.
"""
import json
import struct
import sys
import time

import numpy as np
import torch

STEP = 977
TURN = 16


def read_table(path):
    with open(path, "rb") as f:
        size, = struct.unpack("<Q", f.read(8))
        shape = json.loads(f.read(size))["weight"]["shape"]
        return np.fromfile(f, "<f4").reshape(shape)


def main():
    file, optimizer, rate, ids, batch, gradients, out = sys.argv[1:]
    torch.set_num_threads(1)
    weight = torch.nn.Parameter(torch.from_numpy(read_table(file)))
    optimizer = {"adagrad": lambda p: torch.optim.Adagrad(p, lr=float(rate), eps=1e-8),
                 "sgd": lambda p: torch.optim.SGD(p, lr=float(rate))}[optimizer]([weight])
    ids = torch.from_numpy(np.fromfile(ids, "<i8").reshape(-1, int(batch)))
    blocks = torch.from_numpy(np.fromfile(gradients, "<f4").reshape(-1, int(batch), weight.shape[1]))
    took = 0.0
    for i, some in enumerate(ids):
        weight.grad = torch.sparse_coo_tensor(some[None], blocks[i % len(blocks)], weight.shape)
        start = time.perf_counter()
        optimizer.step()
        took += time.perf_counter() - start
        if (i + 1) % TURN == 0:
            print(f"{took * 1e6 / TURN:.3f}")
            took = 0.0
    weight.detach().numpy()[::STEP].tofile(out)


if __name__ == "__main__":
    main()
