#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Pushes, refused pushes of two trainers and of none, a save and a restart: what the views of stats.db, /metrics,
Stats.Query and embctl stats say of them is what was done, and they say the same."""
import json
import pathlib
import re
import sqlite3
import subprocess
import sys
import tempfile
import time

import grpc
import numpy as np

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import tablefile  # noqa: E402
from daemon import Daemon, messages  # noqa: E402

Code = grpc.StatusCode
pb = messages("embd")
ROWS, DIM = 100, 8
f32 = np.float32
# What refuse() brings about: trainer, status, reason.
REFUSED = {("a", "INVALID_ARGUMENT", "not_finite"): 2, ("a", "ABORTED", "gap"): 1,
           ("a", "ALREADY_EXISTS", "conflict"): 1, ("b", "OUT_OF_RANGE", "unknown_id"): 1,
           ("b", "INVALID_ARGUMENT", "dimension"): 1, ("b", "NOT_FOUND", "not_found"): 3,
           ("", "FAILED_PRECONDITION", "read_only"): 1}
SUMS = ("pushes", "ids", "rows", "skipped", "kept", "saturated", "clipped", "changed_bytes", "snapshots",
        "snapshot_bytes")
METRICS = dict(pushes="pushes", ids="push_ids", rows="push_rows", skipped="push_skipped_ids",
               kept="push_kept_elements", saturated="push_saturated_elements", clipped="push_clipped_rows",
               changed_bytes="push_changed_bytes", snapshots="snapshots", snapshot_bytes="snapshot_written_bytes")
STATE = dict(version="version", snapshot_version="snapshot_version", memory_bytes="training_bytes")


def wait_for(what, condition, seconds=20):
    deadline = time.monotonic() + seconds
    while True:
        found = condition()
        if found:
            return found
        assert time.monotonic() < deadline, f"waited in vain for {what}"
        time.sleep(0.02)


def write(folder):
    path = pathlib.Path(folder) / "t.safetensors"
    tablefile.write(path, tablefile.table("full", ROWS, DIM, {"weight": ("F32", np.ones((ROWS, DIM), f32))}))
    return path


class Client:
    def __init__(self, daemon):
        self.daemon = daemon
        self.push_call = daemon.unary("/embd.v1.Embedding/Push", pb.PushRequest, pb.PushResponse)
        self.save_call = daemon.unary("/embd.v1.Tables/Save", pb.SaveRequest, pb.SaveResponse)

    def push(self, trainer, sequence, ids=(1, 2), table="ads", value=1.0, count=None, **more):
        gradients = np.full((len(ids) if count is None else count) * DIM, value, f32)
        part = pb.TablePush(table=table, ids=ids, gradients=gradients)
        return self.push_call(pb.PushRequest(trainer=trainer, sequence=sequence, pushes=[part], **more), timeout=20)

    def refused(self, code, *arguments, **more):
        try:
            self.push(*arguments, **more)
        except grpc.RpcError as error:
            assert error.code() == code, (error.code(), error.details())
            return
        raise AssertionError("the push was taken")

    def refuse(self, next_a):
        self.refused(Code.INVALID_ARGUMENT, "a", next_a, value=float("nan"))
        self.refused(Code.INVALID_ARGUMENT, "a", next_a, value=float("inf"))
        self.refused(Code.ABORTED, "a", next_a + 5)
        self.refused(Code.ALREADY_EXISTS, "a", next_a - 1, value=3.0)
        self.refused(Code.OUT_OF_RANGE, "b", 1, ids=[ROWS])
        self.refused(Code.INVALID_ARGUMENT, "b", 1, count=1)
        for _ in range(3):
            self.refused(Code.NOT_FOUND, "b", 1, table="none")
        self.refused(Code.FAILED_PRECONDITION, "", 0, table="fixed")

    # ---- What is told ----

    def sql(self, query):
        db = sqlite3.connect(f"file:{self.daemon.folder}/data/stats.db?mode=ro", uri=True, timeout=10)
        db.row_factory = sqlite3.Row
        try:
            return [dict(row) for row in db.execute(query)]
        finally:
            db.close()

    def metrics(self):
        return {m[1]: float(m[2]) for m in re.finditer(r"^(embd_\S+) (\S+)$", self.daemon.http("/metrics")[1], re.M)}

    def embctl(self, *arguments):
        return subprocess.run([self.daemon.embctl, "--server", self.daemon.address, *arguments], check=True,
                              capture_output=True, text=True).stdout

    def document(self, *arguments):
        return json.loads(self.embctl("stats", "--json", *arguments))


def training_of(c, table, pushes):
    """The row of a table in stats.db, once it has come to that many pushes."""
    def look():
        rows = c.sql(f"SELECT * FROM training_now WHERE table_name = '{table}'")
        return rows[0] if rows and rows[0]["pushes"] == pushes else None
    return wait_for(f"{pushes} pushes in stats.db", look)


def check_pushes(c, pushes, saved):
    """All four say the same of the table; returns what."""
    wait_for("the save in stats.db", lambda: training_of(c, "ads", pushes)["snapshot_version"] >= saved)

    def look():
        document, metrics = c.document(), c.metrics()
        (row,) = document["training"]
        now = training_of(c, "ads", pushes)
        sums = c.sql("SELECT " + ", ".join(f"sum({s}) AS {s}" for s in SUMS) + " FROM training_by_minute")[0]
        # Each is read at another instant: a save by itself may come in between.
        return (row, now, sums, metrics, document) if all(
            row[s] == sums[s] == metrics[f'embd_{METRICS[s]}_total{{table="ads"}}'] for s in SUMS) and all(
            row[s] == now[s] == metrics[f'embd_table_{name}{{table="ads"}}'] for s, name in STATE.items()) else None
    row, now, sums, metrics, document = wait_for("an instant without a change", look)
    assert row["table"] == "ads" and row["version"] == now["version"] == pushes == row["pushes"]
    assert now["unsaved_pushes"] == pushes - row["snapshot_version"] and 0 <= now["snapshot_age_s"] < 600
    assert now["write_amplification"] == round(sums["snapshot_bytes"] / sums["changed_bytes"], 2)
    assert abs(row["snapshot_time"] - time.time()) < 600
    return row, metrics, document


def check_refusals(c, times):
    """Every refusal so often, in the view, in the daemon's answer and, by reason alone, in /metrics."""
    expected = {key: n * times for key, n in REFUSED.items()}
    named = {(t or "(none)", s, r): n for (t, s, r), n in expected.items()}
    view = lambda: {(r["trainer"], r["status"], r["reason"]): r["count"] for r in c.sql("SELECT * FROM refusals")}
    wait_for("the refusals in stats.db", lambda: sum(view().values()) >= sum(named.values()))
    assert view() == named
    assert {(r["trainer"] or "", r["status"], r["reason"]): r["count"] for r in c.document()["refusals"]} == expected
    by_minute = c.sql("SELECT trainer, status, reason, sum(count) AS n FROM refusals_by_minute GROUP BY 1, 2, 3")
    assert {(r["trainer"], r["status"], r["reason"]): r["n"] for r in by_minute} == named


