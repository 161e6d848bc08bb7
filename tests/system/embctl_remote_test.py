# SPDX-License-Identifier: Apache-2.0
"""embctl's commands for daemons, against a stand-in whose answers are known (fake_daemon.py): what is asked, what is
printed for people and for programs, how large questions are split, and how failures end."""
import io
import json
import os
import pathlib
import pty
import re
import struct
import subprocess
import sys
import tempfile
import time

import numpy as np

from embctl_kit import EMBCTL, Embctl
from fake_daemon import DIM, ROWS, Daemon, pb, value

f32 = np.float32
TABLE = np.array([[value(i, j) for j in range(DIM)] for i in range(ROWS)], f32)


def test_tables(e):
    text = e.text("tables")
    lines = text.splitlines()
    assert [line.split()[0] for line in lines[:3]] == ["table", "keyed", "words"]
    assert re.search(r"words +int8 +1,000 +100 +105 KiB +0\.2700 +rows +7 +5 +map +4\.00 KiB", text), text
    assert "2 tables, 211 KiB of parameters, lsn 3" in text
    listed = e.document("tables")
    assert listed["lsn"] == 3 and [t["table"] for t in listed["tables"]] == ["keyed", "words"]
    assert listed["tables"][0]["ids"] == "keys" and listed["tables"][0]["memory"] == "copy"
    assert listed["tables"][1]["ratio"] == 0.27 and listed["tables"][1]["trouble"] is None

    table = e.daemon.tables["words"]
    table.state, table.trouble = pb.TABLE_STATE_DAMAGED, "the file \033[31mshrank\r\n"
    assert "damaged: the file ?[31mshrank??" in e.text("tables")
    assert e.document("tables")["tables"][1]["trouble"] == "the file \033[31mshrank\r\n"
    assert "damaged" in e.text("describe", "words")
    e.daemon.tables["words"] = e.daemon.info("words")
    kept, e.daemon.tables = e.daemon.tables, {}
    assert e.text("tables") == "no tables are served\n" and e.document("tables")["tables"] == []
    e.daemon.tables = kept


def test_describe(e):
    text = e.text("describe", "words")
    for words in ("int8", "1,000 × 100", "ratio 0.2700", "600  400", '{"digit":8,"signed":false}', "0123456789abcdef",
                  "2026-01-01T00:00:00.000Z", "qparams", "92.6 %"):
        assert words in text, (words, text)
    assert text.index("\nq  ") < text.index("\nqparams"), "the largest tensor comes first"
    described = e.document("describe", "words")
    assert described["config"] == {"digit": 8, "signed": False}
    assert e.document("describe", "keyed")["optimizer"] is None and "read-only" in e.text("describe", "keyed")
    assert described["fields"] == [600, 400] and described["checksum"] == "0123456789abcdef"
    assert described["tensors"][1] == {"name": "q", "dtype": "U8", "shape": [1000, 100], "bytes": 100000}
    e.fails(1, 'no table "nope"', "describe", "nope")


def test_lookup_for_people(e):
    text = e.text("lookup", "words", "3", "-4", "999", "1000")
    lines = text.splitlines()
    assert lines[0].split() == ["id", "values,", "8", "of", "100", "norm"]
    norm = np.linalg.norm(TABLE[3].astype("f8"))
    assert lines[1].split() == ["3", *(f"{x:.4f}" for x in TABLE[3, :8]), "…", f"{norm:.4f}"]
    assert lines[2].endswith(" unknown") and not lines[3].endswith("unknown") and lines[4].endswith(" unknown")
    assert lines[-1] == "4 rows of 100, version 7, 2 unknown"
    row = e.text("lookup", "words", "5", "--all").split()
    assert row[0] == "5" and np.array(row[1:], f32).tobytes() == TABLE[5].tobytes()
    text = e.text("lookup", "words", "1", "2", "-3", "--pooling", "sum")
    assert "\n  0 " in text and "1 bag of 100, version 7, 1 unknown" in text and text.splitlines()[1].endswith("1 unknown")


