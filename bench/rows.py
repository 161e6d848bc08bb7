# SPDX-License-Identifier: Apache-2.0
"""The work of bench/rows.sh: make the tables, measure each and its peer in turn, compare their rows, write the page."""
import argparse
import json
import pathlib
import statistics
import subprocess
import sys

import numpy as np

import pages
from rows_entries import DIM, ENTRIES, LIMITS, PEERS

BEGUN = {}  # workers, by name


class Worker:
    """A program that answers a line with a line."""

    def __init__(self, name, command, core):
        self.name = name
        self.process = subprocess.Popen(["taskset", "-c", str(core), *command], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, text=True)
        self.process.stdout.readline()  # ready: what it imports does not run beside a measurement

    def ask(self, subject, what, value):
        try:
            self.process.stdin.write(f"{subject} {what} {value}\n")
            self.process.stdin.flush()
            answer = self.process.stdout.readline()
        except BrokenPipeError:
            answer = ""
        if not answer:
            sys.exit(f"{self.name} ended at: {subject} {what}")
        return answer.strip()


def begin_workers(a):
    here = pathlib.Path(__file__).parent
    commands = {"rows": [a.build / "bench/rows", str(a.rows)]}
    for library, python in ("torch", a.torch_python), ("faiss", a.faiss_python):
        if python:
            commands[library] = [python, here / "rows_peers.py", library, str(a.rows)]
    for name, command in commands.items():
        BEGUN[name] = Worker(name, command, a.core)


def header(path):
    with open(path, "rb") as f:
        return json.loads(f.read(int.from_bytes(f.read(8), "little")))


def make_tables(a, entries):
    """Random parameters of every method; `full` is what others stand beside."""
    frequency = a.work / "frequency.npy"
    if not frequency.exists():
        np.save(frequency, (1e6 / np.arange(1, a.rows + 1)).astype("<i8"))
    for e in entries:
        path = a.work / e.file
        if not path.exists():
            options = e.options.format(frequency=frequency).split()
            subprocess.run([a.build / "embctl", "create", "-o", path, "--method", e.method, "-n", str(a.rows), "-d",
                            str(DIM), "--seed", "1", *options], check=True, stdout=subprocess.DEVNULL)


def shapes_of(path):
    return {name: t["shape"] for name, t in header(path).items() if name != "__metadata__"}


def config_of(path):
    return json.loads(header(path)["__metadata__"].get("embd.config", "{}"))


def layers_of(path):
    """Sizes of a net's layers, from its matrices [in, out]."""
    matrices = [s for name, s in sorted(shapes_of(path).items()) if name.startswith("mlp.") and len(s) == 2]
    return ",".join(str(n) for n in [m[0] for m in matrices] + [matrices[-1][1]]) if matrices else ""


def peer_of(a, e):
    """(worker, subject), None where the library is not there."""
    _, worker, subject = PEERS[e.peer]
    path = a.work / e.file
    if worker not in BEGUN:
        return None
    return worker, subject.format(table=path, full=a.work / "full.safetensors", method=e.method, shapes=layers_of(path))


def check_rows(a, e, ours, theirs):
    """Both give the same rows, but for rounding."""
    paths = [a.work / "ours.rows", a.work / "theirs.rows"]
    for (worker, subject), path in zip((ours, theirs), paths):
        BEGUN[worker].ask(subject, "rows", path)
    x, y = (np.fromfile(p, "<f4") for p in paths)
    if x.shape != y.shape or not np.allclose(x, y, rtol=1e-4, atol=1e-5 * np.abs(x).max()):
        sys.exit(f"{e.name}: not the rows of {e.peer}")


