#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Curves from small to large; called by growth.sh."""
import argparse
import json
import pathlib
import resource
import socket
import statistics
import struct
import subprocess
import sys
import time

import numpy as np

import pages
from h2peer import h2raw
from served import Served, cached, table_values

WRITTEN = 1 << 30  # of a larger table only the first bytes are written, the rest is a hole


def make(o, name, rows):
    path = f"{o.work}/{name}.safetensors"
    size = 4 * rows * o.dim
    header = json.dumps({
        "__metadata__": {"embd.version": "1", "embd.method": "full", "embd.rows": str(rows), "embd.dim": str(o.dim)},
        "weight": {"dtype": "F32", "shape": [rows, o.dim], "data_offsets": [0, size]}}).encode()
    header += b" " * (-(8 + len(header)) % 64)
    piece = np.random.default_rng(rows).standard_normal(min(size, 8 << 20) // 4, np.float32).astype("<f4").tobytes()
    with open(path, "wb") as f:
        f.write(struct.pack("<Q", len(header)) + header)
        for at in range(0, min(size, WRITTEN), len(piece)):
            f.write(piece[:min(size, WRITTEN) - at])
        f.truncate(8 + len(header) + size)
    return path


def remove(o, *names):
    subprocess.run(["rm", "-rf", *(f"{o.work}/{name}" for name in names)], check=True)


def bench(o, d, *options, core=None):
    runs = []
    for _ in range(o.runs):
        r = d.bench(*options, "--seconds", o.seconds, "--warmup", 0.2, "--seed", time.time_ns() % (1 << 40),
                    core=core or o.client_core)
        if r["failed"] or not r["calls"]:
            sys.exit(f"lookups failed: {r['errors']}")
        runs.append({"rate": r["calls_per_second"], "ids": r["ids_per_second"], "cpu": r["server_cpu_us"],
                     "p50": r["latency"]["p50_us"], "p99": r["latency"]["p99_us"], "client": r["client_busy"]})
    return {key: statistics.median(r[key] for r in runs) for key in runs[0]}


def say(what, n, **numbers):
    print(f"{what:<12}{n:>12,}  " + "  ".join(f"{k.replace('_', ' ')} {v:,.2f}" for k, v in numbers.items()), flush=True)


LOAD = ["--connections", 4, "--streams", 8]


# ---- What grows ----

def by_rows(o):
    points = []
    for rows in map(int, o.rows.split()):
        path = make(o, "rows", rows)
        ids = np.random.default_rng().integers(0, min(rows, WRITTEN // 4 // o.dim), 64)
        right = table_values(path, rows, o.dim)[ids]
        table = ["--table", f"bench={path}"]
        with Served(o.build, o.work, *table, core=o.server_core, data="rows") as d:  # every byte is read and checked
            load_us = float(d.said(" table loaded ")["us"])
        with Served(o.build, o.work, *table, core=o.server_core, data="rows", wait=False) as d:
            reply = d.first_reply([("bench", ids)], right)
            d.ready()
            r = bench(o, d, "--table", "bench", "--ids", 64, *LOAD)
        points.append({"n": rows, "reply_ms": reply * 1e3, "gb_s": 4e-3 * rows * o.dim / load_us, **r})
        say("rows", **points[-1])
        remove(o, "rows", "rows.safetensors")
    return points


def by_ids(o, d):
    points = []
    for n in map(int, o.ids.split()):
        load = LOAD if n <= 4096 else ["--connections", 2, "--streams", 2]
        points.append({"n": n, **bench(o, d, "--table", "bench", "--ids", n, *load)})
        say("ids", **points[-1])
    return points


class Idle:
    """Connections that have said hello and nothing more."""

    def __init__(self, address, n):
        host, port = address.rsplit(":", 1)
        hello = h2raw.PREFACE + h2raw.settings(())
        self.sockets = []
        for _ in range(n):
            s = socket.create_connection((host, int(port)))
            s.sendall(hello)
            self.sockets.append(s)
        for s in self.sockets:  # its SETTINGS, and the ACK of ours: it has the connection
            got = b""
            while not got.endswith(b"\0\0\0\4\1\0\0\0\0"):
                got += s.recv(4096)

    def close(self):
        for s in self.sockets:
            s.close()


def kernel_bytes():
    """Of sockets, by what the kernel counts of its own memory that it cannot give back."""
    text = pathlib.Path("/proc/meminfo").read_text()
    return int(text.split("SUnreclaim:")[1].split()[0]) * 1024


def by_connections(o, path):
    points, idle_points = [], []
    options = ["--table", f"bench={path}", "--listen", "127.0.0.1:0", "--max-connections", 20000]
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[0] - 300
    for n in map(int, o.connections.split()):
        if n > limit:
            print(f"connections {n:,}: only {limit:,} descriptors")
            continue
        with Served(o.build, o.work, *options, core=o.server_core, data="connections") as d:
            d.ready()
            r = bench(o, d, "--table", "bench", "--ids", 64, "--connections", n, "--streams", max(1, 32 // n))
            points.append({"n": n, **r})
            say("connections", n, **r)
        with Served(o.build, o.work, *options, core=o.server_core, data="connections") as d:
            d.ready()
            address = d.log.read_text().split(" ready ")[1].split("listen=")[-1].split()[0]
            bench(o, d, "--table", "bench", "--ids", 64, *LOAD)
            before, kernel = d.status("VmRSS"), kernel_bytes()
            idle = Idle(address, n)
            time.sleep(0.3)
            rss, kernel = (d.status("VmRSS") - before) / n, (kernel_bytes() - kernel) / n
            r = bench(o, d, "--table", "bench", "--ids", 64, *LOAD)
            idle.close()
        idle_points.append({"n": n, "rss": rss, "kernel": kernel, **r})
        say("idle", n, rss_bytes=rss, kernel_bytes_both_ends=kernel, rate=r["rate"], p99=r["p99"])
    remove(o, "connections")
    return points, idle_points


def by_tables(o):
    points = []
    path = make(o, "small", 1000)
    values = table_values(path, 1000, o.dim)
    for n in map(int, o.tables.split()):
        for i in range(n):
            pathlib.Path(f"{o.work}/small{i}.safetensors").hardlink_to(path)
        tables = [a for i in range(n) for a in ("--table", f"t{i}={o.work}/small{i}.safetensors")]
        with Served(o.build, o.work, *tables, core=o.server_core, data="tables") as d:
            pass
        ids = np.arange(64)
        with Served(o.build, o.work, *tables, core=o.server_core, data="tables", wait=False) as d:
            reply = d.first_reply([(f"t{n - 1}", ids)], values[ids])
            d.ready()
            one = bench(o, d, "--table", f"t{n // 2}", "--ids", 64, *LOAD)
            # The same 1,000 rows a call, of one table or of all.
            many = bench(o, d, *[a for i in range(n) for a in ("--table", f"t{i}")], "--ids", max(1, 1000 // n), *LOAD)
        points.append({"n": n, "reply_ms": reply * 1e3, "one": one["rate"], "cpu_one": one["cpu"], "many": many["rate"],
                       "cpu_many": many["cpu"]})
        say("tables", **points[-1])
        remove(o, "tables", *(f"small{i}.safetensors" for i in range(n)))
    return points


def by_workers(o, path):
    """All threads, the client's too, on the same two cores: a method that computes shows what a second worker gives."""
    points = []
    tt = f"{o.work}/tt.safetensors"
    subprocess.run([f"{o.build}/embctl", "create", "-o", tt, "--method", "tt", "--rows", "1000000", "--dim", str(o.dim),
                    "--ratio", "0.01"], stdout=subprocess.DEVNULL, check=True)
    for n in (1, 2):
        with Served(o.build, o.work, "--table", f"bench={path}", "--table", f"tt={tt}", core="0,1", data="workers",
                    workers=n) as d:
            for table, ids in (("bench", 64), ("bench", 1024), ("tt", 1024)):
                r = bench(o, d, "--table", table, "--ids", ids, *LOAD, core="0,1")
                points.append({"n": n, "table": table, "asked": ids, **r})
                say("workers", n, asked=ids, **r)
        remove(o, "workers")
    return points


# ---- The report ----

def table_of(head, rows):
    return ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)] + ["| " + " | ".join(r) + " |" for r in rows] + [""]


def us(x):
    return f"{x / 1e3:,.1f} ms" if x >= 10000 else f"{x:,.1f} us" if x < 100 else f"{x:,.0f} us"


def report(o, got):
    lines = [f"{pages.machine()}; dim {o.dim}, float32; medians of {o.runs} runs of {o.seconds:g} s; 4 connections of 8 "
             "streams and 64 ids where nothing else is said.", "", "![curves](performance_growth.svg)", ""]
    if "rows" in got:
        lines += table_of(["rows", "first load", "first reply of a known table", "calls/s", "CPU a call", "p99"],
                          [[f"{p['n']:,}", f"{p['gb_s']:.2f} GB/s", f"{p['reply_ms']:.1f} ms", f"{p['rate']:,.0f}",
                            us(p["cpu"]), us(p["p99"])] for p in got["rows"]])
    if "ids" in got:
        lines += table_of(["ids a call", "calls/s", "ids/s", "CPU a call", "CPU an id", "p99"],
                          [[f"{p['n']:,}", f"{p['rate']:,.0f}", f"{p['ids'] / 1e6:,.2f} M", us(p["cpu"]),
                            f"{1e3 * p['cpu'] / p['n']:,.0f} ns", us(p["p99"])] for p in got["ids"]])
    if "connections" in got:
        lines += table_of(["connections", "calls/s", "CPU a call", "p99", "idle: memory each", "idle: of the kernel, both ends",
                           "calls/s beside them"],
                          [[f"{p['n']:,}", f"{p['rate']:,.0f}", us(p["cpu"]), us(p["p99"]), f"{i['rss'] / 1024:.1f} KiB",
                            f"{i['kernel'] / 1024:.1f} KiB", f"{i['rate']:,.0f}"]
                           for p, i in zip(got["connections"], got["idle"])])
    if "tables" in got:
        lines += table_of(["tables", "first reply when all are known", "calls/s of one", "CPU a call",
                           "calls/s of all, 1,000 rows together", "CPU a call"],
                          [[f"{p['n']:,}", f"{p['reply_ms']:.1f} ms", f"{p['one']:,.0f}", us(p["cpu_one"]), f"{p['many']:,.0f}",
                            us(p["cpu_many"])] for p in got["tables"]])
    if "workers" in got:
        lines += table_of(["workers", "table", "ids a call", "calls/s", "CPU a call", "client busy"],
                          [[str(p["n"]), "`tt`" if p["table"] == "tt" else "`full`", f"{p['asked']:,}", f"{p['rate']:,.0f}",
                            us(p["cpu"]), f"{p['client']:.2f}"] for p in got["workers"]])
    return lines


def curve(axis, points, x, lines, title, ylabel, drawn=0):
    """`drawn`: how many lines are there already."""
    for i, (key, label) in enumerate(lines):
        axis.plot([p["n"] for p in points], [p[key] for p in points], label=label, **pages.style(2 * (drawn + i)))
    axis.set(xscale="log", yscale="log", xlabel=x, ylabel=ylabel, title=title)
    axis.grid(alpha=0.3)
    axis.legend(frameon=False)


def draw(path, got):
    with pages.plot(path, columns=2, rows=2, width=5.2, height=3.8) as (_, axes):
        curve(axes[0][0], got["rows"], "rows", [("reply_ms", "first reply, known table (ms)"),
                                                ("cpu", "CPU a call of 64 ids (us)")], "Rows", "ms, us")
        for p in got["ids"]:
            p["each"] = 1e3 * p["cpu"] / p["n"]
        curve(axes[0][1], got["ids"], "ids a call", [("each", "CPU an id (ns)"), ("p99", "p99 (us)")], "Ids a call",
              "ns, us")
        curve(axes[1][0], got["connections"], "connections", [("rate", "calls/s")], "Connections", "calls/s, bytes")
        curve(axes[1][0], got["idle"], "connections", [("rate", "calls/s beside idle ones"),
                                                       ("rss", "memory of an idle one (bytes)")], "Connections",
              "calls/s, bytes", drawn=1)
        curve(axes[1][1], got["tables"], "tables", [("one", "calls/s of one"), ("many", "calls/s of all, 1,000 rows"),
                                                    ("reply_ms", "first reply (ms)")], "Tables", "calls/s, ms")


def main():
    p = argparse.ArgumentParser()
    for name in ("build", "work", "rows", "ids", "connections", "tables", "what", "server-core", "client-core", "page"):
        p.add_argument(f"--{name}", required=True)
    for name in ("dim", "runs"):
        p.add_argument(f"--{name}", type=int, required=True)
    p.add_argument("--seconds", type=float, required=True)
    o = p.parse_args()
    what, got = o.what.split(), {}
    if "rows" in what:
        got["rows"] = by_rows(o)
    path = make(o, "million", 1000000)
    cached(path)
    if "ids" in what:
        with Served(o.build, o.work, "--table", f"bench={path}", core=o.server_core) as d:
            got["ids"] = by_ids(o, d)
    if "connections" in what:
        got["connections"], got["idle"] = by_connections(o, path)
    if "tables" in what:
        got["tables"] = by_tables(o)
    if "workers" in what:
        got["workers"] = by_workers(o, path)
    if o.page:
        pages.replace(o.page, "growth", report(o, got))
        if all(key in got for key in ("rows", "ids", "connections", "tables")):
            draw(str(pathlib.Path(o.page).with_name("performance_growth.svg")), got)


if __name__ == "__main__":
    main()
