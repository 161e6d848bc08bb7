# SPDX-License-Identifier: Apache-2.0
"""Peers that do too much or too little are cut off with a reason, and an honest client beside them notices nothing."""
import pathlib
import sys
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import hpack  # noqa: E402
from echo import Echo, BOTH, LARGE, UNARY, WAIT, run  # noqa: E402
from h2raw import *  # noqa: E402,F401,F403


class Honest(threading.Thread):
    """A client that calls and calls, with a PING now and then, and measures how long the slowest call took."""

    def __init__(self, server):
        super().__init__()
        self.peer, self.over, self.calls, self.slowest, self.trouble = server.peer(), False, 0, 0.0, None
        self.start()

    def run(self):
        try:
            self.peer.open_windows()
            stream = 1
            while not self.over:
                began = time.monotonic()
                self.peer.send(call(stream, UNARY, b"honest"))
                if self.peer.answers.pop(stream, None) or self.peer.answer(stream).messages != [b"honest"]:
                    raise AssertionError("a wrong answer")
                del self.peer.answers[stream]
                self.slowest = max(self.slowest, time.monotonic() - began)
                if self.calls % 10 == 0:
                    self.peer.sync()
                self.calls, stream = self.calls + 1, stream + 2
        except Exception as error:  # noqa: BLE001
            self.trouble = error

    def stop(self):
        """It is served to the end, and a few calls longer."""
        enough, deadline = self.calls + 3, time.monotonic() + 30
        while self.calls < enough and self.is_alive() and time.monotonic() < deadline:
            time.sleep(0.001)
        self.over = True
        self.join()
        self.peer.close()
        assert self.trouble is None, f"the honest client: {self.trouble!r}"
        assert self.calls >= enough


def flood(server, pieces, words, preamble=b"", seconds=10):
    """Send until cut off: the peer gets a GOAWAY(ENHANCE_YOUR_CALM) with these words. Returns how many pieces went
    before that, roughly."""
    honest = Honest(server)
    before = server.counts()["cut"]
    with server.peer() as peer:
        peer.sync()
        peer.send(preamble)
        sent, end = 0, time.monotonic() + seconds
        reader = threading.Thread(target=lambda: peer.drain(seconds + 5), daemon=True)
        reader.start()
        for piece in pieces:
            try:
                peer.socket.sendall(piece)
            except OSError:
                break
            sent += 1
            if not reader.is_alive():
                break
            assert time.monotonic() < end, f"not cut off after {sent} pieces"
        reader.join()
        assert peer.goaway and peer.goaway[1] == ENHANCE_YOUR_CALM and words in peer.goaway[2], peer.goaway
    honest.stop()
    counts = server.quiet()
    assert counts["cut"] == before + 1, counts
    assert words in server.log_text() and "connection cut" in server.log_text()
    return sent


def test_rapid_reset():
    with Echo(max_resets=200, max_resets_rate=10) as server:
        flood(server, (call(s, UNARY, b"x") + headers(s + 2, request(WAIT)) + rst(s + 2) for s in range(1, 1 << 30, 4)),
              "streams reset")
        counts = server.counts()
        assert counts["Wait"]["CANCELLED"] < 1000, counts


def test_resets_at_an_honest_rate():
    with Echo(max_resets=10, max_resets_rate=1000) as server, server.peer() as peer:
        peer.open_windows()
        for s in range(1, 401, 2):
            peer.send(call(s, WAIT), rst(s))
            peer.sync()
            time.sleep(0.002)  # the rate is what this is about
        assert peer.goaway is None


def test_resets_of_calls_that_are_over_are_control_frames():
    with Echo(max_resets=10, max_resets_rate=1) as server, server.peer() as peer:
        peer.open_windows()
        for s in range(1, 201, 2):
            peer.send(call(s, UNARY, b"x"))
            peer.answer(s)
            peer.send(rst(s))
        peer.sync()
        assert peer.goaway is None


def test_windows_that_overflow():
    with Echo() as server:
        flood(server, (headers(s, request(WAIT)) + window(s, 0x7fffffff) for s in range(1, 1 << 30, 2)), "break the rules")


def test_streams_that_we_are_made_to_reset():
    with Echo(max_headers_bytes=1000) as server:
        many = hpack.encode(request(UNARY)) + hpack.literal("a", "b" * 1000) * 9
        flood(server, (headers(s, many) for s in range(1, 1 << 30, 2)), "reset too many")


