# SPDX-License-Identifier: Apache-2.0
"""Requests that break a rule, each with the status and the words that the daemon must answer: data for
bad_requests_test.py. The tables are `t` (full, 10 rows of 4), `k` (keys 100 to 109), `h` (hashed ids) and `wide`
(2 rows of 1000); the limits are max_ids = 1000, max_reply_bytes = 64 KiB, max_request_bytes = 1 MiB."""
import struct

from protowire import field, varint

LOOKUP = "/embd.v1.Embedding/Lookup"
OK, CANCELLED, UNKNOWN, INVALID, DEADLINE, NOT_FOUND, EXISTS, DENIED, EXHAUSTED = range(9)
PRECONDITION, ABORTED, RANGE, UNIMPLEMENTED, INTERNAL, UNAVAILABLE, DATA_LOSS = range(9, 16)


def ids(*values):
    return struct.pack(f"<{len(values)}q", *values)


def u32(*values):
    return struct.pack(f"<{len(values)}I", *values)


def f32(*values):
    return struct.pack(f"<{len(values)}f", *values)


def part(table="t", i=ids(1), pooling=0, offsets=b"", weights=b"", version=0, more=b""):
    out = field(1, table) if table is not None else b""
    out += field(2, i) if i else b""
    out += field(3, pooling) if pooling else b""
    out += field(4, offsets) if offsets else b""
    out += field(5, weights) if weights else b""
    out += field(6, version) if version else b""
    return out + more


def lookup(*parts, fmt=0, missing=0, more=b""):
    out = b"".join(field(1, p) for p in parts)
    return out + (field(2, fmt) if fmt else b"") + (field(3, missing) if missing else b"") + more


NAN, INF = float("nan"), float("inf")
MANY = ids(*range(10)) * 100  # 1,000 ids, the most there may be

