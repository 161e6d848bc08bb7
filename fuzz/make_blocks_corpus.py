#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Write the seeds of the fuzz target blocks_file. Their checksums are zeros: the target puts them right itself.

    fuzz/make_blocks_corpus.py     writes fuzz/blocks_file.in/ beside this script
"""
from make_corpus import container, write

LAST = 40  # the number of the last, short block of the target's table
KEYS = {"embd.version": "1", "embd.header": "0" * 16, "embd.applied": "12", "embd.lsn": "40", "embd.generation": "2",
        "embd.blocks": "10", "embd.base": "0123456789abcdef", "embd.checksum": "0" * 16,
        "embd.optimizer": '{"name":"sgd","step":2}'}


def tensors(index, width=512, **more):
    return {"index": ("U64", [len(index)], index),
            "data": ("U8", [len(index), width], [(7 * i) % 256 for i in range(len(index) * width)]), **more}


def seeds():
    yield "one", container(KEYS, tensors([3]))
    yield "none", container(KEYS, tensors([]))
    yield "in_order", container(KEYS, tensors([0, 1, LAST]))
    yield "out_of_order", container(KEYS, tensors([LAST, 0, 17]))
    yield "twice", container(KEYS, tensors([5, 0, 5]))
    yield "beyond", container(KEYS, tensors([LAST + 1]))
    yield "far_beyond", container(KEYS, tensors([0, 2 ** 64 - 1]))
    yield "wraps", container(KEYS, tensors([2 ** 55]))
    yield "foreign_key", container({**KEYS, "format": "pt"}, tensors([3]))
    yield "unknown_key", container({**KEYS, "embd.rows": "3"}, tensors([3]))
    yield "foreign_tensor", container(KEYS, tensors([3], x=("U8", [1], [1])))
    yield "narrow", container(KEYS, tensors([3], 256))
    yield "data_first", container(KEYS, dict(reversed(tensors([3]).items())))
    yield "unaligned", container(KEYS, tensors([3]), after=" ", align=1)
    yield "spaces", container(KEYS, tensors([3]), before=" ", separators=(", ", " : "))
    yield "escaped", container({**KEYS, "x": 'a"embd.header":"0000000000000000'}, tensors([3]))
    yield "seal_as_value", container({"x": "embd.header", **KEYS}, tensors([3]))
    yield "seal_as_tensor", container(KEYS, {"embd.header": ("U8", [0], []), **tensors([3])})
    yield "base_not_older", container({**KEYS, "embd.blocks": "12"}, tensors([3]))
    yield "cut", container(KEYS, tensors([3]))[:-1]
    yield "longer", container(KEYS, tensors([3])) + b"\0"
    for key in KEYS:
        yield "without_" + key[5:], container({k: v for k, v in KEYS.items() if k != key}, tensors([3]))
        yield "empty_" + key[5:], container({**KEYS, key: ""}, tensors([3]))


if __name__ == "__main__":
    for name, data in seeds():
        write("blocks_file", name, data)
