# SPDX-License-Identifier: Apache-2.0
"""The tables of a daemon through their lives: loaded, replaced, unloaded and forgotten by calls, configured,
reloaded with SIGHUP, damaged; what a restart keeps; and the limits on all of that."""
import json
import os
import pathlib
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
ROWS, DIM = 10, 4


def write(path, value, rows=ROWS, **more):
    """A table whose every number is `value`."""
    return tablefile.write(path, tablefile.table("full", rows, DIM, {
        "weight": ("F32", np.full((rows, DIM), value, np.float32))}, **more))


def write_zeros(path, rows):
    """A table of zeros, which takes no room on disk but some time to check."""
    header = {"__metadata__": {"embd.version": "1", "embd.method": "full", "embd.rows": str(rows),
                               "embd.dim": str(DIM)},
              "weight": {"dtype": "F32", "shape": [rows, DIM], "data_offsets": [0, 4 * rows * DIM]}}
    text = json.dumps(header).encode()
    text += b" " * (-(len(text) + 8) % 64)
    with open(path, "wb") as f:
        f.write(len(text).to_bytes(8, "little") + text)
        f.truncate(8 + len(text) + 4 * rows * DIM)


class Client:
    """The calls of a daemon as functions; a failed one returns (code, sentence)."""

    def __init__(self, daemon):
        names = {"lookup": ("Embedding/Lookup", pb.LookupRequest, pb.LookupResponse),
                 "list": ("Tables/List", pb.ListRequest, pb.ListResponse),
                 "describe": ("Tables/Describe", pb.DescribeRequest, pb.DescribeResponse),
                 "load": ("Tables/Load", pb.LoadRequest, pb.LoadResponse),
                 "unload": ("Tables/Unload", pb.UnloadRequest, pb.UnloadResponse),
                 "query": ("Stats/Query", pb.StatsRequest, pb.StatsResponse)}
        channel = daemon.channel()
        for name, (path, request, response) in names.items():
            call = daemon.unary(f"/embd.v1.{path}", request, response, channel)
            setattr(self, name, self.wrap(call, request))
            setattr(self, name + "_call", call)

    @staticmethod
    def wrap(call, request):
        def run(**fields):
            try:
                return call(request(**fields), timeout=20)
            except grpc.RpcError as error:
                return error.code(), error.details()
        return run

    def value(self, table):
        """The one value of a table, or the code of the failed lookup."""
        reply = self.lookup(lookups=[pb.TableLookup(table=table, ids=range(ROWS))])
        return reply[0] if isinstance(reply, tuple) else reply.results[0].values[0]

    def tables(self):
        return {t.name: t for t in self.list().tables}


def expect(reply, code, words=""):
    assert isinstance(reply, tuple) and reply[0] == code and words in reply[1], reply


def wait_for(what, condition, seconds=20):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"waited in vain for {what}"
        time.sleep(0.01)


def test_lives_of_a_table(folder):
    write(f"{folder}/a", 1)
    write(f"{folder}/b", 2, applied=7)
    with Daemon(tables={"conf": f"{folder}/a"}, import_dir=folder) as daemon:
        c = Client(daemon)
        assert list(c.tables()) == ["conf"] and c.list().lsn == 1
        info = c.tables()["conf"]
        assert (info.method, info.rows, info.dim, info.version, info.generation) == ("full", ROWS, DIM, 0, 1)
        assert info.file == f"{folder}/a" and info.state == pb.TABLE_STATE_SERVING and info.ratio == 1
        assert (info.memory, info.ids) == (pb.TABLE_MEMORY_MAP, pb.TABLE_IDS_ROWS)

        copy = [pb.TableOption(key="memory", value="copy")]
        reply = c.load(table="x", file="a", options=copy)
        assert (reply.lsn, reply.table.version, reply.table.generation) == (2, 0, 1)
        assert reply.table.memory == pb.TABLE_MEMORY_COPY and reply.table.private_bytes >= 4 * ROWS * DIM
        expect(c.load(table="x", file="b"), Code.ALREADY_EXISTS, '"x"')
        assert c.value("x") == 1
        reply = c.load(table="x", file="b", replace=True)
        assert (reply.lsn, reply.table.version, reply.table.generation) == (3, 8, 1)  # max(0, 7) + 1
        assert c.value("x") == 2
        assert c.load(table="x", file="a", replace=True).table.version == 9  # max(8, 0) + 1
        described = c.describe(table="x")
        assert described.table.version == 9 and described.lsn == 4 and described.config == "{}"
        assert [(t.name, t.dtype, list(t.shape), t.bytes) for t in described.tensors] == [
            ("weight", "F32", [ROWS, DIM], 4 * ROWS * DIM)]
        assert described.checksum and abs(described.loaded_us / 1e6 - time.time()) < 60
        wait_for("the old file to go", lambda: f"{folder}/b" not in
                 pathlib.Path(f"/proc/{daemon.pid}/maps").read_text())

        reply = c.unload(table="x")
        assert (reply.lsn, reply.version) == (5, 9)
        assert c.value("x") == Code.NOT_FOUND
        expect(c.unload(table="x"), Code.NOT_FOUND, '"x"')
        reply = c.load(table="x", file="a")
        assert (reply.table.version, reply.table.generation) == (0, 2)  # a new life
        assert c.unload(table="x", forget=True).lsn == 7
        expect(c.unload(table="x", forget=True), Code.NOT_FOUND, '"x"')
        assert c.load(table="x", file="b").table.generation == 3


