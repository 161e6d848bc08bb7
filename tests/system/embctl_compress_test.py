# SPDX-License-Identifier: Apache-2.0
"""embctl compress beyond one method and one set of parameters: searches, fields, options of fits, an optimizer, seeds,
and Ctrl-C wherever it comes."""
import json
import os
import pathlib
import signal
import subprocess
import sys
import tempfile
import time

import numpy as np

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))
from embctl_kit import EMBCTL, document, good, on_terminal, one_line, read_table, run  # noqa: E402

ROWS, DIM = 800, 16


def make_input():
    """Rows near a few directions, some of them much longer than others."""
    random = np.random.default_rng(3)
    rows = random.standard_normal((ROWS, 4)) @ random.standard_normal((4, DIM))
    rows += 0.05 * random.standard_normal((ROWS, DIM))
    rows *= random.uniform(0.1, 3, (ROWS, 1))
    return rows.astype("<f4")


def exported(path, folder):
    good("export", path, "-o", folder / "exported.npy")
    return np.load(folder / "exported.npy")


def relative(rows, decoded, weight=None):
    weight = np.ones(len(rows)) if weight is None else weight
    rows, decoded = rows.astype("f8"), decoded.astype("f8")
    return (((rows - decoded) ** 2).sum(1) * weight).sum() / ((rows ** 2).sum(1) * weight).sum()


def near(a, b):
    return abs(a - b) <= 1e-9 + 1e-6 * abs(b)


def test_every_method(folder):
    """Whatever the list holds: the budget is kept, the same seed gives the same bytes, the errors are those of the rows."""
    rows = np.load(folder / "in.npy")
    for method in document("methods"):
        if not method["compress"]:
            continue
        name, quick = method["name"], []
        if any(o["name"] == "seconds" for o in method["fit_options"]):
            quick = ["--set", "seconds=1"]
        done = run("compress", folder / "in.npy", "-o", folder / "m", "-m", name, "-r", 0.6, "--force", "--json", *quick)
        if done.returncode:
            assert done.returncode == 1 and b"needs at least" in done.stderr, (name, done)
            done = run("compress", folder / "in.npy", "-o", folder / "m", "-m", name, "--force", "--json", *quick)
        assert done.returncode == 0, (name, done)
        made = json.loads(done.stdout)
        assert made["ratio"] <= 0.6 or b"needs" not in done.stderr
        decoded = exported(folder / "m", folder)
        assert near(made["relative_squared_error"], relative(rows, decoded)), (name, made)
        assert document("verify", folder / "m")["good"]
        if not quick:  # a fit that ends by the clock need not end at the same place
            first = (folder / "m").read_bytes()
            size = [] if made["ratio"] > 0.6 else ["-r", 0.6]
            good("compress", folder / "in.npy", "-o", folder / "m", "-m", name, "--force", *size)
            assert (folder / "m").read_bytes() == first, f"{name}: the same words, other bytes"


