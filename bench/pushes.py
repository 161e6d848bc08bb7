#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Measure pushes, in one process and through a running daemon; called by pushes.sh.

What is compared runs in turn, on the same core and the same disk, so that ratios mean something on a machine whose disk
is not its own.
"""
import argparse
import json
import pathlib
import statistics
import subprocess

import numpy as np

import pages

BATCH = 4096
TURN = 16           # batches in a line of push_rows and pushes_torch.py
TURNS = 6           # lines a run; the first one is for warming up
BLOCKS = 8          # of gradients, taken in turn
RATE = "0.05"
STATES = {"sgd": 0, "adagrad": 1}
# What cannot be trained by adagrad, since integers and halves are rounded at random.
ROWWISE = "fp16 bf16 int8 int16 alpt".split()
METHODS = {"full": [], "fp16": [], "bf16": [], "int8": [], "int16": [], "alpt": [],
           "hash": ["--ratio", "0.1"], "compo": [], "robe": ["--ratio", "0.1"], "mde": [], "autodim": [],
           "dedup": ["--ratio", "0.5"], "mgqe": [], "dpq": [], "adapt": ["--ratio", "0.2"], "optembed": [],
           "deeplight": ["--ratio", "0.2"], "autosrh": ["--ratio", "0.2"], "pep": ["--ratio", "0.2"],
           "tt": ["--set", "r=1,16,16,1"], "dhe": ["--ratio", "0.01"]}


def run(o, *command):
    return subprocess.run(["taskset", "-c", str(o.core), *map(str, command)], stdout=subprocess.PIPE, text=True,
                          check=True).stdout


def ms(us):
    return f"{us / 1e3:.{2 if us < 1e3 else 1 if us < 1e4 else 0}f} ms"


def medians(runs):
    return {key: statistics.median(r[key] for r in runs) for key in runs[0]}


# ---- One thread: steps and lookups ----

def make_inputs(o, batches):
    random = np.random.default_rng(7)
    random.integers(0, o.rows, batches * BATCH).astype("<i8").tofile(f"{o.work}/ids")
    (random.standard_normal((BLOCKS * BATCH, o.dim)) / 100).astype("<f4").tofile(f"{o.work}/gradients")


def lines(text):
    return np.array([[float(x) for x in line.split()] for line in text.splitlines()])


def push_rows(o, table, optimizer, folder, *rows):
    """Medians of a batch's microseconds: lookup, prepare, step, mark, write; and its bytes."""
    return np.median(lines(run(o, f"{o.build}/bench/push_rows", table, optimizer, RATE, f"{o.work}/{folder}",
                               f"{o.work}/ids", BATCH, f"{o.work}/gradients", *rows))[1:], axis=0)


def same_rows(o, optimizer):
    a, b = (np.fromfile(f"{o.work}/{name}.rows", "<f4") for name in ("embd", "torch"))
    worst = np.abs(a - b).max()
    if len(a) != len(b) or not worst < 1e-5 * np.abs(a).max():
        raise SystemExit(f"{optimizer}: embd and PyTorch come to different rows, by {worst}")


def steps(o):
    out = []
    make_inputs(o, TURN * TURNS)
    for optimizer, states in STATES.items():
        ours, theirs = [], []
        for _ in range(o.runs):
            ours.append(push_rows(o, o.table, optimizer, f"steps-{optimizer}/bench", f"{o.work}/embd.rows")[1:5].sum())
            theirs.append(np.median(lines(run(o, o.torch_python, "bench/pushes_torch.py", o.table, optimizer, RATE,
                                              f"{o.work}/ids", BATCH, f"{o.work}/gradients",
                                              f"{o.work}/torch.rows"))[1:]))
            same_rows(o, optimizer)
        a, b = statistics.median(ours), statistics.median(theirs)
        out.append({"optimizer": optimizer, "states": states, "ours": BATCH / a, "theirs": BATCH / b, "ratio": b / a})
        print(f"{optimizer:<12}{BATCH / a:>8.2f} M rows/s, PyTorch {BATCH / b:>6.2f}: {b / a:.2f} times", flush=True)
    return out