def test_restart_keeps_the_last_act(folder):
    for name in "abc":
        write(f"{folder}/{name}", ord(name))
    tables = {"conf": f"{folder}/a", "gone": f"{folder}/a", "forgotten": f"{folder}/a"}
    daemon = Daemon(tables=tables, import_dir=folder)
    with daemon:
        c = Client(daemon)
        c.load(table="called", file="b")
        c.load(table="conf", file="c", replace=True)
        c.unload(table="gone")
        c.unload(table="forgotten", forget=True)
        before = c.tables()
        assert list(before) == ["called", "conf"]
        daemon.kill()
        daemon.start()
        c = Client(daemon)
        assert c.tables() == before, "a restart changed the tables"
        assert c.list().lsn == 7  # and logged nothing
        assert (c.value("called"), c.value("conf"), c.value("gone")) == (ord("b"), ord("c"), Code.NOT_FOUND)
        # A file that is another one now is taken as it is, as a replacement.
        write(f"{folder}/new", 99)
        os.rename(f"{folder}/new", f"{folder}/b")
        # One that is the same again, though newer, is no change.
        write(f"{folder}/new", ord("c"))
        os.rename(f"{folder}/new", f"{folder}/c")
        daemon.restart()
        c = Client(daemon)
        assert c.value("called") == 99 and c.tables()["called"].version == before["called"].version + 1
        assert c.tables()["conf"].version == before["conf"].version and c.list().lsn == 8
        # What is taken out of the configuration is not served any more; what calls loaded is.
        daemon.stop()
        daemon.tables = {}
        daemon.start()
        assert list(Client(daemon).tables()) == ["called", "conf"]
        # `replace` makes the configuration win.
        daemon.stop()
        daemon.tables = {"conf": f"{folder}/a,replace=yes", "gone": f"{folder}/a,replace=yes"}
        daemon.start()
        c = Client(daemon)
        assert (c.value("conf"), c.value("gone")) == (ord("a"), ord("a"))
        assert c.tables()["gone"].generation == 2


def test_hangup(folder):
    for name in "abc":
        write(f"{folder}/{name}", ord(name))
    section = lambda name, file, more="": f'table {name} {{ file = "{folder}/{file}" {more} }}\n'
    daemon = Daemon(config=section("keep", "a") + section("change", "a") + section("drop", "a"), import_dir=folder)
    with daemon:
        c = Client(daemon)
        path = daemon.folder / "embd.conf"
        done = lambda text: wait_for(text, lambda: text in daemon.log_text())
        before = c.tables()

        def reload(text, *words):
            (daemon.folder / "embd.conf").write_text(f'import_dir = "{folder}"\n' + text)
            daemon.hangup()
            for word in words:
                done(word)

        reload(section("keep", "a") + section("change", "b", "memory = copy") + section("add", "c")
               + "max_ids = 5\nlog_level = debug\nmax_streams = 9\n",
               "configuration reloaded loaded=2 unloaded=1 failed=0 tables=3",
               "take effect at the next start options=max_ids,max_streams")
        tables = c.tables()
        assert list(tables) == ["add", "change", "keep"] and tables["keep"] == before["keep"]
        assert (c.value("add"), c.value("change"), c.value("keep")) == (ord("c"), ord("b"), ord("a"))
        assert tables["change"].version == 1 and tables["change"].memory == pb.TABLE_MEMORY_COPY

        # A refused file changes nothing, and says where it is wrong.
        reload(section("keep", "c") + "max_idz = 3\n",
               f"nothing changes error={path}:3: unknown option max_idz; the nearest is max_ids")
        assert c.tables() == tables
        # A table that cannot be loaded stays as it was; the others change.
        reload(section("keep", "c") + section("change", "missing") + section("add", "c"),
               "failed=1", "table stays as it was table=change")
        assert (c.value("add"), c.value("change"), c.value("keep")) == (ord("c"), ord("b"), ord("c"))
        # What a call did goes before the configuration, until that says otherwise.
        c.unload(table="add")
        c.load(table="keep", file="b", replace=True)
        reload(section("keep", "c") + section("change", "b") + section("add", "c"), "loaded=1 unloaded=0 failed=0")
        assert list(c.tables()) == ["change", "keep"] and c.value("keep") == ord("b")
        reload(section("keep", "c", "replace = yes") + section("change", "b") + section("add", "c", "replace = on"),
               "loaded=2 unloaded=0 failed=0 tables=3")
        assert (c.value("add"), c.value("keep")) == (ord("c"), ord("c"))
        # Many at once do no harm.
        for _ in range(50):
            daemon.hangup()
        wait_for("the last reload", lambda: "loaded=0 unloaded=0 failed=0 tables=3" in daemon.log_text())
        assert (c.value("add"), c.value("change"), c.value("keep")) == (ord("c"), ord("b"), ord("c"))