def test_lookup_for_programs(e):
    found = e.document("lookup", "words", "3", "-4", "999")
    assert list(found) == ["table", "format", "pooling", "dim", "rows", "values", "ids", "missing", "version"]
    assert (found["dim"], found["rows"], found["version"]) == (DIM, 3, 7)
    assert found["ids"] == [3, -4, 999] and found["missing"] == [1]
    assert np.array(found["values"], f32).tobytes() == np.array([TABLE[3], 0 * TABLE[3], TABLE[999]], f32).tobytes()
    ids = np.array([7, 0, 999, 7], "<i8")
    pipe = io.BytesIO()
    np.save(pipe, ids)
    for source in (pipe.getvalue(), b"7\n0\n999\n7\n", b"7, 0,999 7"):
        assert e.array("lookup", "words", "--ids", "-", input=source).tobytes() == TABLE[ids].tobytes()
    wire = e.array("lookup", "words", "--ids", "-", "--format", "f16", input=b"7 0")
    assert wire.dtype == "<f2" and wire.tobytes() == TABLE[[7, 0]].astype("<f2").tobytes()
    wire = e.array("lookup", "words", "--ids", "-", "--format", "bf16", input=b"7 0")
    assert wire.dtype == "<u2" and (wire.astype("<u4") << 16).view(f32)[0, 0] == 7
    wire = e.array("lookup", "words", "--ids", "-", "--format", "int8", input=b"7 0")
    assert wire.dtype == "u1" and wire.shape == (2, DIM + 8)
    scale, bias = struct.unpack("<ff", wire[0, DIM:].tobytes())
    assert bias == 7 and np.allclose(wire[0, :DIM] * scale + bias, TABLE[7], atol=0.004)
    decoded = e.document("lookup", "words", "7", "--format", "int8")["values"][0]
    assert np.array_equal(np.array(decoded, f32), wire[0, :DIM].astype(f32) * f32(scale) + f32(bias))
    assert e.array("lookup", "words", "--ids", "-", input=b"").shape == (0, DIM)
    assert e.document("lookup", "words", "--ids", "-", input=b" \n")["rows"] == 0


def test_bags(e, folder):
    ids, offsets, weights = [1, 2, 3, 4, 5], [0, 2, 2, 5], [1, 0.5, 2, -1, 0.25]
    np.save(folder / "offsets.npy", np.array(offsets, "<u4"))
    (folder / "weights.txt").write_text(" ".join(map(str, weights)))
    e.asked("Lookup")
    found = e.array("lookup", "words", *ids, "--pooling", "mean", "--offsets", folder / "offsets.npy",
                    "--min-version", "5")
    (asked,) = (r.lookups[0] for r in e.asked("Lookup"))
    assert (list(asked.ids), list(asked.offsets), asked.pooling, asked.min_version) == (ids, offsets, pb.POOLING_MEAN, 5)
    assert np.array_equal(found[1], np.zeros(DIM)) and np.allclose(found[0], TABLE[1:3].mean(0))
    found = e.array("lookup", "words", *ids, "--pooling", "sum", "--weights", folder / "weights.txt")
    (asked,) = (r.lookups[0] for r in e.asked("Lookup"))
    assert list(asked.weights) == weights and list(asked.offsets) == [0, 5]
    assert np.allclose(found[0], np.array(weights, f32) @ TABLE[1:6])
    e.fails(2, "goes with --pooling", "lookup", "words", 1, "--offsets", folder / "offsets.npy")
    e.fails(2, "goes with --pooling sum", "lookup", "words", 1, "--pooling", "mean", "--weights", "x")
    e.fails(1, "5 weights for 1 ids", "lookup", "words", 1, "--pooling", "sum",
            "--weights", folder / "weights.txt")
    e.fails(1, "offsets go from 0", "lookup", "words", 1, "--pooling", "sum", "--offsets", folder / "offsets.npy")
    (folder / "falling.txt").write_text("0 2 1 5")
    e.fails(1, "offset 2 falls", "lookup", "words", *ids, "--pooling", "sum", "--offsets", folder / "falling.txt")


