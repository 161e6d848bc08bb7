# SPDX-License-Identifier: Apache-2.0
"""What a peer may use up: header lists, memory for bodies and answers, streams; and that replies take turns."""
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import hpack  # noqa: E402
from echo import Echo, LARGE, UNARY, WAIT, pattern, run, upload  # noqa: E402
from h2raw import *  # noqa: E402,F401,F403

MIB = 1 << 20


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
