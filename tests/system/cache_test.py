#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Caches of decoded rows: a table with one answers like its twin without, bit for bit, while both are pushed to,
replaced, restored and grow; memory stays within what the options say; statistics say what was asked."""
import json
import pathlib
import re
import sqlite3
import subprocess
import sys
import threading

import numpy as np

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from daemon import SANITIZED, Daemon, program  # noqa: E402
from training_kit import CALLS, Client, Code, expect, pb, run, wait_for  # noqa: E402

CALLS["create"] = ("Tables/Create", pb.CreateRequest, pb.CreateResponse)
CALLS["explain"] = ("Tables/Explain", pb.ExplainRequest, pb.ExplainResponse)
METHODS = ("dhe", "tt", "robe", "compo", "mde", "autodim", "mgqe", "dpq", "dedup", "adapt", "alpt", "hash")
if SANITIZED:  # a cache does not know methods: what sanitizers look for is the same with any
    METHODS = METHODS[:4]
FORMATS = [pb.VECTOR_FORMAT_F32, pb.VECTOR_FORMAT_F16, pb.VECTOR_FORMAT_BF16, pb.VECTOR_FORMAT_INT8]
ROWS, DIM, PUSHES = 3000, 12, 25


def options(**pairs):
    return [pb.TableOption(key=k, value=str(v)) for k, v in pairs.items()]


def create_file(path, method, seed, rows=ROWS):
    subprocess.run([program("embctl"), "create", "-o", str(path), "--method", method, "--rows", str(rows), "--dim",
                    str(DIM), "--seed", str(seed)], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return path.name


def question(rng, tables):
    """A lookup of all tables that asks each the same: skewed ids, of which some are unknown; rows or bags."""
    n = int(rng.choice([1, 30, 300, 2500]))
    ids = (ROWS * rng.random(n) ** 6).astype("i8") + (rng.random(n) < 0.01) * ROWS
    asked = dict(ids=ids.tolist())
    if rng.random() < 0.5:
        cuts = np.sort(rng.integers(0, n + 1, rng.integers(0, 40)))
        asked.update(pooling=int(rng.integers(1, 3)), offsets=[0, *cuts.tolist(), n])
        if asked["pooling"] == pb.POOLING_SUM and rng.random() < 0.5:
            asked.update(weights=rng.standard_normal(n).astype("f4").tolist())
    return dict(format=FORMATS[rng.integers(4)], lookups=[pb.TableLookup(table=t, **asked) for t in tables])


class Comparison(threading.Thread):
    """Looks both tables of a pair up until it is told to stop. What is of one version has to be the same."""

    def __init__(self, daemon, tables, seed):
        super().__init__()
        self.c, self.tables, self.rng = Client(daemon), tables, np.random.default_rng(seed)
        self.done, self.wrong, self.same, self.versions = threading.Event(), [], 0, set()

    def run(self):
        while not self.done.is_set() and not self.wrong:
            asked = question(self.rng, self.tables)
            reply = self.c.lookup(**asked)
            if isinstance(reply, tuple):
                self.wrong.append(reply)
                continue
            a, b = reply.results
            if a.version != b.version:
                continue
            if a.SerializeToString() != b.SerializeToString():
                self.wrong.append((a.version, asked["format"], asked["lookups"][0].pooling, a.rows))
            self.same += 1
            self.versions.add(a.version)

    def end(self):
        self.done.set()
        self.join()
        assert not self.wrong, (self.tables, self.wrong)
        return self.same, len(self.versions)


def memory_of(daemon, name):
    found = re.search(rf'^embd_table_cache_bytes{{table="{name}"}} (\d+)$', daemon.http("/metrics")[1], re.M)
    return int(found.group(1))


def push_both(c, rng, tables, **more):
    n = int(rng.integers(1, 200))
    ids = rng.integers(0, ROWS, n).tolist()
    gradients = rng.standard_normal(n * DIM).astype("f4").tolist()
    reply = c.push(pushes=[pb.TablePush(table=t, ids=ids, gradients=gradients) for t in tables], **more)
    assert not isinstance(reply, tuple), reply


def test_the_same_bits(folder):
    """Every costly method: pushes, replacements, a restore and a restart, with two threads that look up and compare."""
    with Daemon(import_dir=folder, config="workers = 2\n") as daemon:
        c = Client(daemon)
        rng = np.random.default_rng(1)
        for method in METHODS:
            tables = [f"{method}-cached", f"{method}-plain"]
            files = [create_file(folder / f"{method}-{seed}.st", method, seed) for seed in (1, 2)]
            for t, more in zip(tables, ({"cache": "10%"}, {})):
                loaded = c.load(table=t, file=files[0], options=options(optimizer="sgd", learning_rate=0.1, **more))
                assert not isinstance(loaded, tuple), loaded
            looking = [Comparison(daemon, tables, seed) for seed in range(2)]
            for thread in looking:
                thread.start()
            for i in range(PUSHES):
                push_both(c, rng, tables)
                if i % 10 == 4:
                    for t in tables:
                        assert not isinstance(c.load(table=t, file=files[i // 10 % 2], replace=True, options=options(
                            optimizer="sgd", learning_rate=0.1, **({"cache": "10%"} if t == tables[0] else {}))), tuple)
            for t in tables:  # back to what was there when it was replaced last
                assert not isinstance(c.save(table=t), tuple)
            push_both(c, rng, tables)
            for t in tables:
                restored = c.restore(table=t, version=0)
                assert not isinstance(restored, tuple), restored
            wait_for("lookups", lambda: all(thread.same > 30 for thread in looking), 120)
            same, versions = zip(*(thread.end() for thread in looking))
            assert memory_of(daemon, tables[0]) > 0 and memory_of(daemon, tables[1]) == 0, method
            print(f"{method}: {sum(same)} comparisons, {max(versions)} versions seen", flush=True)
        daemon.restart()
        c = Client(daemon)
        for method in METHODS:
            for _ in range(10):
                a, b = c.lookup(**question(rng, [f"{method}-cached", f"{method}-plain"])).results
                assert a.SerializeToString() == b.SerializeToString(), method
            assert memory_of(daemon, f"{method}-cached") > 0  # the option was kept


def create_growing(c, table, method, **more):
    made = c.create(table=table, method=method, rows=300, dim=DIM, seed=3, ids=pb.TABLE_IDS_KEYS, grows=True,
                    options=options(optimizer="sgd", learning_rate=0.1, **more))
    assert not isinstance(made, tuple), made


def test_new_ids(folder):
    """Tables that grow: new ids get the same rows in both, and lookups see them at once."""
    with Daemon(config="workers = 2\n") as daemon:
        c = Client(daemon)
        rng = np.random.default_rng(2)
        for method in ("full", "tt", "dhe"):
            tables = [f"{method}-cached", f"{method}-plain"]
            create_growing(c, tables[0], method, cache="50%")
            create_growing(c, tables[1], method)
            looking = [Comparison(daemon, tables, seed) for seed in range(2)]
            for thread in looking:
                thread.start()
            for i in range(30):
                ids = rng.integers(10 * i, 10 * i + 30, 20)
                gradients = rng.standard_normal(len(ids) * DIM).astype("f4").tolist()
                reply = c.push(missing=pb.PUSH_MISSING_ADMIT, pushes=[
                    pb.TablePush(table=t, ids=ids.tolist(), gradients=gradients) for t in tables])
                assert not isinstance(reply, tuple), reply
            wait_for("lookups", lambda: all(thread.same > 30 for thread in looking), 120)
            for thread in looking:
                thread.end()


def test_ids_that_go(folder):
    """A row that went to another id is that id's: Explain, which knows no cache, gives the same for each."""
    with Daemon(config="workers = 1\n") as daemon:
        c = Client(daemon)
        for method in ("full", "tt"):
            create_growing(c, method, method, cache="100%", evict_after=1)
            for i in range(3):
                ids = list(range(1000 * i, 1000 * i + 250))
                reply = c.push(missing=pb.PUSH_MISSING_ADMIT, pushes=[
                    pb.TablePush(table=method, ids=ids, gradients=[float(i + 1)] * (len(ids) * DIM))])
                assert not isinstance(reply, tuple) and reply.admitted == 250, reply
                for _ in range(2):
                    values = np.array(c.lookup(lookups=[pb.TableLookup(table=method, ids=ids)]).results[0].values, "<f4")
                    for key, row in zip(ids[::25], values.reshape(-1, DIM)[::25]):
                        assert row.tobytes() == np.array(c.explain(table=method, id=key).values, "<f4").tobytes()
                wait_for("the rows to be given up", lambda: c.info(method).used_rows == 0)
                gone = c.lookup(lookups=[pb.TableLookup(table=method, ids=ids)]).results[0]
                assert len(gone.missing) == len(ids) and not any(gone.values)


