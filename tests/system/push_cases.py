# SPDX-License-Identifier: Apache-2.0
"""Pushes that break a rule, each with the status and the words that the daemon must answer: data for
push_rules_test.py. The tables are `t` (full, 10 rows of 4, sgd at rate 1), `u` (the same), `k` (keys 100 to 109), `r`
(read-only) and `d` (damaged); the limits are max_ids = 1000, max_request_bytes = 1 MiB, max_gradient_norm = 100,
max_trainers = 3."""
from protowire import field, varint
from request_cases import (ABORTED, DATA_LOSS, EXHAUSTED, INF, INTERNAL, INVALID, NAN, NOT_FOUND, PRECONDITION, RANGE,
                           f32, ids, u32)

PUSH = "/embd.v1.Embedding/Push"
ONES = f32(1, 1, 1, 1)
MANY = 1000


def fixed32(number, value):
    return varint(number << 3 | 5) + f32(value)


def part(table="t", i=ids(1), g=ONES, pooling=0, offsets=b"", weights=b"", fmt=0, packed=b"", more=b""):
    out = field(1, table) if table is not None else b""
    for number, value in ((2, i), (3, g), (4, pooling), (5, offsets), (6, weights), (7, fmt), (8, packed)):
        out += field(number, value) if value else b""
    return out + more


def push(*parts, missing=0, rate=None, more=b""):
    out = b"".join(field(3, p) for p in parts)
    out += b"" if rate is None else fixed32(4, rate)
    return out + (field(5, missing) if missing else b"") + more


def half(*bits):
    return b"".join(b.to_bytes(2, "little") for b in bits)


# name, message, status, words of the sentence; run without a trainer, and as a trainer's next push
CASES = [
    # Not protobuf
    ("garbage", b"\xff\xff", INTERNAL, ""),
    ("ids of 7 bytes", push(part(i=b"1234567")), INTERNAL, ""),
    ("gradients of 3 bytes", push(part(g=b"123")), INTERNAL, ""),
    ("table is not UTF-8", push(part(b"\xff")), INTERNAL, "UTF-8"),
    ("rate of another type", push(part(), more=varint(4 << 3) + b"\1"), INTERNAL, ""),
    # Tables
    ("no such table", push(part("nobody")), NOT_FOUND, 'pushes[0] (table "nobody"): no such table'),
    ("no table", push(part(None)), NOT_FOUND, 'pushes[0] (table "")'),
    ("second table does not exist", push(part(), part("x")), NOT_FOUND, 'pushes[1] (table "x")'),
    ("table in other case", push(part("T")), NOT_FOUND, ""),
    ("read-only", push(part("r")), PRECONDITION, 'pushes[0] (table "r"): the table is read-only'),
    ("second is read-only", push(part(), part("r")), PRECONDITION, "pushes[1]"),
    ("damaged", push(part("d")), DATA_LOSS, 'pushes[0] (table "d")'),
    # Gradients
    ("no gradients", push(part(g=b"")), INVALID, "0 gradients for 1 ids of 4 columns"),
    ("three columns", push(part(g=f32(1, 1, 1))), INVALID, "3 gradients for 1 ids of 4 columns"),
    ("five columns", push(part(g=ONES + f32(1))), INVALID, "5 gradients"),
    ("one row for two ids", push(part(i=ids(1, 2))), INVALID, "4 gradients for 2 ids"),
    ("rows without ids", push(part(i=b"")), INVALID, "4 gradients for 0 ids"),
    ("second part is short", push(part(), part(g=f32(1))), INVALID, 'pushes[1] (table "t")'),
    ("third of a table", push(part(), part("u"), part(g=f32(1))), INVALID, 'pushes[2] (table "t")'),
    ("not a number", push(part(g=f32(1, 1, NAN, 1))), INVALID, "gradients[2] is not finite"),
    ("infinite", push(part(g=f32(1, 1, 1, INF))), INVALID, "gradients[3] is not finite"),
    ("minus infinite", push(part(g=f32(-INF, 1, 1, 1))), INVALID, "gradients[0] is not finite"),
    ("not a number in the second table", push(part(), part("u", g=f32(NAN, 1, 1, 1))), INVALID,
     'pushes[1] (table "u"): gradients[0] is not finite'),
    ("norm", push(part(g=f32(60, 60, 60, 0))), INVALID, "norm 103.923, max_gradient_norm is 100"),
    ("norm of a sum", push(part(i=ids(1, 2, 1), g=f32(60, 60, 0, 0) + ONES + f32(0, 0, 60, 0))), INVALID,
     "max_gradient_norm is 100"),
    ("norm of a sum over parts", push(part(g=f32(99, 0, 0, 0)), part(g=f32(99, 0, 0, 0))), INVALID,
     "max_gradient_norm is 100"),
    ("sum that overflows", push(part(i=ids(1, 1), g=f32(3e38, 0, 0, 0) * 2)), INVALID, ""),
    ("norm by weight", push(part(i=ids(1), pooling=1, offsets=u32(0, 1), weights=f32(1000))), INVALID,
     "max_gradient_norm is 100"),
    # Halves
    ("format INT8", push(part(g=b"", fmt=3, packed=b"12345678")), INVALID, "format is 3"),
    ("format 9", push(part(g=b"", fmt=9, packed=b"12345678")), INVALID, "format is 9"),
    ("F32 in packed", push(part(g=b"", packed=ONES)), INVALID, "packed with format F32"),
    ("F16 in gradients", push(part(fmt=1)), INVALID, "gradients with format 1"),
    ("F16 and gradients", push(part(fmt=1, packed=half(0, 0, 0, 0))), INVALID, "gradients with format 1"),
    ("F16 of 7 bytes", push(part(g=b"", fmt=1, packed=b"1234567")), INVALID, "no whole number of F16"),
    ("F16 infinite", push(part(g=b"", fmt=1, packed=half(0, 0x7c00, 0, 0))), INVALID, "gradients[1]"),
    ("F16 not a number", push(part(g=b"", fmt=1, packed=half(0, 0, 0xfe00, 0))), INVALID, "gradients[2]"),
    ("BF16 infinite", push(part(g=b"", fmt=2, packed=half(0xff80, 0, 0, 0))), INVALID, "gradients[0]"),
    ("BF16 not a number", push(part(g=b"", fmt=2, packed=half(0, 0, 0, 0x7fc0))), INVALID, "gradients[3]"),
    # Ids
    ("unknown id", push(part(i=ids(10))), RANGE, "ids[0] = 10 is not in the table, whose ids are 0 to 9"),
    ("negative id", push(part(i=ids(1, -1), g=ONES * 2)), RANGE, "ids[1] = -1"),
    ("unknown key", push(part("k", i=ids(100, 5), g=ONES * 2)), RANGE, "ids[1] = 5 is not in the table"),
    ("unknown in the second table", push(part(), part("k")), RANGE, 'pushes[1] (table "k"): ids[0] = 1'),
    ("too many ids", push(part(i=ids(1) * (MANY + 1), g=ONES * (MANY + 1))), EXHAUSTED,
     "the push has 1001 ids, max_ids is 1000"),
    ("too many ids over parts", push(*[part(i=ids(1) * 501, g=ONES * 501)] * 2), EXHAUSTED, "1002 ids"),
    ("ADMIT of an unknown id", push(part(i=ids(10)), missing=2), PRECONDITION, "and the table does not grow"),
    ("missing 7", push(part(), missing=7), INVALID, "missing is 7"),
    # Bags
    ("offsets without pooling", push(part(offsets=u32(0, 1))), INVALID, "offsets without pooling"),
    ("no offsets", push(part(pooling=1)), INVALID, "no offsets"),
    ("first offset", push(part(pooling=1, offsets=u32(1, 1))), INVALID, "offsets[0] = 1"),
    ("falling offsets", push(part(i=ids(1, 2), pooling=2, offsets=u32(0, 2, 1), g=ONES * 2)), INVALID,
     "offsets[2] = 1"),
    ("offset above", push(part(pooling=1, offsets=u32(0, 2))), INVALID, "offsets[1] = 2"),
    ("last offset", push(part(i=ids(1, 2), pooling=1, offsets=u32(0, 1))), INVALID, "offsets[1] = 1"),
    ("rows and not bags", push(part(i=ids(1, 2), pooling=1, offsets=u32(0, 2), g=ONES * 2)), INVALID,
     "8 gradients for 1 bags of 4 columns"),
    ("pooling 3", push(part(pooling=3, offsets=u32(0, 1))), INVALID, "pooling is 3"),
    ("weights without pooling", push(part(weights=f32(1))), INVALID, "weights without SUM"),
    ("weights with MEAN", push(part(pooling=2, offsets=u32(0, 1), weights=f32(1))), INVALID, "weights without SUM"),
    ("two weights for an id", push(part(pooling=1, offsets=u32(0, 1), weights=f32(1, 1))), INVALID,
     "2 weights for 1 ids"),
    ("weight not a number", push(part(pooling=1, offsets=u32(0, 1), weights=f32(NAN))), INVALID,
     "weights[0] is not finite"),
    # Rates
    ("rate not a number", push(part(), rate=NAN), INVALID, "learning_rate is not finite"),
    ("rate infinite", push(part(), rate=INF), INVALID, "learning_rate is not finite"),
    ("rate negative", push(part(), rate=-0.5), INVALID, "learning_rate is negative"),
]