def test_damaged_log(folder):
    write(f"{folder}/a", 1)
    daemon = Daemon(tables={"t": f"{folder}/a"}, import_dir=folder)
    with daemon:
        daemon.stop()
        log = daemon.folder / "data" / "log.db"
        data = bytearray(log.read_bytes())
        data[:16] = b"this is no log\n\n"
        log.write_bytes(data)
        daemon.start()
        c = Client(daemon)
        assert c.value("t") == 1
        expect(c.load(table="u", file="a"), Code.UNAVAILABLE, "log.db")
        expect(c.unload(table="t"), Code.UNAVAILABLE, "log.db")
        status, text = daemon.http("/readyz")
        assert status == 503 and "log.db" in text, (status, text)
        assert daemon.http("/livez") == (200, "alive\n")
        assert "\nembd_log_trouble 1\n" in daemon.http("/metrics")[1]
        assert log.read_bytes() == data, "a damaged log was touched"
        assert c.value("t") == 1


def test_log_that_goes_away(folder):
    write(f"{folder}/a", 1)
    with Daemon(tables={"t": f"{folder}/a"}, import_dir=folder) as daemon:
        c = Client(daemon)
        assert daemon.http("/readyz") == (200, "ready\n")
        (daemon.folder / "data" / "log.db").unlink()
        expect(c.load(table="u", file="a"), Code.UNAVAILABLE, "log.db")
        assert c.value("t") == 1
        wait_for("/readyz to say so", lambda: daemon.http("/readyz")[0] == 503)
        assert "log.db" in daemon.http("/readyz")[1]


def test_damaged_statistics(folder):
    write(f"{folder}/a", 1)
    daemon = Daemon(tables={"t": f"{folder}/a"}, import_dir=folder)
    with daemon:
        daemon.stop()
        stats = daemon.folder / "data" / "stats.db"
        stats.write_bytes(b"no database at all" * 100)
        daemon.start()
        c = Client(daemon)
        assert c.value("t") == 1
        expect(c.query(), Code.UNAVAILABLE, "stats.db")
        assert "\nembd_statistics_trouble 1\n" in daemon.http("/metrics")[1]
        status, text = daemon.http("/readyz")
        assert status == 200 and "statistics" in text, (status, text)
        assert stats.read_bytes() == b"no database at all" * 100, "a damaged database was touched"


def test_tables_that_cannot_be_opened(folder):
    write(f"{folder}/a", 1)
    write(f"{folder}/b", 2)
    daemon = Daemon(tables={"t": f"{folder}/a", "u": f"{folder}/b"}, import_dir=folder)
    with daemon:
        Client(daemon).load(table="called", file="b")
        daemon.stop()
        os.truncate(f"{folder}/b", 100)
        daemon.start()  # served before: the others start
        c = Client(daemon)
        assert (c.value("t"), c.value("u"), c.value("called")) == (1, Code.DATA_LOSS, Code.DATA_LOSS)
        info = c.tables()["u"]
        assert info.state == pb.TABLE_STATE_DAMAGED and f"{folder}/b" in info.trouble, info
        assert info.file == f"{folder}/b" and c.describe(table="u").table == info
        assert '\nembd_table_damaged{table="u"} 1\n' in daemon.http("/metrics")[1]
        assert "table u is damaged" in daemon.http("/readyz")[1] and daemon.http("/readyz")[0] == 200
        write(f"{folder}/c", 3)
        assert c.load(table="u", file="c", replace=True).table.version == 1
        assert c.value("u") == 3
        daemon.stop()
        daemon.tables["v"] = f"{folder}/missing"  # never served: no daemon
        try:
            daemon.start()
            raise AssertionError("a missing table was served")
        except RuntimeError as error:
            assert "ended with 1" in str(error) and "table v" in str(error) and "missing" in str(error), error
        del daemon.tables["v"]
        daemon.start()


