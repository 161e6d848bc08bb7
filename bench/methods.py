# SPDX-License-Identifier: Apache-2.0
"""The work of bench/methods.sh: compress, measure, note a line of results.jsonl for each table, method and ratio. First all
that wants an idle machine, then how much of the meaning is left; the later line of a table, method and ratio counts."""
import argparse
import ctypes
import json
import os
import pathlib
import subprocess
import tempfile
import time

import numpy as np

import quality

BATCH, BATCHES = 1024, 60  # of lookups


class Library:
    """libembd, for lookups in this process."""

    def __init__(self, build):
        self.lib = ctypes.CDLL(str(build / ".libs/libembd.so"))

    def open(self, path):
        table, error = ctypes.c_void_p(), ctypes.create_string_buffer(512)
        if self.lib.embd_table_open(ctypes.byref(table), str(path).encode(), 0, error):
            raise RuntimeError(error.value.decode())
        return table

    def lookup(self, table, ids, out):
        self.lib.embd_table_lookup(table, ids.ctypes.data_as(ctypes.c_void_p), ctypes.c_size_t(len(ids)),
                                   out.ctypes.data_as(ctypes.c_void_p), None, None)

    def rows(self, path, n, dim):
        table, out = self.open(path), np.empty((n, dim), "<f4")
        for first in range(0, n, BATCH):
            self.lookup(table, np.arange(first, min(first + BATCH, n), dtype="<i8"), out[first:])
        self.lib.embd_table_close(table)
        return out

    def microseconds(self, path, n, dim):
        """Of one row in random batches: the median batch."""
        table, out, times = self.open(path), np.empty((BATCH, dim), "<f4"), []
        draw = np.random.default_rng(1)
        for _ in range(BATCHES):
            ids = draw.integers(0, n, BATCH).astype("<i8")
            start = time.perf_counter()
            self.lookup(table, ids, out)
            times.append(time.perf_counter() - start)
        self.lib.embd_table_close(table)
        return float(np.median(times)) / BATCH * 1e6


def memory_of(pid):
    """Bytes that the process has of its own just now: mapped files are the page cache's. 0 when it is gone."""
    try:
        text = pathlib.Path(f"/proc/{pid}/status").read_text()
        return int(text.split("RssAnon:")[1].split()[0]) * 1024
    except (OSError, IndexError):
        return 0


def run(command):
    """(exit status, standard output, standard error, {seconds, cpu_seconds, memory} of the process)"""
    start, memory = time.perf_counter(), 0
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        process = subprocess.Popen(command, stdout=out, stderr=err)
        while not (ended := os.wait4(process.pid, os.WNOHANG))[0]:
            memory = max(memory, memory_of(process.pid))
            time.sleep(0.01)
        used = {"seconds": time.perf_counter() - start, "cpu_seconds": ended[2].ru_utime + ended[2].ru_stime,
                "memory": memory}
        out.seek(0)
        err.seek(0)
        return os.waitstatus_to_exitcode(ended[1]), out.read(), err.read().decode(), used


def compress(embctl, source, file, method, ratio, options):
    command = [embctl, "--json", "compress", str(source), "-o", str(file), "--method", method, "--force", "--seed", "1"]
    status, out, err, used = run(command + (["--ratio", str(ratio)] if ratio else []) + options)
    if status:
        return {"refused": err.strip().removeprefix("embctl: ")}
    told = json.loads(out)
    return {"bytes": told["parameter_bytes"], "error": told["relative_squared_error"], "cosine": told["cosine_mean"],
            "settings": told["config"], **used}


class Measured:
    def __init__(self, path):
        self.path = path
        lines = path.read_text().splitlines() if path.exists() else []
        self.done = {self.key(r): r for r in map(json.loads, lines)}

    @staticmethod
    def key(r):
        return r["table"], r["method"], r["ratio"]

    def add(self, r):
        self.done[self.key(r)] = r
        with open(self.path, "a") as f:
            f.write(json.dumps(r) + "\n")
        print(" ".join(f"{k}={r[k]:.4g}" if isinstance(r[k], float) else f"{k}={r[k]}" for k in r if k != "settings"),
              flush=True)


def methods_of(a):
    embctl = a.build / "embctl"
    named = a.methods.split() or [m["name"] for m in json.loads(subprocess.run(
        [embctl, "--json", "methods"], check=True, capture_output=True).stdout)]
    return ["full"] + [m for m in named if m != "full"]


def compress_table(name, a, library, measured):
    source = a.data / "glove" / f"{name}.npy"
    n, dim = np.load(source, mmap_mode="r").shape
    for method in methods_of(a):
        for ratio in [0] if method == "full" else map(float, a.ratios.split()):
            r = {"table": name, "method": method, "ratio": ratio}
            if Measured.key(r) in measured.done:
                continue
            file = a.work / f"{name}-{method}-{ratio:g}.safetensors"
            r.update(compress(a.build / "embctl", source, file, method, ratio, a.options.split()))
            if "refused" not in r:
                r["microseconds"] = library.microseconds(file, n, dim)
            measured.add(r)


def read_table(name, a, library, measured):
    """What is left of the meaning, for all that has no figure of it yet."""
    words = (a.data / "glove" / f"{name}.txt").read_text(encoding="utf-8").splitlines()
    place = {w: i for i, w in enumerate(words)}
    questions = quality.load_questions(a.data / "analogy.txt", place)
    pairs = quality.load_pairs(a.data / "wordsim", place)
    shape = np.load(a.data / "glove" / f"{name}.npy", mmap_mode="r").shape
    for r in list(measured.done.values()):
        if r["table"] == name and "refused" not in r and "analogy" not in r:
            rows = library.rows(a.work / f"{name}-{r['method']}-{r['ratio']:g}.safetensors", *shape)
            measured.add(r | {"analogy": quality.analogy(rows, questions), "similarity": quality.similarity(rows, pairs)})


def main():
    p = argparse.ArgumentParser()
    for name in ("build", "data", "work"):
        p.add_argument(f"--{name}", type=pathlib.Path)
    for name in ("tables", "ratios", "methods", "options"):
        p.add_argument(f"--{name}")
    a = p.parse_args()
    library, measured = Library(a.build), Measured(a.work / "results.jsonl")
    for work in compress_table, read_table:
        for name in a.tables.split():
            work(name, a, library, measured)


main()