def test_large_questions_are_split(e, folder):
    ids = np.random.default_rng(2).integers(-10, ROWS, 50000)
    np.save(folder / "ids.npy", ids.astype("<i4"))
    want = np.where((ids < 0)[:, None], f32(0), TABLE[np.maximum(ids, 0)])
    e.asked("Lookup")
    text = e.text("lookup", "words", "--ids", folder / "ids.npy", "-o", folder / "rows.npy")
    asked = [len(r.lookups[0].ids) for r in e.asked("Lookup")]
    assert sum(asked) == len(ids) and asked[0] == 1024 and max(asked) * DIM * 4 <= 16 << 20 and len(asked) > 2
    assert np.load(folder / "rows.npy").tobytes() == want.tobytes()
    assert f"50,000 × 100, version 7, {(ids < 0).sum():,} unknown" in text
    few = b" ".join(b"%d" % i for i in ids[:3000])  # two calls
    found = e.document("lookup", "words", "--ids", "-", input=few)
    assert found["missing"] == np.flatnonzero(ids[:3000] < 0).tolist()
    assert np.array(found["values"], f32).tobytes() == want[:3000].tobytes()

    offsets = np.concatenate([[0], np.sort(np.random.default_rng(3).integers(0, 50000, 9999)), [50000]])
    np.save(folder / "offsets.npy", offsets)
    e.asked("Lookup")
    found = e.array("lookup", "words", "--ids", folder / "ids.npy", "--offsets", folder / "offsets.npy", "-p", "sum")
    asked = e.asked("Lookup")
    assert len(asked) > 1 and all(r.lookups[0].offsets[0] == 0 for r in asked)
    assert [i for r in asked for i in r.lookups[0].ids] == ids.tolist()
    sums = np.add.reduceat(np.vstack([want.astype("f8"), np.zeros(DIM)]), offsets[:-1])
    sums[np.diff(offsets) == 0] = 0
    assert found.shape == sums.shape and np.allclose(found, sums, rtol=1e-5)


def test_lookup_refusals(e, folder):
    e.fails(1, 'no table "nope"', "lookup", "nope", 1)
    e.fails(1, 'has no id 1000', "lookup", "words", 1, 1000, "--missing", "error")
    (folder / "bad.txt").write_text("1\n2\nx3\n")
    e.fails(1, 'line 3: "x3"', "lookup", "words", "--ids", folder / "bad.txt")
    (folder / "bad.bin").write_bytes(b"1 2\0 3")
    e.fails(1, "neither", "lookup", "words", "--ids", folder / "bad.bin")
    np.save(folder / "floats.npy", np.zeros(3))
    e.fails(1, "integers are needed", "lookup", "words", "--ids", folder / "floats.npy")
    np.save(folder / "square.npy", np.zeros((3, 3), "<i8"))
    e.fails(1, "2 dimensions", "lookup", "words", "--ids", folder / "square.npy")
    e.fails(1, "No such file", "lookup", "words", "--ids", folder / "none")
    e.fails(1, "No such file", "lookup", "words", 1, "-o", folder / "no" / "x.npy")
    for words, arguments in (("which ids", ["words"]), ("no id", ["words", "x"]), ("no id", ["words", "9" * 20]),
                             ("given twice", ["words", "1", "--ids", "-"]), ("f32, f16", ["words", "1", "-f", "f64"]),
                             ("sum or mean", ["words", "1", "-p", "max"]), ("fill or error", ["words", "1", "-m", "x"]),
                             ("no version", ["words", "1", "--min-version", "-1"]),
                             ("exclude", ["words", "1", "-o", "x", "--json"]), ("TABLE", []),
                             ("only one", ["words", "-i", "-", "-p", "sum", "-w", "-"])):
        e.fails(2, words, "lookup", *arguments)
    assert not (folder / "x.npy").exists()


