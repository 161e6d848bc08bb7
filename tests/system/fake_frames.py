# SPDX-License-Identifier: Apache-2.0
"""HTTP/2 frames and protobuf by hand, as fake_server.py sends them: right, or wrong in any way."""
import struct

from protowire import parse, varint

DATA, HEADERS, RST, SETTINGS, PUSH, PING, GOAWAY, WINDOW, CONTINUATION = 0, 1, 3, 4, 5, 6, 7, 8, 9
END_STREAM, END_HEADERS, PADDED, ACK = 1, 4, 8, 1
REFUSED, CANCEL = 7, 8


def frame(kind, flags, stream, payload=b""):
    return struct.pack(">I", len(payload))[1:] + struct.pack(">BBI", kind, flags, stream) + payload


def field(name, value):
    """A header field, literal and not indexed, without Huffman coding."""
    out = b"\0"
    for text in (name.encode(), value if isinstance(value, bytes) else value.encode()):
        n = len(text)
        if n < 127:
            out += bytes([n])
        else:  # HPACK's integers with a prefix of 7 bits
            out += b"\x7f"
            n -= 127
            while n > 127:
                out += bytes([n & 127 | 128])
                n >>= 7
            out += bytes([n])
        out += text
    return out


def fields(**named):
    return b"".join(field(name.replace("_", "-"), value) for name, value in named.items())


def head(status="200", content_type="application/grpc"):
    out = field(":status", status)
    return out + field("content-type", content_type) if content_type else out


def headers(stream, block, end=False):
    return frame(HEADERS, END_HEADERS | (END_STREAM if end else 0), stream, block)


def trailers(stream, status="0", **more):
    return headers(stream, fields(grpc_status=status, **more), end=True)


def message(payload, flag=0, length=None):
    return struct.pack(">BI", flag, len(payload) if length is None else length) + payload


def reply(stream, payload):
    """A faultless reply."""
    return (headers(stream, head()) + frame(DATA, 0, stream, message(payload))
            + trailers(stream))


def failure(stream, status, **more):
    return headers(stream, head() + fields(grpc_status=status, **more), end=True)


def run(number, data):
    return varint(number << 3 | 2) + varint(len(data)) + data


def lookup_response(request, dim=4):
    """What embd would answer if row i were i, i + 0.25, i + 0.5, …"""
    out = b""
    for number, value in parse(request):
        if number != 1:
            continue
        ids = dict(parse(value)).get(2, b"")
        ids = struct.unpack("<%dq" % (len(ids) // 8), ids)
        rows = b"".join(struct.pack("<%df" % dim, *(i + j / 4 for j in range(dim))) for i in ids)
        unknown = b"".join(struct.pack("<I", i) for i, row in enumerate(ids) if row < 0)
        out += run(1, b"\x08" + varint(dim) + b"\x10" + varint(len(ids)) + run(3, rows)
                   + b"\x28\x07" + (run(6, unknown) if unknown else b""))
    return out


def push_response(request):
    """What embd would answer: the version is the sequence, and number 77 is an old one."""
    sequence = dict(parse(request)).get(2, 0)
    count = sum(number == 3 for number, _ in parse(request))
    out = b"\x08\x01" if sequence == 77 else b""
    out += run(2, varint(sequence) * count)
    return out + b"\x18" + varint(sequence + 100) + b"\x20\x05"


def name_of(body):
    """LookupRequests begin with a message that begins with a table's name, PushRequests have a text or such a message
    in field 3, and a PositionRequest is a trainer's name."""
    if body[:1] == b"\x0a" and parse(body)[0][1][:1] == b"\x0a":
        return dict(parse(dict(parse(body))[1]))[1].decode()
    if body[:1] in (b"\x0a", b"\x1a"):
        push = next((value for number, value in parse(body) if number == 3), None)
        return (dict(parse(body)) if push is None else dict(parse(push)))[1].decode()
    return body.decode()


def ends(frames):
    """Whether the last of these frames ends its stream."""
    while frames:
        n, kind, flags = struct.unpack(">I", b"\0" + frames[:3])[0], frames[3], frames[4]
        last, frames = kind == RST or (kind in (DATA, HEADERS) and flags & END_STREAM), frames[9 + n:]
    return last
