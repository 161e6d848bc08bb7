# SPDX-License-Identifier: Apache-2.0
"""A peer that can send any bytes: HTTP/2 frames made and read by hand, with no library that would know better.

    peer = Peer(address)                        # preface and SETTINGS are sent
    peer.send(headers(1, request("/pkg.Service/Method")), data(1, message(b"…"), END_STREAM))
    answer = peer.answer(1)                     # Answer(http=200, status=0, messages=[b"…"], …)
"""
import base64
import collections
import socket
import struct
import time
import urllib.parse

import hpack

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, PRIORITY, RST_STREAM, SETTINGS, PUSH_PROMISE, PING, GOAWAY, WINDOW_UPDATE, CONTINUATION = range(10)
END_STREAM, ACK, END_HEADERS, PADDED, PRIORITY_FLAG = 1, 1, 4, 8, 32
(NO_ERROR, PROTOCOL_ERROR, INTERNAL_ERROR, FLOW_CONTROL_ERROR, SETTINGS_TIMEOUT, STREAM_CLOSED, FRAME_SIZE_ERROR,
 REFUSED_STREAM, CANCEL, COMPRESSION_ERROR, CONNECT_ERROR, ENHANCE_YOUR_CALM) = range(12)
ERRORS = ["NO_ERROR", "PROTOCOL_ERROR", "INTERNAL_ERROR", "FLOW_CONTROL_ERROR", "SETTINGS_TIMEOUT", "STREAM_CLOSED",
          "FRAME_SIZE_ERROR", "REFUSED_STREAM", "CANCEL", "COMPRESSION_ERROR", "CONNECT_ERROR", "ENHANCE_YOUR_CALM"]
(HEADER_TABLE_SIZE, ENABLE_PUSH, MAX_CONCURRENT_STREAMS, INITIAL_WINDOW_SIZE, MAX_FRAME_SIZE,
 MAX_HEADER_LIST_SIZE) = range(1, 7)

Frame = collections.namedtuple("Frame", "type flags stream payload")


# ---- Frames, as bytes ----

def frame(kind, flags=0, stream=0, payload=b"", length=None):
    """Any frame; `length` may lie."""
    return struct.pack(">I", len(payload) if length is None else length)[1:] + bytes([kind, flags]) \
        + struct.pack(">I", stream) + payload


def pad(payload, padding):
    """A payload with `padding` bytes behind it, and the byte that says so before it."""
    return payload if padding is None else bytes([padding]) + payload + bytes(padding)


def headers(stream, fields, flags=0, padding=None, priority=None, end_headers=True):
    """HEADERS with a list of fields, or with a block that is encoded already."""
    block = fields if isinstance(fields, bytes) else hpack.encode(fields)
    if priority is not None:
        block, flags = priority + block, flags | PRIORITY_FLAG
    if padding is not None:
        flags |= PADDED
    if end_headers:
        flags |= END_HEADERS
    return frame(HEADERS, flags, stream, pad(block, padding))


def continuation(stream, block, end_headers=True):
    return frame(CONTINUATION, END_HEADERS if end_headers else 0, stream, block)


def data(stream, payload=b"", flags=0, padding=None):
    return frame(DATA, flags | (0 if padding is None else PADDED), stream, pad(payload, padding))


def settings(values=(), flags=0):
    pairs = values.items() if isinstance(values, dict) else values
    return frame(SETTINGS, flags, 0, b"".join(struct.pack(">HI", key, value) for key, value in pairs))


def ping(payload=bytes(8), flags=0):
    return frame(PING, flags, 0, payload)


def goaway(last=0, code=NO_ERROR, text=b""):
    return frame(GOAWAY, 0, 0, struct.pack(">II", last, code) + text)


def rst(stream, code=CANCEL):
    return frame(RST_STREAM, 0, stream, struct.pack(">I", code))


def window(stream, increment):
    return frame(WINDOW_UPDATE, 0, stream, struct.pack(">I", increment))


def priority(stream, depends=0, weight=16, exclusive=False):
    return frame(PRIORITY, 0, stream, struct.pack(">IB", depends | exclusive << 31, weight - 1))


# ---- gRPC ----

def request(path, *more, **change):
    """The fields of a gRPC request. `change` replaces a field (te="gzip", content_type=…, method="GET") or leaves it
    out (None); `more` is added at the end."""
    fields = {":method": "POST", ":scheme": "http", ":path": path, ":authority": "test",
              "content-type": "application/grpc", "te": "trailers"}
    for name, value in change.items():
        name = name.replace("_", "-")
        fields[name if name in fields or f":{name}" not in fields else f":{name}"] = value
    return [(name, value) for name, value in fields.items() if value is not None] + list(more)