# name, path, message, status, words of the sentence
CASES = [
    # Not protobuf
    ("field 0", LOOKUP, b"\x00\x01", INTERNAL, ""),
    ("field number too large", LOOKUP, varint((1 << 29) << 3 | 0) + b"\x01", INTERNAL, ""),
    ("group start", LOOKUP, b"\x0b\x0c", INTERNAL, ""),
    ("group end alone", LOOKUP, b"\x0c", INTERNAL, ""),
    ("wire type 6", LOOKUP, b"\x0e\x00", INTERNAL, ""),
    ("wire type 7", LOOKUP, b"\x0f\x00", INTERNAL, ""),
    ("tag cut", LOOKUP, b"\x80", INTERNAL, ""),
    ("varint of 11 bytes", LOOKUP, b"\x10" + b"\xff" * 10 + b"\x01", INTERNAL, ""),
    ("varint cut", LOOKUP, b"\x10\x80", INTERNAL, ""),
    ("length past the end", LOOKUP, b"\x0a\x05ab", INTERNAL, ""),
    ("length 2^32 - 1", LOOKUP, b"\x0a" + varint((1 << 32) - 1), INTERNAL, ""),
    ("length 2^63", LOOKUP, b"\x0a" + varint(1 << 63), INTERNAL, ""),
    ("length 2^64 - 1", LOOKUP, b"\x0a" + varint((1 << 64) - 1), INTERNAL, ""),
    ("fixed64 cut", LOOKUP, b"\x79\x01\x02", INTERNAL, ""),
    ("fixed32 cut", LOOKUP, b"\x7d\x01", INTERNAL, ""),
    ("lookup is garbage", LOOKUP, field(1, b"\xff\xff\xff"), INTERNAL, ""),
    ("ids of 7 bytes", LOOKUP, lookup(part(i=b"1234567")), INTERNAL, ""),
    ("ids of 9 bytes", LOOKUP, lookup(part(i=b"123456789")), INTERNAL, ""),
    ("offsets of 3 bytes", LOOKUP, lookup(part(pooling=1, offsets=b"123")), INTERNAL, ""),
    ("weights of 5 bytes", LOOKUP, lookup(part(pooling=1, offsets=u32(0, 1), weights=b"12345")), INTERNAL, ""),
    ("name is not UTF-8", LOOKUP, lookup(part(table=b"\xff\xfe")), INTERNAL, ""),
    ("name is an overlong NUL", LOOKUP, lookup(part(table=b"\xc0\x80")), INTERNAL, ""),
    ("name is a surrogate", LOOKUP, lookup(part(table=b"\xed\xa0\x80")), INTERNAL, ""),
    ("text instead", LOOKUP, b"GET / HTTP/1.1\r\n\r\n", INTERNAL, ""),
    ("JSON instead", LOOKUP, b'{"lookups":[]}', INTERNAL, ""),
    # Tables
    ("unknown table", LOOKUP, lookup(part("nobody")), NOT_FOUND, 'lookups[0] (table "nobody"): no such table'),
    ("second table unknown", LOOKUP, lookup(part(), part("x")), NOT_FOUND, 'lookups[1] (table "x")'),
    ("no name", LOOKUP, lookup(part(None)), NOT_FOUND, 'lookups[0] (table "")'),
    ("empty name", LOOKUP, lookup(part("")), NOT_FOUND, 'lookups[0] (table "")'),
    ("name with NUL", LOOKUP, lookup(part("t\0")), NOT_FOUND, '"t\\x00"'),
    ("name with NUL behind", LOOKUP, lookup(part("t\0x")), NOT_FOUND, "no such table"),
    ("name is a path", LOOKUP, lookup(part("../t")), NOT_FOUND, "no such table"),
    ("name of 129 bytes", LOOKUP, lookup(part("a" * 129)), NOT_FOUND, "no such table"),
    ("name of 100,000 bytes", LOOKUP, lookup(part("a" * 100000)), NOT_FOUND, "no such table"),
    ("name with newline", LOOKUP, lookup(part("a\nb")), NOT_FOUND, '"a\\nb"'),
    ("name with escape", LOOKUP, lookup(part("\x1b[31m")), NOT_FOUND, "\\x1b"),
    ("name in other case", LOOKUP, lookup(part("T")), NOT_FOUND, "no such table"),
    ("name with space", LOOKUP, lookup(part("t ")), NOT_FOUND, "no such table"),
    # Ids
    ("id = rows", LOOKUP, lookup(part(i=ids(10)), missing=1), RANGE, "ids[0] = 10"),
    ("id -1", LOOKUP, lookup(part(i=ids(3, -1)), missing=1), RANGE, "ids[1] = -1"),
    ("id 2^63 - 1", LOOKUP, lookup(part(i=ids((1 << 63) - 1)), missing=1), RANGE, "9223372036854775807"),
    ("id -2^63", LOOKUP, lookup(part(i=ids(-(1 << 63))), missing=1), RANGE, "-9223372036854775808"),
    ("unknown key", LOOKUP, lookup(part("k", ids(5)), missing=1), RANGE, "ids[0] = 5"),
    ("unknown in second table", LOOKUP, lookup(part(), part("k", ids(100, 99)), missing=1), RANGE, "lookups[1]"),
    ("one id too many", LOOKUP, lookup(part(i=MANY + ids(1))), EXHAUSTED, "max_ids is 1000"),
    ("too many ids together", LOOKUP, lookup(part(i=MANY), part()), EXHAUSTED, "has 1001 ids"),
    ("reply too large", LOOKUP, lookup(part("wide", ids(0, 1) * 50)), EXHAUSTED, "max_reply_bytes is 65536"),
    ("reply of bags too large", LOOKUP, lookup(part("wide", b"", 1, u32(*[0] * 101))), EXHAUSTED, "max_reply_bytes"),
    # Enums
    ("pooling 3", LOOKUP, lookup(part(pooling=3)), INVALID, "pooling"),
    ("pooling -1", LOOKUP, lookup(part(pooling=(1 << 64) - 1)), INVALID, "pooling"),
    ("format 4", LOOKUP, lookup(part(), fmt=4), INVALID, "format"),
    ("format 2^31 - 1", LOOKUP, lookup(part(), fmt=(1 << 31) - 1), INVALID, "format"),
    ("missing 2", LOOKUP, lookup(part(), missing=2), INVALID, "missing"),
    # Offsets
    ("offsets without pooling", LOOKUP, lookup(part(offsets=u32(0, 1))), INVALID, "offsets"),
    ("pooling without offsets", LOOKUP, lookup(part(pooling=1)), INVALID, "offsets"),
    ("mean without offsets", LOOKUP, lookup(part(pooling=2)), INVALID, "offsets"),
    ("first offset is not 0", LOOKUP, lookup(part(pooling=1, offsets=u32(1, 1))), INVALID, "offsets[0]"),
    ("offsets fall", LOOKUP, lookup(part(i=ids(1, 2, 3), pooling=1, offsets=u32(0, 2, 1, 3))), INVALID, "offsets[2]"),
    ("last offset too small", LOOKUP, lookup(part(i=ids(1, 2), pooling=1, offsets=u32(0, 1))), INVALID, "offsets"),
    ("last offset too large", LOOKUP, lookup(part(i=ids(1), pooling=1, offsets=u32(0, 2))), INVALID, "offsets"),
    ("offset 2^32 - 1", LOOKUP, lookup(part(i=ids(1), pooling=1, offsets=u32(0, 0xFFFFFFFF))), INVALID, "offsets"),
    ("one offset, some ids", LOOKUP, lookup(part(i=ids(1), pooling=1, offsets=u32(0))), INVALID, "offsets"),
    ("no ids, offsets [1]", LOOKUP, lookup(part(i=b"", pooling=1, offsets=u32(1))), INVALID, "offsets"),
    ("no ids, no offsets", LOOKUP, lookup(part(i=b"", pooling=2)), INVALID, "offsets"),
    # Weights
    ("weights without pooling", LOOKUP, lookup(part(weights=f32(1))), INVALID, "weights"),
    ("weights with mean", LOOKUP, lookup(part(pooling=2, offsets=u32(0, 1), weights=f32(1))), INVALID, "weights"),
    ("too few weights", LOOKUP, lookup(part(i=ids(1, 2), pooling=1, offsets=u32(0, 2), weights=f32(1))), INVALID,
     "weights"),
    ("too many weights", LOOKUP, lookup(part(pooling=1, offsets=u32(0, 1), weights=f32(1, 2))), INVALID, "weights"),
    ("weight is NaN", LOOKUP, lookup(part(pooling=1, offsets=u32(0, 1), weights=f32(NAN))), INVALID, "weights[0]"),
    ("weight is infinite", LOOKUP, lookup(part(i=ids(1, 2), pooling=1, offsets=u32(0, 2), weights=f32(1, INF))),
     INVALID, "weights[1]"),
    ("weight is -infinite", LOOKUP, lookup(part(pooling=1, offsets=u32(0, 1), weights=f32(-INF))), INVALID,
     "weights[0]"),
    # Versions
    ("version from the future", LOOKUP, lookup(part(version=99)), UNAVAILABLE, "version 99 was asked for"),
    ("version 2^64 - 1", LOOKUP, lookup(part(version=(1 << 64) - 1)), UNAVAILABLE, "18446744073709551615"),
    # The first bad item is named
    ("two bad items", LOOKUP, lookup(part(pooling=1), part("nobody")), INVALID, "lookups[0]"),
    ("good, bad, worse", LOOKUP, lookup(part(), part(weights=f32(1)), part("x")), INVALID, "lookups[1]"),
    # Size
    ("message of 1 MiB + 1", LOOKUP, b"\x82\x7d" + varint((1 << 20) - 4) + b"x" * ((1 << 20) - 4), EXHAUSTED,
     "1048576"),
    ("a million empty lookups", LOOKUP, b"\x0a\x00" * 500000, EXHAUSTED, ""),
    # Paths
    ("unknown method", "/embd.v1.Embedding/Nothing", b"", UNIMPLEMENTED, ""),
    ("unknown service", "/embd.v2.Embedding/Lookup", b"", UNIMPLEMENTED, ""),
    ("path in other case", "/embd.v1.embedding/lookup", b"", UNIMPLEMENTED, ""),
    ("path with a slash behind", LOOKUP + "/", b"", UNIMPLEMENTED, ""),
    # Tables service
    ("Describe unknown", "/embd.v1.Tables/Describe", field(1, "nobody"), NOT_FOUND, "nobody"),
    ("Describe nothing", "/embd.v1.Tables/Describe", b"", NOT_FOUND, ""),
    ("Describe garbage", "/embd.v1.Tables/Describe", b"\xff", INTERNAL, ""),
    ("Describe, name is not UTF-8", "/embd.v1.Tables/Describe", field(1, b"\xff"), INTERNAL, ""),
    ("Describe, NUL in the name", "/embd.v1.Tables/Describe", field(1, "t\0x"), INVALID, ""),
    ("List garbage", "/embd.v1.Tables/List", b"\x0a\x7f", INTERNAL, ""),
    ("Load nothing", "/embd.v1.Tables/Load", b"", INVALID, ""),
    ("Load bad name", "/embd.v1.Tables/Load", field(1, "../x") + field(2, "t.safetensors"), INVALID, "../x"),
    ("Load hidden name", "/embd.v1.Tables/Load", field(1, ".x") + field(2, "t.safetensors"), INVALID, ".x"),
    ("Load long name", "/embd.v1.Tables/Load", field(1, "x" * 129) + field(2, "t.safetensors"), INVALID, ""),
    ("Load name with newline", "/embd.v1.Tables/Load", field(1, "a\nb") + field(2, "t.safetensors"), INVALID, "\\n"),
    ("Load no file", "/embd.v1.Tables/Load", field(1, "new"), INVALID, "file"),
    ("Load missing file", "/embd.v1.Tables/Load", field(1, "new") + field(2, "none.safetensors"), NOT_FOUND, "none"),
    ("Load absolute path", "/embd.v1.Tables/Load", field(1, "new") + field(2, "/etc/passwd"), DENIED, ""),
    ("Load path that leaves", "/embd.v1.Tables/Load", field(1, "new") + field(2, "../../etc/passwd"), DENIED, ""),
    ("Load link that leaves", "/embd.v1.Tables/Load", field(1, "new") + field(2, "link"), DENIED, ""),
    ("Load folder", "/embd.v1.Tables/Load", field(1, "new") + field(2, "."), INVALID, ""),
    ("Load FIFO", "/embd.v1.Tables/Load", field(1, "new") + field(2, "fifo"), INVALID, ""),
    ("Load text", "/embd.v1.Tables/Load", field(1, "new") + field(2, "text"), INVALID, ""),
    ("Load served name", "/embd.v1.Tables/Load", field(1, "t") + field(2, "t.safetensors"), EXISTS, '"t"'),
    ("Load unknown option", "/embd.v1.Tables/Load", field(1, "new") + field(2, "t.safetensors")
     + field(4, field(1, "memry") + field(2, "map")), INVALID, "memry"),
    ("Load bad option", "/embd.v1.Tables/Load", field(1, "new") + field(2, "t.safetensors")
     + field(4, field(1, "memory") + field(2, "disk")), INVALID, "disk"),
    ("Load option twice", "/embd.v1.Tables/Load", field(1, "new") + field(2, "t.safetensors")
     + field(4, field(1, "memory") + field(2, "map")) * 2, INVALID, "memory"),
    ("Unload unknown", "/embd.v1.Tables/Unload", field(1, "nobody"), NOT_FOUND, "nobody"),
    ("Unload garbage", "/embd.v1.Tables/Unload", b"\x0a\x05a", INTERNAL, ""),
    # Statistics
    ("Query garbage", "/embd.v1.Stats/Query", b"\x0a\xff\xff", INTERNAL, ""),
    ("Query unknown span", "/embd.v1.Stats/Query", field(5, 9), INVALID, "span"),
    ("Query backwards", "/embd.v1.Stats/Query", field(3, 2000) + field(4, 1000), INVALID, ""),
    ("Query negative time", "/embd.v1.Stats/Query", field(3, (1 << 64) - 5), INVALID, ""),
    # Health
    ("Check unknown", "/grpc.health.v1.Health/Check", field(1, "nobody"), NOT_FOUND, ""),
    ("Check garbage", "/grpc.health.v1.Health/Check", b"\x0a\x09a", INTERNAL, ""),
]