def hits_of(daemon, name):
    text = daemon.http("/metrics")[1]
    return tuple(int(re.search(rf'^embd_cache_{kind}_total{{table="{name}"}} (\d+)$', text, re.M).group(1))
                 for kind in ("hits", "misses"))


def test_statistics(folder):
    """/metrics, stats.db, Stats.Query and embctl say how often the cache had the row, and what it takes."""
    create_file(folder / "t.st", "tt", 1)
    with Daemon(tables={"t": f"{folder / 't.st'},cache=10%", "plain": folder / "t.st"},
                config="workers = 1\n") as daemon:
        c = Client(daemon)
        assert memory_of(daemon, "t") == 0  # it is made when the table is first looked up
        for table in ("t", "plain"):
            c.lookup(lookups=[pb.TableLookup(table=table, ids=[1, 2, 3, 2, 1, -5])])
            c.lookup(lookups=[pb.TableLookup(table=table, ids=[3, 2, 4], pooling=pb.POOLING_SUM, offsets=[0, 1, 3])])
        assert hits_of(daemon, "t") == (4, 4) and 'embd_cache_hits_total{table="plain"}' not in daemon.http("/metrics")[1]
        memory = memory_of(daemon, "t")
        assert 300 * DIM * 4 < memory < 400 * DIM * 4 + 100000 and c.info("t").cache_bytes == memory
        path = daemon.folder / "data/stats.db"

        def rows(query):
            with sqlite3.connect(f"file:{path}?mode=ro", uri=True) as db:
                return db.execute(query).fetchall()
        wait_for("stats.db", lambda: rows("SELECT table_name, hits, misses, hit_percent, cache_bytes "
                                          "FROM cache_by_minute") == [("t", 4, 4, 50.0, memory)])
        assert rows("SELECT table_name, hits, misses, cache_bytes FROM cache_by_hour") == [("t", 4, 4, memory)]
        assert dict(rows("SELECT table_name, cache_bytes FROM memory_now")) == {"(process)": memory, "t": memory,
                                                                               "plain": 0}

        def embctl(*words):
            return subprocess.run([daemon.embctl, "--server", daemon.address, *words], check=True,
                                  capture_output=True, text=True).stdout
        said = json.loads(embctl("--json", "stats"))
        lookups = {r["table"]: (r["hits"], r["misses"]) for r in said["rows"] if r["call"] == "Lookup"}
        assert lookups == {"t": (4, 4), "plain": (0, 0)}
        assert {m["table"]: m["cache_bytes"] for m in said["memory"]} == {None: memory, "t": memory, "plain": 0}
        assert re.search(r"t +4 +4 +50\.00 %", embctl("stats")), embctl("stats")
        assert "of decoded rows" in embctl("describe", "t") and "decoded" not in embctl("describe", "plain")