def test_requests_that_break_the_rules():
    with Echo() as server:
        flood(server, (headers(s, request(UNARY, ("X", "y"))) for s in range(1, 1 << 30, 2)), "")


def test_pings():
    with Echo(max_controls_rate=500) as server:
        flood(server, iter(lambda: ping() * 100, None), "control frames")


def test_pings_whose_answers_are_not_read():
    with Echo(max_controls_rate=1000000000) as server:
        honest = Honest(server)
        with server.peer() as peer:
            try:
                for _ in range(1000):
                    peer.socket.sendall(ping() * 10000)
                raise AssertionError("not cut off")
            except OSError:
                pass
        honest.stop()
        assert server.quiet()["cut"] == 1


def test_settings():
    with Echo(max_controls_rate=500) as server:
        flood(server, iter(lambda: settings({INITIAL_WINDOW_SIZE: 70000}) * 100, None), "control frames")


def test_priorities():
    with Echo(max_controls_rate=500) as server:
        flood(server, (priority(s, s - 2 if s > 1 else 0) * 100 for s in range(1, 1 << 30, 2)), "control frames")


def test_window_updates():
    with Echo(max_controls_rate=500) as server:
        flood(server, iter(lambda: window(1, 1) * 100, None), "control frames", headers(1, request(WAIT)))


def test_empty_data():
    with Echo(max_controls_rate=500) as server:
        flood(server, iter(lambda: data(1) * 100, None), "control frames", headers(1, request(BOTH)))


def test_padded_empty_data():
    with Echo(max_controls_rate=500) as server:
        flood(server, iter(lambda: data(1, b"", padding=9) * 100, None), "control frames", headers(1, request(BOTH)))


def test_control_frames_of_an_honest_client():
    """Far more control frames than the rate, each with a call or an answer that explains it."""
    with Echo(max_controls_rate=10) as server, server.peer() as peer:
        peer.sync()
        for s in range(1, 401, 2):
            peer.send(call(s, UNARY, b"x" * 100), ping(), window(0, 100), window(s, 100))
            peer.answer(s)
        peer.send(call(401, LARGE, b"3000000"))
        while not (401 in peer.answers and peer.answers[401].ended):
            got = peer.read()
            if got.type == DATA and got.payload:
                peer.send(window(0, len(got.payload)), window(401, len(got.payload)))
        assert peer.goaway is None and len(peer.answers[401].messages[0]) == 3000000


def test_continuations():
    with Echo() as server:
        flood(server, iter(lambda: continuation(1, b"", False), None), "", headers(1, b"", end_headers=False))


def overdue(server, peer, least, most, words):
    """The peer is cut off no earlier and no later, for this reason."""
    began = time.monotonic()
    peer.drain(most)
    took = time.monotonic() - began
    assert took >= least, f"cut off after {took} s"
    assert peer.goaway and words in peer.goaway[2], peer.goaway


def test_no_preface():
    with Echo(handshake_us=300000) as server:
        for piece in (b"", PREFACE[:10], PREFACE, PREFACE + settings()[:8]):
            with server.peer(preface=False, acknowledge=False) as peer:
                peer.send(piece)
                overdue(server, peer, 0.25, 3, "preface")
        with server.peer() as peer:
            time.sleep(0.5)  # longer than it may take to come
            peer.sync()


def test_headers_that_do_not_end():
    with Echo(request_us=300000) as server, server.peer() as peer:
        peer.sync()
        peer.send(headers(1, hpack.encode(request(UNARY)), end_headers=False))
        overdue(server, peer, 0.25, 3, "headers")


def test_bodies_that_do_not_end():
    with Echo(request_us=300000) as server:
        with server.peer() as peer:
            began = time.monotonic()
            peer.send(headers(1, request(UNARY)), headers(3, request(UNARY)), data(3, message(b"", length=100)),
                      headers(5, request(BOTH)), data(5, message(b"a", length=2)),
                      headers(7, request(BOTH)), data(7, message(b"a")), call(9, WAIT))
            for stream in (1, 3, 5):
                answer = peer.answer(stream)
                assert answer.status == 4 and "in time" in answer.text, answer.text
                assert peer.reset(stream) == CANCEL
            assert 0.25 < time.monotonic() - began < 3
            # A streaming call may be silent between messages, and a method may take its time.
            peer.send(data(7, message(b"b"), END_STREAM))
            answer = peer.answer(7)
            assert answer.messages == [b"a", b"b"] and answer.status == 0
            assert 9 not in peer.answers
        server.quiet()


