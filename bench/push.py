#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Measure the pushes of a running daemon; called by push.sh.

Pushes and `append_sync` (append the same bytes to one file, fdatasync, again) run in turn, on the same disk and the
same core, so that their ratio means something on a machine whose disk is not its own.
"""
import argparse
import json
import statistics
import subprocess


def run(o, *command):
    done = subprocess.run(["taskset", "-c", str(o.core), *map(str, command)], stdout=subprocess.PIPE, text=True,
                          check=True)
    return done.stdout


def pushes(o, ids, trainers, seconds):
    rate, payload, p50, p99 = map(float, run(o, f"{o.build}/bench/push_load", o.address, "bench", o.rows, o.dim, ids,
                                             trainers, o.depth, seconds).split())
    return {"rate": rate, "bytes": payload, "p50": p50, "p99": p99}


def appends(o, size):
    rate, p50, p99 = map(float, run(o, f"{o.build}/bench/append_sync", f"{o.work}/append", size, o.seconds).split())
    return {"rate": rate, "p50": p50, "p99": p99}


def lookups(o, seconds):
    r = json.loads(run(o, f"{o.build}/embctl", "--server", o.address, "--json", "bench", "--table", "bench", "--ids",
                       64, "--seconds", seconds, "--warmup", 0.5, "--rate", o.lookups))
    return {"p50": r["latency"]["p50_us"], "p99": r["latency"]["p99_us"]}


def medians(runs):
    return {key: statistics.median(r[key] for r in runs) for key in runs[0]}


def table_of_sizes(o):
    print(f"{'bytes':>9}{'ids':>6}{'trainers':>10}  {'pushes/s':>9}{'MB/s':>7}{'p50':>11}{'p99':>11}  "
          f"{'appends/s':>9}{'MB/s':>7}{'p99':>11}  {'ratio':>6}")
    for size in map(int, o.sizes.split()):
        ids = max(size // (8 + 4 * o.dim), 1)
        size = ids * (8 + 4 * o.dim)
        disk, ours = [], {n: [] for n in map(int, o.trainers.split())}
        for _ in range(o.runs):
            disk.append(appends(o, size))
            for n in ours:
                ours[n].append(pushes(o, ids, n, o.seconds))
        d = medians(disk)
        for n, runs in ours.items():
            p = medians(runs)
            print(f"{size:>9,}{ids:>6,}{n:>10}  {p['rate']:>9,.0f}{p['bytes'] / 1e6:>7.1f}{p['p50']:>8,.0f} us"
                  f"{p['p99']:>8,.0f} us  {d['rate']:>9,.0f}{d['rate'] * size / 1e6:>7.1f}{d['p99']:>8,.0f} us"
                  f"  {p['rate'] / d['rate']:>6.2f}", flush=True)


def lookups_beside(o):
    """p99 of lookups at a fixed rate, without pushes and under as many as the daemon takes."""
    quiet, busy = [], []
    for _ in range(o.runs):
        quiet.append(lookups(o, o.seconds))
        load = subprocess.Popen(["taskset", "-c", str(o.core), f"{o.build}/bench/push_load", o.address, "bench",
                                 str(o.rows), str(o.dim), "241", "4", str(o.depth), str(o.seconds + 1.5)],
                                stdout=subprocess.DEVNULL)
        busy.append(lookups(o, o.seconds))
        if load.wait() != 0:
            raise SystemExit("push_load failed beside the lookups")
    a, b = medians(quiet), medians(busy)
    print(f"\n{o.lookups:,} lookups a second of 64 ids, open loop, of the same table: p50 {a['p50']:,.0f} us and p99 "
          f"{a['p99']:,.0f} us without pushes,\np50 {b['p50']:,.0f} us and p99 {b['p99']:,.0f} us under full pushing "
          f"(64 KiB, 4 trainers): {b['p99'] / a['p99']:.1f} times")


def main():
    p = argparse.ArgumentParser()
    for name in ("build", "address", "work", "sizes", "trainers"):
        p.add_argument(f"--{name}", required=True)
    for name in ("rows", "dim", "runs", "depth", "core"):
        p.add_argument(f"--{name}", type=int, required=True)
    p.add_argument("--seconds", type=float, required=True)
    p.add_argument("--lookups", type=int, default=2000)
    o = p.parse_args()

    print(f"{o.rows:,} x {o.dim} float32, {o.depth} pushes in flight a trainer, each durable before its answer; medians "
          f"of {o.runs} runs of {o.seconds:g} s in turn\n")
    table_of_sizes(o)
    lookups_beside(o)


if __name__ == "__main__":
    main()
