# SPDX-License-Identifier: Apache-2.0
"""Protobuf's encoding, as far as embd's messages use it: numbers, and fields of a message. Known by field number; what
they mean is for the modules of each message to say."""
from __future__ import annotations

import struct
from typing import Iterator, Optional, Tuple, Union

VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5
U64 = (1 << 64) - 1

Value = Union[int, memoryview]
Field = Tuple[int, int, Value]  # number, type, value: an int, or the bytes


class Broken(Exception):
    """A message that is not what it should be. The sentence goes into an Internal error."""


# ---- Writing: parts of a message are gathered in a list, and joined once ----


def varint(number: int) -> bytes:
    """`number` from 0 to 2^64 - 1."""
    out = bytearray()
    while number > 127:
        out.append(number & 127 | 128)
        number >>= 7
    out.append(number)
    return bytes(out)


def number_field(field: int, number: int) -> bytes:
    """A field of a number; nothing if it is 0."""
    return varint(field << 3 | VARINT) + varint(number & U64) if number else b""


def bytes_head(field: int, size: int) -> bytes:
    """What comes before the `size` bytes of a field."""
    return varint(field << 3 | BYTES) + varint(size)


def bytes_field(field: int, data: bytes) -> bytes:
    """A field of bytes or text; nothing if there are none."""
    return bytes_head(field, len(data)) + data if data else b""


def float_field(field: int, number: float) -> bytes:
    """A field of a float, also of 0."""
    return varint(field << 3 | FIXED32) + struct.pack("<f", number)


# ---- Reading ----


def read_varint(data: memoryview, at: int) -> Tuple[int, int]:
    """The number at `at`, and where it ends."""
    number = shift = 0
    for place in range(at, min(at + 10, len(data))):
        byte = data[place]
        number |= (byte & 127) << shift
        if byte < 128:
            if number > U64:
                break
            return number, place + 1
        shift += 7
    raise Broken("it is not protobuf")


def fields(data: memoryview) -> Iterator[Field]:
    """The fields of a message, in their order."""
    at, end = 0, len(data)
    while at < end:
        tag, at = read_varint(data, at)
        field, kind = tag >> 3, tag & 7
        size = 0
        if kind == VARINT:
            number, at = read_varint(data, at)
        elif kind == BYTES:
            size, at = read_varint(data, at)
        elif kind == FIXED64:
            size = 8
        elif kind == FIXED32:
            size = 4
        else:
            raise Broken("it is not protobuf")
        if not 0 < field < 1 << 29 or size > end - at:
            raise Broken("it is not protobuf")
        if kind == VARINT:
            yield field, kind, number
        else:
            yield field, kind, data[at:at + size]
            at += size


def number_of(kind: int, value: Value) -> int:
    """The value of a field that is a number."""
    if kind != VARINT or not isinstance(value, int):
        raise Broken("a number is of another type")
    return value


def bytes_of(kind: int, value: Value) -> memoryview:
    """The value of a field that is bytes, text or a message."""
    if kind != BYTES or not isinstance(value, memoryview):
        raise Broken("bytes are of another type")
    return value


def words_of(kind: int, value: Value, size: int) -> memoryview:
    """The value of a repeated number of `size` bytes: packed, or one of them."""
    if kind not in (BYTES, FIXED32 if size == 4 else FIXED64) or not isinstance(value, memoryview) or len(value) % size:
        raise Broken(f"an array of {size}-byte numbers is of another type")
    return value


def numbers_of(kind: int, value: Value) -> list[int]:
    """The value of a repeated varint: packed, or one of them."""
    if kind == VARINT and isinstance(value, int):
        return [value]
    data, out, at = bytes_of(kind, value), [], 0
    while at < len(data):
        number, at = read_varint(data, at)
        out.append(number)
    return out


def text_of(kind: int, value: Value) -> str:
    """The value of a field that is text."""
    try:
        return bytes(bytes_of(kind, value)).decode()
    except UnicodeDecodeError:
        raise Broken("a text is not UTF-8") from None


def number_in(reply: Optional[bytes], wanted: int) -> int:
    """One number of a message, 0 if it is not there."""
    out = 0
    if reply is None:
        raise Broken("there is no message")
    for field, kind, value in fields(memoryview(reply)):
        if field == wanted:
            out = number_of(kind, value)
    return out
