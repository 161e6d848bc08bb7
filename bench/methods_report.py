# SPDX-License-Identifier: Apache-2.0
"""From the lines of bench/methods.sh to the tables of doc/methods.md (between its marks) and the plot beside it."""
import json
import pathlib
import sys

import pages

NAMES = {"100k": "the first 100,000 words", "full": "all 341,479 words"}


def number(x, digits=3):
    return "-" if x is None or x != x else f"{x:.{digits}f}" if x >= 0.01 or x == 0 else f"{x:.1e}"


def size(n):
    if n is None:
        return "-"
    return f"{n / 1e6:.2f} MB" if n < 1e8 else f"{n / 1e6:.0f} MB"


def seconds(s):
    if s is None:
        return "-"
    return f"{s:.1f}" if s < 100 else f"{s:.0f}"


def order(r):
    return r["error"] if "error" in r else float("inf")


def table(results, name):
    full = next((r for r in results if r["method"] == "full"), None)
    lines = [f"### GloVe 6B 100d, {NAMES.get(name, name)}", ""]
    if full:
        lines += [f"Uncompressed: {size(full['bytes'])}, analogies {number(full['analogy'])}, similarity "
                  f"{number(full['similarity'])}, {full['microseconds']:.3f} us a row."]
    for ratio in sorted({r["ratio"] for r in results if r["ratio"]}, reverse=True):
        rows = sorted((r for r in results if r["ratio"] == ratio), key=order)
        lines += ["", f"**Ratio {ratio:g}**", "",
                  "| method | bytes | error | cosine | analogies | similarity | seconds | CPU s | memory | us a row |",
                  "|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|"]
        lines += [f"| {r['method']} | {size(r['bytes'])} | {number(r['error'])} | {number(r['cosine'])} | "
                  f"{number(r.get('analogy'))} | {number(r.get('similarity'))} | {seconds(r.get('seconds'))} | "
                  f"{seconds(r.get('cpu_seconds'))} | {size(r.get('memory'))} | {number(r.get('microseconds'), 2)} |"
                  for r in rows if "error" in r]
        refused = [r["method"] for r in rows if "refused" in r]
        if refused:
            lines += ["", f"Not within this budget: {', '.join(refused)}."]
    return lines


def plot(results, path):
    names = [n for n in ("100k", "full") if any(r["table"] == n and "analogy" in r for r in results)]
    with pages.plot(path, len(names), sharey=True) as (_, axes):
        for axis, name in zip(axes[0], names):
            own = [r for r in results if r["table"] == name and "analogy" in r]
            full = next(r for r in own if r["method"] == "full")
            axis.axhline(full["analogy"], color="#888888", linewidth=0.8, linestyle=":")
            for i, method in enumerate(sorted({r["method"] for r in own} - {"full"})):
                points = sorted((r["bytes"] / full["bytes"], r["analogy"]) for r in own if r["method"] == method)
                axis.plot(*zip(*points), label=method, **pages.style(i))
            axis.set_xscale("log")
            axis.set_xlabel("bytes / bytes of the float32 table")
            axis.set_title(f"GloVe 6B 100d, {NAMES[name]}", fontsize=9)
            axis.grid(alpha=0.25)
        axes[0][0].set_ylabel("analogies answered (3CosAdd)")
        pages.legend(axes[0])


def main(lines, page, picture):
    newest = {}
    for r in map(json.loads, lines.read_text().splitlines()):
        newest[r["table"], r["method"], r["ratio"]] = r
    results = list(newest.values())
    out = []
    for name in ("100k", "full"):
        own = [r for r in results if r["table"] == name]
        if own:
            out += table(own, name) + [""]
    pages.replace(page, "measured", out)
    plot(results, picture)


main(*map(pathlib.Path, sys.argv[1:4]))