def test_load_and_unload(e):
    e.fails(1, "is served", "load", "words", "a.safetensors")
    e.asked("Load")
    text = e.text("load", "words", "a.safetensors", "--replace", "--set", "memory=copy", "--set", "x=y=z")
    assert text == "words: serving int8, 1,000 × 100, 105 KiB, version 7, lsn 4\n"
    (asked,) = e.asked("Load")
    assert (asked.table, asked.file, asked.replace) == ("words", "a.safetensors", True)
    assert [(o.key, o.value) for o in asked.options] == [("memory", "copy"), ("x", "y=z")]
    assert e.document("load", "new", "b")["lsn"] == 4
    assert e.text("unload", "new") == "new: not served any more, last version 7, lsn 5\n"
    e.text("load", "new", "b")
    e.asked("Unload")
    assert e.document("unload", "new", "--forget") == {"table": "new", "version": 7, "forgotten": True, "lsn": 5}
    assert e.asked("Unload")[0].forget
    e.fails(1, "no table", "unload", "new")
    e.fails(2, "KEY=VALUE", "load", "new", "b", "--set", "memory")


def test_health(e):
    done = e.run("health")
    assert done.returncode == 1 and b"not serving" in done.stdout and not done.stderr
    assert done.stdout.splitlines()[1].split() == b"(the whole daemon) serving".split()
    assert e.text("health", "") == "serving\n"
    assert json.loads(e.run("health", "--json").stdout) == {"services": {"": "serving", "embd.v1.Embedding": "not serving"}}
    assert json.loads(e.run("health", "embd.v1.Embedding", "--json").stdout)["status"] == "not serving"
    e.fails(1, "no service", "health", "nope")


def test_stats(e):
    before = time.time()
    e.asked("Query")
    text = e.text("stats")
    (asked,) = e.asked("Query")
    assert before - 3661 <= getattr(asked, "from") <= before - 3590 and asked.span == pb.STATS_SPAN_TOTAL
    assert asked.histogram and asked.memory
    assert re.search(r"words +Lookup +2,000,000 +556 +64,000,000 +12 +3 +25\.5 us +20\.0 us +50\.0 us +110 us +800 us"
                     r" +1\.02 ms +▁▁█▅▃▁▁▁\n", text), text
    assert re.search(r"words +Lookup +NOT_FOUND +3\n", text) and "embd 0.1.0 up for 1 h 0 min" in text
    assert re.search(r"the daemon, resident \(30\.0 MiB allocated\) +50\.0 MiB +211 KiB", text)
    text = e.text("stats", "words", "--histogram", "--last", "10m", "--span", "minute", "--call", "Lookup")
    (asked,) = e.asked("Query")
    assert (asked.table, asked.call, asked.span) == ("words", "Lookup", pb.STATS_SPAN_MINUTE)
    assert "keyed" not in text and re.search(r"16\.0 us – 32\.0 us +█{40} +500,000 +50\.00 %  p50\n", text), text
    found = e.document("stats", "words")
    assert found["rows"][0]["errors"] == {"NOT_FOUND": 3} and found["rows"][0]["p999_us"] == 800
    assert sum(found["rows"][0]["buckets"]) == 1000000 and len(found["bucket_us"]) == 11
    assert found["memory"][-1]["table"] is None
    e.fails(2, "--span", "stats", "--span", "week")
    e.fails(2, "--last", "stats", "--last", "yesterday")


