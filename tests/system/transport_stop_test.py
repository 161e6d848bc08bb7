# SPDX-License-Identifier: Apache-2.0
"""Beginning and end: addresses, Unix sockets, too many connections, no descriptors, draining."""
import os
import pathlib
import signal
import socket
import stat
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import echo  # noqa: E402
from echo import Echo, run  # noqa: E402
from h2raw import *  # noqa: E402,F401,F403

UNARY, SLOW, STREAM, BOTH, FAIL, LARGE, WAIT = (f"/echo.Echo/{name}" for name in
                                                ("Unary", "Slow", "Stream", "Both", "Fail", "Large", "Wait"))


def refused(*listen):
    """The sentence of a server that does not start."""
    command = [str(echo.PROGRAM)] + [f"listen={address}" for address in listen]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=20)
    assert ended.returncode == 1, ended
    return ended.stderr


def hello(address):
    with Peer(address) as peer:
        peer.send(call(1, UNARY, b"hello"))
        assert peer.answer(1).messages == [b"hello"]


def test_addresses():
    with tempfile.TemporaryDirectory() as folder:
        listen = ["127.0.0.1:0", "[::1]:0", "localhost:0", f"unix:{folder}/a", f"unix://{folder}/b"]
        with Echo(listen=listen, workers=3) as server:
            assert server.addresses[0].startswith("127.0.0.1:") and server.addresses[1].startswith("[::1]:")
            assert server.addresses[3:] == [f"unix:{folder}/a", f"unix:{folder}/b"]
            for address in server.addresses:
                assert not address.endswith(":0")
                for _ in range(4):
                    hello(address)
            with socket.create_connection(tuple(server.address.split(":"))) as taken:
                assert "cannot bind: Address already in use" in refused(server.address)
                taken.close()
        assert "is no address" in refused("here")
        assert "cannot listen on" in refused("host.invalid:0")
        assert "cannot listen on" in refused("192.0.2.1:1")


def test_unix_sockets():
    with tempfile.TemporaryDirectory() as folder:
        path = f"{folder}/s"
        with Echo(listen=[f"unix:{path}"]) as server:
            assert stat.S_IMODE(os.stat(path).st_mode) == 0o660
            hello(server.address)
            assert "Address already in use" in refused(f"unix:{path}")
            hello(server.address)
            # Whoever is killed leaves the file behind.
            server.process.kill()
            server.process.wait()
            assert os.path.exists(path)
            with Echo(listen=[f"unix:{path}"]) as next_one:
                hello(next_one.address)
                # Somebody else's socket of the same name is not removed at the end.
                os.rename(path, path + ".old")
                other = socket.socket(socket.AF_UNIX)
                other.bind(path)
            assert os.path.exists(path)
            os.unlink(path)
            server.process.returncode = 0
        with Echo(listen=[f"unix:{path}"]):
            assert os.path.exists(path)
        assert not os.path.exists(path)
        # A file that is no socket stays.
        pathlib.Path(path).write_text("mine")
        assert "Address already in use" in refused(f"unix:{path}")
        assert pathlib.Path(path).read_text() == "mine"
        assert "No such file" in refused(f"unix:{folder}/none/s")
        assert "longer than" in refused(f"unix:{folder}/{'x' * 120}")


def test_connections_go_round():
    """With three workers, each of three connections has one of its own: none holds up another."""
    with Echo(workers=3) as server:
        peers = [server.peer() for _ in range(9)]
        for peer in peers:
            peer.send(call(1, SLOW, b"100000000"))
        server.until(lambda c: c["streams"] == 10, "not all are there")
        for peer in peers:
            peer.send(call(3, UNARY, b"x"))
            assert peer.answer(3).messages == [b"x"]
            peer.close()
        server.quiet()


def test_max_connections():
    with Echo(max_connections=5) as server:
        peers = [server.peer() for _ in range(5)]
        for peer in peers:
            peer.sync()
        with server.peer() as late:
            late.drain()
        for peer in peers:
            peer.send(call(1, UNARY, b"x"))
            assert peer.answer(1).messages == [b"x"]
            peer.close()
        counts = server.quiet_after_refusals()
        assert counts["refused"] >= 1
        assert "max_connections=5" in server.log_text()


