#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Save a large table again and again; called by save.sh.

Before each Save so many random rows are pushed to; the daemon's own line about the Save says how long it held up the
writer. In the last rounds pushes and lookups go on during the Save.
"""
import argparse
import json
import re
import statistics
import subprocess
import time

ROW_PUSH = 1024


def pinned(o, *command, **more):
    return subprocess.run(["taskset", "-c", str(o.core), *map(str, command)], stdout=subprocess.PIPE, text=True,
                          check=True, **more)


def embctl(o, *command):
    return json.loads(pinned(o, f"{o.build}/embctl", "--server", o.address, "--json", *command).stdout)


def load(o, seconds, trainers=2):
    return ["taskset", "-c", str(o.core), f"{o.build}/bench/push_load", o.address, "bench", str(o.rows), str(o.dim),
            str(ROW_PUSH), str(trainers), "4", str(seconds)]


def save(o):
    """Run a Save; what the daemon says about it."""
    start = time.monotonic()
    pinned(o, f"{o.build}/embctl", "--server", o.address, "save", "bench")
    took = time.monotonic() - start
    with open(o.log) as f:
        line = [l for l in f if " table saved " in l][-1]
    said = dict(re.findall(r"(\w+)=(\S+)", line))
    return {"took": took, "pause": float(said["pause_us"]), "bytes": int(said["bytes"]), "whole": said["whole"]}


def version(o):
    return embctl(o, "describe", "bench")["version"]


def lookups(o, seconds):
    r = embctl(o, "bench", "--table", "bench", "--ids", 64, "--seconds", seconds, "--warmup", 0.2, "--rate", 1000)
    return r["latency"]["p99_us"]


def show(name, rows, s, row_bytes):
    changed = rows * row_bytes
    ratio = f"{s['bytes'] / changed:>10.2f}" if changed else f"{'':>10}"
    print(f"{name:<34}{rows:>10,}{s['took'] * 1e3:>10,.0f} ms{s['pause']:>9,.0f} us{s['bytes'] / 1e6:>10,.1f} MB"
          f"  {'whole' if s['whole'] == 'yes' else 'blocks':<7}{ratio}", flush=True)


def main():
    p = argparse.ArgumentParser()
    for name in ("build", "address", "log"):
        p.add_argument(f"--{name}", required=True)
    for name in ("rows", "dim", "saves", "core"):
        p.add_argument(f"--{name}", type=int, required=True)
    o = p.parse_args()
    row_bytes = 2 * 4 * o.dim  # parameters and optimizer state

    print(f"{o.rows:,} x {o.dim} float32 with adagrad: {o.rows * row_bytes / 1e6:,.0f} MB\n")
    print(f"{'':<34}{'rows':>10}{'Save':>13}{'pause':>12}{'written':>13}  {'':<7}{'/ changed':>10}")
    save(o)  # lineage a
    save(o)  # lineage b: both have everything now
    for n in range(o.saves):
        before = version(o)
        subprocess.run(load(o, 0.2, 1), stdout=subprocess.DEVNULL, check=True)
        show(f"after pushes, {'first' if n % 2 == 0 else 'second'} lineage", (version(o) - before) * ROW_PUSH, save(o),
             row_bytes)
    quiet = statistics.median(lookups(o, 2) for _ in range(3))
    pushing = subprocess.Popen(load(o, 8), stdout=subprocess.DEVNULL)
    time.sleep(1)
    beside = lookups(o, 1.5)
    before = version(o)
    looking = subprocess.Popen(["taskset", "-c", str(o.core), f"{o.build}/embctl", "--server", o.address, "--json",
                                "bench", "--table", "bench", "--ids", "64", "--seconds", "3", "--warmup", "0.2",
                                "--rate", "1000"], stdout=subprocess.PIPE, text=True)
    time.sleep(0.5)
    s = save(o)
    during = json.loads(looking.communicate()[0])["latency"]["p99_us"]
    pushing.wait()
    show("while pushes and lookups go on", 0, s, row_bytes)
    print(f"\np99 of 1,000 lookups a second of 64 ids: {quiet:,.0f} us alone, {beside:,.0f} us beside pushes, "
          f"{during:,.0f} us beside pushes and a Save")
    assert version(o) > before


if __name__ == "__main__":
    main()
