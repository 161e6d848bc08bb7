# SPDX-License-Identifier: Apache-2.0
"""Groups of loads, and what comes while a group is under way: one switch, seen whole or not at all."""
import os
import pathlib
import sys
import threading

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import training_kit  # noqa: E402
from crash.failpoints import DEVELOPER  # noqa: E402
from daemon import Daemon  # noqa: E402
from groups_kit import NAMES, checkpoints, loads, option, push_all, trained, values  # noqa: E402
from training_kit import Client, Code, DIM, ROWS, expect, pb, wait_for, write  # noqa: E402


def test_loads_a_group(folder):
    for k in range(3):
        write(folder / f"{k}.st", float(k))
    with trained(folder) as daemon:
        c = Client(daemon)
        push_all(c, 2)
        lsn = c.list().lsn
        reply = c.load_group(loads=[
            pb.LoadRequest(table="new", file="1.st"),
            pb.LoadRequest(table="a", file="1.st", replace=True, options=option("optimizer", "sgd")),
            pb.LoadRequest(table="b", file="2.st", replace=True)])
        assert [(t.name, t.version, t.trainable, t.generation) for t in reply.tables] == \
            [("new", 0, False, 1), ("a", 3, True, 1), ("b", 3, False, 1)], reply
        assert reply.lsn == lsn + 3 == c.list().lsn
        state = values(c, NAMES + ["new"])
        assert state[0][1] == state[3][1] == (1.0,) * (ROWS * DIM) and state[1][1] == (2.0,) * (ROWS * DIM)
        # Those that were trained and are not any more, and those that go on, over a crash.
        reply = c.push(pushes=[pb.TablePush(table=name, ids=[5], gradients=[1.0] * DIM) for name in ("a", "c")])
        assert list(reply.versions) == [4, 3], reply
        state = values(c, NAMES + ["new"])
        daemon.kill()
        daemon.start()
        assert values(Client(daemon), NAMES + ["new"]) == state


def test_refused_groups_of_loads(folder):
    write(folder / "1.st", 1.0)
    (folder / "bad.st").write_bytes((folder / "1.st").read_bytes()[:-1])
    with trained(folder, config="max_loads = 1\n") as daemon:
        c = Client(daemon)
        push_all(c)
        before, tables = values(c), [t.name for t in c.list().tables]
        snapshots = {p.name for name in NAMES for p in (daemon.folder / "data/tables" / name).iterdir()}
        sgd = option("optimizer", "sgd")
        for code, words, requests in (
                (Code.INVALID_ARGUMENT, "there must be tables", []),
                (Code.INVALID_ARGUMENT, "table a is named twice", loads(a="1.st") * 2),
                (Code.INVALID_ARGUMENT, "loads[1]: ", loads(a="1.st") + [pb.LoadRequest(table="../b", file="1.st")]),
                (Code.INVALID_ARGUMENT, "loads[0]: there must be a file", loads(a="")),
                (Code.INVALID_ARGUMENT, "loads[1]: ", loads(a="1.st") +
                 [pb.LoadRequest(table="n", file="1.st", options=option("colour", "red"))]),
                (Code.ALREADY_EXISTS, "\"b\" is served already", [pb.LoadRequest(table="n", file="1.st", options=sgd),
                                                                  pb.LoadRequest(table="b", file="1.st")]),
                (Code.NOT_FOUND, "table c: ", loads(a="1.st", b="1.st", c="none.st")),
                (Code.INVALID_ARGUMENT, "table b: ", [pb.LoadRequest(table="n", file="1.st", options=sgd)] +
                 [pb.LoadRequest(table=name, file=file, replace=True, options=sgd)
                  for name, file in (("a", "1.st"), ("b", "bad.st"), ("c", "1.st"))]),
                (Code.PERMISSION_DENIED, "table b: ", loads(a="1.st", b="../x.st"))):
            expect(c.load_group(loads=requests), code, words)
            assert values(c) == before and [t.name for t in c.list().tables] == tables
            wait_for("what was begun to go", lambda: {
                p.name for name in NAMES for p in (daemon.folder / "data/tables" / name).iterdir()
                if not p.name.endswith(".tmp")} >= snapshots)
            assert not any((daemon.folder / "data/tables/n").glob("*"))
        push_all(c)  # the tables take pushes again
        assert [v for v, _ in values(c)] == [2, 2, 2]


class Watcher(threading.Thread):
    """Looks up two tables in one call until told to stop: all rows of both have the same number."""

    def __init__(self, daemon, ids):
        super().__init__()
        self.call = daemon.unary("/embd.v1.Embedding/Lookup", pb.LookupRequest, pb.LookupResponse)
        self.request = pb.LookupRequest(lookups=[pb.TableLookup(table=name, ids=range(ids))
                                                 for name in ("a", "b", "a")])
        self.stop, self.calls, self.seen, self.trouble = False, 0, set(), None

    def run(self):
        try:
            while not self.stop:
                reply = self.call(self.request, timeout=30)
                seen = {value for result in reply.results for value in result.values}
                assert len(seen) == 1, f"a mix of {sorted(seen)}"
                assert reply.results[0].version == reply.results[2].version
                self.calls += 1
                self.seen |= seen
        except Exception as error:  # noqa: BLE001 - whatever it is, the test reports it
            self.trouble = error