def check_refused_metrics(metrics):
    for (_, status, reason), n in REFUSED.items():
        assert metrics[f'embd_pushes_refused_total{{code="{status}",reason="{reason}"}}'] == n, (status, reason)
    assert sum(1 for name in metrics if name.startswith("embd_pushes_refused_total")) == len(REFUSED)
    assert "trainer" not in "".join(metrics)


def check_people(c):
    text = c.embctl("stats")
    assert re.search(r"\ntraining +version +pushes +/s +skipped +kept +saved +age +unsaved", text), text
    assert re.search(r"\nads +12 +12 +0\.\d +3 +0 +\d+ +\d+ s ", text), text
    assert re.search(r"\n\(none\) +FAILED_PRECONDITION +read_only +1\n", text), text
    assert re.search(r"\na +INVALID_ARGUMENT +not_finite +2\n", text), text
    assert re.search(r"\nthe log: \d+ rows, .*B", text), text
    text = c.embctl("stats", "ads", "--span", "minute")
    assert re.search(r"\nfrom +training ", text) and "refused" not in text and "the log" not in text, text
    assert "training" not in c.embctl("stats", "fixed")
    top = json.loads(c.embctl("top", "--json", "--interval", "100ms"))
    assert top["pushes_per_s"] == 0 and top["log_bytes"] > 0 and top["tables"][0]["pushes_per_s"] == 0
    assert "pushes/s" in c.embctl("top", "--once", "--interval", "100ms")