def identity(trainer, sequence):
    return (field(1, trainer) if trainer else b"") + (field(2, sequence) if sequence else b"")


# About who pushes. In the order here: `a` is at 2 before, and the same afterwards.
IDENTITIES = [
    ("sequence without trainer", push(part(), more=identity("", 1)), INVALID, "sequence = 1 without a trainer"),
    ("trainer without sequence", push(part(), more=identity("a", 0)), INVALID, "sequence = 0"),
    ("sequence of 2^63", push(part(), more=identity("a", 1 << 63)), INVALID, "sequence = 9223372036854775808"),
    ("sequence of 2^64 - 1", push(part(), more=identity("a", (1 << 64) - 1)), INVALID, "2^63 - 1"),
    ("trainer with a space", push(part(), more=identity("a b", 1)), INVALID, '"a b"'),
    ("trainer with a slash", push(part(), more=identity("a/b", 1)), INVALID, '"a/b"'),
    ("trainer with a NUL", push(part(), more=identity("a\0b", 1)), INVALID, "trainer ="),
    ("trainer with an umlaut", push(part(), more=identity("ä", 1)), INVALID, "trainer ="),
    ("trainer of 129 bytes", push(part(), more=identity("x" * 129, 1)), INVALID, "1 to 128"),
    ("trainer is not UTF-8", push(part(), more=field(1, b"\xff") + field(2, 1)), INTERNAL, "UTF-8"),
    ("gap", push(part(), more=identity("a", 4)), ABORTED, "sequence = 4 of trainer \"a\" leaves a gap: 3 is expected"),
    ("largest gap", push(part(), more=identity("a", (1 << 63) - 1)), ABORTED, "3 is expected"),
    ("begins at 2", push(part(), more=identity("new", 2)), ABORTED, "1 is expected"),
    ("gap and no such table", push(part("nobody"), more=identity("a", 9)), ABORTED, "3 is expected"),
    ("gap and not a number", push(part(g=f32(NAN, 1, 1, 1)), more=identity("a", 9)), ABORTED, "3 is expected"),
]