def test_loads_at_the_same_time(folder):
    rows = 8 << 20
    write_zeros(f"{folder}/large", rows)
    write(f"{folder}/a", 1)
    with Daemon(tables={"t": f"{folder}/a"}, import_dir=folder, config="max_loads = 2\n") as daemon:
        c = Client(daemon)
        start = lambda name, **more: c.load_call.future(pb.LoadRequest(table=name, file="large", **more), timeout=60)
        assert c.value("t") == 1  # from here on the channel is there, and calls arrive in order
        first, second = start("x"), start("x")
        assert second.exception().code() == Code.ABORTED and '"x"' in second.exception().details()
        other = start("y")
        expect(c.load(table="z", file="a"), Code.RESOURCE_EXHAUSTED, "max_loads is 2")
        assert c.value("t") == 1  # while it loads
        other.cancel()
        assert first.result().table.rows == rows
        assert c.load(table="z", file="a").table.rows == ROWS
        assert list(c.tables()) == ["t", "x", "z"], "a cancelled load was served"
        other = start("y")
        daemon.process.terminate()  # a load under way does not keep the daemon from stopping
        error = other.exception()
        assert error is None or error.code() in (Code.UNAVAILABLE, Code.CANCELLED), error


def test_limit_of_tables(folder):
    for name in "ab":
        write(f"{folder}/{name}", ord(name))
    with Daemon(import_dir=folder, config="max_tables = 1\n") as daemon:
        c = Client(daemon)
        c.load(table="a", file="a")
        for _ in range(3):
            c.value("a")
        expect(c.load(table="b", file="b"), Code.RESOURCE_EXHAUSTED, "max_tables is 1")
        assert c.load(table="a", file="b", replace=True).table.version == 1
        c.unload(table="a")
        c.load(table="b", file="b")  # takes over the place in the counters, but not what was counted
        for _ in range(2):
            c.value("b")
        count = lambda text: f'embd_calls_total{{table="{text}",call="Lookup",code="OK"}}'
        wait_for("metrics", lambda: count("b") + " 2\n" in daemon.http("/metrics")[1])
        assert count("a") not in daemon.http("/metrics")[1]
        rows = lambda: {(r.table, r.count) for r in c.query(call="Lookup").rows}
        wait_for("statistics", lambda: {("a", 3), ("b", 2)} <= rows())


def test_statistics(folder):
    write(f"{folder}/a", 1)
    daemon = Daemon(tables={"t": f"{folder}/a"}, import_dir=folder)
    with daemon:
        c = Client(daemon)
        for _ in range(5):
            c.lookup(lookups=[pb.TableLookup(table="t", ids=[1, 2, 99])])
        c.lookup(lookups=[pb.TableLookup(table="t", ids=[99])], missing=pb.MISSING_POLICY_ERROR)
        c.value("nobody")
        row = lambda table, **more: next((r for r in c.query(table=table, call="Lookup", **more).rows), None)
        wait_for("statistics", lambda: row("t") and row("t").count == 6, 3)
        r = row("t", histogram=True)
        assert (r.ids, r.missing, [(e.status, e.count) for e in r.errors]) == (16, 5, [(11, 1)])
        assert sum(r.buckets) == 6 and 0 < r.p50_us <= r.p99_us <= r.max_us and r.mean_us > 0
        assert len(c.query(histogram=True).bucket_us) == len(r.buckets)
        minute = row("t", span=pb.STATS_SPAN_MINUTE)
        assert minute.seconds == 60 and minute.start % 60 == 0
        wait_for("the unknown table", lambda: row("?") and row("?").count == 1)
        reply = c.query(memory=True)
        memory = {m.table: m for m in reply.memory}
        assert memory["t"].mapped_bytes > 4 * ROWS * DIM and memory[""].private_bytes > 1 << 20
        assert abs(reply.now - time.time()) < 60 and reply.version and reply.uptime_us > 0
        assert all(r.call == "List" for r in c.query(call="List").rows)
        assert not c.query(table="t", to=1000, **{"from": 1}).rows
        daemon.restart()  # statistics stay
        c = Client(daemon)
        assert row("t").count == 6


def main():
    tests = [test for name, test in sorted(globals().items()) if name.startswith("test_")]
    for test in tests:
        with tempfile.TemporaryDirectory() as folder:
            test(folder)
        print(f"ok {test.__name__}", flush=True)


if __name__ == "__main__":
    main()
