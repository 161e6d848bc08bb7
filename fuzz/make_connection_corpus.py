# SPDX-License-Identifier: Apache-2.0
"""Write the seeds of fuzz/connection: the cases of tests/system/h2_cases.py and a few longer sessions, each behind the
byte that says how it is driven. Run by hand when the cases change: fuzz/make_connection_corpus.py fuzz/connection.in"""
import pathlib
import re
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "tests/system"))
import h2_cases as cases  # noqa: E402
from h2raw import *  # noqa: E402,F401,F403

START = PREFACE + settings() + settings(flags=ACK)
WIDE = PREFACE + settings({INITIAL_WINDOW_SIZE: 0x7fffffff, MAX_FRAME_SIZE: 1 << 20}) + settings(flags=ACK) \
    + window(0, 0x7fffffff - 65535)
MOST = 3000  # bytes of a seed


def echo(name):
    return f"/echo.Echo/{name}"


SESSIONS = {
    "every-method": START + b"".join(call(2 * i + 1, echo(name), body) for i, (name, body) in enumerate([
        ("Unary", b"hello"), ("Slow", b"20"), ("Stream", b"5 100"), ("Fail", b"5 none"), ("Large", b"5000"),
        ("Wait", b""), ("Counts", b""), ("None", b"")])),
    "streaming": START + headers(1, request(echo("Both"))) + b"".join(
        data(1, message(bytes([i]) * i)) for i in range(20)) + data(1, b"", END_STREAM),
    "large-body": WIDE + headers(1, request(echo("Unary"))) + data(1, message(b"x" * 2000), END_STREAM),
    "large-replies": WIDE + b"".join(call(s, echo("Large"), b"300000") for s in range(1, 21, 2)),
    "blocked-replies": START + b"".join(call(s, echo("Large"), b"100000") for s in range(1, 11, 2)) + window(0, 1000)
    + window(1, 1000) + rst(3) + window(0, 1 << 20) + window(5, 1 << 20),
    "zero-window": PREFACE + settings({INITIAL_WINDOW_SIZE: 0}) + call(1, echo("Unary"), b"x" * 100)
    + call(3, echo("Fail"), b"5 none") + window(1, 10) + settings({INITIAL_WINDOW_SIZE: 100}),
    "held-requests": PREFACE + settings({INITIAL_WINDOW_SIZE: 0}) + headers(1, request(echo("Both"))) + b"".join(
        data(1, message(b"y" * 200)) for _ in range(8)) + window(1, 1 << 20) + data(1, message(b"end"), END_STREAM),
    "cancelled": START + b"".join(call(s, echo("Slow"), b"1000000") + rst(s) for s in range(1, 13, 2)),
    "deadlines": START + b"".join(call(s, echo("Wait"), b"", ("grpc-timeout", f"{s}u")) for s in range(1, 13, 2)),
    "goaway": START + headers(1, request(echo("Unary"))) + goaway() + data(1, message(b"x"), END_STREAM),
    "pings": START + b"".join(ping(bytes([i]) * 8) for i in range(20)) + call(1, echo("Unary"), b"x"),
    "push": START + call(1, echo("Stream"), b"1000 0") + call(3, echo("Stream"), b"0"),
}


def main(folder):
    folder = pathlib.Path(folder)
    folder.mkdir(exist_ok=True)
    how = 0
    for group, start in (("OPENINGS", b""), ("FRAMES", START), ("FIELDS", START), ("BODIES", START), ("EARLY", START)):
        for name, raw, *_ in getattr(cases, group):
            if len(raw) <= MOST:
                path = folder / (group.lower() + "-" + re.sub(r"[^A-Za-z0-9]+", "-", name).strip("-")[:60])
                path.write_bytes(bytes([how % 4]) + start + raw)
                how += 1
    for name, raw in SESSIONS.items():
        for how in (0, 1, 7, 8, 19):
            (folder / f"session-{name}-{how}").write_bytes(bytes([how]) + raw)


if __name__ == "__main__":
    main(sys.argv[1])
