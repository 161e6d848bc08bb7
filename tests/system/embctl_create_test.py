# SPDX-License-Identifier: Apache-2.0
"""embctl create: the files are whole tables of random numbers that can be trained, the same words give the same bytes,
and what cannot be made leaves nothing."""
import json
import os
import pathlib
import sys
import tempfile
import time

import numpy as np

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))
from embctl_kit import document, good, one_line, read_table, run  # noqa: E402


def exported(path):
    good("export", path, "-o", path.with_suffix(".npy"))
    return np.load(path.with_suffix(".npy"))


def test_every_method(folder):
    for method in document("methods"):
        name, out = method["name"], folder / method["name"]
        if not method["train"]:
            done = run("create", "-o", out, "-m", name, "-n", 500, "-d", 16)
            assert done.returncode == 1 and b"cannot be trained" in done.stderr, done
            continue
        made = document("create", "-o", out, "-m", name, "-n", 500, "-d", 16, "--seed", 7, "--optimizer", "sgd")
        meta, tensors = read_table(out)
        assert meta["embd.method"] == made["method"] == name and meta["embd.origin"] == made["origin"] == "create"
        assert made["config"] == json.loads(meta["embd.config"]) and made["seed"] == 7
        assert made["optimizer"]["name"] == "sgd" == json.loads(meta["embd.optimizer"])["name"]
        assert made["parameter_bytes"] == sum(t.nbytes for t in tensors.values())
        assert made["version"] == 0 and made["file_bytes"] == out.stat().st_size
        assert document("verify", out)["good"]
        rows = exported(out)
        assert rows.shape == (500, 16) and np.isfinite(rows).all()
        first = out.read_bytes()
        good("create", "-o", out, "-m", name, "-n", 500, "-d", 16, "--seed", 7, "--optimizer", "sgd", "--force")
        assert out.read_bytes() == first, f"{name}: the same words, other bytes"
        good("create", "-o", out, "-m", name, "-n", 500, "-d", 16, "--seed", 8, "--optimizer", "sgd", "--force")
        assert out.read_bytes() != first, f"{name}: the seed has no effect"


def test_numbers(folder):
    for method, more in (("full", []), ("fp16", []), ("int8", []), ("hash", ["-r", 0.5]), ("int16", [])):
        good("create", "-o", folder / "n", "-m", method, "-n", 3000, "-d", 16, "--deviation", 2, "--force", *more)
        rows = exported(folder / "n")
        assert abs(rows.std() - 2) < 0.05 and abs(rows.mean()) < 0.05, (method, rows.std())
    assert abs(np.corrcoef(rows[:, 0], rows[:, 1])[0, 1]) < 0.1