def message(body, flag=0, length=None):
    return bytes([flag]) + struct.pack(">I", len(body) if length is None else length) + body


def call(stream, path, body=b"", *more, **change):
    """A whole unary call."""
    return headers(stream, request(path, *more, **change)) + data(stream, message(body), END_STREAM)


class Answer:
    """What came back on a stream: header fields, messages, trailer fields, and how it ended (`reset` is an error
    code, None without RST_STREAM; a reset after the end is the polite one of an early answer)."""

    def __init__(self):
        self.headers, self.trailers, self.body, self.ended, self.reset = None, None, b"", False, None

    def field(self, name):
        for fields in (self.trailers, self.headers):
            for key, value in fields or ():
                if key == name:
                    return value
        return None

    @property
    def http(self):
        return int(self.field(":status")) if self.headers else None

    @property
    def status(self):
        value = self.field("grpc-status")
        return None if value is None else int(value)

    @property
    def text(self):
        return urllib.parse.unquote(self.field("grpc-message") or "")

    @property
    def messages(self):
        found, at = [], 0
        while at < len(self.body):
            flag, n = struct.unpack_from(">BI", self.body, at)
            assert flag == 0 and at + 5 + n <= len(self.body), "a message is cut off or compressed"
            found.append(self.body[at + 5:at + 5 + n])
            at += 5 + n
        return found

    def check(self):
        """What gRPC demands of every answer."""
        assert self.ended, "no END_STREAM"
        names = [name for name, _ in self.headers]
        assert names[0] == ":status" and names.count(":status") == 1, names
        assert not any(name.startswith(":") for name in names[1:]), names
        assert all(name == name.lower() for name in names), names
        assert self.field("content-type").startswith("application/grpc"), names
        last = self.headers if self.trailers is None else self.trailers
        assert [name for name, _ in last].count("grpc-status") == 1, last
        assert self.field("grpc-status") == str(self.status), "a status with a leading zero"
        if self.trailers is None:
            assert not self.body, "a body in a trailers-only answer"
        else:
            assert "grpc-status" not in names, "a status in the first headers of two"
            assert not any(name.startswith(":") for name, _ in self.trailers), self.trailers
        if self.status == 0:
            self.messages


class Closed(Exception):
    """The server has closed the connection."""