def test_sizes_and_limits(folder):
    """The option's values, its change at a reload, and max_cache_bytes."""
    create_file(folder / "t.st", "tt", 1)
    config = lambda more: f'table t {{\n file = "{folder / "t.st"}"\n{more}}}\n'  # noqa: E731
    for optimizer in ("", ' optimizer = "sgd"\n'):
        with Daemon(import_dir=folder, config="max_cache_bytes = 300KiB\n" + config(optimizer)) as daemon:
            c = Client(daemon)

            def reload(more):
                daemon.config = "max_cache_bytes = 300KiB\n" + config(optimizer + more)
                daemon.command()  # writes it
                before = c.info("t").version, daemon.log_text().count("configuration reloaded")
                daemon.hangup()
                wait_for("the reload",
                         lambda: daemon.log_text().count("configuration reloaded") > before[1])
            asked = pb.TableLookup(table="t", ids=range(ROWS))
            first = c.lookup(lookups=[asked]).results[0].values
            assert memory_of(daemon, "t") == 0
            for more, least, most in ((" cache = 1%\n", 1000, 90000), (" cache = \"100000\"\n", 60000, 100000),
                                      (" cache = 100%\n", 150000, 300 << 10), (" cache = \"1GiB\"\n", 0, 0),
                                      ("", 0, 0), (" cache = 5%\n", 5000, 120000)):
                reload(more)
                for _ in range(2 * int(daemon.ready.get("workers", 2))):
                    other = Client(daemon)  # comes to any of the workers
                    assert other.lookup(lookups=[asked]).results[0].values == first
                assert least <= memory_of(daemon, "t") <= most, (more, memory_of(daemon, "t"))
            for value in ("5 percent", "101%", "-1%", "", "64MiB%"):
                expect(c.load(table="x", file="t.st", options=options(cache=value)), Code.INVALID_ARGUMENT, "cache: ")


if __name__ == "__main__":
    run(globals())