def test_fields_and_lists(folder):
    field = [400, 0, 5, 95]
    keys = np.random.default_rng(1).permutation(500).astype("<i8") * 17 - 100
    np.save(folder / "keys.npy", keys)
    (folder / "counts.txt").write_text("\n".join(map(str, range(500))))
    made = document("create", "-o", folder / "f", "-m", "compo", "-f", "400,0,5,95", "-d", 8, "-r", 0.2, "--set", "op=add",
                    "--keys", folder / "keys.npy", "--frequency", folder / "counts.txt", "--optimizer",
                    '{"name":"adam","beta1":0.5}')
    meta, tensors = read_table(folder / "f")
    assert json.loads(meta["embd.fields"]) == field == made["fields"] and meta["embd.ids"] == "keys"
    assert np.array_equal(tensors["keys"], keys) and np.array_equal(tensors["frequency"], np.arange(500))
    assert json.loads(meta["embd.optimizer"])["beta1"] == 0.5
    config = json.loads(meta["embd.config"])["per_field"]
    rows = exported(folder / "f")
    first = 0
    for i, n in enumerate(field):
        if config[i] == {"method": "full"}:
            want = tensors[f"f{i}.weight"]
        else:
            r = config[i]["collisions"]
            x = np.arange(n)
            want = tensors[f"f{i}.q.weight"][x // r] + tensors[f"f{i}.r.weight"][x % r]
        assert np.array_equal(rows[first:first + n], want), i
        first += n
    assert config[0].get("op") == "add"
    text = good("inspect", folder / "f").decode()
    assert "op=add" in text and "per_field" not in text and "field" in text and text.count("compo") >= 2
    made = document("create", "-o", folder / "h", "-m", "hash", "-n", 100, "-d", 8, "--hashed-ids")
    assert made["ids"] == "hash" and made["optimizer"] is None
    text = good("create", "-o", folder / "t", "-m", "hash", "-f", "90,10", "-d", 8, "-r", 0.5).decode()
    assert "hash, 100 × 8" in text and "none" in text and "2, with rows" in text
    # Of many fields the tensors stand together.
    good("create", "-o", folder / "many", "-m", "hash", "-f", ",".join(["50"] * 40), "-d", 8, "-r", 0.5)
    text = good("inspect", folder / "many").decode()
    assert "f*.table" in text and "40 tensors" in text and "f7.table" not in text
    assert len(document("inspect", folder / "many")["tensors"]) == 40


def test_spare_rows(folder):
    (folder / "some.txt").write_text("7 -3")
    made = document("create", "-o", folder / "g", "-m", "int8", "-n", 10, "-d", 4, "--keys", folder / "some.txt",
                    "--deviation", 0.5)
    assert made["grows"] and made["used_rows"] == 2 and made["ids"] == "keys"
    meta, tensors = read_table(folder / "g")
    assert meta["embd.deviation"] == "0.5" and list(tensors["keys"]) == [7, -3] + [0] * 8
    assert list(tensors["touched"][2:]) == [-1] * 8 and abs(tensors["touched"][0] - time.time()) < 100
    assert "keys; 2 rows in use, 8 spare" in good("inspect", folder / "g").decode()
    good("export", folder / "g", "-o", folder / "g.npy", "--keys", folder / "g.keys.npy")  # rows that have a key
    assert np.load(folder / "g.npy").shape == (2, 4) and list(np.load(folder / "g.keys.npy")) == [7, -3]
    made = document("create", "-o", folder / "e", "-m", "hash", "-n", 10, "-d", 4, "--grow")
    assert made["grows"] and made["used_rows"] == 0
    good("export", folder / "e", "-o", folder / "e.npy")
    assert np.load(folder / "e.npy").shape == (0, 4)
    made = document("create", "-o", folder / "k", "-m", "full", "-n", 2, "-d", 4, "--keys", folder / "some.txt")
    assert not made["grows"]  # as many keys as rows


def test_refusals(folder):
    before = sorted(os.listdir(folder))
    size = ("-o", folder / "refused", "-n", 1000, "-d", 16)
    (folder / "few.txt").write_text("1 2 3")
    before.append("few.txt")
    cases = [
        (2, ("-m", "full", "-n", 5, "-d", 4), "where to"), (2, ("-o", "-", "-m", "full"), "standard output"),
        (2, size, "which method"), (2, ("-o", "x", "-m", "full", "-d", 4), "how many rows"),
        (2, (*size, "-m", "full", "--deviation", 0), "--deviation"), (2, (*size, "-m", "full", "--seed", -1), "--seed"),
        (2, (*size, "-m", "full", "--optimizer", "frob"), "--optimizer"),
        (2, (*size, "-m", "full", "--optimizer", '{"frob":1}'), "name is missing"),
        (2, (*size, "-m", "full", "--keys", "k", "--hashed-ids"), "exclude"), (2, (*size, "-m", "full", "x"), "leave -o out"),
        (2, (*size, "-m", "full", "--option", "learning_rate=1"), "goes with TABLE"),
        (1, (*size, "-m", "frob"), 'no method "frob"'), (1, (*size, "-m", "full", "--set", "op=add"), "no setting"),
        (1, (*size, "-m", "full", "-r", 0.5), "needs at least"), (1, (*size, "-m", "int8", "--optimizer", "adam"), "F32"),
        (1, ("-o", folder / "refused", "-n", 2, "-d", 4, "-m", "full", "--keys", folder / "few.txt"), "3 keys for 2 rows"),
        (2, (*size, "-m", "full", "--grow", "--hashed-ids"), "--grow and --hashed-ids exclude"),
        (1, (*size, "-m", "dpq", "--grow"), "a table of the method dpq cannot grow"),
        (1, ("-o", folder / "refused", "-d", 4, "-m", "hash", "-f", "5,5", "--grow"), "a table with fields cannot grow"),
        (1, (*size, "-m", "full", "--frequency", folder / "few.txt"), "3 counts for 1000 rows"),
        (1, (*size, "-m", "full", "--keys", "-", "--frequency", "-"), "standard input"),
        (1, ("-o", folder / "f", "-m", "full", "-n", 5, "-d", 4), "exists (--force"),
        (1, ("-o", folder / "no" / "x", "-m", "full", "-n", 5, "-d", 4), "No such file"),
        (1, ("-o", folder / "x", "-m", "compo", "-d", 4, "-f", ",".join(["30"] * 10000)), "at most 10000 tensors"),
    ]
    for status, arguments, words in cases:
        done = run("create", *arguments)
        assert done.returncode == status and not done.stdout, (arguments, done)
        assert one_line(done) and words in done.stderr.decode(), (arguments, words, done.stderr)
    assert sorted(os.listdir(folder)) == sorted(before), "something was left behind"


def main():
    with tempfile.TemporaryDirectory(prefix="embctl-test-") as name:
        folder = pathlib.Path(name)
        test_every_method(folder)
        test_numbers(folder)
        test_fields_and_lists(folder)
        test_spare_rows(folder)
        test_refusals(folder)


if __name__ == "__main__":
    main()