def test_switches_are_never_seen_mixed(folder):
    many = 3000
    switches = int(os.environ.get("EMBD_REPLACEMENTS", 60))
    for k in range(4):
        write(folder / f"{k}.st", float(k), rows=many)
    options = option("optimizer", "sgd")
    with Daemon(tables={name: f"{folder}/0.st,optimizer=sgd" for name in ("a", "b")}, import_dir=folder,
                config="workers = 2\n") as daemon:
        c = Client(daemon)
        c.save_group(label="s0")
        watchers = [Watcher(daemon, ids) for ids in (1, 7, 500, many)]
        for watcher in watchers:
            watcher.start()
        for i in range(switches):
            calls = [watcher.calls for watcher in watchers]
            if i % 3 == 2:
                number, reply = 0, c.restore_group(label="s0")
            else:
                number = 1 + i % 2
                reply = c.load_group(loads=[pb.LoadRequest(table=name, file=f"{number}.st", replace=True,
                                                           options=options if i % 2 else []) for name in ("a", "b")])
            assert not isinstance(reply, tuple), reply
            assert {t.version for t in reply.tables} == {reply.tables[0].version}
            # Answered means: every later lookup sees all of it.
            assert {value for _, row in values(c, ["a", "b"]) for value in row[:DIM]} == {float(number)}
            wait_for("the watchers", lambda: any(w.trouble for w in watchers) or
                     sum(w.calls for w in watchers) > sum(calls) + 2)
        for watcher in watchers:
            watcher.stop = True
        for watcher in watchers:
            watcher.join()
            assert watcher.trouble is None, watcher.trouble
        assert set().union(*(w.seen for w in watchers)) == {0.0, 1.0, 2.0}
        print(f"{switches} switches, {sum(w.calls for w in watchers)} lookups: none mixed")




def test_what_comes_meanwhile(folder):
    """While a group is saved: other saves, replacements, unloads, lookups, pushes, a second group, the stop."""
    if not DEVELOPER:
        return
    write(folder / "9.st", 9.0)
    daemon = trained(folder, folder=folder)
    daemon.stop()

    def begin():
        daemon.environment = dict(os.environ, EMBD_FAILPOINTS="snapshot.verify.before=sleep:1500")
        daemon.start()
        c = Client(daemon)
        push_all(c)
        group = Later(lambda: c.save_group(label="s", replace=True))
        wait_for("the snapshot to be written", lambda: any(
            p.name.endswith(".tmp") for p in (daemon.folder / "data/tables/a").iterdir()))
        return c, group

    c, group = begin()
    others = [Later(lambda: c.save(table="a")), Later(lambda: c.load(table="b", file="9.st", replace=True)),
              Later(lambda: c.save_group(label="t"))]
    expect(c.save_group(label="s"), Code.ABORTED, "by somebody else")
    expect(c.restore_group(label="s"), Code.ABORTED, "by somebody else")
    expect(c.drop_group(label="s"), Code.ABORTED, "by somebody else")
    version = push_all(c).versions[0]
    assert group.under_way(), "the test came too late"
    saved = group.reply()
    assert [t.version for t in saved.tables] == [version - 1] * 3, saved
    assert others[0].reply().snapshot.version == version
    assert others[1].reply().table.version > version
    last = others[2].reply()  # b is read-only now, or it was still as it was
    assert isinstance(last, tuple) and last[0] in (Code.FAILED_PRECONDITION, Code.UNAVAILABLE) or len(last.tables) >= 2
    assert not isinstance(c.restore_group(label="s"), tuple)

    daemon.stop()
    c, group = begin()
    gone = Later(lambda: c.unload(table="a", forget=True))
    expect(group.reply(), Code.ABORTED, "table a: it is being unloaded")
    assert not isinstance(gone.reply(), tuple) and [g.label for g in c.groups().groups][:1] == ["s"]
    assert [t.table for t in c.restore_group(label="s").tables] == NAMES  # the one before

    daemon.stop()
    c, group = begin()
    daemon.process.terminate()
    assert not isinstance(group.reply(), tuple)  # calls under way may finish …
    assert daemon.wait() == 0
    daemon.config = "drain_timeout = 0\n"
    c, group = begin()
    daemon.process.terminate()
    expect(group.reply(), Code.UNAVAILABLE)  # … unless there is no time for that
    assert daemon.wait() == 0
    daemon.environment = None
    daemon.start()
    with daemon:
        c = Client(daemon)
        assert [n for n in checkpoints(daemon) if n.startswith(".")] == []
        assert not isinstance(c.restore_group(label="s"), tuple)
        # Who has given up gets nothing, and nothing is left of it.
        for _ in range(20):
            c.channel.unary_unary("/embd.v1.Tables/SaveGroup", pb.SaveGroupRequest.SerializeToString,
                                  pb.SaveGroupResponse.FromString).future(pb.SaveGroupRequest(label="z")).cancel()
        wait_for("quiet", lambda: not isinstance(c.save_group(label="z", replace=True), tuple))
        assert not isinstance(c.drop_group(label="z"), tuple)


class Later(threading.Thread):
    """A call that is under way."""

    def __init__(self, call):
        super().__init__()
        self.call, self.result = call, None
        self.start()

    def run(self):
        self.result = self.call()

    def under_way(self):
        return self.is_alive()

    def reply(self):
        self.join()
        return self.result


if __name__ == "__main__":
    training_kit.run(globals())