def methods(o):
    out = []
    make_inputs(o, TURN * TURNS)
    for method, settings in METHODS.items():
        optimizer = "rowwise_adagrad" if method in ROWWISE else "adagrad"
        file, folder = f"{o.work}/{method}.safetensors", f"methods/{method}"
        if method == "full":
            file = o.table
        else:
            run(o, f"{o.build}/embctl", "create", "-o", file, "--method", method, "--rows", o.rows, "--dim", o.dim,
                *settings)
        t = push_rows(o, file, optimizer, folder)
        row = dict(zip(("lookup", "prepare", "step", "mark", "write", "bytes"), map(float, t)))
        row |= {"method": method, "optimizer": optimizer, "push": float(t[1:5].sum())}
        row["ratio"] = row["push"] / row["lookup"]
        out.append(row)
        for path in [file] * (method != "full") + list(pathlib.Path(o.work, folder).glob("*")):
            pathlib.Path(path).unlink()
        print(f"{method:<12}lookup {row['lookup']:>9,.0f} us, push {row['push']:>9,.0f} us: {row['ratio']:>6.2f} times"
              f"   (prepare {t[1]:,.0f}, step {t[2]:,.0f}, mark {t[3]:,.0f}, write {t[4]:,.0f}; {t[5] / 1e6:.2f} MB)",
              flush=True)
    return out


# ---- The daemon ----

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


def snapshots(o):
    """How many the daemon has made by itself."""
    return sum(" table saved " in line for line in open(f"{o.work}/log"))


