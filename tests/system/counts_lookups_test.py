#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Counts of lookups: what was answered is counted once, by row, and comes to the log and to snapshots every few
seconds, with each save and with the stop. From then on it is as safe as pushes are."""
import pathlib
import shutil
import sqlite3
import sys
import threading

import numpy as np

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from counts_kit import Trainer, counts, look  # noqa: E402
from crash import state  # noqa: E402
from daemon import Daemon  # noqa: E402
from training_kit import (ROWS, Client, Code, both_lineages, expect, flip, pb, run, served, wait_for,  # noqa: E402
                          write)


def test_lookups_are_counted(folder):
    trainer = Trainer()
    with served(folder, "optimizer=adagrad,count=both") as daemon:
        for i in range(8):
            c = Client(daemon)
            trainer.push(c, 3)
            for _ in range(20):
                ids = [trainer.random.randrange(ROWS + 3) for _ in range(trainer.random.randint(0, 30))]
                bags = {}
                if trainer.random.random() < 0.5:
                    cut = trainer.random.randint(0, len(ids))
                    bags = dict(pooling=pb.POOLING_SUM, offsets=[0, cut, len(ids)])
                look(c, ids, **bags)
                np.add.at(trainer.named, [i for i in ids if i < ROWS], 1)
            # One that is refused; two of one call, in one call with a table that does not exist.
            expect(c.lookup(missing=pb.MISSING_POLICY_ERROR, lookups=[pb.TableLookup(table="t", ids=[1, 99])]),
                   Code.OUT_OF_RANGE)
            expect(c.lookup(lookups=[pb.TableLookup(table="t", ids=[1]), pb.TableLookup(table="x", ids=[1])]),
                   Code.NOT_FOUND)
            c.lookup(lookups=[pb.TableLookup(table="t", ids=[2, 3]), pb.TableLookup(table="t", ids=[3])])
            trainer.named[[2, 3]] += 1, 2
            version = c.info("t").version
            s = c.save(table="t").snapshot  # folds them in
            assert counts(c).tolist() == trainer.named.tolist()
            assert s.version == version, s
            for tensors in state.snapshot(daemon.folder / "data/tables/t", 1, version).values():
                assert np.frombuffer(tensors["frequency"], "<i8").tolist() == trainer.named.tolist()
            if i % 2:
                trainer.push(c, 2)
                look(c, [5] * 1000)
                trainer.named[5] += 1000
                daemon.restart()  # a stop folds them in, too
            else:
                trainer.push(c, 2)
                daemon.kill()
                daemon.start()
            assert counts(Client(daemon)).tolist() == trainer.named.tolist()
        # By themselves, after some seconds; then they are in the log.
        c = Client(daemon)
        look(c, [7] * 11)
        trainer.named[7] += 11
        version = c.info("t").version
        wait_for("the counts", lambda: counts(c).tolist() == trainer.named.tolist())
        assert c.info("t").version == version and c.describe(table="t").count == "both"
        daemon.kill()
        daemon.start()
        c = Client(daemon)
        assert counts(c).tolist() == trainer.named.tolist()
        # An unload keeps them for nobody, and does not wait for ever.
        look(c, [7])
        assert not isinstance(c.unload(table="t"), tuple)
        daemon.kill()
        daemon.start()


def test_counts_are_in_the_log(folder):
    """What lookups named lies between pushes, and a restore leaves it behind."""
    with served(folder, "optimizer=adagrad,count=both", config="snapshot_interval = 1d\n") as daemon:
        c = Client(daemon)
        both_lineages(daemon)

        def fold():
            before = counts(c).sum()
            wait_for("the counts", lambda: counts(c).sum() > before)
        c.ones("t", ids=[1])
        look(c, [1, 1])
        fold()
        c.ones("t", ids=[2])
        look(c, [3])
        fold()
        assert counts(c)[1:4].tolist() == [3, 1, 1]
        daemon.kill()
        daemon.start()
        c = Client(daemon)
        assert counts(c)[1:4].tolist() == [3, 1, 1] and "log replayed rows=" in daemon.log_text()
        assert not isinstance(c.restore(table="t", version=0), tuple)
        after = counts(c).tolist()
        c.ones("t", ids=[9])
        look(c, [9])
        fold()
        after[9] += 2
        assert counts(c).tolist() == after
        daemon.kill()
        daemon.start()
        assert counts(Client(daemon)).tolist() == after
        data = daemon.folder / "data"
        daemon.kill()
        for name in ("log.db", "log.db-wal"):
            shutil.copy(data / name, folder)
        db = sqlite3.connect(folder / "log.db")
        rows = db.execute("SELECT kind, tables, bytes FROM changes ORDER BY lsn").fetchall()
        db.close()
        kinds = [kind for kind, *_ in rows]
        wanted = ["push", "count", "push", "count", "replace", "push", "count"]  # of which the first may be gone by now
        assert kinds[-7:] == wanted[-len(kinds):] and "count" in kinds, kinds
        assert all(tables == "t" and size for kind, tables, size in rows if kind == "count"), rows
        daemon.start()
        assert counts(Client(daemon)).tolist() == after


def test_an_older_snapshot(folder):
    """The newest snapshot is damaged: the one before it, and the log, have the same counts."""
    with served(folder, "optimizer=adagrad,count=both") as daemon:
        c = Client(daemon)
        both_lineages(daemon)
        for _ in range(3):
            c.ones("t", ids=[1])
            look(c, [2] * 5)
            newest = c.save(table="t").snapshot
            look(c, [3])
            c.save(table="t")
        c.ones("t", ids=[1])
        look(c, [4] * 3)
        newest = c.save(table="t").snapshot
        want = counts(c).tolist()
        assert want[1:5] == [4, 15, 3, 3]
        daemon.kill()
        flip(daemon.folder / "data/tables/t" / newest.file)
        daemon.start()
        c = Client(daemon)
        assert "snapshot is damaged, the one before it is tried" in daemon.log_text()
        assert counts(c).tolist() == want


def test_lookups_on_and_off(folder):
    write(folder / "t.st", optimizer='{"name":"adagrad"}')
    config = lambda text: f'table t {{\n file = "{folder / "t.st"}"\n count = {text}\n}}\n'  # noqa: E731
    with Daemon(config=config("pushes")) as daemon:
        c = Client(daemon)

        def reload(text):
            (daemon.folder / "embd.conf").write_text(config(text))
            daemon.config = config(text)
            daemon.hangup()
            wait_for("the reload", lambda: c.describe(table="t").count == text)
        want = 0
        for i in range(3):
            for text in ("both", "pushes", "no"):
                reload(text)
                look(c, [1, 2, 3])
                c.ones("t", ids=[1, 2, 3, 4])
                want += {"both": 7, "pushes": 4, "no": 0}[text]
            reload("both")  # takes what was left
            c.save(table="t")
            assert counts(c).sum() == want, i


def test_everything_at_once(folder):
    """Lookups of several threads, pushes, saves and readers: the sum is exact."""
    with served(folder, "optimizer=adagrad,count=both", config="workers = 3\n") as daemon:
        named, wrong = [], []

        def look_often(seed):
            mine, rng = Client(daemon), np.random.default_rng(seed)
            for _ in range(200):
                look(mine, rng.integers(0, ROWS, 50).tolist())
                named.append(50)

        def push():
            mine = Client(daemon)
            for _ in range(150):
                mine.ones("t")
                named.append(3)

        def save():
            mine, before = Client(daemon), 0
            for _ in range(15):
                reply, now = mine.save(table="t"), counts(mine).sum()
                if isinstance(reply, tuple) or now < before:
                    wrong.append((reply, before, now))
                before = now
        threads = [threading.Thread(target=look_often, args=(i,)) for i in range(4)]
        threads += [threading.Thread(target=push), threading.Thread(target=save)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        c = Client(daemon)
        c.save(table="t")
        assert not wrong and counts(c).sum() == sum(named) == 4 * 200 * 50 + 150 * 3, (wrong, counts(c).sum())
        daemon.kill()
        daemon.start()
        assert counts(Client(daemon)).sum() == sum(named)


def test_more_rows_than_are_counted_apart(folder):
    """Lookups of more rows than a worker's memory has room for are a sample: right in the mean, row by row."""
    rows = 200000
    write(folder / "t.st", rows=rows, dim=1)
    with served(folder, "optimizer=sgd,count=both", config="workers = 1\n") as daemon:
        c = Client(daemon)
        rng = np.random.default_rng(2)
        named = np.zeros(rows, "i8")
        for _ in range(10):
            ids = np.where(rng.random(100000) < 0.5, rng.integers(0, 50, 100000), rng.integers(0, rows, 100000))
            look(c, ids.tolist())
            np.add.at(named, ids, 1)
        c.save(table="t")
        got = np.concatenate([counts(c, first=first) for first in range(0, rows, 1 << 17)])
        assert abs(got.sum() / named.sum() - 1) < 0.05, (got.sum(), named.sum())
        assert (abs(got[:50] / named[:50] - 1) < 0.2).all(), (got[:50], named[:50])
        assert np.count_nonzero(got[50:]) < 60000 and abs(got[50:].sum() / named[50:].sum() - 1) < 0.1


if __name__ == "__main__":
    run(globals())
