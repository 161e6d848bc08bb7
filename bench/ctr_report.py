# SPDX-License-Identifier: Apache-2.0
"""From the lines of bench/ctr.sh to the tables of doc/training.md (between its marks) and the plot beside it."""
import json
import pathlib
import sys

import numpy as np

import pages

TITLES = {"kuairand": "KuaiRand", "flights": "Flights"}
SERVER = {"Lookup": "lookup", "Push": "push", "PushStream": "push"}


def group(results, *keys):
    """Lines that differ in their seed alone: {values of keys: lines}."""
    out = {}
    for r in results:
        out.setdefault(tuple(r[k] for k in keys), []).append(r)
    return out


def spread(values, digits=4):
    """Mean, and in brackets the largest less the smallest."""
    values = [v for v in values if v is not None and v == v]
    if not values:
        return "-"
    range_ = f" ({max(values) - min(values):.{digits}f})" if len(values) > 1 else ""
    return f"{np.mean(values):.{digits}f}{range_}"


def size(n):
    return f"{n / 1e6:.2f} MB" if n < 1e8 else f"{n / 1e6:.0f} MB"


def rate(lines):
    values = [r["steps_per_second"] for r in lines if r.get("steps_per_second")]
    return f"{np.mean(values):.3g}" if values else "-"


def ran(lines):
    return [r for r in lines if "refused" not in r]


def same(results):
    out = ["| log | model | seeds | AUC in embd | in PyTorch | largest difference | log loss in embd | in PyTorch |",
           "|---|---|--:|--:|--:|--:|--:|--:|"]
    for (data, model), lines in group(results, "data", "model").items():
        by = {how: {r["seed"]: r["test"] for r in ran(lines) if r["how"] == how} for how in ("embd", "local")}
        both = sorted(by["embd"].keys() & by["local"].keys())
        if both:
            there, here = ([by[how][s] for s in both] for how in ("embd", "local"))
            apart = max(abs(a["auc"] - b["auc"]) for a, b in zip(there, here))
            out.append(f"| {data} | {model} | {len(both)} | {spread([t['auc'] for t in there])} | "
                       f"{spread([t['auc'] for t in here])} | {apart:.5f} | {spread([t['log_loss'] for t in there])} | "
                       f"{spread([t['log_loss'] for t in here])} |")
    return out


def tuned(results):
    out = ["| log | model | `train.py` | AUC | log loss | seeds |", "|---|---|---|--:|--:|--:|"]
    for (data, model, how), lines in group(ran(results), "data", "model", "how").items():
        test = [r["test"] for r in lines]
        out.append(f"| {data} | {model} | `{how}` | {spread([t['auc'] for t in test])} | "
                   f"{spread([t['log_loss'] for t in test])} | {len(lines)} |")
    return out


def methods(results, rates=()):
    """Steps a second are those of short runs, alone on the machine."""
    alone = group(ran(rates), "data", "model", "method", "ratio")
    out = ["![AUC against bytes](training.svg)", ""] if ran(results) else []
    for (data, model), own in group(results, "data", "model").items():
        out += [f"### {TITLES.get(data, data)}, {model}", ""]
        for (ratio,), some in sorted(group(own, "ratio").items(), key=lambda item: -(item[0][0] or 1e9)):
            by = {key: ran(lines) for key, lines in group(some, "method").items()}
            rows = sorted(filter(None, by.values()), key=lambda ls: -np.mean([r["test"]["auc"] for r in ls]))
            out += ["**Uncompressed**" if ratio is None else f"**Ratio {ratio:g}**", "",
                    "| method | optimizer | bytes | AUC | log loss | seeds | steps/s |",
                    "|---|---|--:|--:|--:|--:|--:|"]
            out += [f"| {ls[0]['method']} | {ls[0]['optimizer']} | {size(ls[0]['table']['bytes'])} | "
                    f"{spread([r['test']['auc'] for r in ls])} | {spread([r['test']['log_loss'] for r in ls])} | "
                    f"{len(ls)} | {rate(alone.get((data, model, ls[0]['method'], ratio), []))} |"
                    for ls in rows]
            told = [f"* {r['method']}: {r['refused']}" for r in some if "refused" in r]
            out += ["", *(["Not trained:", "", *told, ""] if told else [])]
    return out


def seconds(r, call):
    return sum(c["seconds"] for name, c in r["calls"].items() if SERVER.get(name) == call)


def steps(results):
    out = []
    for (data, model), own in group(results, "data", "model").items():
        lines = ran(own)
        if not lines:
            continue
        out += [f"### {TITLES.get(data, data)}, {model}, batches of {lines[0]['batch']:,}", "",
                "| rows | steps/s | of PyTorch | ms a step | waiting: lookups | pushes | daemon: lookups | pushes |",
                "|---|--:|--:|--:|--:|--:|--:|--:|"]
        here = np.mean([r["steps_per_second"] for r in lines if r["how"] == "local"] or [float("nan")])
        for (how,), ls in group(lines, "how").items():
            def ms(read, some=ls):
                return f"{np.mean([read(r) / r['steps'] for r in some]) * 1e3:.1f}"
            local = how == "local"
            mean = np.mean([r["steps_per_second"] for r in ls])
            out.append(f"| {'in this process' if local else 'in embd: ' + how} | {mean:.1f} | {mean / here:.2f} | "
                       f"{1e3 / mean:.1f} | {ms(lambda r: r['waited'].get('lookup', 0))} | "
                       f"{ms(lambda r: r['waited'].get('push', 0))} | "
                       + ("- | - |" if local else
                          f"{ms(lambda r: seconds(r, 'lookup'))} | {ms(lambda r: seconds(r, 'push'))} |"))
        out.append("")
    return out


def plot(results, path):
    sets = group(ran(results), "data", "model")
    names = sorted({r["method"] for r in ran(results)} - {"full"})
    with pages.plot(path, len(sets)) as (_, axes):
        for axis, ((data, model), own) in zip(axes[0], sets.items()):
            full = [r["test"]["auc"] for r in own if r["method"] == "full"]
            if full:
                axis.axhspan(min(full), max(full), color="#888888", alpha=0.4, linewidth=0.8)
            for i, method in enumerate(names):
                points = []
                for lines in group([r for r in own if r["method"] == method], "ratio").values():
                    aucs = [r["test"]["auc"] for r in lines]
                    mean = np.mean(aucs)
                    points.append((lines[0]["table"]["bytes"], mean, mean - min(aucs), max(aucs) - mean))
                if points:
                    x, y, below, above = np.array(sorted(points)).T
                    axis.errorbar(x, y, [below, above], label=method, elinewidth=0.8, **pages.style(i))
            axis.set_xscale("log")
            axis.set_xlabel("bytes of the table")
            axis.set_title(f"{TITLES.get(data, data)}, {model}", fontsize=9)
            axis.grid(alpha=0.25)
        axes[0][0].set_ylabel("AUC on the test rows (grey: uncompressed)")
        pages.legend(axes[0])


def main(lines, page, picture):
    newest = {}
    for r in map(json.loads, lines.read_text().splitlines()):
        newest[tuple(r[k] for k in ("part", "data", "model", "method", "ratio", "seed", "how"))] = r
    def of(part):
        return [r for r in newest.values() if r["part"] == part]

    for part, table in (("same", same), ("tuned", tuned), ("methods", lambda own: methods(own, of("rates"))),
                        ("steps", steps)):
        if of(part):
            pages.replace(page, part, table(of(part)))
    if ran(of("methods")):
        plot(of("methods"), picture)


main(*map(pathlib.Path, sys.argv[1:4]))
