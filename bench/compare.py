#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Measure a running daemon with `embctl bench` and with h2load in turn; called by lookup.sh.

The two differ in what they ask: h2load sends one and the same request again and again, so its rows stay in the
caches; and it takes every reply with HTTP status 200 for a success, also one that says that the call failed.
`embctl bench` draws fresh ids for every request and checks every reply. Where h2load is faster, that is why, or
it is that it looks at less.
"""
import argparse
import json
import re
import statistics
import struct
import subprocess
import sys
import time

import numpy as np

from served import lookup_request


def cpu_s(pid):
    """Seconds of processor time of a process: its own clock, by the number that the kernel gives it."""
    return time.clock_gettime((~pid << 3) | 2)


def request(ids):
    message = lookup_request([("bench", ids)])
    return struct.pack(">BI", 0, len(message)) + message


def by_embctl(o, n):
    done = subprocess.run([o.embctl, "--server", o.address, "--json", "bench", "--table", "bench", "--ids", str(n),
                           "--seconds", str(o.seconds), "--warmup", "0.5", "--connections", str(o.connections),
                           "--streams", str(o.streams), "--server-pid", str(o.pid)],
                          stdout=subprocess.PIPE, check=True)
    r = json.loads(done.stdout)
    return {"rate": r["calls_per_second"], "p99": r["latency"]["p99_us"], "cpu": r["server_cpu_us"]}


def by_h2load(o, n, count):
    body, log = f"{o.work}/body", f"{o.work}/h2load.log"
    ids = np.random.default_rng().integers(0, o.rows, n)
    with open(body, "wb") as f:
        f.write(request(ids))
    open(log, "w").close()
    before = cpu_s(o.pid)
    done = subprocess.run(["h2load", "-n", str(count), "-c", str(o.connections), "-m", str(o.streams), "-d", body,
                           "-H", "content-type: application/grpc", "-H", "te: trailers", f"--log-file={log}",
                           f"http://{o.address}/embd.v1.Embedding/Lookup"],
                          stdout=subprocess.PIPE, text=True, check=True)
    cpu = cpu_s(o.pid) - before
    succeeded = int(re.search(r"(\d+) succeeded", done.stdout).group(1))
    data = int(re.search(r"headers.*?\((\d+)\) data", done.stdout).group(1))
    if succeeded != count or data < count * n * o.dim * 4:
        sys.exit(f"h2load: {succeeded} of {count} answered, {data} bytes of data:\n{done.stdout}")
    took = np.loadtxt(log, usecols=2, ndmin=1)
    return {"rate": float(re.search(r"([\d.]+) req/s", done.stdout).group(1)),
            "p99": float(np.percentile(took, 99)), "cpu": cpu / count * 1e6}


def medians(runs):
    return {key: statistics.median(r[key] for r in runs) for key in runs[0]}


def main():
    p = argparse.ArgumentParser()
    for name in ("embctl", "address", "work", "ids"):
        p.add_argument(f"--{name}", required=True)
    for name in ("pid", "rows", "dim", "runs", "connections", "streams"):
        p.add_argument(f"--{name}", type=int, required=True)
    p.add_argument("--seconds", type=float, required=True)
    o = p.parse_args()

    print(f"{o.rows:,} x {o.dim} float32, {o.connections} connections of {o.streams} streams, medians of {o.runs} runs "
          f"of {o.seconds:g} s in turn\n")
    print(f"{'':>6}  {'embctl bench':^34}  {'h2load':^34}  {'embctl bench / h2load':^23}")
    print(f"{'ids':>6}" + f"  {'calls/s':>10}{'p99':>12}{'server CPU':>12}" * 2 + f"  {'calls/s':>8}{'p99':>7}{'CPU':>8}")
    for n in map(int, o.ids.split()):
        ours, theirs = [], []
        for _ in range(o.runs):
            ours.append(by_embctl(o, n))
            count = max(int(ours[-1]["rate"] * o.seconds), o.connections * o.streams)
            theirs.append(by_h2load(o, n, count))
        a, b = medians(ours), medians(theirs)
        print(f"{n:>6,}" + "".join(f"  {m['rate']:>10,.0f}{m['p99']:>9,.0f} us{m['cpu']:>9.1f} us" for m in (a, b))
              + f"  {a['rate'] / b['rate']:>8.2f}{a['p99'] / b['p99']:>7.2f}{a['cpu'] / b['cpu']:>8.2f}", flush=True)
    print("\nserver CPU: processor time of the daemon for each call. embctl bench draws fresh ids for every request "
          "and\nchecks every reply; h2load repeats one request, whose rows stay in the caches, and takes replies with an "
          "error\nof gRPC for successes (their number and size are checked here).")


if __name__ == "__main__":
    main()
