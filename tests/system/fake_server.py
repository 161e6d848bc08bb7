# SPDX-License-Identifier: Apache-2.0
"""An HTTP/2 server that speaks frames by hand, so that it can break every rule.

Usage: fake_server.py SOCKET. Prints "ready". What it does to a call is named by the call: the name of
the (first) table of a LookupRequest or PushRequest, or the text that a request consists of otherwise. Each
message of a PushStream is named like that, with "stream_" before it. One thread a connection.
"""
import collections
import os
import socket
import struct
import sys
import threading

import hpack
from fake_frames import *  # noqa: F401,F403 pylint: disable=wildcard-import,unused-wildcard-import

counts = collections.Counter()  # how often a scenario was asked for
seen = []  # what clients sent that they need not: resets and settings
held = {}  # calls that wait for another one
lock = threading.Lock()


class Connection(threading.Thread):
    def __init__(self, sock):
        super().__init__(daemon=True)
        self.sock, self.bodies, self.decoder = sock, {}, hpack.Decoder()
        self.streams = {}  # messages of a stream that wait for an answer

    def read(self, n):
        data = b""
        while len(data) < n:
            part = self.sock.recv(min(n - len(data), 1 << 20))
            if not part:
                raise EOFError
            data += part
        return data

    def send(self, data):
        self.sock.sendall(data)

    def hang_up(self):
        self.sock.shutdown(socket.SHUT_RDWR)

    def run(self):
        try:
            self.read(24)
            self.send(frame(SETTINGS, 0, 0))
            while True:
                self.take_frame()
        except (EOFError, OSError):
            self.sock.close()

    def take_frame(self):
        first = self.read(9)
        n = struct.unpack(">I", b"\0" + first[:3])[0]
        kind, flags, stream = struct.unpack(">BBI", first[3:])
        payload = self.read(n)
        if kind == SETTINGS and not flags & ACK:
            values = struct.iter_unpack(">HI", payload)
            seen.append("settings " + " ".join("%d=%d" % pair for pair in values))
            self.send(frame(SETTINGS, ACK, 0))
        elif kind == WINDOW and stream == 0:
            seen.append("window %d" % struct.unpack(">I", payload)[0])
        elif kind == RST:
            seen.append("reset %d" % struct.unpack(">I", payload)[0])
        elif kind == HEADERS:
            self.bodies[stream] = b""
            if (":path", "/embd.v1.Embedding/PushStream") in self.decoder.decode(payload):
                self.streams[stream] = []
                self.send(headers(stream, head()))
        elif kind == DATA:
            if stream not in self.bodies:
                return  # it has ended for us
            self.bodies[stream] += payload
            for where in (0, stream):
                self.send(frame(WINDOW, 0, where, struct.pack(">I", n)) if n else b"")
            if stream in self.streams:
                self.take_messages(stream)
                if flags & END_STREAM and stream in self.bodies and not self.streams[stream]:
                    self.send(trailers(stream))
            elif flags & END_STREAM:
                self.answer(stream, self.bodies.pop(stream)[5:])

    def take_messages(self, stream):
        body = self.bodies[stream]
        while len(body) >= 5 and len(body) >= 5 + struct.unpack(">I", body[1:5])[0]:
            end = 5 + struct.unpack(">I", body[1:5])[0]
            self.streams[stream].append(body[5:end])
            self.answer(stream, body[5:end], "stream_")
            body = body[end:]
            if stream not in self.bodies:
                return
            self.bodies[stream] = body

    def answer(self, stream, body, prefix=""):
        name = prefix + name_of(body)
        with lock:
            counts[name] += 1
        words = name.split(":")
        scenario = globals()["do_" + words[0]]
        # Each scenario gets the connection, the stream, the request and its own arguments.
        out = scenario(self, stream, body, *words[1:])
        if out:
            self.send(out)
        if out and prefix and ends(out):
            self.bodies.pop(stream)


# ---- faultless ----

def do_ok(c, stream, body):
    return reply(stream, b"pong")


def do_words(c, stream, body):
    return reply(stream, lookup_response(body))


def do_empty(c, stream, body):
    return reply(stream, b"")


def do_bytewise(c, stream, body):
    """Every byte of the message in a frame of its own, padded, and empty frames between."""
    out = headers(stream, head())
    text = message(lookup_response(body) if body[:1] == b"\x0a" else b"pong")
    for i in range(len(text)):
        out += frame(DATA, PADDED, stream, b"\x05" + text[i:i + 1] + b"\0" * 5)
        out += frame(DATA, 0, stream)
    return out + trailers(stream)


