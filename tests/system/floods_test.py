# SPDX-License-Identifier: Apache-2.0
"""Floods known from HTTP/2's history, each at full speed from a process of its own for EMBD_FLOOD_SECONDS (1): the
attacker is cut off, honest clients beside it get every answer, and the daemon's memory stays where it was."""
import multiprocessing
import os
import pathlib
import sys
import tempfile
import threading
import time

import numpy as np

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import hpack  # noqa: E402
import tablefile  # noqa: E402
from daemon import SANITIZED, Daemon, messages  # noqa: E402
from h2raw import *  # noqa: F401,F403,E402
from protowire import varint  # noqa: E402

SECONDS = float(os.environ.get("EMBD_FLOOD_SECONDS", 1))
LOOKUP = "/embd.v1.Embedding/Lookup"
PATIENCE = 5  # seconds within which an honest call must be answered; the timing itself is printed, not judged
CONFIG = """
handshake_timeout = 500ms
request_timeout = 700ms
write_timeout = 700ms
max_inflight_bytes = 64MiB
"""


def rapid_reset(peer, n):
    """Calls that are reset as soon as they are made (CVE-2023-44487)."""
    peer.send(*(call(i, LOOKUP, b"") + rst(i) for i in range(2 * n + 1, 2 * n + 401, 2)))
    return n + 200


def continuations(peer, n):
    """One header block that never ends (CVE-2024-28182)."""
    if n == 0:
        peer.send(headers(1, request(LOOKUP), end_headers=False))
    peer.send(*[continuation(1, hpack.encode([("x", "y" * 50)]), end_headers=False)] * 100)
    return n + 100


def pings(peer, n):
    """PINGs whose answers nobody reads (CVE-2019-9512)."""
    peer.send(ping() * 500)
    return n + 500


def settings_flood(peer, n):
    """SETTINGS whose answers nobody reads (CVE-2019-9515)."""
    peer.send(settings({INITIAL_WINDOW_SIZE: 65535}) * 500)
    return n + 500


def empty_data(peer, n):
    """DATA frames with nothing in them (CVE-2019-9518)."""
    if n == 0:
        peer.send(headers(1, request(LOOKUP)))
    peer.send(data(1) * 1000)
    return n + 1000


def made_to_reset(peer, n):
    """Windows that overflow, so that the server resets (CVE-2025-8671)."""
    peer.send(*(headers(i, request(LOOKUP)) + window(i, (1 << 31) - 1) for i in range(2 * n + 1, 2 * n + 401, 2)))
    return n + 200


def priorities(peer, n):
    """Priorities of streams that do not exist."""
    peer.send(*(priority(2 * i + 1, 0) for i in range(n, n + 500)))
    return n + 500


def header_bomb(peer, n):
    """A value of 4,000 bytes in the table, named 15,000 times in each request."""
    if n == 0:
        peer.send(headers(1, b"\x40" + hpack_text("bomb") + hpack_text("x" * 4000)
                          + hpack.encode(request(LOOKUP)), END_STREAM))
    block = hpack.encode(request(LOOKUP)) + b"\xbe" * 15000
    peer.send(headers(2 * n + 3, block, END_STREAM))
    return n + 1


def unread_replies(peer, n):
    """Calls with large answers and a window of nothing."""
    if n == 0:
        peer.send(settings({INITIAL_WINDOW_SIZE: 0}))
    body = LARGE
    peer.send(*(call(i, LOOKUP, body) for i in range(2 * n + 1, 2 * n + 11, 2)))
    time.sleep(0.02)
    return n + 5


def slow_preface(peer, n):
    """The preface, a byte now and then."""
    peer.send(PREFACE[n:n + 1])
    time.sleep(0.1)
    return n + 1


def slow_body(peer, n):
    """A request's body, a byte now and then."""
    if n == 0:
        peer.send(headers(1, request(LOOKUP)) + data(1, b"\0\0\x10\0\0"))
    peer.send(data(1, b"x"))
    time.sleep(0.1)
    return n + 1


def garbage(peer, n):
    """Noise."""
    peer.send(os.urandom(4096))
    return n + 1


FLOODS = [rapid_reset, continuations, pings, settings_flood, empty_data, made_to_reset, priorities, header_bomb,
          unread_replies, slow_preface, slow_body, garbage]
HARMLESS = {slow_body, header_bomb, unread_replies}  # the calls are ended, and the connection may stay
LARGE = b""