def test_search(folder):
    rows, counts = np.load(folder / "in.npy"), np.arange(ROWS)[::-1]
    np.save(folder / "counts.npy", counts)
    names = ["full", "fp16", "int8", "hash", "compo"]
    for more, weight in (([], None), (["--frequency", folder / "counts.npy"], counts + 1.0)):
        out = folder / "best"
        said = document("compress", folder / "in.npy", "--search", "--methods", ",".join(names), "-r", 0.3, "-o", out,
                        "--force", *more)
        assert [m["method"] for m in said["out_of_reach"]] == ["fp16", "full"]
        assert said["out_of_reach"][0]["need"] == ROWS * DIM * 2 and "needs" in said["out_of_reach"][0]["reason"]
        ranking = said["ranking"]
        assert sorted(m["method"] for m in ranking) == ["compo", "hash", "int8"]
        key = "relative_squared_error" if weight is None else "weighted_relative_squared_error"
        errors = [m[key] for m in ranking]
        assert errors == sorted(errors) and said["best"] == ranking[0]["method"] == "int8"
        meta, tensors = read_table(out)
        assert meta["embd.method"] == "int8" and said["file"] == str(out)
        size = sum(t.nbytes for n, t in tensors.items() if n != "frequency")
        assert size == ranking[0]["parameter_bytes"] <= said["budget"]
        decoded = exported(out, folder)
        assert near(ranking[0]["relative_squared_error"], relative(rows, decoded))
        assert near(errors[0], relative(rows, decoded, weight))
        for m in ranking:  # as when it is asked for alone
            alone = document("compress", folder / "in.npy", "-o", folder / "alone", "-m", m["method"], "-r", 0.3, "--force",
                             *more)
            assert alone[key] == m[key] and alone["work"] == m["work"] and alone["parameter_bytes"] == m["parameter_bytes"]
    best = out.read_bytes()
    good("compress", folder / "in.npy", "-o", folder / "alone", "-m", "int8", "-r", 0.3, "--force", *more)
    assert (folder / "alone").read_bytes() == best
    # Without an output nothing is kept, here or elsewhere.
    temporary = folder / "temporary"
    temporary.mkdir()
    before = sorted(os.listdir(folder))
    text = good("compress", folder / "in.npy", "--search", "--methods", "hash,int8,full", "-r", 0.3,
                env={**os.environ, "TMPDIR": str(temporary)}).decode()
    lines = text.splitlines()
    assert lines[1].startswith("int8") and lines[2].startswith("hash") and "out of reach" in text and "kept" not in text
    assert not os.listdir(temporary) and sorted(os.listdir(folder)) == before
    # A setting is for those that have it.
    said = document("compress", folder / "in.npy", "--search", "--methods", "hash,compo", "-r", 0.3, "--set", "op=add")
    assert any("op=add" in m["settings"] for m in said["ranking"])
    # Nothing in reach is a failure that still says what each would need.
    done = run("compress", folder / "in.npy", "--search", "--methods", "full,fp16", "-r", 0.3)
    assert done.returncode == 1 and one_line(done) and b"fp16" in done.stdout
    # All methods there are.
    said = document("compress", folder / "in.npy", "--search", "-r", 0.3, *quick_options())
    assert sorted(m["method"] for m in said["ranking"] + said["out_of_reach"]) == sorted(
        m["name"] for m in document("methods") if m["compress"])


def quick_options():
    return ["--set", "seconds=1"] if any(o["name"] == "seconds" for m in document("methods")
                                         for o in m["fit_options"]) else []


def test_fields(folder):
    rows, field = np.load(folder / "in.npy"), [500, 0, 10, 290]
    (folder / "fields.json").write_text(json.dumps(field))
    for method in document("methods"):
        if not method["per_field"] or any(o["name"] == "seconds" for o in method["fit_options"]):
            continue
        made = document("compress", folder / "in.npy", "-o", folder / "f", "-m", method["name"], "-r", 0.5, "--force",
                        "-f", folder / "fields.json")
        meta, tensors = read_table(folder / "f")
        assert made["fields"] == field and made["ratio"] <= 0.5, made
        assert near(made["relative_squared_error"], relative(rows, exported(folder / "f", folder))), method["name"]
        if "per_field" not in made["config"]:
            continue
        assert len(made["config"]["per_field"]) == 4
        assert all(name.startswith("f") and "." in name for name in tensors), list(tensors)
        text = good("inspect", folder / "f").decode()
        assert "per_field" not in text and "field" in text
    # hash and compo by their formulas.
    good("compress", folder / "in.npy", "-o", folder / "f", "-m", "hash", "-r", 0.5, "--force", "-f", "500,0,10,290")
    _, tensors = read_table(folder / "f")
    want = [t[np.arange(n) % len(t)] if (t := tensors.get(f"f{i}.table")) is not None else tensors[f"f{i}.weight"]
            for i, n in enumerate(field)]
    assert np.array_equal(exported(folder / "f", folder), np.concatenate(want))


def test_options(folder):
    """Options of fits are taken, and are not in the file; an optimizer is."""
    for method in document("methods"):
        for option in method["fit_options"]:
            if option["name"] in ("seconds", "steps") or not option["default"]:
                continue
            made = document("compress", folder / "in.npy", "-o", folder / "o", "-m", method["name"], "--force", "--set",
                            f"{option['name']}={option['default']}")
            assert option["name"] not in made["config"], made
            done = run("compress", folder / "in.npy", "-o", folder / "o", "-m", method["name"], "--force", "--set",
                       f"{option['name']}=frob")
            assert done.returncode == 2 and one_line(done) and option["name"].encode() in done.stderr, done
    made = document("compress", folder / "in.npy", "-o", folder / "o", "-m", "hash", "-r", 0.5, "--force", "--optimizer",
                    "adam")
    assert made["optimizer"]["name"] == "adam" and read_table(folder / "o")[0]["embd.optimizer"]


