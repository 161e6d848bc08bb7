# SPDX-License-Identifier: Apache-2.0
"""Large answers: how they are cut into frames, and what goes out while there is more to read. And the way there."""
import ctypes
import os
import pathlib
import socket
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from echo import Echo, run  # noqa: E402
from h2raw import *  # noqa: E402,F401,F403

STREAM = "/echo.Echo/Stream"
FULL, REST = 256 << 10, 4 << 10  # daemon/reply.c
PREFIX = 5
SYS_PIDFD_GETFD = 438


def frames(peer, stream, bytes_):
    """Lengths of the DATA frames of an answer whose one message takes so many bytes, with its prefix."""
    peer.send(call(stream, STREAM, b"1 %d" % (bytes_ - PREFIX)))
    lengths = []
    while stream not in peer.answers or not peer.answers[stream].ended:
        got = peer.read()
        if got.type == DATA:
            lengths.append(len(got.payload))
    peer.answers[stream].check()
    assert peer.answers[stream].messages == [bytes(bytes_ - PREFIX)]
    return lengths


def test_little_behind_a_full_frame_goes_into_it():
    with Echo() as server, server.peer(values={MAX_FRAME_SIZE: 1 << 20}) as peer:
        peer.open_windows()
        assert frames(peer, 1, FULL) == [FULL]
        assert frames(peer, 3, FULL + 20) == [FULL + 20]
        assert frames(peer, 5, FULL + REST) == [FULL + REST]
        assert frames(peer, 7, FULL + REST + 1) == [FULL, REST + 1]
        assert frames(peer, 9, 2 * FULL + REST) == [FULL, FULL + REST]
    with Echo() as server, server.peer(values={MAX_FRAME_SIZE: FULL}) as peer:  # and not more than the peer allows
        peer.open_windows()
        assert frames(peer, 1, FULL + 20) == [FULL, 20]


def many(first, count, size):
    """Calls with metadata, so that they are more than the server gives to HTTP/2 at once."""
    return b"".join(call(first + 2 * i, STREAM, b"1 %d" % size, ("x-more", "m" * 1000)) for i in range(count))


def test_answers_go_out_between_requests():
    with Echo() as server:
        with server.peer(values={MAX_FRAME_SIZE: 1 << 20}) as peer:
            peer.open_windows()
            for first, size in ((1, 300000), (201, 100000), (401, 10)):
                peer.send(many(first, 60, size))
                for stream in range(first, first + 120, 2):
                    answer = peer.answer(stream)
                    answer.check()
                    assert answer.messages == [bytes(size)]
        server.quiet()


def test_a_peer_that_goes_away_between_them():
    with Echo() as server:
        for last in (b"", goaway(), frame(DATA, 0, 0, b"of no stream"), rst(1) + rst(3)):
            with server.peer(values={MAX_FRAME_SIZE: 1 << 20}) as peer:
                peer.open_windows()
                peer.send(many(1, 60, 300000) + last)
        server.quiet()


def congestion_controls(pid, port):
    """Of the sockets of a process that are connected to our port."""
    found, getfd, handle = [], ctypes.CDLL(None, use_errno=True).syscall, os.pidfd_open(pid)
    for number in os.listdir(f"/proc/{pid}/fd"):
        if not os.readlink(f"/proc/{pid}/fd/{number}").startswith("socket:"):
            continue
        fd = getfd(SYS_PIDFD_GETFD, handle, int(number), 0)
        assert fd >= 0, os.strerror(ctypes.get_errno())
        with socket.socket(fileno=fd) as theirs:
            try:
                name = theirs.getpeername()
            except OSError:
                continue
            if name[1] == port:
                found.append(theirs.getsockopt(socket.IPPROTO_TCP, socket.TCP_CONGESTION, 16).rstrip(b"\0"))
    os.close(handle)
    return found


def test_nothing_is_congested_within_the_machine():
    hosts = ["127.0.0.1"]
    with socket.socket(socket.AF_INET6) as six:
        try:
            six.bind(("::1", 0))
            hosts.append("[::1]")
        except OSError:
            print("no IPv6 here")
    with Echo(listen=[f"{host}:0" for host in hosts]) as server:
        for address in server.addresses:
            with Peer(address) as peer:
                peer.sync()
                port = peer.socket.getsockname()[1]
                assert congestion_controls(server.process.pid, port) == [b"reno"]


if __name__ == "__main__":
    run(globals())
