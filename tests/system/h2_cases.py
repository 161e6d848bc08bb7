# SPDX-License-Identifier: Apache-2.0
"""What a peer may send and what it gets, as a table: name, bytes behind the preface and SETTINGS, outcome (see
h2raw.outcome), and words of the sentence where there is one. The outcomes are those of RFC 9113, RFC 7541 and of gRPC
over HTTP/2; where a document leaves the choice, it is made here. A stream error may be answered by ending the
connection (RFC 9113, 5.4.2), and nghttp2 does that in places."""
import struct

import hpack
from h2raw import *  # noqa: F401,F403: the table is made of all of it

UNARY, BOTH = "/echo.Echo/Unary", "/echo.Echo/Both"
OPEN = headers(1, request(UNARY))                 # a request whose body is still to come
REST = data(1, message(b"hi"), END_STREAM)        # the body that completes it
HI = OPEN + REST
BLOCK = hpack.encode(request(UNARY))
STATUS_405, STATUS_415, STATUS_400 = "http 405 grpc 13", "http 415 grpc 13", "http 400 grpc 13"


def changed(*more, **change):
    """The good call with other fields."""
    return call(1, UNARY, b"hi", *more, **change)


def fields(*names):
    """A call with exactly these fields."""
    return headers(1, list(names)) + REST


def block(data):
    """A call whose header block begins with these bytes."""
    return headers(1, data + BLOCK) + REST


METHOD, SCHEME, PATH, AUTHORITY, TYPE, TE = request(UNARY)

# Before anything else: whole connections, preface included.
OPENINGS = [
    ("HTTP/1.1", b"GET / HTTP/1.1\r\nHost: test\r\n\r\n", "closed"),
    ("HTTP/1.1 upgrade", b"GET / HTTP/1.1\r\nHost: test\r\nConnection: Upgrade, HTTP2-Settings\r\n"
     b"Upgrade: h2c\r\nHTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA\r\n\r\n", "closed"),
    ("TLS hello", bytes.fromhex("1603010200010001fc0303") + bytes(range(200)), "closed"),
    ("zeros", bytes(64), "closed"),
    ("preface with its last byte wrong", PREFACE[:-1] + b"\r" + settings(), "closed"),
    ("preface in capitals", PREFACE.swapcase() + settings(), "closed"),
    ("frames without the preface", settings() + HI, "closed"),
    ("no SETTINGS after the preface", PREFACE + ping(), "goaway PROTOCOL_ERROR"),
    ("SETTINGS ACK after the preface", PREFACE + settings(flags=ACK), "goaway PROTOCOL_ERROR"),
    ("HEADERS after the preface", PREFACE + HI, "goaway PROTOCOL_ERROR"),
]