def test_stats_of_training(e):
    e.asked("Query")
    text = e.text("stats")
    (asked,) = e.asked("Query")
    assert asked.training
    assert re.search(r"\ntraining +version +pushes +/s +kept +saved +age +unsaved +pause +written\n"
                     r"words +41,000 +36,000 +10\.0 +0 +40,500 +35 s +500 +830 us +3\.00 ×\n", text), text
    assert re.search(r"\nrefused +status +reason +pushes\n\(none\) +NOT_FOUND +not_found +2\n"
                     r"\(others\) +ABORTED +gap +40\nctr-1 +INVALID_ARGUMENT +not_finite +7\n", text), text
    assert "\nthe log: 600 rows, 5.00 MiB; 2.00 KiB of pushes wait; the start read 1,200 rows in 420 ms\n" in text, text
    e.daemon.kept = 12
    assert re.search(r"\nwords +41,000 +36,000 +10\.0 +12 +40,500 ", e.text("stats", "words"))
    text = e.text("stats", "keyed")
    assert "training" not in text and "refused" not in text and "the log" not in text, text
    text = e.text("stats", "--span", "hour")
    assert re.search(r"\nfrom +training +version.*\n20\d\d-\d\d-\d\d \d\d:\d\d +words +41,000", text), text
    found = e.document("stats")
    (row,) = found["training"]
    assert (row["table"], row["pushes"], row["rows"], row["kept"], row["snapshot_version"]) == (
        "words", 36000, 350000, 12, 40500)
    assert (row["save_us"], row["save_pause_us"], row["snapshot_time"]) == (52000, 830, 1767225565)
    assert [(r["trainer"], r["status"], r["reason"], r["count"]) for r in found["refusals"]] == [
        (None, "NOT_FOUND", "not_found", 2), ("*", "ABORTED", "gap", 40), ("ctr-1", "INVALID_ARGUMENT", "not_finite", 7)]
    assert found["log"] == {"lsn": 41020, "rows": 600, "bytes": 5 << 20, "disk_bytes": 9 << 20, "queued_bytes": 2048,
                            "replay_us": 420000, "replay_rows": 1200, "replay_pushes": 1100}
    e.daemon.kept = 0


def test_top(e):
    text = e.text("top")
    assert text.startswith(f"embd 0.1.0 at {e.daemon.address}   up 1 h 0 min   0 calls/s") and "words  int8" in text
    found = e.document("top", "--interval", "100ms")
    assert [t["table"] for t in found["tables"]] == ["keyed", "words"] and found["resident_bytes"] == 50 << 20
    assert found["pushes_per_s"] == 0 and found["log_bytes"] == 5 << 20
    assert found["calls_per_s"] == 0 and found["tables"][1]["p99_us"] == 0 and found["seconds"] >= 0.1
    e.fails(2, "100ms or more", "top", "--interval", "10ms")
    ours, theirs = pty.openpty()
    process = subprocess.Popen([EMBCTL, "top", "--interval", "100ms"], stdin=theirs, stdout=theirs, stderr=theirs,
                               env={**e.environment, "TERM": "xterm"})
    shown = b""
    while shown.count(b"\033[H") < 3:  # three frames
        shown += os.read(ours, 65536)
    os.write(ours, b"q")
    os.close(theirs)
    try:
        while part := os.read(ours, 65536):
            shown += part
    except OSError:
        pass
    assert process.wait(30) == 0
    assert shown.startswith(b"\033[?1049h") and shown.rstrip().endswith(b"\033[?1049l") and b"words" in shown
    os.close(ours)


def test_failures_on_the_way(e):
    for command in (["tables"], ["lookup", "words", "1"], ["top"], ["stats"], ["health"]):
        e.fails(1, "cannot connect to", *command, "--server", "127.0.0.1:1")
    e.fails(1, "cannot connect to", "tables", "-s", "unix:/nowhere")
    e.text("tables", "--timeout", "3s")
    assert e.daemon.calls[-1][2] <= 3
    e.text("--server", e.daemon.address, "--json", "tables")
    assert subprocess.run([EMBCTL, "--server=" + e.daemon.address, "tables"], check=False, capture_output=True,
                          env={**os.environ, "EMBD_SERVER": "127.0.0.1:1"}).returncode == 0


def main():
    with Daemon() as daemon, tempfile.TemporaryDirectory(prefix="embctl-test-") as name:
        folder, e = pathlib.Path(name), Embctl(daemon)
        test_tables(e)
        test_describe(e)
        test_lookup_for_people(e)
        test_lookup_for_programs(e)
        test_bags(e, folder)
        test_large_questions_are_split(e, folder)
        test_lookup_refusals(e, folder)
        test_load_and_unload(e)
        test_health(e)
        test_stats(e)
        test_stats_of_training(e)
        test_top(e)
        test_failures_on_the_way(e)
    return 0


if __name__ == "__main__":
    sys.exit(main())
