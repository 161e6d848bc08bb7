#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Write a table file of random float32 rows, method `full`, without embd: make_table.py FILE [ROWS [DIM]]."""
import json
import struct
import sys

import numpy as np

CHUNK_ROWS = 65536


def main():
    path = sys.argv[1]
    rows, dim = (int(a) for a in (sys.argv[2:] + ["1000000", "64"][len(sys.argv) - 2:]))
    header = {
        "__metadata__": {"embd.version": "1", "embd.method": "full", "embd.rows": str(rows),
                         "embd.dim": str(dim), "embd.origin": "random"},
        "weight": {"dtype": "F32", "shape": [rows, dim], "data_offsets": [0, 4 * rows * dim]},
    }
    text = json.dumps(header).encode()
    text += b" " * (-(8 + len(text)) % 64)
    random = np.random.default_rng(1)
    with open(path, "wb") as f:
        f.write(struct.pack("<Q", len(text)) + text)
        for first in range(0, rows, CHUNK_ROWS):
            f.write(random.standard_normal((min(CHUNK_ROWS, rows - first), dim), np.float32).astype("<f4")
                    .tobytes())


if __name__ == "__main__":
    main()