FRAMES = [
    ("a call", HI, "ok"),
    ("a call on stream 7", call(7, UNARY), "ok", 7),

    # SETTINGS
    ("SETTINGS on a stream", frame(SETTINGS, 0, 1), "goaway PROTOCOL_ERROR"),
    ("SETTINGS of 5 bytes", frame(SETTINGS, 0, 0, bytes(5)), "goaway FRAME_SIZE_ERROR"),
    ("SETTINGS ACK with a payload", frame(SETTINGS, ACK, 0, bytes(6)), "goaway FRAME_SIZE_ERROR"),
    ("ENABLE_PUSH of 2", settings({ENABLE_PUSH: 2}), "goaway PROTOCOL_ERROR"),
    ("INITIAL_WINDOW_SIZE of 2^31", settings({INITIAL_WINDOW_SIZE: 1 << 31}), "goaway FLOW_CONTROL_ERROR"),
    ("MAX_FRAME_SIZE of 16383", settings({MAX_FRAME_SIZE: 16383}), "goaway PROTOCOL_ERROR"),
    ("MAX_FRAME_SIZE of 2^24", settings({MAX_FRAME_SIZE: 1 << 24}), "goaway PROTOCOL_ERROR"),
    ("MAX_FRAME_SIZE of 2^24 - 1", settings({MAX_FRAME_SIZE: (1 << 24) - 1}) + HI, "ok"),
    ("a setting that nobody knows", settings({0xfe03: 1}) + HI, "ok"),
    ("a setting given twice", settings([(INITIAL_WINDOW_SIZE, 0), (INITIAL_WINDOW_SIZE, 70000)]) + HI, "ok"),
    ("HEADER_TABLE_SIZE of 0", settings({HEADER_TABLE_SIZE: 0}) + HI, "ok"),
    ("33 settings in a frame", settings([(0xf000 + i, 0) for i in range(33)]), "goaway ENHANCE_YOUR_CALM"),
    ("an ACK that nobody waits for", settings(flags=ACK) * 2 + HI, "goaway PROTOCOL_ERROR"),
    # RFC 9113 (6.9.2) wants the connection ended; nghttp2 ends the stream.
    ("INITIAL_WINDOW_SIZE that overflows a stream's window",
     OPEN + window(1, 0x7fffffff - 65535) + settings({INITIAL_WINDOW_SIZE: 65536}), "reset FLOW_CONTROL_ERROR"),

    # PING, GOAWAY, WINDOW_UPDATE, RST_STREAM, PRIORITY
    ("PING on a stream", frame(PING, 0, 1, bytes(8)), "goaway PROTOCOL_ERROR"),
    ("PING of 7 bytes", frame(PING, 0, 0, bytes(7)), "goaway FRAME_SIZE_ERROR"),
    ("PING ACK that nobody waits for", ping(flags=ACK) + HI, "ok"),
    ("GOAWAY on a stream", frame(GOAWAY, 0, 1, bytes(8)), "goaway PROTOCOL_ERROR"),
    ("GOAWAY of 7 bytes", frame(GOAWAY, 0, 0, bytes(7)), "goaway FRAME_SIZE_ERROR"),
    ("GOAWAY during a call", OPEN + goaway(text=b"bye") + REST, "ok"),
    ("WINDOW_UPDATE by 0 of the connection", window(0, 0), "goaway PROTOCOL_ERROR"),
    ("WINDOW_UPDATE by 0 of a stream", OPEN + window(1, 0), "goaway PROTOCOL_ERROR"),
    ("WINDOW_UPDATE of 3 bytes", frame(WINDOW_UPDATE, 0, 0, bytes(3)), "goaway FRAME_SIZE_ERROR"),
    ("WINDOW_UPDATE of an idle stream", window(5, 1), "goaway PROTOCOL_ERROR"),
    ("WINDOW_UPDATE over 2^31 - 1 of the connection", window(0, 0x7fffffff), "goaway FLOW_CONTROL_ERROR"),
    ("WINDOW_UPDATE over 2^31 - 1 of a stream", OPEN + window(1, 0x7fffffff), "reset FLOW_CONTROL_ERROR"),
    ("WINDOW_UPDATE with the reserved bit", OPEN + frame(WINDOW_UPDATE, 0, 1, struct.pack(">I", 1 << 31 | 5)) + REST,
     "ok"),
    ("RST_STREAM on stream 0", rst(0), "goaway PROTOCOL_ERROR"),
    ("RST_STREAM of an idle stream", rst(5), "goaway PROTOCOL_ERROR"),
    ("RST_STREAM of 3 bytes", OPEN + frame(RST_STREAM, 0, 1, bytes(3)), "goaway FRAME_SIZE_ERROR"),
    ("RST_STREAM with a code that nobody knows", headers(1, request(UNARY)) + rst(1, 0xabcdef)
     + call(3, UNARY, b"hi"), "ok", 3),
    ("PRIORITY on stream 0", priority(0), "goaway PROTOCOL_ERROR"),
    ("PRIORITY of 4 bytes", frame(PRIORITY, 0, 1, bytes(4)), "goaway FRAME_SIZE_ERROR"),
    ("PRIORITY of an idle stream", priority(9, 3) + HI, "ok"),
    ("PRIORITY of a stream that depends on itself", OPEN + priority(1, 1), "goaway PROTOCOL_ERROR"),

    # DATA and HEADERS
    ("DATA on stream 0", data(0, b"x"), "goaway PROTOCOL_ERROR"),
    ("DATA on an idle stream", data(1, b"x"), "goaway PROTOCOL_ERROR"),
    ("DATA on an even stream", data(2, b"x"), "goaway PROTOCOL_ERROR"),
    ("DATA behind the end of a call that waits",
     call(1, "/echo.Echo/Wait") + data(1, b"x"), "goaway STREAM_CLOSED"),
    ("DATA with more padding than payload", OPEN + frame(DATA, PADDED, 1, b"\x06hello"), "goaway PROTOCOL_ERROR"),
    ("DATA with padding alone", OPEN + frame(DATA, PADDED, 1, b"\x04" + bytes(4)) + REST, "ok"),
    ("DATA with 255 bytes of padding", OPEN + data(1, message(b"hi"), END_STREAM, padding=255), "ok"),
    # RFC 9113 (4.2) has FRAME_SIZE_ERROR; nghttp2 sees a padding that is too long.
    ("DATA with the padding flag and no byte", OPEN + frame(DATA, PADDED, 1), "goaway PROTOCOL_ERROR"),
    ("DATA with flags that nobody knows", OPEN + data(1, message(b"hi"), END_STREAM | 0xf6 & ~PADDED), "ok"),
    ("DATA of 16385 bytes", OPEN + data(1, bytes(16385)), "goaway FRAME_SIZE_ERROR"),
    ("a message in DATA of one byte each",
     OPEN + b"".join(data(1, bytes([b])) for b in message(b"hello")) + data(1, b"", END_STREAM), "ok"),
    ("HEADERS on stream 0", headers(0, request(UNARY)), "goaway PROTOCOL_ERROR"),
    ("HEADERS on an even stream", headers(2, request(UNARY)), "goaway PROTOCOL_ERROR"),
    ("HEADERS with padding", headers(1, request(UNARY), padding=100) + REST, "ok"),
    ("HEADERS with more padding than payload",
     frame(HEADERS, END_HEADERS | PADDED, 1, b"\xff" + BLOCK), "goaway PROTOCOL_ERROR"),
    ("HEADERS with a priority", headers(1, request(UNARY), priority=struct.pack(">IB", 0, 15)) + REST, "ok"),
    ("HEADERS of a stream that depends on itself", headers(1, request(UNARY), priority=struct.pack(">IB", 1, 15)),
     "goaway PROTOCOL_ERROR"),
    ("HEADERS too short for their priority", frame(HEADERS, END_HEADERS | PRIORITY_FLAG, 1, bytes(4)),
     "goaway FRAME_SIZE_ERROR"),
    ("HEADERS of 16385 bytes", headers(1, bytes(16385)), "goaway FRAME_SIZE_ERROR"),
    # RFC 9113 (5.1.1) wants the connection ended; nghttp2 lets it pass, because trailers may still be under way to a
    # stream that it has reset.
    ("HEADERS of a smaller stream", call(5, UNARY) + headers(3, request(UNARY)) + call(7, UNARY), "ok", 7),
    ("second HEADERS without END_STREAM", OPEN + headers(1, [("a", "b")]), "reset PROTOCOL_ERROR"),
    ("HEADERS behind the end of a call that waits",
     call(1, "/echo.Echo/Wait") + headers(1, [("a", "b")], END_STREAM), "goaway STREAM_CLOSED"),
    ("trailers behind the message", OPEN + data(1, message(b"hi")) + headers(1, [("a", "b")], END_STREAM), "ok"),
    ("trailers with a pseudo-header", OPEN + headers(1, [(":path", "/")], END_STREAM), "reset PROTOCOL_ERROR"),
    ("PUSH_PROMISE", OPEN + frame(PUSH_PROMISE, END_HEADERS, 1, struct.pack(">I", 2) + BLOCK),
     "goaway PROTOCOL_ERROR"),
    ("a frame that nobody knows", frame(0x77, 0xff, 1, bytes(100)) + HI, "ok"),
    ("a frame that nobody knows inside headers",
     headers(1, BLOCK[:9], end_headers=False) + frame(0x77, 0, 1) + continuation(1, BLOCK[9:]),
     "goaway PROTOCOL_ERROR"),
    ("the reserved bit of a stream", headers(1 | 1 << 31, request(UNARY)) + REST, "ok"),

    # CONTINUATION
    ("headers in three pieces", headers(1, BLOCK[:9], end_headers=False) + continuation(1, BLOCK[9:20], False)
     + continuation(1, BLOCK[20:]) + REST, "ok"),
    ("headers in empty pieces", headers(1, b"", end_headers=False) + continuation(1, b"", False) * 6
     + continuation(1, BLOCK) + REST, "ok"),
    ("CONTINUATION without HEADERS", continuation(1, BLOCK), "goaway PROTOCOL_ERROR"),
    ("CONTINUATION behind the end of headers", OPEN + continuation(1, BLOCK), "goaway PROTOCOL_ERROR"),
    ("CONTINUATION of another stream", headers(1, BLOCK[:9], end_headers=False) + continuation(3, BLOCK[9:]),
     "goaway PROTOCOL_ERROR"),
    ("DATA inside headers", headers(1, BLOCK[:9], end_headers=False) + data(1, b"x"), "goaway PROTOCOL_ERROR"),
    ("PING inside headers", headers(1, BLOCK[:9], end_headers=False) + ping(), "goaway PROTOCOL_ERROR"),
    ("HEADERS inside headers", headers(1, BLOCK[:9], end_headers=False) + headers(3, BLOCK), "goaway PROTOCOL_ERROR"),
    ("nine CONTINUATIONs", headers(1, b"", end_headers=False) + continuation(1, b"", False) * 9,
     "goaway ENHANCE_YOUR_CALM"),

    # Header compression
    ("strings by Huffman", headers(1, b"".join(hpack.literal(n, v, huffman=True) for n, v in request(UNARY))) + REST,
     "ok"),
    ("fields by index", headers(1, hpack.indexed(3) + hpack.indexed(6)
                                + b"".join(hpack.literal(*f, first=0x40) for f in (PATH, AUTHORITY, TYPE, TE))) + REST
     + headers(3, b"".join(hpack.indexed(i) for i in (3, 6, 65, 64, 63, 62)))
     + data(3, message(b"hi"), END_STREAM), "ok", 3),
    ("index 0", block(hpack.indexed(0)), "goaway COMPRESSION_ERROR"),
    ("index past the table", block(hpack.indexed(62)), "goaway COMPRESSION_ERROR"),
    ("index of a name past the table", block(hpack.integer(70, 6, 0x40) + hpack.string("x")),
     "goaway COMPRESSION_ERROR"),
    ("an integer that overflows", block(b"\xff" + b"\xff" * 9 + b"\x7f"), "goaway COMPRESSION_ERROR"),
    ("a string past the end", headers(1, b"\x00\x7f\x10ab"), "goaway COMPRESSION_ERROR"),
    ("Huffman padding of zeros", block(b"\x00\x81\x18" + hpack.string("x")), "goaway COMPRESSION_ERROR"),
    ("Huffman padding of eight bits", block(b"\x00\x82\x1f\xff" + hpack.string("x")), "goaway COMPRESSION_ERROR"),
    ("Huffman with the end mark", block(b"\x00\x84\xff\xff\xff\xff" + hpack.string("x")), "goaway COMPRESSION_ERROR"),
    ("table size of 0", block(hpack.integer(0, 5, 0x20)), "ok"),
    ("table size over the setting", block(hpack.integer(4097, 5, 0x20)), "goaway COMPRESSION_ERROR"),
    ("table size behind a field", headers(1, BLOCK + hpack.integer(0, 5, 0x20)) + REST, "goaway COMPRESSION_ERROR"),
]

