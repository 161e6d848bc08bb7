# SPDX-License-Identifier: Apache-2.0
"""embctl plan: what it says is what compress and create then make, and no budget is exceeded."""
import json
import os
import pathlib
import sys
import tempfile

import numpy as np

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))
from embctl_kit import document, good, on_terminal, one_line, run  # noqa: E402

OPTIMIZERS = ["sgd", "adagrad", "rowwise_adagrad", "adam"]


def plans(*arguments):
    said = document("plan", *arguments)
    return said, {p["method"]: p for p in said["plans"]}


def names():
    return [m["name"] for m in document("methods")]


def test_budgets():
    """Every method appears once, those in reach first; every byte counts."""
    for ratio in (2, 0.5, 0.27, 0.1, 0.01, 0.0001):
        said, by = plans("--rows", 30000, "--dim", 48, "--ratio", ratio)
        assert sorted(by) == sorted(names()) and len(said["plans"]) == len(by)
        assert said["float32_bytes"] == 30000 * 48 * 4 and said["budget"] == int(30000 * 48 * 4 * ratio * (1 + 1e-12))
        reach = [p["reachable"] for p in said["plans"]]
        assert reach == sorted(reach, reverse=True)
        needs = [p["need"] for p in said["plans"] if "need" in p]
        assert needs == sorted(needs) and all(need > said["budget"] for need in needs)
        for p in said["plans"]:
            if p["reachable"]:
                assert p["bytes"] <= said["budget"] and p["ratio"] == p["bytes"] / said["float32_bytes"], p
                assert list(p["optimizer_bytes"]) == OPTIMIZERS
            else:
                assert p["reason"], p
                if "need" in p:  # and the need would do
                    _, again = plans("-n", 30000, "-d", 48, "--budget", p["need"])
                    assert again[p["method"]]["reachable"] and again[p["method"]]["bytes"] <= p["need"]
    _, by = plans("--rows", 30000, "--dim", 48, "--ratio", 0.27)
    assert by["full"]["need"] == 30000 * 48 * 4 and by["fp16"]["need"] == 30000 * 48 * 2
    assert by["int8"]["bytes"] == 30000 * 48 and by["hash"]["bytes"] == 30000 * 48 * 4 * 27 // 100 // 192 * 192
    assert by["compo"]["work"] == 48 and by["hash"]["work"] == 0
    assert by["hash"]["optimizer_bytes"]["adam"] == 2 * by["hash"]["bytes"]
    assert by["hash"]["optimizer_bytes"]["rowwise_adagrad"] == by["hash"]["bytes"] // 48
    assert by["int8"]["optimizer_bytes"]["adagrad"] is None and by["int8"]["optimizer_bytes"]["sgd"] == 0


def test_compress_and_create_do_the_same(folder):
    rows = np.random.default_rng(1).standard_normal((700, 20)).astype("<f4")
    np.save(folder / "in.npy", rows)
    for size in ([], ["--ratio", "0.3"]):
        _, by = plans("--rows", 700, "--dim", 20, *size)
        for method in ("full", "fp16", "int8", "hash", "compo"):
            created = folder / f"created-{method}"
            if not by[method]["reachable"]:
                done = run("create", "-o", created, "-m", method, "-n", 700, "-d", 20, "--force", *size)
                assert done.returncode == 1 and by[method]["reason"] in done.stderr.decode()
                continue
            made = document("compress", folder / "in.npy", "-o", folder / "c", "-m", method, "--force", *size)
            assert made["parameter_bytes"] == by[method]["bytes"] and made["work"] == by[method]["work"]
            made = document("create", "-o", created, "-m", method, "-n", 700, "-d", 20, "--force", *size)
            assert made["parameter_bytes"] == by[method]["bytes"] and made["work"] == by[method]["work"]


def test_fields(folder):
    field = [1000, 0, 7, 20000, 300]
    (folder / "rows.json").write_text(json.dumps(field))
    (folder / "rows.txt").write_text("\n".join(map(str, field)))
    np.save(folder / "rows.npy", np.array(field, "<i8"))
    said, by = plans("--fields", ",".join(map(str, field)), "--dim", 16, "--ratio", 0.1)
    assert said["rows"] == sum(field) and said["fields"] == field
    for how in (json.dumps(field), folder / "rows.json", f"@{folder / 'rows.json'}", f"@{folder / 'rows.txt'}",
                f"@{folder / 'rows.npy'}"):
        assert plans("-f", how, "-d", 16, "-r", 0.1)[0] == said, how
    one = document("plan", "--fields", "[1000,0,7,20000,300]", "-d", 16, "-r", 0.1, "-m", "compo")["plans"][0]
    assert one["bytes"] == by["compo"]["bytes"] == sum(p["bytes"] for p in one["parts"])
    assert [p["rows"] for p in one["parts"]] == field
    for part in one["parts"]:
        if part["method"] == "compo":
            assert part["bytes"] < part["rows"] * 64 and part["config"]["op"] == "mult"
        else:
            assert part["method"] == "full" and part["bytes"] == part["rows"] * 64 and part["config"] == {}
    # A method without parameters by field has the budget as a whole.
    whole = document("plan", "--fields", "[1000,0,7,20000,300]", "-d", 16, "-m", "int8")["plans"][0]
    assert whole["config"]["digit"] == 8 and "parts" not in whole


