# SPDX-License-Identifier: Apache-2.0
"""embctl's commands for files: what compress writes is read back by json, struct and NumPy alone, and must be what
inspect, verify and export say. Wrong usage, bad input, full disks and Ctrl-C end as the manual promises."""
import io
import json
import os
import pathlib
import signal
import struct
import subprocess
import sys
import tempfile
import time

import numpy as np

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))
import reference  # noqa: E402
import tablefile  # noqa: E402
from embctl_kit import EMBCTL, document, good, on_terminal, one_line, read_table, run  # noqa: E402

ROWS, DIM = 600, 24
f32 = np.float32


def decode(path):
    """All rows of a table file, by the formulas of doc/files.md."""
    meta, t = read_table(path)
    config = json.loads(meta.get("embd.config", "{}"))
    ids = np.arange(int(meta["embd.rows"]))
    method = meta["embd.method"]
    if method == "bf16":
        return (t["weight"].astype("<u4") << 16).view("<f4")
    if method in ("full", "fp16"):
        return t["weight"].astype("<f4")
    if method == "hash":
        return t["table"][ids % len(t["table"])]
    if method == "compo":
        r = int(config["collisions"])
        q, r = t["q.weight"][ids // r], t["r.weight"][ids % r]
        return {"mult": lambda: q * r, "add": lambda: q + r,
                "concat": lambda: np.concatenate([q, r], axis=1)}[config["op"]]()
    q = t["q"].astype("<f4")
    if config["qparam"] == "row":
        return q * t["qparams"][:, :1] + t["qparams"][:, 1:]
    bias = config["middle"] - (0 if config["signed"] else 2.0 ** (int(config["digit"]) - 1) * config["scale"])
    return q * f32(config["scale"]) + f32(bias)


def make_input():
    """Rows that share directions, as trained tables do, with one row of zeros."""
    random = np.random.default_rng(7)
    rows = random.standard_normal((ROWS, 6)) @ random.standard_normal((6, DIM)) / 3
    rows[17] = 0
    return rows.astype("<f4")


COMPRESSIONS = [  # method, arguments, largest relative squared error
    ("full", [], 0),
    ("fp16", [], 1e-6),
    ("bf16", [], 1e-4),
    ("int8", ["--ratio", "0.4"], 1e-3),
    ("int8", ["--ratio", "0.25"], 1e-2),
    ("int8", ["--set", "qparam=table", "--set", "signed=true"], 1e-2),
    ("int16", ["--set", "qparam=row"], 1e-7),
    ("int16", ["--set", "qparam=table"], 1e-7),
    ("hash", ["--ratio", "0.25"], 1),
    ("hash", ["--budget", "10KiB"], 1),
    ("compo", ["--ratio", "0.3"], 1),
    ("compo", ["--ratio", "0.3", "--set", "op=add"], 1),
    ("compo", ["--ratio", "0.5", "--set", "op=concat"], 1),
    ("compo", ["--set", "collisions=7"], 1),
]


def check_error(rows, decoded, made, weight=None):
    """The errors that compress tells, plain and by counts."""
    rows, decoded = rows.astype("f8"), decoded.astype("f8")
    norms = np.linalg.norm(rows, axis=1) * np.linalg.norm(decoded, axis=1)
    counted = norms > 0
    cosine = np.minimum((rows * decoded).sum(1)[counted] / norms[counted], 1)
    assert abs(made["cosine_worst"] - cosine.min()) < 1e-9, (made, cosine.min())
    assert ("weighted_cosine_mean" in made) == (weight is not None)
    for prefix, w in (("", np.ones(len(rows))), ("weighted_", weight)):
        if w is not None:
            relative = (((rows - decoded) ** 2).sum(1) * w).sum() / ((rows ** 2).sum(1) * w).sum()
            told = made[prefix + "relative_squared_error"]
            assert abs(told - relative) <= 1e-9 + 1e-6 * relative, (made, relative)
            mean = (cosine * w[counted]).sum() / w[counted].sum()
            assert abs(made[prefix + "cosine_mean"] - mean) < 1e-9, (made, mean)


def test_compress(folder):
    rows = make_input()
    np.save(folder / "in.npy", rows)
    for number, (method, arguments, most) in enumerate(COMPRESSIONS):
        out = folder / f"{number}.safetensors"
        made = document("compress", folder / "in.npy", "-o", out, "--method", method, *arguments)
        meta, tensors = read_table(out)
        assert meta["embd.method"] == method and meta["embd.origin"] == "fit"
        assert (meta["embd.rows"], meta["embd.dim"]) == (str(ROWS), str(DIM))
        size = sum(t.nbytes for t in tensors.values())
        assert size == made["parameter_bytes"] and made["ratio"] == size / (4 * ROWS * DIM)
        assert out.stat().st_size == made["file_bytes"]
        if "--ratio" in arguments:
            assert made["ratio"] <= float(arguments[arguments.index("--ratio") + 1])
        if "--budget" in arguments:
            assert size <= 10240
        assert made["config"] == json.loads(meta["embd.config"])
        assert made["relative_squared_error"] <= most, made
        decoded = decode(out)
        check_error(rows, decoded, made)

        array = np.load(io.BytesIO(good("export", out, "-o", "-")))
        assert array.dtype == "<f4" and array.tobytes() == decoded.astype("<f4").tobytes(), (method, arguments)
        seen = document("inspect", out)
        assert seen["metadata"] == meta
        assert {t["name"]: t["shape"] for t in seen["tensors"]} == {n: list(t.shape) for n, t in tensors.items()}
        verified = document("verify", out)
        assert verified["good"] is True and verified["checksum"] == meta["embd.checksum"]
        for key in set(made) & set(seen) & set(verified):
            assert key == "file" or made[key] == seen[key] == verified[key], key


def test_inputs(folder):
    """float16, float64, standard input, keys, counts, seeds."""
    rows = make_input()
    keys = np.random.default_rng(3).permutation(ROWS).astype("<i8") * 1000003 - 5
    counts = np.arange(ROWS)[::-1]
    for dtype in ("<f2", "<f4", "<f8"):
        array = rows.astype(dtype)
        np.save(folder / "typed.npy", array)
        out = folder / "typed.safetensors"
        good("compress", folder / "typed.npy", "-o", out, "-m", "full", "--force")
        assert decode(out).tobytes() == array.astype("<f4").tobytes(), dtype
    pipe = io.BytesIO()
    np.save(pipe, rows)
    good("compress", "-", "-o", folder / "pipe.safetensors", "-m", "full", input=pipe.getvalue())
    assert decode(folder / "pipe.safetensors").tobytes() == rows.tobytes()

    np.save(folder / "keys.npy", keys)
    (folder / "counts.txt").write_text("\n".join(map(str, counts)))
    made = document("compress", folder / "in.npy", "-o", folder / "keyed.safetensors", "-m", "hash", "-r", "0.1",
                    "--keys", folder / "keys.npy", "--frequency", folder / "counts.txt")
    meta, tensors = read_table(folder / "keyed.safetensors")
    assert meta["embd.ids"] == "keys" and made["ids"] == "keys"
    assert np.array_equal(tensors["keys"], keys) and np.array_equal(tensors["frequency"], counts)
    assert made["extra_bytes"] == 16 * ROWS
    check_error(rows, decode(folder / "keyed.safetensors"), made, counts + 1.0)
    good("export", folder / "keyed.safetensors", "-o", folder / "keyed.npy", "--keys", folder / "keys_out.npy")
    assert np.array_equal(np.load(folder / "keys_out.npy"), keys)
    assert np.load(folder / "keyed.npy").shape == (ROWS, DIM)

    for seed in ("0", "18446744073709551615"):
        good("compress", folder / "in.npy", "-o", folder / "seeded.safetensors", "-m", "full", "--force", "--seed", seed)
    np.save(folder / "none.npy", np.zeros((0, 5), "<f4"))
    good("compress", folder / "none.npy", "-o", folder / "none.safetensors", "-m", "full")
    assert np.load(io.BytesIO(good("export", folder / "none.safetensors", "-o", "-"))).shape == (0, 5)


def test_files_of_others(folder):
    """Files that Python wrote: all variants of all methods."""
    for case in reference.cases():
        path = tablefile.write(folder / "case.safetensors", case.bytes)
        assert document("verify", path)["rows"] == case.count
        assert document("inspect", path)["method"] == case.method
        text = good("inspect", path).decode()
        assert "tensor" in text and case.method in text


def test_damage(folder):
    """verify refuses what a daemon would refuse; inspect shows as much as there is."""
    path = folder / "0.safetensors"
    whole = path.read_bytes()
    for what, data, words in (
            ("value", tablefile.table("full", 2, 2, {"weight": ("F32", [[1, 2], [3, np.inf]])}), '"weight"'),
            ("checksum", whole[:-4] + struct.pack("<f", 1.5), "embd.checksum"),
            ("short", whole[:-4], ""), ("long", whole + b"x", ""), ("empty", b"", ""), ("text", b"hello", "")):
        bad = tablefile.write(folder / "bad.safetensors", data)
        done = run("verify", bad)
        assert done.returncode == 1 and not done.stdout, (what, done)
        assert one_line(done) and words in done.stderr.decode(), (what, done)
        assert run("export", bad, "-o", folder / "bad.npy").returncode == 1
        assert not (folder / "bad.npy").exists()
    unknown = tablefile.write(folder / "unknown.safetensors", tablefile.table(
        "magic", 3, 2, {"weight": ("F32", np.zeros((3, 2)))}))
    done = run("inspect", unknown)
    assert done.returncode == 1 and b"3 \xc3\x97 2" in done.stdout and b"magic" in done.stderr, done


def test_refusals(folder):
    np.save(folder / "three.npy", np.zeros((2, 3, 4), "<f4"))
    np.save(folder / "ints.npy", np.zeros((2, 3), "<i4"))
    np.save(folder / "wide.npy", np.zeros((1, 65537), "<f4"))
    np.save(folder / "nan.npy", np.full((2, 3), np.nan, "<f4"))
    np.save(folder / "huge.npy", np.full((2, 3), 1e300))
    np.save(folder / "big_keys.npy", np.full(ROWS, 2 ** 63, "<u8"))
    np.save(folder / "same_keys.npy", np.zeros(ROWS, "<i8"))
    np.save(folder / "float_keys.npy", np.zeros(ROWS, "<f4"))
    (folder / "few.txt").write_text("1 2 3")
    (folder / "words.txt").write_text("1\n2\nthree\n")
    (folder / "negative.txt").write_text("-1 " * ROWS)
    full = ("compress", folder / "in.npy", "-o", folder / "refused", "-m", "full")
    one = lambda name: ("compress", folder / name, "-o", folder / "refused", "-m", "full")
    usage = [
        ((), "which command"), (("frob",), 'no command "frob"'), (("--frob",), "no option"), (("-x",), "no option"),
        (("methods", "a", "b"), "one too many"), (("inspect",), "it takes FILE"), (("verify", "a", "b"), "too many"),
        (("export", "a"), "-o FILE"), (("export", "a", "-o", "-", "--json"), "standard output"),
        (("export", "a", "-o"), "needs a value"), (("export", "a", "--json=1", "-o", "x"), "takes no value"),
        (("compress", "x", "-m", "full"), "where to"), (("compress", "x", "-o", "y"), "which method"),
        (("compress", "x", "-o", "-", "-m", "full"), "standard output"),
        (("compress", "x", "-o", "y", "-m", "frob"), 'no method "frob"'),
        ((*full, "--ratio", "0"), "--ratio"), ((*full, "--ratio", "x"), "--ratio"),
        ((*full, "--budget", "0"), "--budget"), ((*full, "--budget", "1 XB"), "--budget"),
        ((*full, "--ratio", "1", "--budget", "1MiB"), "exclude"), ((*full, "--seed", "-1"), "--seed"),
        ((*full, "--set", "frob"), "KEY=VALUE"), ((*full, "--set", "frob=1"), 'no setting "frob"'),
        (("compress", "x", "-o", "y", "-m", "compo", "--set", "op=frob"), "op is one of"),
        (("compress", "x", "-o", "y", "-m", "compo", "--set", "collisions=x"), "collisions is an integer"),
        (("tables", "--server", "nowhere"), "host:port"), (("tables", "--timeout", "5"), "--timeout"),
        (("tables", "--timeout", "0"), "--timeout"), (("methods", "--timeout"), "needs a value"),
    ]
    failures = [
        (("methods", "frob"), 'no method "frob"'), (("inspect", folder / "no"), "No such file"),
        (("inspect", folder), "directory"), (("verify", "/dev/null"), "not a regular file"),
        (("export", folder / "0.safetensors", "-o", folder / "no" / "x.npy"), "No such file"),
        (("export", folder / "0.safetensors", "-o", folder / "x.npy", "--keys", folder / "k.npy"), "no keys"),
        (one("no.npy"), "No such file"), (one("three.npy"), "3 dimensions"), (one("ints.npy"), "I32"),
        (one("wide.npy"), "65537 columns"), (one("nan.npy"), "row 0"), (one("huge.npy"), "not finite"),
        (one("few.txt"), "few.txt"),
        ((*full, "--ratio", "0.5"), "needs at least"), ((*full, "--keys", folder / "few.txt"), "3 keys for 600 rows"),
        ((*full, "--keys", folder / "words.txt"), 'line 3: "three"'),
        ((*full, "--keys", folder / "big_keys.npy"), "element 0"),
        ((*full, "--keys", folder / "same_keys.npy"), "keys"),
        ((*full, "--keys", folder / "float_keys.npy"), "integers are needed"),
        ((*full, "--frequency", folder / "few.txt"), "3 counts for 600 rows"),
        ((*full, "--frequency", folder / "negative.txt"), "count 0 is negative"),
        (("compress", folder / "in.npy", "-o", folder / "0.safetensors", "-m", "full"), "exists (--force"),
        (("compress", folder / "in.npy", "-o", folder / "no" / "x", "-m", "full"), "No such file"),
    ]
    names = sorted(os.listdir(folder))
    for status, cases in ((2, usage), (1, failures)):
        for arguments, words in cases:
            done = run(*arguments)
            assert done.returncode == status and not done.stdout, (arguments, done)
            assert one_line(done) and words in done.stderr.decode(), (arguments, words, done.stderr)
    assert sorted(os.listdir(folder)) == names, "something was left behind"


def test_help_and_methods():
    text = good("--help").decode()
    for command in ("tables", "describe", "lookup", "load", "unload", "stats", "top", "health", "methods", "plan", "compress", "create",
                    "inspect", "verify", "export"):
        assert f"  {command} " in text
        assert good(command, "--help").decode().startswith(f"Usage: embctl {command}")
    assert good("--version") == good("methods", "-V") and good("--version").startswith(b"embctl ")
    listed = document("methods")
    assert {"full", "fp16", "bf16", "int8", "int16", "hash", "compo"} <= {m["name"] for m in listed}
    ratios = {m["name"]: (m["least_ratio"], m["most_ratio"]) for m in listed}
    assert ratios["full"] == (1, 1) and ratios["bf16"] == (0.5, 0.5) and ratios["int8"] == (0.25, 0.25 + 2 / 64)
    assert document("methods", "compo")[0]["settings"][1]["values"] == "mult|add|concat"
    assert good("methods", "compo").startswith(b"compo: CompoEmb") and b"int8" in good("methods")
    for line in good("methods").decode().splitlines():
        assert line == line.rstrip(), "trailing spaces"


def test_interrupt(folder):
    """Ctrl-C in the middle: exit status 130, one line, no file."""
    place = folder / "interrupted"
    place.mkdir()
    np.save(folder / "large.npy", np.random.default_rng(1).standard_normal((200000, 64)).astype("<f4"))
    for _ in range(10):
        process = subprocess.Popen([EMBCTL, "compress", folder / "large.npy", "-o", place / "out", "-m", "compo", "-r",
                                    "0.1", "--force"], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        while process.poll() is None and not os.listdir(place):
            time.sleep(0.001)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
        if process.returncode == 130:
            assert not out and err == b"embctl: interrupted, nothing was written\n", (out, err)
            assert not os.listdir(place)
            break
        assert process.returncode == 0, err  # it was faster than the signal
        os.unlink(place / "out")
    else:
        raise AssertionError("it was never interrupted in time")
    os.unlink(folder / "large.npy")


def test_terminal(folder):
    plain = {**os.environ, "TERM": "xterm", "NO_COLOR": "1"}
    colours = {**os.environ, "TERM": "xterm", "NO_COLOR": ""}
    status, text = on_terminal(["inspect", folder / "0.safetensors"], colours)
    assert status == 0 and "\033[1m" in text
    status, text = on_terminal(["inspect", folder / "0.safetensors"], plain)
    assert status == 0 and "\033" not in text
    assert b"\033" not in good("inspect", folder / "0.safetensors")
    status, text = on_terminal(["compress", folder / "in.npy", "-o", folder / "shown", "-m", "hash", "-r", "0.2"], plain)
    assert status == 0 and "\rcompress " in text and "%" in text and "\r\033[K" in text, text


def test_output_that_cannot_be_written(folder):
    with open("/dev/full", "wb") as full:
        for arguments in (["methods"], ["methods", "--json"], ["export", folder / "0.safetensors", "-o", "-"]):
            done = subprocess.run([EMBCTL, *map(str, arguments)], stdout=full, stderr=subprocess.PIPE, check=False)
            assert done.returncode == 1 and one_line(done), (arguments, done)


def main():
    with tempfile.TemporaryDirectory(prefix="embctl-test-") as name:
        folder = pathlib.Path(name)
        test_compress(folder)
        test_inputs(folder)
        test_files_of_others(folder)
        test_damage(folder)
        test_refusals(folder)
        test_help_and_methods()
        test_interrupt(folder)
        test_terminal(folder)
        test_output_that_cannot_be_written(folder)


if __name__ == "__main__":
    main()