FIELDS = [
    ("a name in capitals", changed(("X-Upper", "1")), "reset PROTOCOL_ERROR"),
    ("no name", changed(("", "1")), "reset PROTOCOL_ERROR"),
    ("a name with a space", changed(("a b", "1")), "reset PROTOCOL_ERROR"),
    ("a name with a colon", changed(("a:b", "1")), "reset PROTOCOL_ERROR"),
    ("a value with a newline", changed(("a", "1\n2")), "reset PROTOCOL_ERROR"),
    ("a value with a NUL", changed(("a", "1\0")), "reset PROTOCOL_ERROR"),
    ("a value that begins with a space", changed(("a", " 1")), "reset PROTOCOL_ERROR"),
    ("no value", changed(("a", "")), "ok"),
    ("no :method", changed(method=None), "reset PROTOCOL_ERROR"),
    ("no :scheme", changed(scheme=None), "reset PROTOCOL_ERROR"),
    ("no :path", fields(METHOD, SCHEME, AUTHORITY, TYPE, TE), "reset PROTOCOL_ERROR"),
    ("no :authority and no host", changed(authority=None), "reset PROTOCOL_ERROR"),
    ("host in place of :authority", changed(("host", "test"), authority=None), "ok"),
    ("an empty :path", fields(METHOD, SCHEME, (":path", ""), AUTHORITY, TYPE, TE), "reset PROTOCOL_ERROR"),
    ("a :path without a slash", fields(METHOD, SCHEME, (":path", "echo.Echo/Unary"), AUTHORITY, TYPE, TE),
     "reset PROTOCOL_ERROR"),
    ("two :path", fields(METHOD, SCHEME, PATH, PATH, AUTHORITY, TYPE, TE), "reset PROTOCOL_ERROR"),
    ("two :method", fields(METHOD, METHOD, SCHEME, PATH, AUTHORITY, TYPE, TE), "reset PROTOCOL_ERROR"),
    ("a pseudo-header behind a field", fields(METHOD, SCHEME, PATH, TYPE, AUTHORITY, TE), "reset PROTOCOL_ERROR"),
    ("a pseudo-header that nobody knows", fields(METHOD, SCHEME, PATH, AUTHORITY, (":who", "me"), TYPE, TE),
     "reset PROTOCOL_ERROR"),
    (":status in a request", fields(METHOD, SCHEME, PATH, AUTHORITY, (":status", "200"), TYPE, TE),
     "reset PROTOCOL_ERROR"),
    (":protocol in a request", fields(METHOD, SCHEME, PATH, AUTHORITY, (":protocol", "websocket"), TYPE, TE),
     "reset PROTOCOL_ERROR"),
    ("connection", changed(("connection", "keep-alive")), "reset PROTOCOL_ERROR"),
    ("keep-alive", changed(("keep-alive", "5")), "reset PROTOCOL_ERROR"),
    ("transfer-encoding", changed(("transfer-encoding", "chunked")), "reset PROTOCOL_ERROR"),
    ("upgrade", changed(("upgrade", "h2c")), "reset PROTOCOL_ERROR"),
    ("te: gzip", changed(te="gzip"), "reset PROTOCOL_ERROR"),
    ("no te", changed(te=None), "ok"),
    ("content-length that fits", changed(("content-length", "7")), "ok"),
    ("content-length too small", changed(("content-length", "6")), "reset PROTOCOL_ERROR"),
    ("content-length too large", changed(("content-length", "8")), "reset PROTOCOL_ERROR"),
    ("content-length that is no number", changed(("content-length", "x")), "reset PROTOCOL_ERROR"),
    ("two content-lengths", changed(("content-length", "7"), ("content-length", "7")), "reset PROTOCOL_ERROR"),

    ("GET", changed(method="GET"), STATUS_405, "POST"),
    ("PUT", changed(method="PUT"), STATUS_405, "POST"),
    ("HEAD without a body", headers(1, request(UNARY, method="HEAD"), END_STREAM), STATUS_405, "POST"),
    ("post", changed(method="post"), STATUS_405, "POST"),
    ("CONNECT", fields((":method", "CONNECT"), AUTHORITY), STATUS_405, "POST"),
    ("no content-type", changed(content_type=None), STATUS_415, "content-type"),
    ("text/plain", changed(content_type="text/plain"), STATUS_415, "content-type"),
    ("application/grpcx", changed(content_type="application/grpcx"), STATUS_415, "content-type"),
    ("application/grpc-web", changed(content_type="application/grpc-web"), STATUS_415, "content-type"),
    ("application/grpc+proto", changed(content_type="application/grpc+proto"), "ok"),
    ("application/grpc;charset=utf-8", changed(content_type="application/grpc;charset=utf-8"), "ok"),
    ("a method that nobody knows", call(1, "/echo.Echo/None"), "grpc 12", 'no method "/echo.Echo/None"'),
    ("a method in lower case", call(1, "/echo.Echo/unary"), "grpc 12", "no method"),
    ("a service that nobody knows", call(1, "/None/Unary"), "grpc 12", "no method"),
    ("a path of a method and more", call(1, UNARY + "?a=b"), "grpc 12", "no method"),
    ("the path /", call(1, "/"), "grpc 12", "no method"),
    ("a path with a quote and a letter", call(1, '/a"b\xff'), "grpc 12", 'no method "/a\\"b\\xc3\\xbf"'),
    ("a path with a control character", call(1, "/\x1b[31m"), "reset PROTOCOL_ERROR"),

    ("grpc-encoding: identity", changed(("grpc-encoding", "identity")), "ok"),
    ("grpc-encoding: gzip", changed(("grpc-encoding", "gzip")), "grpc 12", "identity"),
    ("grpc-encoding: snappy", changed(("grpc-encoding", "snappy")), "grpc 12", "identity"),
    ("no grpc-encoding value", changed(("grpc-encoding", "")), "grpc 12", "identity"),
] + [
    (f"grpc-timeout: {value!r}", changed(("grpc-timeout", value)), expected, words)
    for value, expected, words in [
        ("", STATUS_400, "grpc-timeout"), ("1", STATUS_400, "grpc-timeout"), ("S", STATUS_400, "grpc-timeout"),
        ("1x", STATUS_400, "grpc-timeout"), ("-1S", STATUS_400, "grpc-timeout"), ("1.5S", STATUS_400, "grpc-timeout"),
        ("123456789S", STATUS_400, "grpc-timeout"), ("1 S", STATUS_400, "grpc-timeout"),
        ("+1S", STATUS_400, "grpc-timeout"), ("0x1S", STATUS_400, "grpc-timeout"), ("1s", STATUS_400, "grpc-timeout"),
        ("0n", "grpc 4", "deadline"), ("00000000H", "grpc 4", "deadline"), ("99999999H", "ok", ""),
        ("12345678S", "ok", ""), ("10000m", "ok", ""), ("60M", "ok", ""), ("9999999u", "ok", "")]
] + [
    (f"binary metadata {value!r}", changed(("a-bin", value)), expected)
    for value, expected in [
        ("", "ok"), ("AAEC", "ok"), ("AAE=", "ok"), ("AAE", "ok"), ("AA==", "ok"), ("AA", "ok"), ("AAEC,AA", "ok"),
        ("AA==,AAE=", "ok"), ("A", STATUS_400), ("AA=", STATUS_400), ("AAEC=", STATUS_400), ("AA===", STATUS_400),
        ("A=AA", STATUS_400), ("AA-_", STATUS_400), ("AAEC,A", STATUS_400), ("AA AA", STATUS_400), ("====", STATUS_400)]
]