def test_what_was_done_is_told(folder):
    file = write(folder)
    with Daemon(tables={"ads": f"{file},optimizer=adagrad", "fixed": file}) as daemon:
        c = Client(daemon)
        for i in range(9):
            c.push("a", i + 1, ids=[i, i, 7])
        for i in range(3):
            c.push("", 0, ids=[3, ROWS + i], missing=pb.PUSH_MISSING_SKIP)
        c.push("a", 9, ids=[8, 8, 7])  # a duplicate is no push
        c.refuse(10)
        saved = c.save_call(pb.SaveRequest(table="ads"), timeout=20)
        row, metrics, document = check_pushes(c, 12, saved.snapshot.version)
        assert (row["ids"], row["skipped"], row["kept"], row["clipped"], row["saturated"]) == (33, 3, 0, 0, 0)
        assert row["rows"] == 8 * 2 + 1 + 3 and row["changed_bytes"] > 0
        assert row["snapshots"] >= 1 and row["save_us"] > 0 and row["save_us"] >= row["save_pause_us"]
        assert not any(f'embd_{name}_total{{table="fixed"}}' in metrics for name in METRICS.values())
        assert row["snapshot_version"] == 12 and row["memory_bytes"] > 0
        assert 0 <= metrics['embd_table_snapshot_age_seconds{table="ads"}'] < 600
        assert 0 <= metrics['embd_table_save_pause_seconds{table="ads"}'] <= metrics[
            'embd_table_save_seconds{table="ads"}'] < 20
        check_refusals(c, 1)
        check_refused_metrics(metrics)
        log = document["log"]
        assert log["lsn"] == metrics["embd_log_position"] == 14
        assert log["queued_bytes"] == metrics["embd_queued_push_bytes"] == 0
        metrics = wait_for("the pushes in the log's size", lambda: (m := c.metrics())["embd_log_rows"] >= 12 and m)
        assert metrics["embd_log_rows"] <= 14 and metrics["embd_log_bytes"] > 12 * DIM * 4
        assert metrics["embd_log_disk_bytes"] > metrics["embd_log_bytes"] and log["replay_rows"] == 0
        wait_for("the log in stats.db", lambda: c.sql("SELECT lsn, rows, bytes FROM log_now") == [
            {k: c.document()["log"][k] for k in ("lsn", "rows", "bytes")}])
        check_people(c)
        check_restart(c, daemon, metrics["embd_log_rows"])


def check_restart(c, daemon, rows):
    """What the log brings back was counted when it was pushed; what comes then is added to it."""
    daemon.kill()
    daemon.start()
    c = Client(daemon)
    (first, second) = wait_for("the start in stats.db", lambda: (found := c.sql("SELECT * FROM starts"))[1:] and found)
    assert (first["replay_rows"], first["pushes"], first["tables"], first["damaged"]) == (0, 0, 2, 0)
    assert second["tables"] == 2 and second["opening_us"] >= second["replay_us"] and second["version"] == first["version"]
    log = c.document()["log"]
    assert (second["replay_us"], second["replay_rows"], second["pushes"]) == (
        log["replay_us"], log["replay_rows"], log["replay_pushes"])
    metrics = c.metrics()
    assert metrics["embd_replay_rows"] == second["replay_rows"] <= rows
    assert metrics['embd_pushes_total{table="ads"}'] == 0
    assert training_of(c, "ads", 12)["version"] == 12
    c.push("a", 10)
    training_of(c, "ads", 13)
    assert c.metrics()['embd_pushes_total{table="ads"}'] == 1
    c.refuse(11)
    check_refusals(c, 2)
    check_refused_metrics(c.metrics())


def test_elements_that_would_not_be_finite(folder):
    """A step that would leave the numbers keeps what was there, and is told."""
    path = pathlib.Path(folder) / "big.safetensors"
    tablefile.write(path, tablefile.table("full", ROWS, DIM, {"weight": ("F32", np.full((ROWS, DIM), 3e38, f32))}))
    with Daemon(tables={"big": f"{path},optimizer=sgd,learning_rate=1e33"}) as daemon:
        c = Client(daemon)
        c.push("", 0, ids=[4, 5], table="big", value=-1e5)
        row = wait_for("the push", lambda: c.sql("SELECT * FROM training_now WHERE pushes = 1"))[0]
        assert row["kept"] == 2 * DIM and c.metrics()['embd_push_kept_elements_total{table="big"}'] == 2 * DIM
        assert c.document()["training"][0]["kept"] == 2 * DIM
        assert re.search(r"\nbig +1 +1 +0\.0 +16 ", c.embctl("stats"))


def main():
    with tempfile.TemporaryDirectory(prefix="embd-test-") as folder:
        for name, test in sorted(globals().items()):
            if name.startswith("test_") and (len(sys.argv) < 2 or name in sys.argv[1:]):
                test(folder)
                print("ok", name)
    return 0


if __name__ == "__main__":
    sys.exit(main())