def test_refusals(folder):
    before = sorted(os.listdir(folder))
    np.save(folder / "nan.npy", np.full((4, 3), np.nan, "<f4"))
    np.save(folder / "huge.npy", np.where(np.arange(300).reshape(100, 3) % 7 < 3, -3.4e38, 3.4e38).astype("<f4"))
    before += ["nan.npy", "huge.npy"]
    search = ("compress", folder / "in.npy", "--search")
    one = ("compress", folder / "in.npy", "-o", folder / "refused", "-m", "hash")
    cases = [
        (2, search, "--ratio or --budget"), (2, (*search, "-r", 1, "-m", "full"), "exclude"),
        (2, (*search, "-r", 1, "--methods", "full,frob"), 'no method "frob"'), (2, (*search, "-r", 1, "--methods", ""), "which"),
        (2, (*one, "--methods", "full"), "--search only"), (2, (*search, "-r", 1, "--set", "frob=1"), 'setting "frob"'),
        (2, (*search, "-r", 1, "--methods", "full,hash", "--set", "op=add"), 'setting "op"'),
        (2, (*search, "-r", 1, "-o", "-"), "standard output"), (2, (*one, "--optimizer", "frob"), "--optimizer"),
        (2, (*one, "-f", "1,x"), "--fields"), (1, (*one, "-f", "1,2"), "3 rows together"),
        (1, (*one, "-f", "@/no/such"), "No such file"),
        (1, ("compress", folder / "nan.npy", "--search", "-r", 1), "row 0"),
        (1, ("compress", folder / "huge.npy", "-o", folder / "refused", "-m", "tt", "-r", 0.8), "would not be finite"),
        (1, ("compress", folder / "in.npy", "-o", folder / "refused", "-m", "fp16", "--optimizer", "adam"), "F32"),
        (1, (*search, "-r", 1, "-o", folder / "in.npy"), "exists"),
        (1, (*search, "-r", 1, "-o", folder / "no" / "x", "--methods", "full"), "no method can"),
    ]
    for status, arguments, words in cases:
        done = run(*arguments)
        assert done.returncode == status, (arguments, done)
        assert one_line(done) and words in done.stderr.decode(), (arguments, words, done.stderr)
        assert not done.stdout or "no method can" in words, (arguments, done)
    assert sorted(os.listdir(folder)) == sorted(before), "something was left behind"


def interrupt(folder, arguments, after):
    """Ctrl-C after so many seconds; True if it came in time."""
    place = folder / "interrupted"
    place.mkdir(exist_ok=True)
    process = subprocess.Popen([EMBCTL, *map(str, arguments), "-o", place / "out", "--force"], stdout=subprocess.PIPE,
                               stderr=subprocess.PIPE, env={**os.environ, "TMPDIR": str(place)})
    time.sleep(after)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=120)
    if process.returncode == 0:
        os.unlink(place / "out")
        return False
    assert not os.listdir(place), os.listdir(place)
    if process.returncode == -signal.SIGINT:  # before there was anything to clean up
        return False
    assert process.returncode == 130 and not out, (process.returncode, err)
    assert err == b"embctl: interrupted, nothing was written\n", err
    return True


def test_interrupt(folder):
    """In a search, and in the study of a method that has one; wherever it comes, nothing is left."""
    np.save(folder / "large.npy", np.random.default_rng(1).standard_normal((120000, 64)).astype("<f4"))
    search = ["compress", folder / "large.npy", "--search", "-r", 0.3, "--methods", "int8,hash,compo"]
    study = ["compress", folder / "large.npy", "-m", "mde", "-r", 0.3, "-f", "60000,60000"]
    names = [m["name"] for m in document("methods")]
    for arguments in [search] + ([study] if "mde" in names else []):
        assert sum(interrupt(folder, arguments, after) for after in (0.02, 0.05, 0.1, 0.2, 0.3, 0.5)) > 0, arguments
    os.unlink(folder / "large.npy")


def test_terminal(folder):
    plain = {**os.environ, "TERM": "xterm", "NO_COLOR": "1"}
    status, text = on_terminal(["compress", folder / "in.npy", "--search", "-r", "0.3", "--methods", "int8,compo"], plain)
    assert status == 0 and "1/2 " in text and "2/2 " in text and "measure" in text, text


def main():
    with tempfile.TemporaryDirectory(prefix="embctl-test-") as name:
        folder = pathlib.Path(name)
        np.save(folder / "in.npy", make_input())
        test_every_method(folder)
        test_search(folder)
        test_fields(folder)
        test_options(folder)
        test_refusals(folder)
        test_interrupt(folder)
        test_terminal(folder)


if __name__ == "__main__":
    main()
