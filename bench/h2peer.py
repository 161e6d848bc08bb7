# SPDX-License-Identifier: Apache-2.0
"""HTTP/2 by hand and by h2load, for the measurements beside this file."""
import pathlib
import re
import subprocess
import sys
import time


sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "tests/system"))
import h2raw  # noqa: E402
from served import lookup_request  # noqa: E402


def cpu_s(pid):
    """Seconds of processor time of a process: its own clock, by the number that the kernel gives it."""
    return time.clock_gettime((~pid << 3) | 2)


def lookup(address, lookups):
    """One Lookup; the reply message, as bytes."""
    with h2raw.Peer(address, timeout=60) as peer:
        peer.open_windows()
        peer.send(h2raw.call(1, "/embd.v1.Embedding/Lookup", lookup_request(lookups)))
        answer = peer.answer(1)
    if answer.status != 0:
        sys.exit(f"a lookup failed with status {answer.status}")
    return answer.body


def h2load(url, body, reply_bytes, pid, seconds, connections, streams, core, log=None):
    """Calls a second of `url` with one body, for so long; every reply must have at least so many bytes."""
    def run(count):
        more = [f"--log-file={log}"] if log else []
        before = cpu_s(pid)
        done = subprocess.run(["taskset", "-c", core, "h2load", "-n", str(count), "-c", str(connections), "-m", str(streams),
                               "-w", "30", "-W", "30", "-d", body, "-H", "content-type: application/grpc",
                               "-H", "te: trailers", *more, url], stdout=subprocess.PIPE, text=True, check=True)
        cpu = cpu_s(pid) - before
        succeeded = int(re.search(r"(\d+) succeeded", done.stdout).group(1))
        data = int(re.search(r"headers.*?\((\d+)\) data", done.stdout).group(1))
        if succeeded != count or data < count * reply_bytes:
            sys.exit(f"h2load: {succeeded} of {count} answered, {data} bytes of data:\n{done.stdout}")
        return {"rate": float(re.search(r"([\d.]+) req/s", done.stdout).group(1)), "cpu": cpu / count * 1e6}
    least = connections * streams
    guess = run(10 * least)["rate"]
    return run(max(least, int(guess * seconds)))