def do_continued(c, stream, body):
    block = head() + field("x-long", "y" * 50)
    return (frame(HEADERS, 0, stream, block[:20]) + frame(CONTINUATION, 0, stream, block[20:40])
            + frame(CONTINUATION, END_HEADERS, stream, block[40:])
            + frame(DATA, 0, stream, message(b"pong")) + trailers(stream))


def do_informed(c, stream, body):
    return headers(stream, field(":status", "103")) + reply(stream, b"pong")


def do_type(c, stream, body, content_type):
    return (headers(stream, head(content_type=content_type))
            + frame(DATA, 0, stream, message(b"pong")) + trailers(stream))


def do_reset_after(c, stream, body):
    return reply(stream, b"pong") + frame(RST, 0, stream, struct.pack(">I", 0))


def do_large(c, stream, body, size):
    """In the largest frames that the client takes, and without a look at its windows."""
    text = message(b"x" * int(size))
    out = headers(stream, head())
    for at in range(0, len(text), 1 << 20):
        out += frame(DATA, 0, stream, text[at:at + (1 << 20)])
    return out + trailers(stream)


def do_count(c, stream, body, name):
    return reply(stream, str(counts[name.replace("/", ":")]).encode())


def do_seen(c, stream, body):
    return reply(stream, "\n".join(seen).encode())


def do_hold(c, stream, body):
    """Answered after the call "release"."""
    held[stream] = reply(stream, lookup_response(body))


def do_release(c, stream, body):
    out = reply(stream, lookup_response(body))
    for other in sorted(held, reverse=True):
        out += held.pop(other)
    return out


def do_gradient(c, stream, body):
    return reply(stream, push_response(body))


def do_versions(c, stream, body):
    """One version too many."""
    return reply(stream, push_response(body) + b"\x10\x01")


# ---- streams: what becomes of one message ----

def do_stream_gradient(c, stream, body):
    c.streams[stream].remove(body)
    return frame(DATA, 0, stream, message(push_response(body)))


def do_stream_hold(c, stream, body):
    """Answered after the push "release"."""


def do_stream_release(c, stream, body):
    """All that waits, in one piece, and the last byte by itself."""
    out = b"".join(message(push_response(one)) for one in c.streams[stream])
    c.streams[stream] = []
    return frame(DATA, 0, stream, out[:-1]) + frame(DATA, 0, stream, out[-1:])


def do_stream_leave(c, stream, body):
    return trailers(stream)


def do_stream_status(c, stream, body, status, text):
    return trailers(stream, status, grpc_message=text)


def do_stream_twice(c, stream, body):
    return do_stream_gradient(c, stream, body) + frame(DATA, 0, stream, message(push_response(body)))


def do_stream_versions(c, stream, body):
    return frame(DATA, 0, stream, message(push_response(body) + b"\x10\x01"))


def do_stream_rubbish(c, stream, body):
    return frame(DATA, 0, stream, message(b"\xff"))


def do_stream_truncated(c, stream, body):
    return frame(DATA, 0, stream, message(push_response(body))[:-1]) + trailers(stream)


def do_stream_length(c, stream, body, length):
    return frame(DATA, 0, stream, message(b"", length=int(length)))


def do_stream_reset(c, stream, body, code):
    return do_reset(c, stream, body, code)


def do_stream_refuse(c, stream, body, times, key):
    if counts["stream_refuse:%s:%s" % (times, key)] <= int(times):
        return frame(RST, 0, stream, struct.pack(">I", REFUSED))
    return do_stream_gradient(c, stream, body)


def do_stream_close(c, stream, body):
    c.hang_up()


# ---- statuses ----

def do_status(c, stream, body, status, text=""):
    return failure(stream, status, grpc_message=text) if text else failure(stream, status)


def do_late_status(c, stream, body, status):
    return (headers(stream, head()) + frame(DATA, 0, stream, message(b"pong"))
            + trailers(stream, status, grpc_message="after all"))


def do_http(c, stream, body, status):
    return (headers(stream, head(status, "text/html"))
            + frame(DATA, END_STREAM, stream, b"<html>"))


def do_http_grpc(c, stream, body, http_status, status):
    return headers(stream, head(http_status) + fields(grpc_status=status), end=True)


def do_html_ok(c, stream, body):
    return (headers(stream, head(content_type="text/html") + fields(grpc_status="0"))
            + frame(DATA, END_STREAM, stream, message(b"pong")))


def do_untyped(c, stream, body):
    return headers(stream, head(content_type="")) + frame(DATA, END_STREAM, stream, b"")


