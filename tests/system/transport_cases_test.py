# SPDX-License-Identifier: Apache-2.0
"""Every case of h2_cases.py against the transport: the exact outcome, an honest call afterwards, nothing left."""
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import h2_cases  # noqa: E402
import h2raw  # noqa: E402
from echo import Echo, run  # noqa: E402


def judge(server, cases, preface=True):
    wrong = []
    for name, raw, expected, *rest in cases:
        words = next((part for part in rest if isinstance(part, str)), "")
        stream = next((part for part in rest if isinstance(part, int)), 1)
        with server.peer(preface=preface) as peer:
            peer.send(raw)
            try:
                got, answer = h2raw.outcome(peer, stream, timeout=5)
            except AssertionError as error:
                got, answer = f"a malformed answer: {error}", None
            text = answer.text if answer else ""
            if got != expected or words not in text:
                wrong.append(f"{name}: {got} {text!r}, expected {expected} {words!r}; GOAWAY {peer.goaway}")
        with server.peer() as peer:
            peer.send(h2raw.call(1, "/echo.Echo/Unary", b"still there"))
            assert peer.answer(1).messages == [b"still there"], f"no good call after {name}"
    assert not wrong, "\n" + "\n".join(wrong)
    counts = server.quiet()
    for rpc in ("Unary", "Both", "Wait"):
        assert counts[rpc]["messages"] <= 3 * sum(n for st, n in counts[rpc].items() if st != "messages"), counts


def test_openings():
    with Echo() as server:
        judge(server, h2_cases.OPENINGS, preface=False)


def test_frames():
    with Echo() as server:
        judge(server, h2_cases.FRAMES)


def test_fields():
    with Echo() as server:
        judge(server, h2_cases.FIELDS)


def test_bodies():
    with Echo() as server:
        judge(server, h2_cases.BODIES)


def test_early_answers():
    with Echo() as server:
        judge(server, h2_cases.EARLY)


def test_early_answer_is_followed_by_a_reset_that_is_no_error():
    with Echo() as server:
        for name, raw, _ in h2_cases.EARLY:
            with server.peer() as peer:
                peer.send(raw)
                assert peer.reset(1) == h2raw.NO_ERROR and peer.answers[1].ended, name
                # What the client had sent meanwhile is thrown away, and the connection lives.
                peer.send(h2raw.data(1, b"x" * 10000), h2raw.data(1, b"x", h2raw.END_STREAM),
                          h2raw.call(3, "/echo.Echo/Unary", b"next"))
                assert peer.answer(3).messages == [b"next"], name


def test_every_cut_of_the_preface_and_of_a_call():
    whole = h2raw.PREFACE + h2raw.settings() + h2raw.call(1, "/echo.Echo/Unary", b"hello")
    with Echo() as server:
        for cut in range(len(whole) + 1):
            with server.peer(preface=False) as peer:
                peer.send(whole[:cut])
                if cut % 8 == 0 or cut < 26:  # a pause, so that it really comes in two pieces
                    server.counts()
                peer.send(whole[cut:])
                assert peer.answer(1).messages == [b"hello"], cut
        for cut in range(len(whole)):
            with server.peer(preface=False) as peer:
                peer.send(whole[:cut])  # and goes away
        counts = server.quiet()
        assert counts["Unary"]["OK"] == len(whole) + 1, counts["Unary"]


def test_content_of_error_headers():
    with Echo() as server, server.peer() as peer:
        peer.send(h2raw.call(1, "/echo.Echo/Unary", b"", method="PUT"))
        assert peer.answer(1).field("allow") == "POST"
        peer.send(h2raw.call(3, "/echo.Echo/Unary", b"", ("grpc-encoding", "gzip")))
        assert peer.answer(3).field("grpc-accept-encoding") == "identity"
        peer.send(h2raw.call(5, "/echo.Echo/Fail", "9 50 % größer\n".encode()))
        answer = peer.answer(5)
        assert answer.field("grpc-message") == "50 %25 gr%C3%B6%C3%9Fer%0A", answer.headers
        assert answer.trailers is None, "an error without a message is trailers-only"
        peer.send(h2raw.call(7, "/echo.Echo/Fail", b"16 " + "ü".encode() * 240))
        assert len(peer.answer(7).field("grpc-message")) <= 1024


if __name__ == "__main__":
    run(globals())