def measure(a, e):
    """Medians: {ns, peer_ns, ratio}; the ratio is that of the two runs beside each other."""
    ours, theirs = ("rows", f"{e.kind}:{a.work / e.file}"), peer_of(a, e)
    if theirs and e.same:
        check_rows(a, e, ours, theirs)
    runs = {"ns": [], "peer_ns": [], "ratio": []}
    for worker, subject in filter(None, (ours, theirs)):
        BEGUN[worker].ask(subject, "time", a.seconds)  # warm: no page is touched for the first time below
    for run in range(a.runs):
        order = [("ns", ours), ("peer_ns", theirs)] if theirs else [("ns", ours)]
        for key, (worker, subject) in order[:: -1 if run % 2 else 1]:
            runs[key].append(float(BEGUN[worker].ask(subject, "time", a.seconds)))
        if theirs:
            runs["ratio"].append(runs["peer_ns"][-1] / runs["ns"][-1])
    return {key: statistics.median(values) for key, values in runs.items() if values}


def bytes_touched(a, e):
    path = a.work / e.file
    return e.touched(config_of(path), shapes_of(path)) if callable(e.touched) else e.touched


def describe(a, e):
    """What a reader has to know of a table: its budget or its settings."""
    words = e.options.replace("--set ", "").replace("--frequency {frequency}", "").replace("--", "").split()
    text = " ".join(words)
    return text + (" huge pages" if e.kind == "copy" else "")


def report(a, results):
    lines = [f"{a.rows:,} x {DIM}, batches of 4,096 fresh ids, one thread; medians of {a.runs} alternating runs of "
             f"{a.seconds:g} s. {pages.machine()}.", "",
             "| method | table | rows/s | ns a row | bytes a row | beside | its ns a row | ratio | asked for |",
             "|---|---|--:|--:|--:|---|--:|--:|--:|"]
    for e, r in results:
        beside = f"{PEERS[e.peer][0]} | {r['peer_ns']:.1f} | {r['ratio']:.2f}" if "ratio" in r else "not there | | "
        lines.append(f"| {e.method} | {describe(a, e)} | {1e9 / r['ns']:,.0f} | {r['ns']:.1f} | {bytes_touched(a, e):.0f} | "
                     f"{beside} | {f'{e.target:.2f}' if e.target else ''} |")
    lines += ["", "What limits them:", "", "| method | limit |", "|---|---|"]
    lines += [f"| {method} | {text} |" for method, text in LIMITS.items()]
    lines += ["", "![nanoseconds a row of every method and of what stands beside it](performance_rows.svg)"]
    pages.replace(a.page, "rows", lines)
    plot(a, results)


def plot(a, results):
    with pages.plot(a.page.parent / "performance_rows.svg", width=8, height=0.2 * len(results) + 1) as (_, axes):
        axis, at = axes[0][0], np.arange(len(results))
        axis.barh(at - 0.2, [r["ns"] for _, r in results], 0.4, label="embd")
        axis.barh(at + 0.2, [r.get("peer_ns", 0) for _, r in results], 0.4, label="beside it")
        axis.set_yticks(at, [f"{e.method} {describe(a, e)} / {e.peer}" for e, _ in results])
        axis.invert_yaxis()
        axis.set_xscale("log")
        axis.set_xlabel("ns a row")
        axis.legend()


def main():
    p = argparse.ArgumentParser()
    for name in ("build", "work", "page"):
        p.add_argument(f"--{name}", type=pathlib.Path, required=True)
    for name in ("rows", "runs", "core"):
        p.add_argument(f"--{name}", type=int, required=True)
    p.add_argument("--seconds", type=float, required=True)
    for name in ("torch-python", "faiss-python", "methods"):
        p.add_argument(f"--{name}", default="")
    a = p.parse_args()
    entries = [e for e in ENTRIES if not a.methods or e.method in a.methods.split()]
    make_tables(a, [ENTRIES[0], *entries])
    begin_workers(a)
    results = []
    for e in entries:
        r = measure(a, e)
        results.append((e, r))
        beside = f"{PEERS[e.peer][0]} {r['peer_ns']:.1f} ns, ratio {r['ratio']:.2f}" if "ratio" in r else "alone"
        missed = "" if not e.target or "ratio" not in r else " ok" if r["ratio"] >= e.target else f" BELOW {e.target:.2f}"
        print(f"{e.method:9} {describe(a, e):48} {r['ns']:9.1f} ns  {beside}{missed}", flush=True)
    if not a.methods:
        report(a, results)


main()
