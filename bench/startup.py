#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Starts, loads, and lookups beside loads; called by startup.sh."""
import argparse
import contextlib
import os
import pathlib
import statistics
import subprocess
import sys
import threading
import time

import numpy as np

import pages
from served import Served, cached, field, h2raw, table_values, uncached

TRAINED = "optimizer=rowwise_adagrad,learning_rate=0.05"
IDS = 64


def make(o, rows, name):
    path = f"{o.work}/{name}.safetensors"
    subprocess.run([sys.executable, "bench/make_table.py", path, str(rows), str(o.dim)], check=True)
    return path


def median_of(runs, key):
    return statistics.median(r[key] for r in runs)


# ---- Starts ----

def one_start(o, data, file, rows, options):
    ids = np.random.default_rng().integers(0, rows, IDS)
    expected = table_values(file, rows, o.dim)[ids]
    with Served(o.build, o.work, "--table", f"bench={file}{options}", core=o.server_core, data=data,
                wait=False) as d:
        reply = d.first_reply([("bench", ids)], expected)
        return {"reply": reply, "ready": d.ready()}


def starts(o):
    lines = ["| table | memory | bytes | first start | first reply | ready |", "|---|---|---|---|---|---|"]
    print(f"{'rows':>12}  {'':<10}{'first start':>14}{'first reply':>14}{'ready':>12}")
    for rows in map(int, o.rows.split()):
        file = make(o, rows, "start")
        for name, options in (("read-only", ""), ("trainable", f",{TRAINED}")):
            data = f"start-{name}-{rows}"
            cached(file)
            first = one_start(o, data, file, rows, options)
            runs = []
            for _ in range(o.runs):
                for snapshot in pathlib.Path(o.work, data).glob("tables/bench/*.safetensors"):
                    cached(snapshot)
                cached(file)
                runs.append(one_start(o, data, file, rows, options))
            reply, ready = median_of(runs, "reply") * 1e3, median_of(runs, "ready") * 1e3
            print(f"{rows:>12,}  {name:<10}{first['reply'] * 1e3:>11,.0f} ms{reply:>11,.1f} ms{ready:>9,.1f} ms", flush=True)
            lines.append(f"| {rows:,} x {o.dim} | {name} | {4 * rows * o.dim / 1e6:,.0f} MB | "
                         f"{first['reply'] * 1e3:,.0f} ms | {reply:,.1f} ms | {ready:,.1f} ms |")
            subprocess.run(["rm", "-r", f"{o.work}/{data}"], check=True)
        subprocess.run(["rm", file], check=True)
    return lines


# ---- Loads ----

def reading(o, path, memory):
    """Bytes a second of read(2) from one end to the other: into one buffer, or into new memory on huge pages."""
    return float(subprocess.run([f"{o.build}/bench/read_file", path, memory], check=True, capture_output=True).stdout)


def one_load(o, file, memory):
    """A file that was never seen: its identity is new, so every byte is read and checked."""
    with Served(o.build, o.work, "--table", f"bench={file},memory={memory}", core=o.server_core, data="load") as d:
        said = d.said(" table loaded ")
    subprocess.run(["rm", "-r", f"{o.work}/load"], check=True)
    if said["checked"] != "whole":
        sys.exit("the file was not read")
    return o.big_rows * o.dim * 4 / float(said["us"]) * 1e6


def loads(o, file):
    lines = ["| file in | memory | first load | reading the file | load / reading |", "|---|---|---|---|---|"]
    for where, have in (("page cache", cached), ("disk", uncached)):
        for memory in ("map", "copy"):
            rates, limits = [], []
            for _ in range(o.runs):
                # A virtual machine has to be given memory, which takes seconds a GB: both take what was given before.
                reading(o, file, "copy")
                have(file)
                limits.append(reading(o, file, memory))
                have(file)
                rates.append(one_load(o, file, memory))
            rate, limit = statistics.median(rates), statistics.median(limits)
            print(f"load from {where:<11}{memory:<5}{rate / 1e9:>7.2f} GB/s, reading {limit / 1e9:.2f}: {rate / limit:.2f}",
                  flush=True)
            lines.append(f"| {where} | `{memory}` | {rate / 1e9:.2f} GB/s | {limit / 1e9:.2f} GB/s | {rate / limit:.2f} |")
    return lines


# ---- Lookups beside loads ----

def ask(d, method, message):
    """A call of Tables, from this process: starting another one for it would show in the latencies."""
    with h2raw.Peer(d.address, timeout=300) as peer:
        peer.send(h2raw.call(1, f"/embd.v1.Tables/{method}", message))
        answer = peer.answer(1)
    if answer.status != 0:
        sys.exit(f"{method}: status {answer.status}")


def load(d, name, file, **options):
    ask(d, "Load", field(1, name.encode()) + field(2, file.encode()) + b"\x18\1"
        + b"".join(field(4, field(1, k.encode()) + field(2, v.encode())) for k, v in options.items()))