class Peer:
    def __init__(self, address, timeout=10, preface=True, values=(), acknowledge=True):
        if address.startswith("unix:"):
            self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            self.socket.settimeout(timeout)
            self.socket.connect(address[5:])
        else:
            host, _, port = address.rpartition(":")
            self.socket = socket.create_connection((host.strip("[]"), int(port)), timeout)
            self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.timeout, self.acknowledge = timeout, acknowledge
        self.buffer, self.decoder = b"", hpack.Decoder()
        self.answers = {}
        self.goaway = None       # (last stream, code, text)
        self.settings = None     # of the server
        self.acks = self.pongs = 0
        self.windows = collections.Counter()
        self.block = None        # HEADERS whose CONTINUATION is missing
        if preface:
            self.send(PREFACE + settings(values))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.socket.close()

    def open_windows(self):
        """No answer waits for a window any more."""
        self.send(settings({INITIAL_WINDOW_SIZE: 0x7fffffff}), window(0, 0x7fffffff - 65535))

    def send(self, *pieces):
        """All of it; a server that has gone away is noticed when reading."""
        try:
            self.socket.sendall(b"".join(pieces))
        except (BrokenPipeError, ConnectionResetError):
            pass

    # ---- Reading ----

    def _fill(self, n, deadline):
        while len(self.buffer) < n:
            left = deadline - time.monotonic()
            if left <= 0:
                raise TimeoutError("the server is silent")
            self.socket.settimeout(left)
            try:
                piece = self.socket.recv(1 << 20)
            except socket.timeout:
                raise TimeoutError("the server is silent") from None
            except ConnectionResetError:
                piece = b""
            if not piece:
                raise Closed
            self.buffer += piece

    def read(self, timeout=None):
        """The next frame; raises Closed at the end and TimeoutError. Notes what it means."""
        deadline = time.monotonic() + (self.timeout if timeout is None else timeout)
        self._fill(9, deadline)
        n = int.from_bytes(self.buffer[:3], "big")
        self._fill(9 + n, deadline)
        got = Frame(self.buffer[3], self.buffer[4], int.from_bytes(self.buffer[5:9], "big"), self.buffer[9:9 + n])
        self.buffer = self.buffer[9 + n:]
        self._note(got)
        return got

    def _note(self, got):
        if got.type in (DATA, HEADERS, RST_STREAM, CONTINUATION):
            assert got.stream, f"{got} belongs to no stream"
        answer = self.answers.setdefault(got.stream, Answer()) if got.stream else None
        if self.block is not None:
            assert got.type == CONTINUATION and got.stream == self.block.stream, f"{got} inside headers"
        if got.type == DATA:
            assert not answer.ended and answer.headers, f"DATA on a stream that is not open: {got}"
            answer.body += got.payload
            answer.ended = bool(got.flags & END_STREAM)
        elif got.type in (HEADERS, CONTINUATION):
            first = self.block or got
            block = (self.block.payload if self.block else b"") + got.payload
            self.block = None if got.flags & END_HEADERS else first._replace(payload=block)
            if self.block is None:
                fields = self.decoder.decode(block)
                assert not answer.ended, f"HEADERS on a stream that has ended: {fields}"
                assert answer.trailers is None, f"third headers: {fields}"
                if answer.headers is None:
                    answer.headers = fields
                else:
                    answer.trailers = fields
                    assert first.flags & END_STREAM, "trailers without END_STREAM"
                answer.ended = bool(first.flags & END_STREAM)
        elif got.type == RST_STREAM:
            answer.reset = int.from_bytes(got.payload, "big")
        elif got.type == GOAWAY:
            self.goaway = struct.unpack_from(">II", got.payload) + (got.payload[8:].decode(),)
        elif got.type == SETTINGS and got.flags & ACK:
            self.acks += 1
        elif got.type == SETTINGS:
            self.settings = dict(struct.iter_unpack(">HI", got.payload))
            if self.acknowledge:
                self.send(settings(flags=ACK))
        elif got.type == PING and got.flags & ACK:
            self.pongs += 1
        elif got.type == WINDOW_UPDATE:
            self.windows[got.stream] += int.from_bytes(got.payload, "big")

    def answer(self, stream, timeout=None):
        """Read until the stream has ended, by END_STREAM or reset, and return what came; Closed if the connection
        goes first."""
        deadline = time.monotonic() + (self.timeout if timeout is None else timeout)
        while True:
            answer = self.answers.get(stream)
            if answer and (answer.ended or answer.reset is not None):
                return answer
            self.read(deadline - time.monotonic())

    def reset(self, stream):
        """Read until the stream is reset; returns the code."""
        while stream not in self.answers or self.answers[stream].reset is None:
            self.read()
        return self.answers[stream].reset

    def wait(self, condition, timeout=None):
        """Read until condition(frame) holds; returns that frame."""
        deadline = time.monotonic() + (self.timeout if timeout is None else timeout)
        while True:
            got = self.read(deadline - time.monotonic())
            if condition(got):
                return got

    def sync(self):
        """Everything sent so far has been handled, and answered as far as windows allow. Twice, because the answer to
        a PING may overtake other answers that are ready at the same moment."""
        for _ in range(2):
            seen = self.pongs
            self.send(ping(b"sync" * 2))
            while self.pongs == seen:
                self.read()

    def drain(self, timeout=None):
        """Read until the server closes."""
        deadline = time.monotonic() + (self.timeout if timeout is None else timeout)
        try:
            while True:
                self.read(deadline - time.monotonic())
        except Closed:
            pass


def base64_text(value, padded=False):
    text = base64.b64encode(value).decode()
    return text if padded else text.rstrip("=")


def outcome(peer, stream=1, timeout=None):
    """In one word how a case ended: "ok", "grpc STATUS", "http CODE grpc STATUS", "reset ERROR", "goaway ERROR" or
    "closed"; and the Answer, if there is one."""
    try:
        answer = peer.answer(stream, timeout)
    except Closed:
        if peer.goaway and peer.goaway[1] != NO_ERROR:
            return f"goaway {ERRORS[peer.goaway[1]]}", None
        return "closed", None
    except TimeoutError:
        return "silence", None
    if not answer.ended:
        return f"reset {ERRORS[answer.reset]}", answer
    answer.check()
    if answer.http != 200:
        return f"http {answer.http} grpc {answer.status}", answer
    return ("ok" if answer.status == 0 else f"grpc {answer.status}"), answer
