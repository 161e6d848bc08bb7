# SPDX-License-Identifier: Apache-2.0
"""Calls as they should go: bodies cut anywhere, windows of any size, deadlines, cancellation, memory."""
import pathlib
import random
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from echo import Echo, BOTH, FAIL, LARGE, PIECES, SLOW, STREAM, UNARY, WAIT, pattern, run, upload  # noqa: E402
from h2raw import *  # noqa: E402,F401,F403

MIB = 1 << 20


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


def test_messages_in_pieces():
    """They go out as they come, and are one message; each byte of the windows counts once."""
    with Echo() as server:
        with server.peer() as peer:
            peer.open_windows()
            for stream, n in ((1, 0), (3, 1), (5, 9999), (7, 10000), (9, 10001), (11, 3 * MIB)):
                peer.send(call(stream, PIECES, b"%d" % n))
                answer = peer.answer(stream)
                answer.check()
                assert answer.messages == [pattern(n)], n
        with server.peer(values={INITIAL_WINDOW_SIZE: 1000}) as peer:
            peer.send(call(1, PIECES, b"50000"), call(3, UNARY, b"between"))
            assert peer.answer(3).messages == [b"between"]
            while not (1 in peer.answers and peer.answers[1].ended):
                got = peer.wait(lambda frame: frame.type in (DATA, HEADERS))
                if got.type == DATA:
                    peer.send(window(1, len(got.payload)), window(0, len(got.payload)))
            peer.answers[1].check()
            assert peer.answers[1].messages == [pattern(50000)]
        server.quiet()


def test_failures_between_pieces():
    """If nothing has left, there is a status; else the message can only be broken off."""
    with Echo() as server:
        with server.peer(values={INITIAL_WINDOW_SIZE: 0}) as peer:
            peer.send(call(1, PIECES, b"50000 3"))
            answer = peer.answer(1)
            assert (answer.status, answer.text, answer.body) == (10, "as you wish", b""), vars(answer)
        with server.peer() as peer:
            for stream, windows in ((1, 0), (3, 1000), (5, 10)):
                peer.send(settings({INITIAL_WINDOW_SIZE: windows or 65535}), call(stream, PIECES, b"50000 3"))
                assert outcome(peer, stream)[0] == "reset INTERNAL_ERROR"
            peer.send(call(7, UNARY, b"and on"), settings({INITIAL_WINDOW_SIZE: 1000}))
            assert peer.answer(7).messages == [b"and on"]
            for stream in range(9, 29, 2):  # away in the middle
                peer.send(call(stream, PIECES, b"20000000"))
                peer.wait(lambda frame: frame.type == DATA)
                peer.send(rst(stream))
            peer.sync()
        server.quiet()
        ended = server.counts()["Pieces"]
        assert ended["ABORTED"] == 4 and ended["CANCELLED"] > 0, ended
        assert ended["CANCELLED"] + ended.get("OK", 0) == 10, ended  # all its pieces may be made before the reset comes


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


if __name__ == "__main__":
    run(globals())