def disk(o):
    out = []
    for size in map(int, o.sizes.split()):
        ids = max(size // (8 + 4 * o.dim), 1)
        size = ids * (8 + 4 * o.dim)
        made = snapshots(o)
        disk_runs, ours = [], {n: [] for n in map(int, o.trainers.split())}
        for _ in range(o.runs):
            disk_runs.append(appends(o, size))
            for n in ours:
                ours[n].append(pushes(o, ids, n, o.seconds))
        d = medians(disk_runs)
        for n, runs in ours.items():
            p = medians(runs) | {"size": size, "ids": ids, "trainers": n, "appends": d["rate"],
                                 "append_p99": d["p99"], "snapshots": snapshots(o) - made}
            p["ratio"] = p["rate"] / d["rate"]
            out.append(p)
            print(f"{size:>9,} bytes, {n} trainers: {p['rate']:>8,.0f}/s, {p['bytes'] / 1e6:>6.1f} MB/s, p50 "
                  f"{p['p50']:>8,.0f} us, p99 {p['p99']:>9,.0f} us; appends {d['rate']:>7,.0f}/s, p99 {d['p99']:,.0f} us: "
                  f"{p['ratio']:.2f}", flush=True)
    return out


def beside(o):
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
    print(f"lookups: p50 {a['p50']:,.0f} us, p99 {a['p99']:,.0f} us without pushes; p50 {b['p50']:,.0f} us, p99 "
          f"{b['p99']:,.0f} us under full pushing", flush=True)
    return {"quiet": a, "busy": b}


# ---- The page ----

def step_lines(rows):
    yield f"In one thread, {BATCH:,} fresh ids a step; each side comes to the same rows:"
    yield ""
    yield "| optimizer | embd, rows/s | PyTorch, rows/s | embd / PyTorch |"
    yield "|---|---|---|---|"
    for r in rows:
        yield f"| `{r['optimizer']}` | {r['ours']:.2f} M | {r['theirs']:.2f} M | {r['ratio']:.1f} |"


def method_lines(rows):
    yield f"A push of {BATCH:,} fresh ids beside the lookup of the same ids, in one thread, without wire and log:"
    yield ""
    yield "| method | optimizer | lookup | push | push / lookup | prepared | steps | marked | written | bytes |"
    yield "|---|---|---|---|---|---|---|---|---|---|"
    for r in rows:
        yield (f"| `{r['method']}` | `{r['optimizer']}` | {r['lookup']:,.0f} us | {r['push']:,.0f} us | {r['ratio']:.1f} | "
               f"{r['prepare']:,.0f} us | {r['step']:,.0f} us | {r['mark']:,.0f} us | {r['write']:,.0f} us | "
               f"{r['bytes'] / 1e6:.2f} MB |")


def disk_lines(rows):
    made = sum({r["size"]: r["snapshots"] for r in rows}.values())
    yield (f"Through the daemon, each push on disk before it is answered; {made} snapshots were made by themselves "
           "meanwhile:")
    yield ""
    yield "| bytes a push | trainers | pushes/s | MB/s | p50 | p99 | append and fdatasync | pushes / appends |"
    yield "|---|---|---|---|---|---|---|---|"
    for r in rows:
        yield (f"| {r['size']:,} | {r['trainers']} | {r['rate']:,.0f} | {r['bytes'] / 1e6:.1f} | {ms(r['p50'])} | "
               f"{ms(r['p99'])} | {r['appends']:,.0f}/s, p99 {ms(r['append_p99'])} | {r['ratio']:.2f} |")


def beside_lines(o, r):
    a, b = r["quiet"], r["busy"]
    yield (f"Lookups of the same table, {o.lookups:,} a second of 64 ids in an open loop: p50 {a['p50']:,.0f} us and p99 "
           f"{ms(a['p99'])} without pushes, p50 {b['p50']:,.0f} us and p99 {ms(b['p99'])} while four "
           f"trainers push 64 KiB as fast as they are answered, {b['p99'] / a['p99']:.1f} times.")


def draw(path, made):
    with pages.plot(path, columns=2, width=4.8) as (_, axes):
        left, right = axes[0]
        for i, n in enumerate(sorted({r["trainers"] for r in made["disk"]})):
            some = [r for r in made["disk"] if r["trainers"] == n]
            left.plot([r["size"] / 1024 for r in some], [r["ratio"] for r in some], label=f"{n} trainer{'s' * (n > 1)}",
                      **pages.style(2 * i))
        left.set(xscale="log", yscale="log", xlabel="KiB a push", ylabel="pushes / (append and fdatasync)")
        left.legend(frameon=False)
        rows = sorted(made["methods"], key=lambda r: r["ratio"])
        right.barh([r["method"] for r in rows], [r["ratio"] for r in rows], color="tab:blue")
        right.axvline(4, color="black", linewidth=0.8)
        right.set(xscale="log", xlabel=f"push / lookup of {BATCH:,} ids")
        for axis, at in ((left.yaxis, (0.5, 0.7, 1, 2, 3, 4)), (left.xaxis, (4, 64, 256, 1024)),
                         (right.xaxis, (4, 10, 20, 40, 80))):
            axis.set_ticks(at, [f"{x:g}" for x in at])
            axis.set_ticks([], minor=True)


def main():
    p = argparse.ArgumentParser()
    for name in ("build", "address", "work", "table", "page", "parts", "sizes", "trainers", "torch-python"):
        p.add_argument(f"--{name}", required=True)
    for name in ("rows", "dim", "runs", "depth", "core"):
        p.add_argument(f"--{name}", type=int, required=True)
    p.add_argument("--seconds", type=float, required=True)
    p.add_argument("--lookups", type=int, default=2000)
    o = p.parse_args()

    every = {"steps": steps, "methods": methods, "disk": disk, "beside": beside}
    made = {part: measure(o) for part, measure in every.items() if part in o.parts.split()}
    if len(made) < len(every):
        return
    page = pathlib.Path(o.page)
    draw(page.parent / "performance_pushes.svg", made)
    text = [f"{o.rows:,} x {o.dim}, medians of {o.runs} runs in turn ({pages.machine()}).", "",
            *step_lines(made["steps"]), "", *method_lines(made["methods"]), "", *disk_lines(made["disk"]), "",
            *beside_lines(o, made["beside"]), "",
            "![pushes beside append and sync, and beside lookups](performance_pushes.svg)"]
    pages.replace(page, "pushes", text)


if __name__ == "__main__":
    main()
