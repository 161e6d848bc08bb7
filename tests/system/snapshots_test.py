#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Snapshots of trainable tables: saved by calls and by themselves, folded, restored, damaged; and the log that is
shortened behind them."""
import os
import pathlib
import re
import sys
import threading

import numpy as np

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from crash import state  # noqa: E402
from daemon import Daemon  # noqa: E402
from training_kit import (DIM, ROWS, Client, Code, both_lineages, daemon_rows, expect, files, flip, pb,  # noqa: E402
                          run, served, wait_for, write)


# ---- Saves


def test_save(folder):
    with served(folder) as daemon:
        c = Client(daemon)
        expect(c.save(table="x"), Code.NOT_FOUND, "no such table")
        expect(c.save(table="no/name"), Code.NOT_FOUND)
        c.ones("t", 3)
        reply = c.save(table="t")
        s = reply.snapshot
        assert (s.version, s.lsn, s.whole, s.file) == (3, 4, True, f"{1:020d}-{3:020d}-b.safetensors") and reply.us
        assert c.info("t").snapshot_version == 3
        c.ones("t")
        s = c.save(table="t").snapshot  # the other lineage has the first snapshot of all
        assert (s.version, s.whole) == (4, False) and s.file.endswith("-a.blocks")
        assert s.bytes == (daemon.folder / "data/tables/t" / s.file).stat().st_size
        s = c.save(table="t").snapshot  # b again, which has not seen that
        assert (s.version, s.whole, s.file[-8:]) == (4, False, "b.blocks")
        assert c.save(table="t").snapshot == s  # nothing has changed
        assert c.kept("t") == [4, 4, 3, 0]
        for lineage, tensors in state.snapshot(daemon.folder / "data/tables/t", 1, 4).items():
            assert np.frombuffer(tensors["optimizer.weight.sum"], "<f4").sum() == 4 * 3 * DIM, lineage
        mode = (daemon.folder / "data/tables/t").stat().st_mode & 0o777
        assert mode == 0o700


def test_snapshots_are_folded(folder):
    """Blocks follow what changes; when they have grown to half of the table the next snapshot is whole again, and what
    nobody needs goes."""
    rows = 4000
    write(folder / "t.st", rows=rows)
    with served(folder) as daemon:
        c = Client(daemon)
        both_lineages(daemon)
        whole = blocks = 0
        for i in range(80):
            c.ones("t", ids=range(i * 40 % rows, i * 40 % rows + 40))
            s = c.save(table="t").snapshot
            assert s.version == i + 1
            whole, blocks = whole + s.whole, blocks + (not s.whole)
            size = sum(path.stat().st_size for path in files(daemon, "t").values())
            assert size < 2 * 2 * (2 * rows * DIM * 4) + 100000, size
        assert whole >= 2 and blocks > 60, (whole, blocks)
        before = c.values("t", rows)
        daemon.kill()
        daemon.start()
        assert Client(daemon).values("t", rows) == before


def test_saves_at_the_same_time(folder):
    with served(folder) as daemon:
        c = Client(daemon)
        stop, versions, wrong = threading.Event(), [], []

        def push():
            mine = Client(daemon)
            while not stop.is_set():
                versions.append(mine.ones("t"))

        def save():
            mine = Client(daemon)
            for _ in range(15):
                at_least = versions[-1] if versions else 0
                reply = mine.save(table="t")
                if isinstance(reply, tuple) or reply.snapshot.version < at_least:
                    wrong.append((reply, at_least))
        pusher, savers = threading.Thread(target=push), [threading.Thread(target=save) for _ in range(4)]
        pusher.start()
        for thread in savers:
            thread.start()
        for thread in savers:
            thread.join()
        stop.set()
        pusher.join()
        assert not wrong and versions == list(range(1, len(versions) + 1)), wrong
        before = c.values("t")
        daemon.kill()
        daemon.start()
        assert Client(daemon).values("t") == before


def test_saves_that_fail(folder):
    """They lose nothing and are tried again."""
    with served(folder) as daemon:
        both_lineages(daemon)
        daemon.stop()
        daemon.environment = dict(os.environ, EMBD_FAILPOINTS="save.begin=full@1,snapshot.verify.before=error@1")
        c = Client(daemon.start())
        c.ones("t", 2)
        expect(c.save(table="t"), Code.RESOURCE_EXHAUSTED, "snapshot")
        expect(c.save(table="t"), Code.UNAVAILABLE)
        c.ones("t")
        assert c.save(table="t").snapshot.version == 3
        log = daemon.log_text()
        assert "table was not saved table=t status=RESOURCE_EXHAUSTED" in log
        before = c.values("t")
        daemon.kill()
        daemon.environment = None
        daemon.start()
        assert Client(daemon).values("t") == before


def test_files_that_go(folder):
    """A snapshot is none without the files that it goes on from: that is noticed, and a whole one is written."""
    write(folder / "t.st", rows=4000)
    with served(folder) as daemon:
        c = Client(daemon)
        both_lineages(daemon)
        c.ones("t")
        c.save(table="t")
        (daemon.folder / "data/tables/t").rename(folder / "gone")
        (daemon.folder / "data/tables/t").mkdir(mode=0o700)
        c.ones("t")
        expect(c.save(table="t"), Code.DATA_LOSS, "the next snapshot will be whole")
        assert c.save(table="t").snapshot.whole
        wait_for("two of them", lambda: {key[2] for key, path in files(daemon, "t").items()
                                         if path.suffix == ".safetensors"} == {"a", "b"})
        before = c.values("t")
        daemon.kill()
        daemon.start()
        assert Client(daemon).values("t") == before


def test_saves_by_themselves(folder):
    """A second snapshot right after the first; then by age; and the log is shortened behind the older one."""
    with served(folder, config="snapshot_interval = 1s\n") as daemon:
        c = Client(daemon)
        both_lineages(daemon)
        assert c.ones("t", 5) == 5
        wait_for("a save", lambda: c.info("t").snapshot_version == 5)
        c.ones("t", 2)
        wait_for("another save", lambda: c.info("t").snapshot_version == 7)
        c.save(table="t")
        assert sorted(c.kept("t"))[-2:] == [7, 7]
        wait_for("the log to be short", lambda: daemon_rows(daemon) == (0, None, None))
        before = c.values("t")
        daemon.kill()
        c = Client(daemon.start())
        assert c.values("t") == before and c.ones("t") == 8
        assert "log replayed rows=0" in daemon.log_text()[daemon.log_begin:]


def test_log_is_kept_small(folder):
    """Above log_save_bytes the tables that hold it back are saved, the busy one and the quiet one."""
    write(folder / "t.st", rows=2000)
    tables = {"t": f"{folder / 't.st'},optimizer=sgd", "quiet": f"{folder / 't.st'},optimizer=sgd"}
    with Daemon(tables=tables, config="log_save_bytes = 256KiB\n") as daemon:
        c = Client(daemon)
        c.ones("quiet")
        for _ in range(3):
            for _ in range(60):
                c.ones("t", ids=range(1000))
            wait_for("a short log", lambda: (daemon_rows(daemon) or [60])[0] < 15)
        assert c.info("quiet").snapshot_version == 1 and c.info("t").snapshot_version > 120
        before = c.values("t"), c.values("quiet")
        daemon.kill()
        c = Client(daemon.start())
        assert (c.values("t"), c.values("quiet")) == before


def test_rows_stay_while_they_are_needed(folder):
    """The log keeps what the older snapshot has not."""
    with served(folder) as daemon:
        c = Client(daemon)
        both_lineages(daemon)
        c.ones("t", 4)
        c.save(table="t")                      # 4, and the older one is 0
        c.ones("t", 2)
        daemon.restart()                       # shortened or not: it is the same
        wait_for("rows 2 to 7", lambda: daemon_rows(daemon)[1] <= 2)
        c = Client(daemon)
        c.save(table="t")                      # 6, and 4
        wait_for("rows 6 to 7", lambda: daemon_rows(daemon) == (2, 6, 7))


# ---- Damage


def test_newest_is_damaged(folder):
    """The one before it and the log lead to the same table."""
    with served(folder) as daemon:
        c = Client(daemon)
        both_lineages(daemon)
        for _ in range(3):
            c.ones("t", 2)
            c.save(table="t")
        c.ones("t")
        before = c.values("t")
        daemon.kill()
        newest = max(files(daemon, "t"))
        assert newest[1] == 6
        flip(files(daemon, "t")[newest])
        c = Client(daemon.start())
        assert c.values("t") == before
        log = daemon.log_text()[daemon.log_begin:]
        assert "snapshot is damaged, the one before it is tried table=t version=6" in log
        # It is replaced at once, by a whole one.
        wait_for("a new one", lambda: "table saved table=t" in daemon.log_text()[daemon.log_begin:])
        assert c.describe(table="t").snapshots[0].whole
        flip([path for key, path in files(daemon, "t").items() if key[2] != newest[2]][-1])
        daemon.kill()
        daemon.start()
        assert Client(daemon).values("t") == before


def test_all_are_damaged(folder):
    """The table is registered as damaged, its rows of the log stay, and the others are served."""
    write(folder / "t.st")
    tables = {name: f"{folder / 't.st'},optimizer=adagrad" for name in ("t", "u")}
    with Daemon(tables=tables, import_dir=folder) as daemon:
        c = Client(daemon)
        both_lineages(daemon)
        for name in tables:
            c.ones(name, 3)
        c.save(table="t")
        c.ones("t", 2)
        other = c.values("u")
        daemon.kill()
        for path in files(daemon, "t").values():
            flip(path)
        c = Client(daemon.start())
        assert c.values("t") == Code.DATA_LOSS and c.values("u") == other
        info = c.info("t")
        assert info.state == pb.TABLE_STATE_DAMAGED and "none of its snapshots is good: " in info.trouble, info
        expect(c.push(pushes=[pb.TablePush(table="t", ids=[1], gradients=[0] * DIM)]), Code.DATA_LOSS)
        expect(c.save(table="t"), Code.DATA_LOSS)
        status, text = daemon.http("/readyz")
        assert status == 200 and "table t is damaged" in text
        assert c.save(table="u").snapshot.version == 3 and c.save(table="u").snapshot.version == 3
        daemon.restart()
        assert daemon_rows(daemon)[1] <= 3  # those of t are there
        c = Client(daemon)
        assert c.values("t") == Code.DATA_LOSS
        # A new beginning goes on with the versions.
        reply = c.load(table="t", file="t.st", replace=True, options=[pb.TableOption(key="optimizer", value="sgd")])
        assert (reply.table.version, reply.table.generation) == (6, 1), reply
        assert c.ones("t") == 7
        c.save(table="t"), c.save(table="t")
        wait_for("the rows to go", lambda: daemon_rows(daemon)[0] == 0)


def test_log_that_misses_a_push(folder):
    """Of two damaged snapshots the third is good, and the log does not reach back to it."""
    write(folder / "t.st", rows=4000)
    with served(folder) as daemon:
        c = Client(daemon)
        both_lineages(daemon)
        for _ in range(4):
            c.ones("t")
            c.save(table="t")
        wait_for("a short log", lambda: daemon_rows(daemon)[0] <= 1)
        c.ones("t")
        daemon.kill()
        for _, path in sorted(files(daemon, "t").items())[-2:]:
            flip(path)
        c = Client(daemon.start())
        info = c.info("t")
        assert info.state == pb.TABLE_STATE_DAMAGED and "the log goes on with version" in info.trouble, info
        good = c.describe(table="t")
        assert good.table.version == 5  # where the log had come
        # A person may take what there is.
        reply = c.restore(table="t", version=2)
        assert reply.version == 6 and c.values("t")[0] == 6
        assert c.ones("t") == 7


# ---- Restore


def test_restore(folder):
    with served(folder) as daemon:
        c = Client(daemon)
        expect(c.restore(table="x"), Code.NOT_FOUND, "no such table")
        c.ones("t", 2)
        c.save(table="t")
        two = c.values("t")[1]
        c.ones("t", 2)
        c.save(table="t")
        four = c.values("t")[1]
        c.ones("t")
        expect(c.restore(table="t", version=3), Code.NOT_FOUND, "no snapshot of version 3")
        reply = c.restore(table="t", version=2)
        assert reply.version == 6 and c.values("t") == (6, two)
        assert c.settings("t")["step"] == 2
        assert c.list().lsn == reply.lsn == 7
        daemon.kill()
        c = Client(daemon.start())
        assert c.values("t") == (6, two)
        assert c.restore(table="t", version=4).version == 7 and c.values("t") == (7, four)
        assert c.ones("t") == 8
        assert c.restore(table="t").version == 9 and c.values("t") == (9, four)  # the newest is that of the restore
        both_lineages(daemon)
        daemon.kill()
        daemon.start()
        assert Client(daemon).values("t") == (9, four)


def test_start_with_a_cut_off_save(folder):
    """What a save left behind when the daemon died is tidied up by the next one."""
    with served(folder) as daemon:
        both_lineages(daemon)
        c = Client(daemon)
        daemon.stop()
        daemon.environment = dict(os.environ, EMBD_FAILPOINTS="snapshot.sync.before=kill")
        c = Client(daemon.start())
        c.ones("t", 2)
        expect(c.save(table="t"), Code.UNAVAILABLE)
        daemon.close_channels()
        assert daemon.wait() == -9
        names = {path.name for path in (daemon.folder / "data/tables/t").iterdir()}
        daemon.environment = None
        c = Client(daemon.start())
        assert c.version("t") == 2
        c.save(table="t"), c.save(table="t")
        left = {path.name for path in (daemon.folder / "data/tables/t").iterdir()}
        assert not (names & left) - {path.name for path in files(daemon, "t").values()}, (names, left)


def test_everything_at_once(folder):
    """Pushes, lookups, descriptions, saves, restores, replacements and reloads of one table, and no answer is wrong."""
    write(folder / "t.st")
    config = f'table t {{\n file = "{folder / "t.st"}"\n optimizer = adam\n learning_rate = 0.1\n}}\n'
    with Daemon(config=config, import_dir=folder) as daemon:
        stop, wrong, counts = threading.Event(), [], {}
        text = (daemon.folder / "embd.conf").read_text()

        def repeat(name, act, allowed=()):
            mine = Client(daemon)
            while not stop.is_set():
                reply = act(mine)
                if isinstance(reply, tuple) and reply[0] not in allowed:
                    wrong.append((name, reply))
                    return
                counts[name] = counts.get(name, 0) + (not isinstance(reply, tuple))

        def reload(_):
            rate = 0.1 + 0.1 * (counts.get("reload", 0) % 2)
            (daemon.folder / "new.conf").write_text(text.replace("= 0.1", f"= {rate}"))
            (daemon.folder / "new.conf").rename(daemon.folder / "embd.conf")  # it may be read at any time
            daemon.hangup()
            stop.wait(0.05)

        busy = (Code.UNAVAILABLE, Code.ABORTED)
        push = pb.TablePush(table="t", ids=[1, 2, 3], gradients=[0.5] * (3 * DIM))
        acts = {"push": (lambda c: c.push(pushes=[push]), busy), "reload": (reload, ()),
                "lookup": (lambda c: c.lookup(lookups=[pb.TableLookup(table="t", ids=range(ROWS))]), ()),
                "describe": (lambda c: c.describe(table="t"), ()), "list": (lambda c: c.list(), ()),
                "save": (lambda c: c.save(table="t"), busy),
                "restore": (lambda c: stop.wait(0.1) or c.restore(table="t"), busy)}
        threads = [threading.Thread(target=repeat, args=(name, *act)) for name, act in acts.items()]
        for thread in threads:
            thread.start()
        enough = lambda: wrong or all(counts.get(name, 0) >= 10 for name in acts) and counts["push"] > 500  # noqa: E731
        try:
            wait_for(f"ten of each, {counts}", enough, 120)
        finally:
            stop.set()
            for thread in threads:
                thread.join()
        assert not wrong, wrong
        c = Client(daemon)
        wait_for("the last restore", lambda: not isinstance(c.save(table="t"), tuple))
        rate = float(re.search(r"learning_rate = ([0-9.]+)", (daemon.folder / "embd.conf").read_text()).group(1))
        daemon.hangup()  # the last one may have come during a restore, and left the table as it was
        wait_for("the last reload", lambda: abs(c.settings("t")["learning_rate"] - rate) < 1e-6)
        before = c.values("t"), c.settings("t")
        assert daemon.stop() == 0  # sanitizers have their say
        daemon.config = (daemon.folder / "embd.conf").read_text()
        daemon.import_dir = None
        c = Client(daemon.start())
        assert (c.values("t"), c.settings("t")) == before


def main():
    run(globals())


if __name__ == "__main__":
    main()