@contextlib.contextmanager
def awake(*cores):
    """Keep processors busy with what gives way to everything: one that sleeps is slow to wake up on a virtual machine,
    milliseconds now and then, which would be all that is seen."""
    spinning = [subprocess.Popen(["taskset", "-c", core, "chrt", "--idle", "0", sys.executable, "-c", "while True: pass"])
                for core in cores]
    try:
        yield
    finally:
        for process in spinning:
            process.kill()
            process.wait()


class Beside(threading.Thread):
    """Does something again and again until it is told to stop; counts how often."""

    def __init__(self, what):
        super().__init__()
        self.what, self.count, self.ending = what, 0, threading.Event()
        self.start()

    def run(self):
        while not self.ending.is_set():
            self.what(self.count)
            self.count += 1

    def end(self):
        self.ending.set()
        self.join()
        return self.count


def beside(o, big):
    other, trained = make(o, 1000000, "other"), make(o, o.big_rows // 2, "trained")
    subprocess.run(["cp", big, f"{o.work}/second.safetensors"], check=True)
    files = ["big.safetensors", "second.safetensors"]
    words = {"loads": "loads and swaps of 1 GB", "saves": "1 GB trained anew, and saved"}
    lines = ["| beside | p50 alone | p50 | p99 alone | p99 | p99 / alone | done meanwhile |", "|---|---|---|---|---|---|---|"]
    with Served(o.build, o.work, "--table", f"other={other},memory=copy", "--table",
                f"trained={trained},optimizer=adagrad", "--import-dir", o.work, "--snapshot-interval", "1d",
                core=o.server_core, data="beside") as d, awake(o.server_core, o.client_core):
        load(d, "big", files[0])

        def swap(_):  # the file that is not served, with a new time: it is not known any more, and read whole
            files.reverse()
            os.utime(f"{o.work}/{files[0]}")
            load(d, "big", files[0])

        def write(i):  # a first snapshot of 1 GB, and the same in the other lineage
            if i % 2 == 0:
                load(d, "trained", "trained.safetensors", optimizer="adagrad")
            else:
                ask(d, "Save", field(1, b"trained"))

        def latency():
            r = d.bench("--table", "other", "--ids", IDS, "--rate", o.rate, "--poisson", "--seconds", o.seconds,
                        "--warmup", 0.3, core=o.client_core)
            if r["failed"]:
                sys.exit(f"{r['failed']} lookups failed")
            return r["latency"]

        for name, act in (("loads", swap), ("saves", write)):
            alone, busy, done = [], [], 0
            for _ in range(o.runs):
                for path in [trained] + [f"{o.work}/{file}" for file in files]:
                    cached(path)
                os.sync()
                alone.append(latency())
                thread = Beside(act)
                busy.append(latency())
                done += thread.end()
            p50, p99 = median_of(busy, "p50_us"), median_of(busy, "p99_us")
            p50_alone, p99_alone = median_of(alone, "p50_us"), median_of(alone, "p99_us")
            print(f"{words[name]:<30}p50 {p50_alone:>6,.0f} -> {p50:>6,.0f} us  p99 {p99_alone:>7,.0f} -> {p99:>7,.0f} us  "
                  f"{p99 / p99_alone:>5.2f}  {done} done", flush=True)
            lines.append(f"| {words[name]} | {p50_alone:,.0f} us | {p50:,.0f} us | {p99_alone:,.0f} us | {p99:,.0f} us | "
                         f"{p99 / p99_alone:.2f} | {done} |")
    return lines


def main():
    p = argparse.ArgumentParser()
    for name in ("build", "work", "rows", "what", "server-core", "client-core", "page"):
        p.add_argument(f"--{name}", required=True)
    for name in ("big-rows", "dim", "runs"):
        p.add_argument(f"--{name}", type=int, required=True)
    for name in ("rate", "seconds"):
        p.add_argument(f"--{name}", type=float, required=True)
    o = p.parse_args()
    lines = [f"{pages.machine()}; medians of {o.runs} runs.", ""]
    big = None
    os.sched_setaffinity(0, {int(o.server_core)})  # whatever is compared with the server has its core
    if "start" in o.what:
        lines += starts(o) + [""]
    if "load" in o.what or "beside" in o.what:
        big = make(o, o.big_rows, "big")
    if "load" in o.what:
        lines += [f"A first load of {o.big_rows:,} x {o.dim}, {o.big_rows * o.dim * 4 / 1e6:,.0f} MB:", ""] + loads(o, big) + [""]
    if "beside" in o.what:
        lines += [f"{o.rate:,.0f} lookups a second of {IDS} ids of a table of 1,000,000 x 64:", ""] + beside(o, big)
    if o.page:
        pages.replace(o.page, "startup", lines)


if __name__ == "__main__":
    main()
