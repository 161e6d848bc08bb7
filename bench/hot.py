#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Lookups of real ids with and without a cache of decoded rows; called by hot.sh.

A log is cut into RUNS + 1 parts of equal length. The first one fills the cache; in each of the others one pass is made over
the part with the cache, whose hits and misses the daemon counts, and as much of it as fits into a time without one. So no id
comes to the cache in another order than in the log, and none twice because of the measurement."""
import argparse
import json
import os
import pathlib
import re
import statistics
import subprocess
import sys
import time
import urllib.request

import numpy as np

import pages

SOURCE = pathlib.Path(__file__).resolve().parent.parent
sys.path[:0] = [str(SOURCE / "examples/ctr"), str(SOURCE / "client/python")]
DIM = {"text8": 100}  # 64 otherwise
WORDS = 341479
SIZES = {"dhe": ("--budget", "3MiB"), "mde": ("--ratio", "0.25"), "robe": ("--ratio", "0.1")}  # else the natural ones
TARGET = 0.7  # of 1 / (1 - hit rate)


def log_of(name, most):
    """(rows of the table, ids in order), or None."""
    if name == "text8":
        path = pathlib.Path(os.environ.get("EMBD_DATA", "")) / "text8_trace/trace.npz"
        return (WORDS, np.load(path)["ids"][:most]) if path.is_file() else None
    import data
    log = data.load(name)
    return log.id_count, log.ids[:most // log.ids.shape[1]].ravel()


class Daemon:
    def __init__(self, o, tables):
        folder = o.work / "data"
        folder.mkdir()
        command = ["taskset", "-c", str(o.server_core), f"{o.build}/embd", "--data-dir", folder, "--workers", "1",
                   "--listen", "127.0.0.1:0", "--http", "127.0.0.1:0"]
        for table in tables:
            command += ["--table", table]
        self.folder, self.log = folder, o.work / "log"
        with open(self.log, "wb") as log:
            self.process = subprocess.Popen(list(map(str, command)), stderr=log)
        while not (ready := re.search(r"ready .*?http=(\S+).*?listen=(\S+)|ready .*?listen=(\S+).*?http=(\S+)",
                                      self.log.read_text())):
            if self.process.poll() is not None:
                raise SystemExit(self.log.read_text())
            time.sleep(0.02)
        self.http, self.address = (ready[1] or ready[4]), (ready[2] or ready[3])

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.process.terminate()
        self.process.wait()
        subprocess.run(["rm", "-rf", self.folder], check=True)

    def counts(self):
        """Hits and misses so far, and the memory of the caches."""
        with urllib.request.urlopen(f"http://{self.http}/metrics") as reply:
            text = reply.read().decode()
        return tuple(int(found[1]) if (found := re.search(rf'^embd_{name}{{table="cached"}} (\d+)$', text, re.M)) else 0
                     for name in ("cache_hits_total", "cache_misses_total", "table_cache_bytes"))


def bench(o, daemon, table, part, *more):
    """Rows a second of one run."""
    command = ["taskset", "-c", o.client_core, f"{o.build}/embctl", "--server", daemon.address, "--json", "bench", "--table",
               table, "--ids", o.ids, "--trace", part, "--connections", 1, "--streams", 2, "--timeout", "60s", *more]
    said = json.loads(subprocess.run(list(map(str, command)), stdout=subprocess.PIPE, check=True).stdout)
    return said["ids_per_second"]


def compare(daemon, ids):
    """Both tables give the same bits, before the cache has a row and after."""
    import embd
    with embd.Client(daemon.address) as client:
        for first in range(0, len(ids), 4096):
            some = ids[first:first + 4096].astype("i8")
            a, b = client.lookup([embd.Lookup("cached", some), embd.Lookup("plain", some)]).results
            if a.values.tobytes() != b.values.tobytes():
                raise SystemExit("the cached table gives other rows")


def measure(o, name, method, rows, parts, sample):
    """One line: log, method, hit rate, rows a second without and with, memory of cache and table."""
    file = o.work / "table.safetensors"
    subprocess.run([f"{o.build}/embctl", "create", "-o", file, "--force", "--method", method, "--rows", str(rows), "--dim",
                    str(DIM.get(name, 64)), "--seed", "1", *SIZES.get(method, ())],
                   check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    plain, cached = [], []
    with Daemon(o, [f"plain={file}", f"cached={file},cache={o.cache}"]) as daemon:
        compare(daemon, sample)
        bench(o, daemon, "cached", parts[0], "--calls", o.calls)
        before = daemon.counts()
        rate = bench(o, daemon, "plain", parts[0], "--calls", 2)
        calls = min(o.calls, max(2, int(rate * o.seconds / o.ids)))
        for part in parts[1:]:
            plain.append(bench(o, daemon, "plain", part, "--calls", calls))
            cached.append(bench(o, daemon, "cached", part, "--calls", o.calls))
        after = daemon.counts()
    hits, misses = after[0] - before[0], after[1] - before[1]
    line = dict(log=name, method=method, hit_rate=hits / (hits + misses), plain=statistics.median(plain),
                cached=statistics.median(cached), cache=after[2], table=file.stat().st_size)
    line["times"] = line["cached"] / line["plain"]
    line["most"] = (hits + misses) / misses if misses else float("inf")
    print(f"{name:10}{method:8}{line['hit_rate']:8.2%}{line['plain']:14,.0f}{line['cached']:14,.0f} rows/s"
          f"{line['times']:8.2f} times, {line['times'] / line['most']:.2f} of {line['most']:.1f}", flush=True)
    return line


def table(lines):
    yield "| log | method | hit rate | rows/s without | rows/s with | speed-up | 1 / (1 - hit rate) | of that | cache | table file |"
    yield "|---|---|---|---|---|---|---|---|---|---|"
    for x in lines:
        yield (f"| {x['log']} | `{x['method']}` | {x['hit_rate']:.2%} | {x['plain']:,.0f} | {x['cached']:,.0f} "
               f"| {x['times']:.1f} | {x['most']:.1f} | {x['times'] / x['most']:.2f} | {x['cache'] / 1e6:.1f} MB "
               f"| {x['table'] / 1e6:.1f} MB |")


def draw(path, lines):
    logs = list(dict.fromkeys(x["log"] for x in lines))
    with pages.plot(path, columns=len(logs), width=3.6, height=3.4) as (_, axes):
        for axis, log in zip(axes[0], logs):
            here = [x for x in lines if x["log"] == log]
            axis.bar([x["method"] for x in here], [x["times"] for x in here])
            axis.plot([x["method"] for x in here], [x["most"] for x in here], "_k", markersize=18, label="1 / (1 - hit rate)")
            axis.axhline(1, color="grey", linewidth=0.8)
            axis.set_title(log)
            axis.set_yscale("log")
        axes[0][0].set_ylabel("rows a second, with a cache / without")
        axes[0][0].legend(frameon=False)


def write(o, lines):
    most = {log: max((x for x in lines if x["log"] == log), key=lambda x: x["times"]) for log in
            dict.fromkeys(x["log"] for x in lines)}
    ids = f"{o.ids:,} ids a call, 2 calls in flight, one worker on one core, the client on the other"
    pages.replace(o.page, "hot", [
        f"{ids}; caches of {o.cache} of the rows; medians of {o.runs} runs in turn on {pages.machine()}.", "",
        *table(lines), "",
        "![speed-up by log and method](performance_hot.svg)", "",
        "Most: " + ", ".join(f"{x['times']:.1f} times on {log} (`{x['method']}`)" for log, x in most.items()) + "."])
    draw(pathlib.Path(o.page).parent / "performance_hot.svg", lines)


def main():
    p = argparse.ArgumentParser()
    for name, kind in dict(build=str, work=pathlib.Path, page=str, logs=str, methods=str, cache=str, ids=int, runs=int,
                           seconds=float, most=int, server_core=int, client_core=int).items():
        p.add_argument("--" + name.replace("_", "-"), type=kind, required=True)
    o = p.parse_args()
    lines = []
    for name in o.logs.split():
        found = log_of(name, o.most)
        if not found:
            print(f"{name} is left out: EMBD_DATA names no folder that has it")
            continue
        rows, ids = found
        o.calls = len(ids) // (o.runs + 1) // o.ids
        parts = []
        for i, part in enumerate(np.split(ids[:o.calls * o.ids * (o.runs + 1)], o.runs + 1)):
            parts.append(o.work / f"part{i}.npy")
            np.save(parts[-1], part.astype("<i8"))
        for method in o.methods.split():
            lines.append(measure(o, name, method, rows, parts, ids[:3 * 4096]))
    write(o, lines)


main()
