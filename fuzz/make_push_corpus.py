#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Write the seeds of the fuzz target push_body.

    fuzz/make_push_corpus.py            writes fuzz/push_body.in/ beside this script
"""
import os
import struct

FOLDER = os.path.join(os.path.dirname(os.path.abspath(__file__)), "push_body.in")


def body(tables, trainer=b"", sequence=0, message=b"", form=1, padding=0, count=None, length=None):
    head = b",".join(name for name, *_ in tables) + b"\0"
    head += struct.pack("<BBHIQQQQ", form, len(trainer) & 255, padding,
                        len(tables) if count is None else count, sequence, 1, 2,
                        len(message) if length is None else length)
    for _, generation, version, rate, flags in tables:
        head += struct.pack("<QQfI", generation, version, rate, flags)
    return head + trainer + message


def seeds():
    ads, users = (b"ads", 1, 8, 0.5, 0), (b"users.v2-x_", 2**64 - 1, 2**63, -0.0, 2**32 - 1)
    yield "empty", body([])
    yield "one", body([ads], b"me", 1, b"message")
    yield "two", body([ads, users], b"A_0.9:z-", 2**63 - 1, b"\0" * 100)
    yield "nobody", body([users], message=b"x")
    yield "longest_names", body([(b"n" * 128, 1, 1, 1, 1)], b"t" * 128, 7, b"m")
    yield "many", body([(b"t%d" % i, i, i, i, i) for i in range(40)], b"t", 1)
    good = body([ads, users], b"me", 3, b"message")
    yield "cut", good[:-1]
    yield "longer", good + b"\0"
    yield "form", body([ads], form=2)
    yield "padding", body([ads], padding=1)
    yield "count_more", body([ads], count=2)
    yield "count_huge", body([ads], count=2**32 - 1)
    yield "length_huge", body([ads], length=2**64 - 1)
    yield "sequence_of_nobody", body([ads], sequence=1)
    yield "no_sequence", body([ads], b"me")
    yield "sequence_sign", body([ads], b"me", 2**63)
    yield "trainer_long", body([ads], b"t" * 129, 1)
    yield "trainer_space", body([ads], b"a b", 1)
    yield "name_empty", body([(b"", 1, 1, 1, 1), ads])
    yield "name_dot", body([(b".x", 1, 1, 1, 1)])
    yield "no_end", b"ads,users"


os.makedirs(FOLDER, exist_ok=True)
for name, data in seeds():
    with open(os.path.join(FOLDER, name), "wb") as f:
        f.write(data)
