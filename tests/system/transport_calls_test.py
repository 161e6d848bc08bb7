# SPDX-License-Identifier: Apache-2.0
"""Calls as they should go: bodies cut anywhere, windows of any size, deadlines, cancellation, memory."""
import pathlib
import random
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import hpack  # noqa: E402
from echo import Echo, run  # noqa: E402
from h2raw import *  # noqa: E402,F401,F403

UNARY, SLOW, STREAM, BOTH, FAIL, LARGE, WAIT = (f"/echo.Echo/{name}" for name in
                                                ("Unary", "Slow", "Stream", "Both", "Fail", "Large", "Wait"))
MIB = 1 << 20


def pattern(n):
    return (bytes(range(256)) * (n // 256 + 1))[:n]


def upload(peer, stream, body, frame_size=16384):
    """DATA as the server's windows allow, END_STREAM with the last, unless an answer comes first; counts on a
    connection of its own."""
    at, sent = 0, 0
    connection, own = 65535, peer.settings[INITIAL_WINDOW_SIZE]
    while at < len(body) and not (stream in peer.answers and peer.answers[stream].headers):
        n = min(frame_size, len(body) - at, connection + peer.windows[0] - sent, own + peer.windows[stream] - sent)
        if n <= 0:
            peer.read()
            continue
        at += n
        sent += n
        peer.send(data(stream, body[at - n:at], END_STREAM if at == len(body) else 0))


def test_the_servers_settings():
    with Echo(max_streams=77, max_headers_bytes=5000) as server, server.peer() as peer:
        peer.sync()
        assert peer.settings == {MAX_CONCURRENT_STREAMS: 77, INITIAL_WINDOW_SIZE: MIB, MAX_HEADER_LIST_SIZE: 5000}
        assert peer.windows[0] == 16 * MIB - 65535
        assert peer.acks == 1


def test_bodies_cut_at_random():
    rng = random.Random(1)
    with Echo() as server, server.peer() as peer:
        peer.open_windows()
        for stream in range(1, 401, 2):
            body = rng.randbytes(rng.choice([0, 1, 100, 4096, 4097, 20000]))
            whole, pieces, at = message(body), [], 0
            while at < len(whole):
                n = min(rng.choice([1, 4, 5, 6, 100, 16000]), len(whole) - at)
                padding = rng.choice([None, None, 0, 1, 255])
                pieces.append(data(stream, whole[at:at + n], 0, padding))
                at += n
            raw = headers(stream, request(UNARY)) + b"".join(pieces) + data(stream, b"", END_STREAM)
            cut = rng.randrange(len(raw))
            peer.send(raw[:cut])
            peer.send(raw[cut:])
            answer = peer.answer(stream)
            answer.check()
            assert answer.messages == [body], (stream, len(body))
        peer.close()
        server.quiet()


def test_large_upload_follows_the_windows():
    body = pattern(20 * MIB)
    with Echo() as server:
        with server.peer() as peer:
            peer.open_windows()
            peer.sync()
            peer.send(headers(1, request(UNARY)))
            upload(peer, 1, message(body))
            assert peer.answer(1).messages == [body]
            assert peer.windows[1] <= 20 * MIB + 5 + MIB, "more was allowed than was taken"
        server.quiet()


def test_large_reply_in_large_frames():
    n = 5 * MIB + 123
    with Echo() as server, server.peer() as peer:
        peer.open_windows()
        peer.send(settings({MAX_FRAME_SIZE: 100000}), call(1, LARGE, b"%d" % n))
        sizes = []
        while not (1 in peer.answers and peer.answers[1].ended):
            got = peer.read()
            if got.type == DATA:
                sizes.append(len(got.payload))
        answer = peer.answers[1]
        answer.check()
        assert answer.messages == [pattern(n)]
        assert max(sizes) == 100000 and sizes.count(100000) >= len(sizes) - 1, sizes


def test_reply_through_small_windows():
    with Echo() as server:
        with server.peer(values={INITIAL_WINDOW_SIZE: 1000}) as peer:
            peer.send(call(1, LARGE, b"20000"))
            for _ in range(30):
                got = peer.wait(lambda frame: frame.type in (DATA, HEADERS))
                assert len(got.payload) <= 1000
                if got.flags & END_STREAM:
                    break
                if got.type == DATA:
                    peer.send(window(1, len(got.payload)))
            answer = peer.answer(1)
            answer.check()
            assert answer.messages == [pattern(20000)]
            # The connection's window: 65535 bytes in all, 20005 are used.
            peer.send(settings({INITIAL_WINDOW_SIZE: 100000}), call(3, LARGE, b"60000"))
            peer.wait(lambda frame: len(peer.answers.get(3).body if 3 in peer.answers else b"") == 65535 - 20005)
            peer.sync()
            assert len(peer.answers[3].body) == 65535 - 20005
            peer.send(window(0, 100000))
            assert peer.answer(3).messages == [pattern(60000)]
        server.quiet()


def test_errors_need_no_window():
    with Echo() as server, server.peer(values={INITIAL_WINDOW_SIZE: 0}) as peer:
        peer.send(call(1, FAIL, b"5 none"), call(3, "/none"), call(5, UNARY, b"blocked"))
        assert peer.answer(1).status == 5 and peer.answer(3).status == 12
        peer.sync()
        assert peer.answers[5].body == b"" and not peer.answers[5].ended
        peer.send(window(5, 4))
        peer.wait(lambda frame: frame.type == DATA)
        assert len(peer.answers[5].body) == 4
        peer.send(settings({INITIAL_WINDOW_SIZE: 100}))
        assert peer.answer(5).messages == [b"blocked"]


def test_a_stream_of_messages():
    with Echo() as server:
        with server.peer(values={INITIAL_WINDOW_SIZE: 3}) as peer:
            peer.send(call(1, STREAM, b"100 50"), window(1, 100 * 55 - 3))
            answer = peer.answer(1)
            answer.check()
            assert answer.messages == [bytes([i]) * 50 for i in range(100)]
            # The status needs no window, even when the last message has used it up.
            assert answer.status == 0
            peer.send(call(3, STREAM, b"0"))
            peer.answer(3).check()
            assert peer.answers[3].status == 0 and peer.answers[3].trailers is None
        server.quiet()


def test_both_directions_at_once():
    with Echo() as server, server.peer() as peer:
        peer.send(headers(1, request(BOTH)))
        for i in range(100):
            body = bytes([i]) * i * 10
            peer.send(data(1, message(body)))
            peer.wait(lambda frame: 1 in peer.answers and peer.answers[1].body.endswith(message(body)))
        peer.send(data(1, b"", END_STREAM))
        answer = peer.answer(1)
        answer.check()
        assert len(answer.messages) == 100


def test_requests_wait_while_their_answers_do():
    """A client that asks and asks and reads nothing: the server reads no more than it can answer."""
    count, size = 3000, 1000
    with Echo() as server:
        with server.peer(values={INITIAL_WINDOW_SIZE: 0}) as peer:
            peer.send(headers(1, request(BOTH)))
            sent = 0
            peer.sync()
            while (sent + 1) * (size + 5) <= MIB:
                peer.send(data(1, message(bytes([sent % 256]) * size)))
                sent += 1
            peer.sync()
            counts = server.counts()
            assert counts["Both"]["messages"] < 100, counts["Both"]
            assert counts["inflight"] < 2 * MIB, counts
            assert peer.windows[1] == 0, "a window is opened for what nobody has used"
            peer.open_windows()
            used = sent * (size + 5)
            while sent < count:
                if MIB + peer.windows[1] - used < size + 5:
                    peer.read()
                    continue
                peer.send(data(1, message(bytes([sent % 256]) * size), END_STREAM if sent + 1 == count else 0))
                sent, used = sent + 1, used + size + 5
            answer = peer.answer(1)
            answer.check()
            assert answer.messages == [bytes([i % 256]) * size for i in range(count)]
        server.quiet()


def test_many_calls_on_one_connection():
    with Echo() as server:
        with server.peer() as peer:
            peer.open_windows()
            peer.sync()
            for first in range(1, 20001, 400):
                streams = range(first, first + 400, 2)
                peer.send(*(call(s, UNARY, b"%d" % s) for s in streams))
                for s in streams:
                    assert peer.answer(s).messages == [b"%d" % s]
                    del peer.answers[s]
        assert server.quiet()["Unary"]["OK"] == 10000


def test_small_calls_pass_large_ones():
    with Echo() as server, server.peer() as peer:
        peer.send(call(1, SLOW, b"100000000"))
        began = time.monotonic()
        for stream in range(3, 203, 2):
            peer.send(call(stream, UNARY, b"quick"))
            assert peer.answer(stream).messages == [b"quick"]
        assert time.monotonic() - began < 5
        assert not (1 in peer.answers and peer.answers[1].ended)


def test_deadline():
    with Echo() as server:
        with server.peer() as peer:
            began = time.monotonic()
            peer.send(call(1, WAIT, b"", ("grpc-timeout", "200m")))
            answer = peer.answer(1)
            assert answer.status == 4 and answer.trailers is None, answer.headers
            assert 0.19 <= time.monotonic() - began < 2
            # The body never ends.
            peer.send(headers(3, request(UNARY, ("grpc-timeout", "50m"))), data(3, message(b"x", length=100)))
            answer = peer.answer(3)
            assert answer.status == 4
            assert peer.reset(3) == CANCEL
            # The method goes on and on, and is stopped.
            peer.send(call(5, SLOW, b"1000000000", ("grpc-timeout", "50m")))
            assert peer.answer(5).status == 4
            # An answer is under way, and in the middle of a message.
            peer.send(settings({INITIAL_WINDOW_SIZE: 100}), call(7, LARGE, b"1000", ("grpc-timeout", "50m")))
            assert peer.answer(7).reset == CANCEL
            # An answer is under way, between two messages.
            peer.send(headers(9, request(BOTH, ("grpc-timeout", "50m"))), data(9, message(b"hello")))
            answer = peer.answer(9)
            answer.check()
            assert answer.messages == [b"hello"] and answer.status == 4
            # In time.
            peer.send(call(11, SLOW, b"10", ("grpc-timeout", "10S")))
            assert peer.answer(11).messages == [b"10"]
        counts = server.quiet()
        turns = counts["turns"]
        assert counts["Slow"] == {"messages": 0, "OK": 1, "DEADLINE_EXCEEDED": 1}, counts["Slow"]
        assert counts["Wait"] == {"messages": 1, "DEADLINE_EXCEEDED": 1}
        assert counts["Unary"] == {"messages": 0, "DEADLINE_EXCEEDED": 1}
        assert server.counts()["turns"] == turns, "work goes on for a call that is over"


def test_cancellation_stops_work():
    with Echo() as server:
        with server.peer() as peer:
            for stream in range(1, 21, 2):
                peer.send(call(stream, SLOW, b"1000000000"))
            peer.send(call(21, WAIT))
            server.until(lambda c: c["turns"] > 100 and c["Wait"]["messages"], "nothing works")
            peer.send(*(rst(stream) for stream in range(1, 23, 2)))
            peer.sync()
            turns = server.counts()["turns"]
            assert server.counts()["turns"] == turns
            peer.send(call(23, SLOW, b"1000000000"), call(25, WAIT))
            server.until(lambda c: c["turns"] > turns + 100 and c["Wait"]["messages"] == 2, "nothing works")
        counts = server.quiet()  # the connection has gone with two calls open
        assert counts["Slow"] == {"messages": 0, "CANCELLED": 11}, counts["Slow"]
        assert counts["Wait"] == {"messages": 2, "CANCELLED": 2}, counts["Wait"]


def header_list(total):
    """Fields of a good call that count for `total` bytes."""
    fields = request(UNARY)
    size = sum(len(name) + len(value) + 32 for name, value in fields)
    while total - size > 4000:
        fields.append(("filler", "x" * (4000 - 38)))
        size += 4000
    assert total - size >= 38
    return fields + [("filler", "x" * (total - size - 38))]


def test_header_list_limit():
    with Echo(max_headers_bytes=8192) as server, server.peer() as peer:
        def call_with(stream, total):
            block = hpack.encode(header_list(total))
            pieces = [block[i:i + 16000] for i in range(0, len(block), 16000)]
            raw = headers(stream, pieces[0], end_headers=len(pieces) == 1)
            for i, piece in enumerate(pieces[1:], 2):
                raw += continuation(stream, piece, i == len(pieces))
            peer.send(raw + data(stream, message(b"hi"), END_STREAM))
            return outcome(peer, stream)

        assert call_with(1, 8191)[0] == "ok"
        assert call_with(3, 8192)[0] == "ok"
        got, answer = call_with(5, 8193)
        assert got == "grpc 8" and "8193" in answer.text and "8192" in answer.text, answer.text
        assert call_with(7, 60000)[0] == "grpc 8"
        assert call_with(9, 8 * 8192 + 1)[0] == "reset INTERNAL_ERROR"
        assert call_with(11, 1000)[0] == "ok"


def test_header_bomb():
    """100 kB of indices that stand for 400 MB of fields."""
    with Echo() as server:
        with server.peer() as peer:
            peer.send(call(1, UNARY, b"hi", ("warm", "up")))
            peer.answer(1)
            before = server.resident()
            bomb = hpack.literal("a", "x" * 4000, first=0x40) + hpack.indexed(62) * 16000
            rest = [hpack.indexed(62) * 16000] * 6
            peer.send(headers(3, hpack.encode(request(UNARY)) + bomb[:10000], end_headers=False),
                      continuation(3, bomb[10000:], False), *(continuation(3, piece, False) for piece in rest),
                      continuation(3, hpack.indexed(62)))
            assert outcome(peer, 3)[0] == "reset INTERNAL_ERROR"
            peer.send(call(5, UNARY, b"hi"))
            assert peer.answer(5).messages == [b"hi"]
            assert server.resident() - before < MIB, server.resident() - before
        server.quiet()


def test_memory_follows_what_has_come():
    """Prefixes that claim 64 MiB in every stream of many connections."""
    with Echo(max_inflight_bytes=100 * MIB) as server:
        server.counts()
        before = server.resident()
        peers = [server.peer() for _ in range(10)]
        for peer in peers:
            peer.send(*(headers(s, request(UNARY)) + data(s, message(b"x" * 100, length=64 * MIB))
                        for s in range(1, 401, 2)))
            peer.sync()
        counts = server.counts()
        assert counts["streams"] == 2001 and counts["inflight"] == 2000 * 32768, counts
        assert server.resident() - before < 40 * MIB, server.resident() - before
        for peer in peers:
            peer.close()
        counts = server.quiet()
        assert counts["Unary"] == {"messages": 0, "CANCELLED": 2000}, counts["Unary"]


def test_inflight_limit():
    with Echo(max_inflight_bytes=4 * MIB) as server:
        with server.peer() as peer:
            peer.sync()
            peer.send(settings({INITIAL_WINDOW_SIZE: 0x7fffffff}), headers(1, request(UNARY)))
            upload(peer, 1, message(bytes(5 * MIB)))
            answer = peer.answer(1)
            assert answer.status == 8 and "max_inflight_bytes" in answer.text, answer.text
            assert peer.reset(1) == NO_ERROR
            peer.send(call(3, LARGE, b"5000000"))
            assert peer.answer(3).status == 8
            # Unsent answers count: three of 1 MiB are let in, no more.
            peer.send(*(call(s, LARGE, b"%d" % MIB) for s in range(5, 21, 2)))
            peer.sync()
            full = [s for s in range(5, 21, 2) if s in peer.answers and peer.answers[s].ended]
            assert len(full) == 5 and all(peer.answers[s].status == 8 for s in full), full
            peer.send(window(0, 0x7fffffff - 65535 * 2))
            for s in range(5, 21, 2):
                answer = peer.answer(s)
                assert answer.status == 8 or answer.messages == [pattern(MIB)]
            peer.send(call(21, LARGE, b"%d" % MIB))
            assert peer.answer(21).messages == [pattern(MIB)]
        server.quiet()


def test_a_client_that_does_not_read_is_not_read():
    """Requests for far more than a socket holds: reading stops, and goes on when the client reads."""
    with Echo(max_buffered_bytes=4 * MIB) as server:
        with server.peer(values={MAX_FRAME_SIZE: MIB}) as peer:
            peer.open_windows()
            peer.send(*(call(s, LARGE, b"%d" % MIB) for s in range(1, 101, 2)))
            server.until(lambda c: c["Large"].get("OK", 0) == 50, "no answers")
            peer.send(*(call(s, LARGE, b"%d" % MIB) for s in range(101, 401, 2)))
            for _ in range(10):
                counts = server.counts()
                assert counts["Large"]["OK"] == 50 and counts["inflight"] < 51 * MIB, counts
            for s in range(1, 401, 2):
                assert peer.answer(s).messages == [pattern(MIB)], s
                del peer.answers[s]
        server.quiet()


def test_replies_take_turns():
    """A small answer is not behind all of a large one."""
    with Echo() as server, server.peer(values={INITIAL_WINDOW_SIZE: 0x7fffffff}) as peer:
        peer.send(call(1, LARGE, b"%d" % (8 * MIB)))
        peer.wait(lambda frame: frame.type == DATA)
        peer.send(call(3, LARGE, b"100"), window(0, 16 * MIB))
        peer.answer(3)
        assert not peer.answers[1].ended
        assert peer.answer(1).messages == [pattern(8 * MIB)]


def test_streams_limit():
    with Echo(max_streams=10) as server, server.peer() as peer:
        peer.sync()
        peer.send(*(call(s, WAIT) for s in range(1, 21, 2)))
        peer.sync()
        assert server.counts()["streams"] == 11
        peer.send(rst(1), call(21, UNARY, b"room again"))
        assert peer.answer(21).messages == [b"room again"]
        peer.send(call(23, WAIT), call(25, WAIT))
        peer.drain()
        assert peer.goaway[1] == PROTOCOL_ERROR, peer.goaway


def test_streams_limit_before_the_settings_are_known():
    """All in one segment: what is too much is refused, and may be tried again."""
    with Echo(max_streams=10) as server, server.peer(preface=False) as peer:
        peer.send(PREFACE, settings(), *(call(s, WAIT) for s in range(1, 41, 2)))
        for s in range(21, 41, 2):
            assert peer.answer(s).reset == REFUSED_STREAM
        assert server.counts()["Wait"]["messages"] == 10
        peer.send(rst(1), call(41, UNARY, b"now"))
        assert peer.answer(41).messages == [b"now"]


if __name__ == "__main__":
    run(globals())