def test_settings():
    one = document("plan", "-n", 1000, "-d", 16, "-m", "compo", "--set", "collisions=7", "--set", "op=add")["plans"][0]
    assert one["config"]["collisions"] == 7 and one["bytes"] == (143 + 7) * 64 and "op=add" in one["settings"]
    _, by = plans("-n", 1000, "-d", 1, "--set", "op=concat")  # for those that have it
    assert by["full"]["reachable"] and not by["compo"]["reachable"] and "need" not in by["compo"]
    assert "2 columns" in by["compo"]["reason"]
    left = document("plan", "-n", 10, "-d", 4, "-m", "int8", "--set", "qparam=table")["plans"][0]
    assert left["config"]["scale"] is None and left["config"]["middle"] == 0


def test_refusals(folder):
    (folder / "bad.json").write_text('[1, "x"]')
    size = ("-n", 1000, "-d", 16)
    cases = [
        (2, (), "how many rows"), (2, ("-n", 5), "how many columns"), (2, ("-n", "x", "-d", 4), "--rows"),
        (2, ("-n", 2 ** 63, "-d", 4), "--rows"), (2, ("-n", 5, "-d", 0), "--dim"), (2, ("-n", 5, "-d", 65537), "--dim"),
        (2, (*size, "-r", 0), "--ratio"), (2, (*size, "-b", "many"), "--budget"),
        (2, (*size, "-r", 1, "-b", 5), "exclude"), (2, (*size, "-m", "frob"), 'no method "frob"'),
        (2, (*size, "-m", "hash", "--set", "op=add"), 'hash has no setting "op"'),
        (2, (*size, "--set", "frob=1"), "no method has a setting"), (2, (*size, "--set", "op"), "KEY=VALUE"),
        (2, (*size, "--set", "op=frob"), "op is one of"), (2, (*size, "-o", "frob"), "no optimizer"),
        (2, ("-f", "3,x", "-d", 4), '"x"'), (2, ("-f", "", "-d", 4), "no fields"), (2, ("-f", "3,-1", "-d", 4), "-1 rows"),
        (2, ("-f", f"{2 ** 63 - 1},1", "-d", 4), "2^63"), (2, (*size, "x"), "one too many"),
        (1, ("-f", "@/no/such", "-d", 4), "No such file"), (1, ("-f", folder / "bad.json", "-d", 4), "bad.json"),
        (1, ("-f", "3,4", "-n", 8, "-d", 4), "7 rows together"), (1, ("-f", "3,4", "-n", 6, "-d", 4), "more than the 6"),
        (1, ("-n", 2 ** 63 - 1, "-d", 65536), "larger than any memory"),
        (1, (*size, "-m", "hash", "-b", 63), "needs at least 64 B"),
    ]
    for status, arguments, words in cases:
        done = run("plan", *arguments)
        assert done.returncode == status and not done.stdout, (arguments, done)
        assert one_line(done) and words in done.stderr.decode(), (arguments, words, done.stderr)


def test_people():
    text = good("plan", "-n", 1000000, "-d", 64, "-r", "0.1").decode()
    assert "1,000,000 × 64" in text and "out of reach" in text and "adagrad" in text
    lines = text.splitlines()
    assert all(line == line.rstrip() for line in lines) and "\033" not in text
    for name in names():
        assert sum(line.startswith(name + " ") for line in lines) == 1, name
    for name in OPTIMIZERS:
        assert name in good("plan", "-n", 1000, "-d", 4, "-o", "all").decode()
    one = good("plan", "-n", 1000, "-d", 4, "-m", "compo").decode()
    assert "collisions" in one and "q.weight" in one and "rowwise_adagrad" in one
    one = good("plan", "-f", "1000,3", "-d", 4, "-m", "compo").decode()
    assert "field" in one and "full" in one
    nothing = good("plan", "-n", 0, "-d", 4, "-r", 0.5).decode()
    assert "0 × 4" in nothing
    # Nothing is wider than the terminal: the settings end where the line does.
    status, text = on_terminal(["plan", "-n", "1000", "-d", "4"], {**os.environ, "NO_COLOR": "1", "TERM": "xterm"})
    assert status == 0 and "compo" in text


def test_many_fields():
    """Ten thousand fields are a matter of a moment."""
    field = ",".join(str(i % 500) for i in range(10000))
    said, by = plans("--fields", field, "--dim", 8, "--ratio", 0.4)
    assert by["compo"]["reachable"] and by["compo"]["bytes"] <= said["budget"]


def main():
    with tempfile.TemporaryDirectory(prefix="embctl-test-") as name:
        folder = pathlib.Path(name)
        test_budgets()
        test_compress_and_create_do_the_same(folder)
        test_fields(folder)
        test_settings()
        test_refusals(folder)
        test_people()
        test_many_fields()


if __name__ == "__main__":
    main()