def test_no_descriptors():
    """Fewer descriptors than clients: the others wait or are refused, nothing spins, and it passes."""
    with Echo(prefix=("prlimit", "--nofile=40")) as server:
        host, port = server.address.split(":")
        clients = []
        for _ in range(200):
            one = socket.socket()
            one.setblocking(False)
            one.connect_ex((host, int(port)))
            clients.append(one)
        deadline = time.monotonic() + 20
        while "cannot accept" not in server.log_text():
            assert time.monotonic() < deadline
            time.sleep(0.01)
        before, began = cpu(server.process.pid), time.monotonic()
        time.sleep(1)  # what it does while nobody leaves
        used = (cpu(server.process.pid) - before) / (time.monotonic() - began)
        assert used < 0.3, f"{used:.0%} of a processor"  # a loop that spins takes all of one
        for one in clients:
            one.close()
        counts = server.quiet_after_refusals()
        assert counts["total"] < 300 and counts["refused"] >= 1, counts


def cpu(pid):
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def test_drain():
    with Echo(drain_us=20000000) as server:
        idle, busy = server.peer(), server.peer()
        idle.sync()
        busy.open_windows()
        busy.send(call(3, WAIT), headers(5, request(UNARY)))
        server.until(lambda c: c["streams"] == 3, "not all are there")
        server.process.send_signal(signal.SIGTERM)
        server.process.send_signal(signal.SIGTERM)
        # The first GOAWAY refuses nothing yet: what was under way is served.
        busy.wait(lambda frame: frame.type == GOAWAY)
        assert busy.goaway[:2] == (0x7fffffff, NO_ERROR)
        ping_frame = busy.wait(lambda frame: frame.type == PING and not frame.flags & ACK)
        busy.send(call(7, UNARY, b"under way"), call(9, SLOW, b"20000"))
        assert busy.answer(7).messages == [b"under way"]
        busy.send(ping(ping_frame.payload, ACK))
        busy.wait(lambda frame: frame.type == GOAWAY)
        assert busy.goaway[:2] == (9, NO_ERROR)
        # Now new calls are too late, and those that are open finish.
        busy.send(call(11, UNARY, b"too late"), data(5, message(b"in time"), END_STREAM))
        assert busy.answer(5).messages == [b"in time"]
        assert busy.answer(3).status == 14
        assert busy.answer(9).messages == [b"20000"]
        busy.drain()
        assert 11 not in busy.answers
        # Whoever has no call open and does not answer the PING is let go after a second.
        idle.drain()
        assert idle.goaway[:2] == (0, NO_ERROR)
        assert server.process.wait(20) == 0
        try:
            server.peer()
            raise AssertionError("it still listens")
        except ConnectionRefusedError:
            pass


def test_drain_gives_up():
    with Echo(drain_us=500000) as server:
        with server.peer() as peer:
            peer.send(call(1, SLOW, b"1000000000000"), headers(3, request(UNARY)), call(5, LARGE, b"100000"))
            server.until(lambda c: c["streams"] == 4, "not all are there")
            began = time.monotonic()
            server.process.send_signal(signal.SIGTERM)
            for stream in (1, 3):
                answer = peer.answer(stream)
                assert answer.status == 14 and "stopping" in answer.text, answer.text
            peer.drain()
            assert 0.4 < time.monotonic() - began < 3
        assert server.process.wait(20) == 0


def test_drain_without_connections_is_at_once():
    server = Echo(drain_us=20000000)
    server.counts()
    server.quiet()
    began = time.monotonic()
    assert server.stop() == 0
    assert time.monotonic() - began < 5


def test_drain_during_a_handshake():
    with Echo(drain_us=20000000) as server:
        with server.peer(preface=False) as peer:
            server.until(lambda c: c["connections"] == 2, "it is not there")
            began = time.monotonic()
            server.process.send_signal(signal.SIGTERM)
            peer.drain()
            assert time.monotonic() - began < 5
        assert server.process.wait(20) == 0


if __name__ == "__main__":
    run(globals())
