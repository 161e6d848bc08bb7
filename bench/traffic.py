#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""A ranking service's calls beside their transport alone; called by traffic.sh."""
import argparse
import json
import os
import pathlib
import socket
import statistics
import struct
import subprocess
import sys
import time

import numpy as np

import h2peer
import pages
from served import Served, table_values, uncached

DIM = 64
# Ids of the 26 features of the Criteo display advertising log.
FEATURES = [1460, 583, 10131227, 2202608, 305, 24, 12517, 633, 3, 93145, 5683, 8351593, 3194, 27, 14992, 5461306, 10,
            5652, 2173, 4, 7046547, 18, 15, 286181, 105, 142572]
BAGS = "1-50"


def sizes(total_bytes):
    """Rows of each table: the large ones are scaled."""
    small = sum(n for n in FEATURES if n < 1e6)
    scale = (total_bytes / (4 * DIM) - small) / sum(n for n in FEATURES if n >= 1e6)
    return [n if n < 1e6 else int(n * scale) for n in FEATURES]


def make_tables(o, rows):
    """Random rows; beyond 65,536 they repeat, moved by an odd number of floats, which is as good to serve and faster to
    make."""
    pool = np.random.default_rng(1).standard_normal(65536 * DIM + 65536, np.float32).astype("<f4")
    paths = []
    for i, n in enumerate(rows):
        path = f"{o.work}/t{i:02}.safetensors"
        header = json.dumps({
            "__metadata__": {"embd.version": "1", "embd.method": "full", "embd.rows": str(n), "embd.dim": str(DIM)},
            "weight": {"dtype": "F32", "shape": [n, DIM], "data_offsets": [0, 4 * n * DIM]}}).encode()
        header += b" " * (-(8 + len(header)) % 64)
        with open(path, "wb") as f:
            f.write(struct.pack("<Q", len(header)) + header)
            for first in range(0, n, 65536):
                start = (first // 65536 * 7919 + i * 31) % 65536
                f.write(pool[start:start + min(65536, n - first) * DIM])
            f.flush()
            os.fsync(f.fileno())
        paths.append(path)
    return paths


def check(d, paths, rows):
    """Every table answers with its own rows."""
    r = np.random.default_rng()
    for i, (path, n) in enumerate(zip(paths, rows)):
        ids = r.integers(0, n, 100)
        got = h2peer.lookup(d.address, [(f"t{i:02}", ids)])
        if table_values(path, n, DIM)[ids].tobytes() not in got:
            sys.exit(f"table t{i:02} answers with other rows")


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def draw(o, rows):
    """A trace of new ids for each table, so that the client spends no time on drawing them. Ranks are those of Zipf's law
    over a continuous variable, rounded down; they are scattered over the table."""
    r, paths = np.random.default_rng(), []
    n = int(o.candidates * o.most_calls * (o.seconds + 1))
    for i, count in enumerate(rows):
        least = 1 - o.exponent
        u = r.random(n)
        rank = ((u * ((count + 1.0) ** least - 1) + 1) ** (1 / least)).astype("<i8") - 1
        step = next(p for p in (2654435761, 40503, 7919, 1) if np.gcd(p, count) == 1)
        np.save(f"{o.work}/ids{i:02}.npy", (np.minimum(rank, count - 1) * step % count).astype("<i4"))
        paths.append(f"{o.work}/ids{i:02}.npy")
    return paths


class Ready:
    """nghttpd with files of replies."""

    def __init__(self, o):
        self.o, self.port = o, free_port()
        self.folder = pathlib.Path(o.work, "replies")
        self.folder.mkdir()
        self.process = subprocess.Popen(["taskset", "-c", o.server_core, "nghttpd", "-n1", "--no-tls",
                                         "--trailer=grpc-status: 0", "-d", str(self.folder), str(self.port)],
                                        stdout=subprocess.DEVNULL)
        time.sleep(0.3)

    def stop(self):
        self.process.terminate()
        self.process.wait()

    def run(self, request_bytes, reply_bytes):
        body, reply = f"{self.o.work}/body", self.folder / f"reply-{reply_bytes}"
        if not reply.exists():
            reply.write_bytes(os.urandom(reply_bytes))
        pathlib.Path(body).write_bytes(bytes(request_bytes))
        return h2peer.h2load(f"http://127.0.0.1:{self.port}/{reply.name}", body, reply_bytes, self.process.pid,
                             self.o.seconds, self.o.connections, self.o.streams, self.o.client_core)


def bench(o, d, fmt, bags, rate=None):
    more = ["--bags", BAGS] if bags else []
    more += ["--rate", rate, "--poisson", "--streams", 64] if rate else ["--streams", o.streams]
    tables = [a for i, ids in enumerate(draw(o, o.rows)) for a in ("--table", f"t{i:02}", "--trace", ids)]
    r = d.bench(*tables, "--ids", o.candidates, "--format", fmt, *more,
                "--seconds", o.seconds, "--warmup", 0.3, "--connections", o.connections, "--seed", time.time_ns() % (1 << 40),
                core=o.client_core)
    if r["failed"] or not r["calls"]:
        sys.exit(f"lookups failed: {r['errors']}")
    return {"rate": r["calls_per_second"], "cpu": r["server_cpu_us"], "p99": r["latency"]["p99_us"],
            "reply": r["received_bytes"] / r["calls"], "client": r["client_busy"], "ids": r["ids_per_second"]}


def medians(runs):
    return {key: statistics.median(r[key] for r in runs) for key in runs[0]}


def measure(o, d, ready, fmt, bags):
    request_bytes = len(FEATURES) * o.candidates * 8 + 1000
    ours, theirs = [], []
    for _ in range(o.runs):
        ours.append(bench(o, d, fmt, bags))
        theirs.append(ready.run(request_bytes, int(ours[-1]["reply"])))
    mine, their = medians(ours), medians(theirs)
    ratio = statistics.median(a["rate"] / b["rate"] for a, b in zip(ours, theirs))
    cpu = statistics.median(b["cpu"] / a["cpu"] for a, b in zip(ours, theirs))
    late = medians([bench(o, d, fmt, bags, 0.7 * mine["rate"]) for _ in range(3)])
    kind = f"bags of {BAGS}" if bags else "rows"
    print(f"{kind:<13}{fmt:<5}{mine['reply'] / 1e6:>6.2f} MB  embd {mine['rate']:>7,.0f}/s {mine['cpu']:>7,.0f} us of CPU, "
          f"nghttpd {their['rate']:>7,.0f}/s {their['cpu']:>7,.0f} us: {ratio:.2f} of its calls, {cpu:.2f} by CPU; "
          f"client busy {mine['client']:.2f}; p99 at 70 %: {late['p99'] / 1e3:.1f} ms", flush=True)
    return (f"| {kind} | {fmt} | {mine['reply'] / 1e6:.2f} MB | {mine['rate']:,.0f} | {mine['ids'] / 1e6:.1f} M | "
            f"{their['rate']:,.0f} | {ratio:.2f} | {mine['cpu']:,.0f} us | {their['cpu']:,.0f} us | {late['p99'] / 1e3:.1f} ms |")


def main():
    p = argparse.ArgumentParser()
    for name in ("build", "work", "memory", "formats", "server-core", "client-core", "page"):
        p.add_argument(f"--{name}", required=True)
    for name in ("candidates", "runs", "connections", "streams"):
        p.add_argument(f"--{name}", type=int, required=True)
    for name in ("bytes", "exponent", "seconds", "most-calls"):
        p.add_argument(f"--{name}", type=float, required=True)
    o = p.parse_args()
    o.rows = rows = sizes(o.bytes)
    paths = make_tables(o, rows)
    options = [a for i, path in enumerate(paths) for a in ("--table", f"t{i:02}={path},memory={o.memory}")]
    lines = [f"{pages.machine()}; {len(rows)} tables of {min(rows)} to {max(rows):,} rows, {sum(rows) * 4 * DIM / 1e9:.1f} GB, "
             f"`memory={o.memory}`; {o.candidates:,} candidates a call, Zipf's law with exponent {o.exponent:g}; "
             f"{o.connections} connections of {o.streams} streams, medians of {o.runs} runs.", "",
             "| ids | reply | bytes | calls/s | ids/s | ready-made replies/s | ratio | CPU a call | nghttpd's | p99 at 70 % |",
             "|---|---|---|---|---|---|---|---|---|---|"]
    with Served(o.build, o.work, *options, core=o.server_core, address=f"127.0.0.1:{free_port()}") as d:
        if o.memory != "map":
            for path in paths:
                uncached(path)  # it has the bytes; the machine may need the memory
        check(d, paths, rows)
        ready = Ready(o)
        try:
            for bags in (False, True):
                for fmt in o.formats.split():
                    lines.append(measure(o, d, ready, fmt, bags))
        finally:
            ready.stop()
    if o.page:
        pages.replace(o.page, "traffic", lines)


if __name__ == "__main__":
    main()