def hpack_text(text):
    n = len(text)
    return (bytes([n]) if n < 127 else b"\x7f" + varint(n - 127)) + text.encode()


def attack(flood, address, large, seconds, queue):
    """Flood and connect again after each cut, until the time is up."""
    global LARGE
    LARGE = large
    cuts, most, end = 0, 0, time.monotonic() + seconds
    while time.monotonic() < end:
        try:
            peer = Peer(address, preface=flood not in (slow_preface, garbage))
        except OSError:
            time.sleep(0.01)
            continue
        n = 0
        try:
            peer.socket.settimeout(1)
            while time.monotonic() < end:
                n = flood(peer, n)
                if closed(peer):
                    cuts += 1
                    break
        except OSError:
            cuts += 1
        most = max(most, n)
        peer.close()
    queue.put((cuts, most))


def closed(peer):
    """Whether the server has ended the connection, looked at without reading what it sent before."""
    import select
    import socket
    poll = select.poll()
    poll.register(peer.socket, select.POLLRDHUP | select.POLLHUP | select.POLLERR)
    if poll.poll(0):
        return True
    return peer.socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) != 0


class Honest(threading.Thread):
    def __init__(self, daemon, pb):
        super().__init__()
        self.lookup = daemon.unary(LOOKUP, pb.LookupRequest, pb.LookupResponse)
        self.pb, self.stop, self.times, self.trouble = pb, False, [], None

    def run(self):
        asked = self.pb.LookupRequest(lookups=[self.pb.TableLookup(
            table="t", ids=np.arange(64, dtype=np.int64).tobytes())])
        try:
            while not self.stop:
                begin = time.monotonic()
                reply = self.lookup(asked, timeout=PATIENCE)
                self.times.append(time.monotonic() - begin)
                assert len(reply.results[0].values) == 64 * 32 * 4
        except Exception as error:  # noqa: BLE001 - the test reports it
            self.trouble = error


def resident(pid):
    for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) << 10
    return 0


def main():
    wrong = []
    pb = messages("embd_bulk")
    with tempfile.TemporaryDirectory() as folder:
        path = tablefile.write(f"{folder}/t.safetensors", tablefile.table(
            "full", 10000, 32, {"weight": ("F32", np.ones((10000, 32), np.float32))}))
        large = pb.LookupRequest(lookups=[pb.TableLookup(
            table="t", pooling=1, offsets=np.zeros(1501, "<u4").tobytes())]).SerializeToString()  # 1,500 empty bags
        with Daemon(tables={"t": path}, config=CONFIG) as daemon:
            time.sleep(0.2)
            before = resident(daemon.pid)
            for flood in FLOODS:
                clients = [Honest(daemon, pb) for _ in range(3)]
                for client in clients:
                    client.start()
                queue = multiprocessing.Queue()
                attacker = multiprocessing.Process(target=attack, args=(
                    flood, daemon.address, large, max(SECONDS, 1.5 if flood.__name__.startswith(("slow", "unread"))
                                                      else 0), queue))
                attacker.start()
                cuts, most = queue.get(timeout=SECONDS + 60)
                attacker.join()
                for client in clients:
                    client.stop = True
                for client in clients:
                    client.join()
                    if client.trouble:
                        wrong.append(f"{flood.__name__}: an honest call failed: {client.trouble}")
                times = sorted(t for client in clients for t in client.times)
                grown = resident(daemon.pid) - before
                print(f"{flood.__name__:>15}: cut {cuts:4} times, at most {most:6} sent on a connection; "
                      f"{len(times):5} honest calls, p99 {1e3 * times[int(len(times) * .99)]:6.1f} ms, "
                      f"memory {grown / 1e6:+.0f} MB", flush=True)
                if not cuts and flood not in HARMLESS:
                    wrong.append(f"{flood.__name__}: was never cut off")
                if grown > 160 << 20 and not SANITIZED:
                    wrong.append(f"{flood.__name__}: memory grew by {grown} bytes")
            counted = [line for line in daemon.http("/metrics")[1].splitlines()
                       if line.startswith("embd_connections_cut_total")]
            assert counted and float(counted[0].split()[-1]) > 0, counted
    print("\n".join(wrong))
    sys.exit(bool(wrong))


if __name__ == "__main__":
    multiprocessing.set_start_method("spawn")
    main()