def test_a_body_byte_by_byte():
    with Echo(request_us=300000) as server, server.peer() as peer:
        peer.send(headers(1, request(UNARY)), data(1, message(b"", length=10000)))
        while 1 not in peer.answers:
            peer.send(data(1, b"x"))
            try:
                peer.read(0.01)
            except TimeoutError:
                pass
        assert peer.answer(1).status == 4


def test_a_socket_that_is_not_read():
    with Echo(write_us=400000) as server:
        honest = Honest(server)
        with server.peer() as peer:
            peer.open_windows()
            peer.send(call(1, LARGE, b"60000000"))
            server.until(lambda c: c["cut"] == 1, "not cut off")
        honest.stop()
        server.quiet()
        assert "does not read" in server.log_text()


def test_a_connection_window_that_is_not_opened():
    with Echo(write_us=400000) as server, server.peer(values={INITIAL_WINDOW_SIZE: 0x7fffffff}) as peer:
        peer.send(call(1, LARGE, b"100000"))
        overdue(server, peer, 0.3, 3, "does not read")
        assert len(peer.answers[1].body) == 65535


def test_a_stream_window_that_is_not_opened():
    with Echo(write_us=400000) as server, server.peer() as peer:
        peer.send(window(0, 1 << 20), call(1, LARGE, b"100000"))
        assert peer.answer(1).reset == CANCEL
        assert len(peer.answers[1].body) == 65535
        peer.send(call(3, UNARY, b"x"))
        assert peer.answer(3).messages == [b"x"]


def test_a_window_that_is_opened_byte_by_byte():
    with Echo(write_us=400000) as server, server.peer(values={INITIAL_WINDOW_SIZE: 0}) as peer:
        peer.send(call(1, LARGE, b"100000"))
        while not (1 in peer.answers and peer.answers[1].reset is not None):
            peer.send(window(1, 1))
            peer.sync()
            time.sleep(0.005)  # the rate is what this is about
        assert peer.answers[1].reset == CANCEL and len(peer.answers[1].body) < 1000


def test_a_slow_reader_that_reads():
    """4 KiB in each limit is reading."""
    with Echo(write_us=2000000) as server, server.peer(values={INITIAL_WINDOW_SIZE: 0}) as peer:
        peer.send(call(1, LARGE, b"20000"))
        for _ in range(10):
            peer.send(window(1, 2500))
            end = time.monotonic() + 0.3
            while time.monotonic() < end and not (1 in peer.answers and peer.answers[1].ended):
                try:
                    peer.read(max(end - time.monotonic(), 0.001))
                except TimeoutError:
                    pass
        assert len(peer.answer(1).messages[0]) == 20000


def test_idle():
    with Echo(idle_us=300000) as server:
        with server.peer() as peer:
            peer.send(call(1, WAIT))
            time.sleep(0.6)  # twice the limit, with a call open
            peer.send(rst(1), call(3, UNARY, b"x"))
            assert peer.answer(3).messages == [b"x"]
            began = time.monotonic()
            goaways = []
            try:
                while True:
                    if peer.read().type == GOAWAY:
                        goaways.append(peer.goaway[:2])
            except Closed:
                pass
            assert 0.25 < time.monotonic() - began < 3
            assert goaways == [(0x7fffffff, NO_ERROR), (3, NO_ERROR)], goaways
        assert server.quiet()["cut"] == 0


def test_keepalive():
    with Echo(keepalive_us=200000) as server, server.peer() as peer:
        peer.send(call(1, WAIT))
        for _ in range(3):
            got = peer.wait(lambda frame: frame.type == PING and not frame.flags & ACK, 3)
            peer.send(ping(got.payload, ACK))
        peer.send(call(3, UNARY, b"x"))
        assert peer.answer(3).messages == [b"x"]
        peer.send(rst(1))
        peer.sync()
        try:
            peer.wait(lambda frame: frame.type == PING and not frame.flags & ACK, 0.5)
            raise AssertionError("a PING although no call is open")
        except TimeoutError:
            pass


if __name__ == "__main__":
    run(globals())
