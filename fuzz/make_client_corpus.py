#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Write the seeds of the fuzz targets for the client.

    make_client_corpus.py FOLDER

writes FOLDER/client_session.in and reply_reader.in: what tests/system/fake_server.py sends in its scenarios, and
the seeds of lookup_reply with the two bytes before them that reply_reader wants.
"""
import pathlib
import sys

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "tests" / "system"))
import fake_server as fake  # noqa: E402

SCENARIOS = """ok empty bytewise continued informed reset_after late_status:5 status:5:no%20table status:0 http:503
    http_grpc:405:13 html_ok untyped reset:2 reset:7 no_trailers no_message short_prefix truncated flag:1 flag:2
    length:4294967295 two_messages data_first bad_length upper_case bad_hpack push http1 begin last""".split()


class Quiet:
    """The connection that scenarios write to beside what they return."""
    def __init__(self):
        self.sent = b""

    def send(self, data):
        self.sent += data


def session(name):
    start = fake.frame(fake.SETTINGS, 0, 0) + fake.frame(fake.SETTINGS, fake.ACK, 0)
    words, quiet = name.split(":"), Quiet()
    out = getattr(fake, "do_" + words[0])(quiet, 1, b"x", *words[1:]) or b""
    return start + quiet.sent + out + fake.reply(3, b"second")


def streams():
    """What comes on the stream, which is the third call."""
    def answers(*messages, last=b""):
        body = b"".join(map(fake.message, messages))
        return fake.headers(5, fake.head()) + fake.frame(fake.DATA, 0, 5, body) + last

    yield "stream-answers", answers(b"one", b"", b"three", last=fake.trailers(5))
    yield "stream-open", answers(b"one") + fake.frame(fake.DATA, 0, 5, fake.message(b"two")[:6])
    yield "stream-cut", answers(b"one") + fake.frame(fake.DATA, 0, 5, b"\0\0") + fake.trailers(5)
    yield "stream-status", answers(b"one", last=fake.trailers(5, "10", grpc_message="gap"))
    yield "stream-reset", answers(b"one") + fake.frame(fake.RST, 0, 5, b"\0\0\0\7")
    yield "stream-refused", fake.frame(fake.RST, 0, 5, b"\0\0\0\7")


def main():
    folder = pathlib.Path(sys.argv[1])
    for target in ("client_session", "reply_reader"):
        (folder / f"{target}.in").mkdir(parents=True, exist_ok=True)
    for name in SCENARIOS:
        (folder / "client_session.in" / name.replace(":", "-").replace("%", "")).write_bytes(session(name))
    for name, seed in streams():
        start = fake.frame(fake.SETTINGS, 0, 0) + fake.frame(fake.SETTINGS, fake.ACK, 0)
        (folder / "client_session.in" / name).write_bytes(start + fake.reply(1, b"first") + seed)
    goaway = fake.frame(fake.SETTINGS, 0, 0) + fake.frame(fake.GOAWAY, 0, 0, b"\0" * 8) + fake.reply(1, b"late")
    (folder / "client_session.in" / "goaway").write_bytes(goaway)
    for seed in sorted((HERE / "lookup_reply.in").iterdir()):
        for lead in (b"\x04\x00", b"\x00\x03", b"\x0d\x07"):
            (folder / "reply_reader.in" / f"{seed.name}-{lead[0]}").write_bytes(lead + seed.read_bytes())
    whole = fake.run(1, b"\x08\x02\x10\x01" + fake.run(3, b"12345678") + b"\x28\x07" + fake.run(6, b"\0\0\0\0"))
    (folder / "reply_reader.in" / "answer").write_bytes(b"\x04\x05" + whole + b"\x10\x03")


if __name__ == "__main__":
    main()
