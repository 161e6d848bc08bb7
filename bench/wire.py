#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Measure embd and its peers in turn, print it, and write the part `wire` of doc/performance.md; called by wire.sh."""
import argparse
import json
import os
import re
import statistics
import subprocess
import sys

import numpy as np

import pages
from compare import cpu_s, request

# What embd should reach: times the peer's calls a second, by ids a call; None: ahead.
ASKED = {"gRPC": {1: 4.5, 64: 2.8, 1024: 2.2}, "Redis": {1: 1, 64: 8, 1024: 8}, "nghttpd": {1: .85, 64: .85, 1024: .85}}
OPEN_SHARE = 0.7  # of the gRPC server's best rate
OPEN_ASKED = 0.5  # of its p99
WARMUP = "0.3"


def run(command, **options):
    done = subprocess.run([str(c) for c in command], stdout=subprocess.PIPE, text=True, **options)
    if done.returncode:
        sys.exit(f"{command[0]} failed:\n{done.stdout}")
    return done.stdout


class Bench:
    def __init__(self, o):
        self.o = o
        self.rates = {}  # by URL: what h2load saw last, for its number of requests

    def by_embctl(self, server, n, rate=None):
        """embctl bench: fresh ids, every reply checked. `rate`: an open loop of so many calls a second."""
        o = self.o
        address, pid = (o.grpc, o.grpc_pid) if server == "gRPC" else (o.embd, o.embd_pid)
        r = json.loads(run([o.embctl, "--server", address, "--json", "bench", "--table", "bench", "--rows", o.rows,
                            "--dim", o.dim, "--ids", n, "--seconds", o.seconds, "--warmup", WARMUP, "--connections",
                            o.connections, "--streams", o.streams, "--server-pid", pid]
                           + (["--rate", rate, "--poisson"] if rate else [])))
        return {"rate": r["calls_per_second"], "p99": r["latency"]["p99_us"], "cpu": r["server_cpu_us"],
                "bytes": r["received_bytes"] // r["calls"], "busy": r["client_busy"]}

    def by_h2load(self, server, n, size):
        """h2load: one request of n ids again and again; a reply has to have `size` bytes at least."""
        o = self.o
        body, log = f"{o.work}/body", f"{o.work}/h2load.log"
        url, pid = ((f"http://{o.nghttpd}/{n}", o.nghttpd_pid) if server == "nghttpd"
                    else (f"http://{o.embd}/embd.v1.Embedding/Lookup", o.embd_pid))
        with open(body, "wb") as f:
            f.write(request(np.random.default_rng().integers(0, o.rows, n)))

        def once(count):
            if os.path.exists(log):
                os.remove(log)
            before = cpu_s(pid)
            out = run(["h2load", "-n", count, "-c", o.connections, "-m", o.streams, "-d", body, "-H",
                       "content-type: application/grpc", "-H", "te: trailers", f"--log-file={log}", url])
            cpu = cpu_s(pid) - before
            succeeded = int(re.search(r"(\d+) succeeded", out).group(1))
            data = int(re.search(r"headers.*?\((\d+)\) data", out).group(1))
            if succeeded != count or data < count * size:
                sys.exit(f"h2load: {succeeded} of {count} answered, {data} bytes of data:\n{out}")
            took = np.fromfile(log, sep=" ").reshape(-1, 3)[:, 2]  # start, status, microseconds
            self.rates[url, n] = float(re.search(r"([\d.]+) req/s", out).group(1))
            return {"rate": self.rates[url, n], "p99": float(np.percentile(took, 99)), "cpu": cpu / count * 1e6}

        flight = o.connections * o.streams
        if (url, n) not in self.rates:
            once(100 * flight)
        return once(max(int(self.rates[url, n] * o.seconds), flight))

    def by_redis(self, n):
        """bench/peers/redis_load: MGET of fresh keys, every reply checked."""
        o = self.o
        rate, p99, cpu = map(float, run([o.redis_load, "run", o.redis, o.redis_pid, o.rows, o.dim, n, o.connections,
                                         o.streams, o.seconds, WARMUP]).split())
        return {"rate": rate, "p99": p99, "cpu": cpu}

    def check(self):
        """Both answer with the rows of the file, and so does Redis."""
        o = self.o
        with open(o.table, "rb") as f:
            start = 8 + int.from_bytes(f.read(8), "little")
        table = np.memmap(o.table, "<f4", "r", start, (o.rows, o.dim))
        ids = np.random.default_rng().integers(0, o.rows, 2000)
        np.save(f"{o.work}/ids.npy", ids)
        for address in (o.embd, o.grpc):
            run([o.embctl, "--server", address, "lookup", "bench", "--ids", f"{o.work}/ids.npy", "-o",
                 f"{o.work}/rows.npy"])
            if not np.array_equal(np.load(f"{o.work}/rows.npy"), table[ids]):
                sys.exit(f"{address} does not answer with the rows of the table")
        run([o.redis_load, "check", o.redis, o.table, o.rows, o.dim])


def medians(runs):
    return {key: statistics.median(r[key] for r in runs) for key in runs[0]}


def us(value):
    return f"{value:,.1f} us" if value < 100 else f"{value:,.0f} us"


def verdict(ratio, asked):
    return f"{ratio:.2f}", f"{asked:g}" if asked is not None else ""


def closed(b, n):
    """All servers in turn: medians by name."""
    runs = {name: [] for name in ("embd", "gRPC", "Redis", "nghttpd", "embd, h2load")}
    for _ in range(b.o.runs):
        runs["embd"].append(b.by_embctl("embd", n))
        runs["gRPC"].append(b.by_embctl("gRPC", n))
        runs["Redis"].append(b.by_redis(n))
        size = 5 + int(runs["embd"][0]["bytes"])  # gRPC's prefix, and the message
        path = f"{b.o.work}/files/{n}"
        if not os.path.exists(path):
            with open(path, "wb") as f:
                f.write(os.urandom(size))
        runs["nghttpd"].append(b.by_h2load("nghttpd", n, size))
        runs["embd, h2load"].append(b.by_h2load("embd", n, size))
    return {name: medians(r) for name, r in runs.items()}


def opened(b, n, best):
    rate = OPEN_SHARE * best
    runs = {"embd": [], "gRPC": []}
    for _ in range(b.o.runs):
        for name in runs:
            runs[name].append(b.by_embctl(name, n, round(rate)))
    return rate, {name: medians(r) for name, r in runs.items()}


def report(o, machine, results):
    lines = [f"{machine}. {o.rows:,} x {o.dim} float32 (`memory={o.memory}`), {o.connections} connections of "
             f"{o.streams} streams, medians of {o.runs} runs of {o.seconds:g} s in turn.", "",
             "| ids a call | server | calls/s | p99 | server CPU a call | embd / it | asked for |",
             "|---|---|---|---|---|---|---|"]
    for n, (m, _) in results.items():
        for name in ("embd", "gRPC", "Redis"):
            ratio, asked = ("", "") if name == "embd" else verdict(m["embd"]["rate"] / m[name]["rate"],
                                                                  ASKED[name].get(n))
            lines.append(f"| {n:,} | {name} | {m[name]['rate']:,.0f} | {us(m[name]['p99'])} | {us(m[name]['cpu'])} | "
                         f"{ratio} | {asked} |")
    lines += ["", "Beside nghttpd, which h2load asks for a file of the reply's size: embd asked by h2load (one request "
              "repeated) and by `embctl bench` (fresh ids).", "",
              "| ids a call | nghttpd calls/s | p99 | server CPU | embd, h2load | p99 | server CPU | / nghttpd | "
              "embd, fresh ids | / nghttpd | asked for |", "|---|---|---|---|---|---|---|---|---|---|---|"]
    for n, (m, _) in results.items():
        h, e, f = m["nghttpd"], m["embd, h2load"], m["embd"]
        lines.append(f"| {n:,} | {h['rate']:,.0f} | {us(h['p99'])} | {us(h['cpu'])} | {e['rate']:,.0f} | "
                     f"{us(e['p99'])} | {us(e['cpu'])} | {e['rate'] / h['rate']:.2f} | {f['rate']:,.0f} | "
                     f"{f['rate'] / h['rate']:.2f} | {ASKED['nghttpd'].get(n, '')} |")
    lines += ["", f"An open loop at {OPEN_SHARE:.0%} of the gRPC server's best rate (Poisson):".replace("%", " percent"),
              "", "| ids a call | calls/s | gRPC p99 | server CPU | embd p99 | server CPU | embd / gRPC p99 | "
              "asked for |", "|---|---|---|---|---|---|---|---|"]
    for n, (_, (rate, m)) in results.items():
        e, g = m["embd"], m["gRPC"]
        lines.append(f"| {n:,} | {rate:,.0f} | {us(g['p99'])} | {us(g['cpu'])} | {us(e['p99'])} | {us(e['cpu'])} | "
                     f"{e['p99'] / g['p99']:.2f} | below {OPEN_ASKED:g} |")
    return lines


def main():
    p = argparse.ArgumentParser()
    for name in ("embctl", "redis-load", "work", "table", "ids", "memory", "embd", "grpc", "nghttpd", "page"):
        p.add_argument(f"--{name}", required=True)
    for name in ("rows", "dim", "runs", "connections", "streams", "embd-pid", "grpc-pid", "nghttpd-pid", "redis",
                 "redis-pid", "core"):
        p.add_argument(f"--{name}", type=int, required=True)
    p.add_argument("--seconds", type=float, required=True)
    o = p.parse_args()

    machine = pages.machine()
    os.sched_setaffinity(0, {o.core})
    b = Bench(o)
    b.check()
    results = {}
    for n in map(int, o.ids.split()):
        m = closed(b, n)
        print(f"{n:,} ids: " + ", ".join(f"{name} {r['rate']:,.0f}/s ({us(r['cpu'])})" for name, r in m.items()),
              flush=True)
        results[n] = m, opened(b, n, m["gRPC"]["rate"])
    lines = report(o, machine, results)
    print("\n".join(["", *lines]))
    pages.replace(o.page, "wire", lines)


if __name__ == "__main__":
    main()