def do_reset(c, stream, body, code):
    return frame(RST, 0, stream, struct.pack(">I", int(code)))


# ---- broken messages ----

def do_no_trailers(c, stream, body):
    return headers(stream, head()) + frame(DATA, END_STREAM, stream, message(b"pong"))


def do_no_message(c, stream, body):
    return headers(stream, head()) + trailers(stream)


def do_short_prefix(c, stream, body):
    return headers(stream, head()) + frame(DATA, 0, stream, b"\0\0\0") + trailers(stream)


def do_truncated(c, stream, body):
    return (headers(stream, head()) + frame(DATA, 0, stream, message(b"pong", length=10))
            + trailers(stream))


def do_flag(c, stream, body, flag):
    return (headers(stream, head() + fields(grpc_encoding="gzip"))
            + frame(DATA, 0, stream, message(b"pong", flag=int(flag))) + trailers(stream))


def do_length(c, stream, body, length):
    return (headers(stream, head())
            + frame(DATA, 0, stream, message(b"pong", length=int(length))) + trailers(stream))


def do_two_messages(c, stream, body):
    return (headers(stream, head()) + frame(DATA, 0, stream, message(b"pong") + message(b"pong"))
            + trailers(stream))


def do_raw(c, stream, body, text):
    """A message of these bytes, in hex."""
    return reply(stream, bytes.fromhex(text))


# ---- broken HTTP/2 ----

def do_data_first(c, stream, body):
    return frame(DATA, 0, stream, message(b"pong")) + trailers(stream)


def do_bad_length(c, stream, body):
    return (headers(stream, head() + field("content-length", "3"))
            + frame(DATA, 0, stream, message(b"pong")) + trailers(stream))


def do_upper_case(c, stream, body):
    return headers(stream, head() + field("Grpc-Status", "0"), end=True)


def do_many_headers(c, stream, body):
    """30 kB of fields, in as few frames as may be."""
    return headers(stream, head() + b"".join(field("x-%d" % i, "y" * 90) for i in range(250)))


def do_continuations(c, stream, body):
    return frame(HEADERS, 0, stream, head()) + frame(CONTINUATION, 0, stream, b"") * 50


def do_bad_hpack(c, stream, body):
    return headers(stream, b"\xff\xff\xff\xff\xff\xff")


def do_huge_frame(c, stream, body):
    return headers(stream, head()) + frame(DATA, 0, stream, b"x" * ((1 << 20) + 1))


def do_push(c, stream, body):
    return frame(PUSH, END_HEADERS, stream, struct.pack(">I", 2) + head())


def do_garbage(c, stream, body):
    return bytes(range(256)) * 16


def do_http1(c, stream, body):
    return b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n"


def do_close(c, stream, body):
    c.hang_up()


def do_close_within(c, stream, body):
    c.send(headers(stream, head()) + frame(DATA, 0, stream, message(b"pong", length=10)))
    c.hang_up()


def do_pings(c, stream, body):
    return frame(PING, 0, 0, b"12345678") * 10000


# ---- endless ----

def do_silence(c, stream, body):
    pass


def do_dribble(c, stream, body):
    """Frames without end that lead nowhere."""
    c.send(headers(stream, head()))
    while True:
        c.send(frame(DATA, 0, stream) * 100)


def do_begin(c, stream, body):
    """A message that begins and does not go on."""
    return headers(stream, head()) + frame(DATA, 0, stream, message(b"po", length=4))


# ---- refusals ----

def do_refuse(c, stream, body, times, key):
    if counts["refuse:%s:%s" % (times, key)] <= int(times):
        return frame(RST, 0, stream, struct.pack(">I", REFUSED))
    return do_ok(c, stream, body)


def do_goaway(c, stream, body, times, key):
    if counts["goaway:%s:%s" % (times, key)] <= int(times):
        c.send(frame(GOAWAY, 0, 0, struct.pack(">II", 0, 0)))
        c.hang_up()
        return None
    return do_ok(c, stream, body)


def do_last(c, stream, body):
    """The server takes no more calls on this connection, but answers this one."""
    text = lookup_response(body) if body[:1] == b"\x0a" else b"pong"
    return frame(GOAWAY, 0, 0, struct.pack(">II", 0x7fffffff, 0)) + reply(stream, text)


def main():
    server = socket.socket(socket.AF_UNIX)
    server.bind(sys.argv[1])
    server.listen(64)
    os.write(1, b"ready\n")
    while True:
        Connection(server.accept()[0]).start()


if __name__ == "__main__":
    main()
