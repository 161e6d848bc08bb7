#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Write the seeds of the fuzz target count_body.

    fuzz/make_count_corpus.py            writes fuzz/count_body.in/ beside this script
"""
import os

FOLDER = os.path.join(os.path.dirname(os.path.abspath(__file__)), "count_body.in")


def number(value):
    out = bytearray()
    while value >= 0x80:
        out.append(value & 0x7f | 0x80)
        value >>= 7
    return bytes(out) + bytes([value])


def body(name, generation, version, rows, form=1, count=None):
    out = name + b"\0" + bytes([form]) + number(generation) + number(version)
    out += number(len(rows) if count is None else count)
    following = 0
    for row, times in rows:
        out += number(row - following) + number(times)
        following = row + 1
    return out


def seeds():
    rows = [(0, 1), (1, 200), (7, 2**63), (2**40, 5), (2**64 - 2, 2**64 - 1)]
    yield "none", body(b"ads", 1, 0, [])
    yield "one", body(b"ads", 1, 8, rows[:1])
    yield "some", body(b"n" * 128, 2**64 - 1, 2**64 - 1, rows)
    yield "never", body(b"ads", 1, 8, [(3, 0)])
    yield "last_row", body(b"ads", 1, 8, [(2**64 - 1, 1)])
    yield "beyond", body(b"ads", 1, 8, rows) + number(0) + number(1)
    yield "other_form", body(b"ads", 1, 8, rows, form=2)
    yield "no_name", body(b"", 1, 8, rows)
    yield "bad_name", body(b"a b", 1, 8, rows)
    yield "fewer", body(b"ads", 1, 8, rows, count=6)
    yield "more", body(b"ads", 1, 8, rows, count=4)
    yield "count_of_millions", body(b"ads", 1, 8, rows, count=2**40)
    yield "long_number", b"ads\0\1\x81\0\1\0"
    yield "longer_number", b"ads\0\1" + b"\xff" * 10 + b"\1\1\0"
    yield "cut", body(b"ads", 1, 8, rows)[:-1]


if __name__ == "__main__":
    os.makedirs(FOLDER, exist_ok=True)
    for name, data in seeds():
        with open(os.path.join(FOLDER, name), "wb") as out:
            out.write(data)
