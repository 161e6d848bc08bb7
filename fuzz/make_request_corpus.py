#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Write the seeds of the fuzz targets for messages and headers.

    make_request_corpus.py FOLDER

writes FOLDER/lookup_request.in, lookup_reply.in, push_request.in, push_reply.in, messages.in and
grpc_headers.in. Seeds are small and
between them show every field in every form; the fuzzer finds the wrong ones by itself.
"""
import pathlib
import struct
import sys


def varint(value):
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def number(field, value):
    return varint(field << 3) + varint(value)


def data(field, value):
    return varint(field << 3 | 2) + varint(len(value)) + value


def fixed64(field, value):
    return varint(field << 3 | 1) + struct.pack("<q", value)


def fixed32(field, value):
    return varint(field << 3 | 5) + value


def ids(*values):
    return struct.pack(f"<{len(values)}q", *values)


def words(*values):
    return struct.pack(f"<{len(values)}I", *values)


def floats(*values):
    return struct.pack(f"<{len(values)}f", *values)


def lookup_requests():
    one = data(1, b"words") + data(2, ids(1, -2, 3))
    bags = (
        data(1, "café".encode())
        + data(2, ids(5, 6, 5, 2**62))
        + number(3, 1)
        + data(4, words(0, 1, 1, 4))
        + data(5, floats(1, 0.5, -1, 0))
        + number(6, 2**64 - 1)
    )
    pieces = (
        data(2, ids(1))
        + fixed64(2, 2)
        + data(2, b"")
        + fixed32(4, words(0))
        + data(4, words(2, 3))
        + fixed32(5, floats(1))
        + fixed32(5, floats(2))
    )
    yield "empty", b""
    yield "one", data(1, one)
    yield "bags", data(1, bags) + number(2, 3) + number(3, 1)
    yield "several", data(1, one) + data(1, b"") + data(1, bags) + number(2, 1)
    yield "pieces", data(1, pieces)
    yield "unknown", number(4, 1) + fixed64(5, 2) + data(6, b"abc") + data(1, one + number(99, 3))
    yield "twice", number(2, 1) + number(2, 2) + data(1, data(1, b"a") + data(1, b"b"))
    yield "nul", data(1, data(1, b"a\0b") + data(2, ids(0)))
    yield "not_utf8", data(1, data(1, b"a\xff"))
    yield "negative_enum", number(2, 2**64 - 1) + data(1, number(3, 2**64 - 2))
    yield "five_byte_tag", b"\x90\x80\x80\x80\x00\x01" + b"\x0a\x82\x80\x80\x80\x00\x18\x01"
    yield "huge_field", b"\x80\x80\x80\x80\x10\x01"
    yield "field_zero", b"\x80\x80\x00\x18\x01"
    yield "group", b"\x23\x24"


def lookup_replies():
    plain = number(1, 2) + number(2, 2) + data(3, floats(1, 2, 3, 4)) + number(5, 300)
    packed = number(1, 4) + number(2, 1) + data(4, b"\1\2\3\4" + floats(0.5, 1)) + data(6, words(0))
    pieces = fixed32(3, floats(1)) + data(3, floats(2, 3)) + fixed32(6, words(7)) + data(6, words(8))
    yield "empty", b""
    yield "plain", data(1, plain) + number(2, 7)
    yield "packed", data(1, packed)
    yield "several", data(1, plain) + data(1, b"") + data(1, packed) + number(2, 2**64 - 1)
    yield "pieces", data(1, pieces)
    yield "both", data(1, data(3, floats(1)) + data(4, b"\1"))
    yield "unknown", data(1, number(9, 1)) + data(77, b"x")


def push_requests():
    rows = data(1, b"words") + data(2, ids(1, -2)) + data(3, floats(1, 2, -3, 0.5))
    bags = (
        data(1, "café".encode())
        + data(2, ids(5, 6, 5, 2**62))
        + number(4, 1)
        + data(5, words(0, 1, 4))
        + data(6, floats(1, 0.5, -1, 0))
        + number(7, 2)
        + data(8, b"\1\2\3\4\5\6\7\x08")
    )
    pieces = (
        data(2, ids(1))
        + fixed32(3, floats(1))
        + fixed64(2, 2)
        + data(3, floats(2, 3))
        + fixed32(5, words(0))
        + data(5, words(2))
        + fixed32(6, floats(1))
        + data(8, b"a")
        + data(8, b"b")
    )
    who = data(1, b"trainer-1") + number(2, 42)
    yield "empty", b""
    yield "one", who + data(3, rows)
    yield "bags", who + data(3, bags) + fixed32(4, floats(0.25)) + number(5, 1)
    yield "several", data(3, rows) + data(3, b"") + data(3, bags)
    yield "pieces", data(3, pieces)
    yield "rate_zero", fixed32(4, floats(0))
    yield "rate_twice", fixed32(4, floats(1)) + fixed32(4, b"\0\0\xc0\x7f")
    yield "rate_as_number", number(4, 1)
    yield "unknown", number(6, 1) + fixed64(7, 2) + data(3, rows + number(99, 3))
    yield "twice", who + who + number(2, 2**63) + number(5, 2) + data(3, data(1, b"a") + data(1, b"b"))
    yield "nul", data(1, b"a\0b") + data(3, data(1, b"c\0d") + data(2, ids(0)))
    yield "not_utf8", data(1, b"a\xff")
    yield "table_not_utf8", data(3, data(1, b"a\xff"))
    yield "negative_enum", number(5, 2**64 - 1) + data(3, number(4, 2**64 - 2) + number(7, 2**64 - 3))


def push_replies():
    yield "empty", b""
    yield "one", data(2, varint(7)) + number(3, 9)
    yield "all", number(1, 1) + data(2, varint(7) + varint(2**64 - 1) + varint(0)) + number(3, 300) + number(4, 5)
    yield "pieces", number(2, 1) + data(2, b"") + data(2, varint(300) + varint(2)) + number(2, 2**63)
    yield "cut_version", data(2, b"\1\x80")
    yield "long_version", data(2, b"\xff" * 9 + b"\x7f")
    yield "true_above_64_bits", b"\x08" + b"\x80" * 9 + b"\x02"
    yield "unknown", number(9, 1) + data(2, b"\1") + data(77, b"x")


def messages():
    """The first byte is the place in the list of fuzz/messages.c, the second the cap (255: large)."""
    option = data(1, b"memory") + data(2, b"lock")
    table = (
        data(1, b"words") + data(2, b"int8") + number(3, 1000) + number(4, 64) + number(7, 1)
        + data(8, b"why") + b"\x61" + struct.pack("<d", 0.25) + data(15, b"a.embd")
    )
    row = (
        data(1, b"words") + data(2, b"Lookup") + number(3, 60) + data(8, number(1, 5) + number(2, 9))
        + b"\x49" + struct.pack("<d", 1.5) + data(15, b"\0\1\xac\2")
    )
    bodies = [
        data(1, b"words") + data(2, b"a.embd") + number(3, 1) + data(4, option),
        data(1, b"words") + number(2, 1),
        b"",
        data(1, b"words"),
        data(1, b"words") + data(2, b"Lookup") + number(3, 60) + number(5, 2) + number(6, 1),
        data(1, b"embd.v1.Embedding"),
        data(1, b"host") + data(5, data(1, b"a.B") + number(2, 7)) + data(7, b""),
        data(1, table) + number(2, 9),
        data(1, table) + data(2, b"{}") + data(5, b"\1\2") + data(6, data(1, b"w") + data(3, b"\1\2")),
        data(1, table) + number(2, 9),
        number(1, 9) + number(2, 8),
        data(1, row) + data(2, b"\0\1\2") + data(3, data(1, b"words") + number(3, 4)) + data(6, b"0.1"),
        data(1, data(1, b"") + data(2, number(1, 1))),
        data(1, b"h") + data(2, data(1, b"h")) + data(4, data(1, b"\x0a\x01a")),
    ]
    for index, body in enumerate(bodies):
        for cap in 4, 255:
            yield f"{index:02}_{cap}", bytes([index, cap]) + body
    yield "nul", bytes([0, 255]) + data(1, b"a\0b")
    yield "not_utf8", bytes([0, 255]) + data(4, data(2, b"\xff"))


def grpc_headers():
    yield "empty", b""
    for text in (
        "1", "S", "1x", "-1S", "1.5S", "123456789S", "99999999H", "0n", "1n", " 1S", "250m", "7u", "2M",
        "0", "16", "17", "05", "application/grpc", "application/grpc+proto;a=b", "application/grpc+json",
        'no table "%C3%BC%25%0A"', "%zz%4", " both ends ", 'no table "ü%\n"',
    ):
        name = "".join(c if c.isascii() and c.isalnum() else "_" for c in text)
        yield f"text_{name}", text.encode()
    yield "prefix", bytes([0, 0, 0, 1, 2, 40])
    yield "compressed", bytes([1, 0, 0, 1, 2, 0])
    yield "long", ("x" * 1019 + "€ €").encode()
    yield "spaces", b"x" + b" " * 1100


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    for target, seeds in (("lookup_request", lookup_requests), ("lookup_reply", lookup_replies),
                          ("push_request", push_requests), ("push_reply", push_replies),
                          ("messages", messages), ("grpc_headers", grpc_headers)):
        folder = pathlib.Path(sys.argv[1]) / (target + ".in")
        folder.mkdir(parents=True, exist_ok=True)
        for name, seed in seeds():
            (folder / name).write_bytes(seed)


if __name__ == "__main__":
    main()
