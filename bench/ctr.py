# SPDX-License-Identifier: Apache-2.0
"""The work of bench/ctr.sh: run examples/ctr/train.py, and note a line of results.jsonl for each run."""
import argparse
import json
import pathlib
import sqlite3
import subprocess
import sys
import tempfile

TRAIN = pathlib.Path(__file__).resolve().parent.parent / "examples" / "ctr" / "train.py"
KEY = ("part", "data", "model", "method", "ratio", "seed", "how")
# Ways to train with the rows in embd, for the part `steps`.
WAYS = {"local": ["--local"],
        "one after the other": [],
        "half precision": ["--format", "f16", "--push-format", "f16"],
        "pipelined": ["--pipeline"],
        "pipelined, half precision": ["--pipeline", "--format", "f16", "--push-format", "f16"]}

# Settings with which linear models do best of those that we tried, for the part `tuned`.
TUNED = {("kuairand", "lr"): ["--batch", "256", "--epochs", "3", "--lr", "0.1"],
         ("kuairand", "fm"): ["--batch", "4096"],
         ("flights", "fm"): ["--train-on", "train,validation"]}


def slim(r):
    """What is kept of a line: what the tables are made from."""
    kept = {k: r[k] for k in (*KEY, "refused", "optimizer", "batch", "steps", "steps_per_second", "waited", "calls") if k in r}
    for k, names in (("table", ("bytes",)), ("test", ("auc", "log_loss"))):
        if k in r:
            kept[k] = {name: r[k][name] for name in names}
    return kept


class Measured:
    """What was measured before and now. What is refused with one seed is so with any."""

    def __init__(self, path):
        self.path, self.done, self.refused = path, set(), set()
        for line in path.read_text().splitlines() if path.exists() else []:
            self.note(json.loads(line))

    def note(self, r):
        self.done.add(tuple(r[k] for k in KEY))
        if "refused" in r:
            self.refused.add(tuple(r[k] for k in KEY if k != "seed"))

    def has(self, r):
        return tuple(r[k] for k in KEY) in self.done or tuple(r[k] for k in KEY if k != "seed") in self.refused

    def add(self, r):
        r = slim(r)
        self.note(r)
        with open(self.path, "a", encoding="utf-8") as f:
            f.write(json.dumps(r) + "\n")
        auc = f"AUC {r['test']['auc']:.4f}, " if "test" in r else ""
        found = r.get("refused") or f"{auc}{r['steps_per_second']:.2f} steps/s"
        print(*(r[k] for k in KEY if r[k] is not None), found, sep="  ", flush=True)


def calls(folder):
    """What the daemon counted of its own time: {call: {count, seconds}}."""
    path = folder / "data" / "stats.db"
    if not path.exists():
        return {}
    db = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
    try:
        rows = db.execute("SELECT call, sum(count), sum(count * mean_us) / 1e6 FROM summary WHERE table_name <> '*' "
                          "GROUP BY call").fetchall()  # '*': a stream of pushes as one call
    finally:
        db.close()
    return {call: {"count": count, "seconds": seconds} for call, count, seconds in rows}


def train(a, r, more):
    """A run: what train.py found is added to the line."""
    data = r["data"] if r["data"] == "kuairand" else str(a.data / r["data"])
    with tempfile.TemporaryDirectory(prefix="embd-ctr-", dir=a.work) as folder:
        command = [sys.executable, str(TRAIN), "--json", "--embd", str(a.build / "embd"), "--data", data, "--model",
                   r["model"], "--method", r["method"], "--seed", str(r["seed"]), "--batch", str(a.batch), "--at-most",
                   str(a.at_most), "--folder", folder, *(["--ratio", str(r["ratio"])] if r["ratio"] else []), *more,
                   *a.options.split()]
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, check=False)
        if done.returncode:
            last = (done.stderr.strip().splitlines() or [""])[-1]
            if done.returncode != 1 or not last.startswith("train: "):
                sys.exit(f"ctr: {' '.join(command)} ended with {done.returncode}:\n{done.stderr[-3000:]}")
            return {**r, "refused": last.removeprefix("train: ")}
        told = json.loads(done.stdout)
        told.pop("data")
        return {**told, **r, "calls": calls(pathlib.Path(folder))}


def methods_of(a):
    told = subprocess.run([a.build / "embctl", "--json", "methods"], check=True, capture_output=True).stdout
    every = a.methods.split() or [m["name"] for m in json.loads(told)]
    return ["full"] + [m for m in every if m != "full"]


def entries(a):
    """(line, options of train.py) for all that is to be measured."""
    seeds = list(map(int, a.seeds.split()))
    for part in a.parts.split():
        for data in a.data_sets.split():
            line = {"part": part, "data": data, "model": a.model, "method": "full", "ratio": None, "how": None}
            if part == "same":
                for model in a.models.split():
                    for seed in seeds:
                        yield {**line, "model": model, "seed": seed, "how": "embd"}, []
                        yield {**line, "model": model, "seed": seed, "how": "local"}, ["--local"]
            elif part in ("methods", "rates"):
                short = ["--steps", str(a.steps), "--no-evaluation"] if part == "rates" else []
                for seed in seeds:  # all methods with one seed first: it takes hours
                    for method in methods_of(a):
                        for ratio in [None] if method == "full" else map(float, a.ratios.split()):
                            yield {**line, "method": method, "ratio": ratio, "seed": seed}, short
            elif part == "tuned":
                for (log, model), more in TUNED.items():
                    if log == data:
                        for seed in seeds:
                            yield {**line, "model": model, "seed": seed, "how": " ".join(more)}, more
            elif part == "steps":
                for how, more in WAYS.items():
                    for seed in seeds:
                        yield ({**line, "seed": seed, "how": how},
                               ["--steps", str(a.steps), "--no-evaluation", *more])
            else:
                sys.exit(f"ctr: there is no part {part}; there are same, tuned, methods, rates and steps")


def main():
    p = argparse.ArgumentParser()
    for name in ("build", "data", "work"):
        p.add_argument(f"--{name}", type=pathlib.Path)
    for name in ("parts", "data-sets", "models", "model", "methods", "ratios", "seeds", "options"):
        p.add_argument(f"--{name}")
    for name in ("steps", "batch"):
        p.add_argument(f"--{name}", type=int)
    p.add_argument("--at-most", type=float)
    p.add_argument("--results", type=pathlib.Path)
    a = p.parse_args()
    measured = Measured(a.results)
    for line, more in entries(a):
        if not measured.has(line):
            measured.add(train(a, line, more))


main()