def body(*pieces, path=UNARY):
    """A call whose body is these bytes, END_STREAM with the last."""
    return headers(1, request(path)) + b"".join(
        data(1, piece, END_STREAM if i + 1 == len(pieces) else 0) for i, piece in enumerate(pieces))


BODIES = [
    ("no message, END_STREAM with the headers", headers(1, request(UNARY), END_STREAM), "grpc 12", "no message"),
    ("no message", body(b""), "grpc 12", "no message"),
    ("an empty message", body(message(b"")), "ok"),
    ("two messages", body(message(b"a") + message(b"b")), "grpc 12", "more than one"),
    ("two messages in two frames", body(message(b"a"), message(b"b")), "grpc 12", "more than one"),
    ("a byte behind the message", body(message(b"a") + b"\0"), "grpc 12", "more than one"),
    ("half a prefix", body(b"\0\0\0"), "grpc 13", "middle"),
    ("a prefix alone", body(message(b"", length=5)), "grpc 13", "middle"),
    ("half a message", body(message(b"hel", length=5)), "grpc 13", "middle"),
    ("a message in two pieces", body(message(b"hello")[:6], message(b"hello")[6:]), "ok"),
    ("END_STREAM in a frame of its own", body(message(b"hello"), b""), "ok"),
    ("a compressed message without grpc-encoding", body(message(b"hello", flag=1)), "grpc 13", "compress"),
    ("flag 2", body(message(b"hello", flag=2)), "grpc 13", ""),
    ("flag 255", body(message(b"hello", flag=255)), "grpc 13", ""),
    ("a message of the limit", body(message(b"", length=64 << 20)), "grpc 13", "middle"),
    ("a message of the limit and a byte", body(message(b"", length=(64 << 20) + 1)), "grpc 8", "67108864"),
    ("a message of 2^31 bytes", body(message(b"", length=1 << 31)), "grpc 8", "67108864"),
    ("a message of 2^32 - 1 bytes", body(message(b"", length=(1 << 32) - 1)), "grpc 8", "67108864"),
    ("streaming: no message", body(b"", path=BOTH), "ok"),
    ("streaming: three messages", body(message(b"a") + message(b"") + message(b"c"), path=BOTH), "ok"),
    ("streaming: half a message", body(message(b"a") + b"\0\0", path=BOTH), "grpc 13", "middle"),
    ("streaming: flag 2 in the second", body(message(b"a"), message(b"b", flag=2), path=BOTH), "grpc 13", ""),
    ("streaming: the method fails", body(message(b"a"), message(b"fail"), message(b"c"), path=BOTH), "grpc 10",
     "as you wish"),
]

# The same before the client has ended its side: the answer is there at once, and a RST_STREAM(NO_ERROR) tells the
# client to stop.
EARLY = [
    ("early: GET", headers(1, request(UNARY, method="GET")), STATUS_405),
    ("early: no content-type", headers(1, request(UNARY, content_type=None)), STATUS_415),
    ("early: no such method", headers(1, request("/none")), "grpc 12"),
    ("early: grpc-timeout of 0", headers(1, request(UNARY, ("grpc-timeout", "0n"))), "grpc 4"),
    ("early: grpc-encoding", headers(1, request(UNARY, ("grpc-encoding", "gzip"))), "grpc 12"),
    ("early: too long a message", OPEN + data(1, message(b"", length=1 << 31)), "grpc 8"),
    ("early: two messages", OPEN + data(1, message(b"a") + message(b"b")), "grpc 12"),
    ("early: flag 2", OPEN + data(1, message(b"a", flag=2)), "grpc 13"),
    ("early: a streaming method fails", headers(1, request(BOTH)) + data(1, message(b"fail")), "grpc 10"),
]
