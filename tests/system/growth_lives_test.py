# SPDX-License-Identifier: Apache-2.0
"""Rows of a growing table that nobody names are given up; and after any end of the daemon the same keys have the same
rows, bit for bit."""
import shutil
import time

import numpy as np

import tablefile
from daemon import Daemon
from growth_kit import ADMIT, DIM, SKIP, create, known, metric, push, rows_of, tensors_of_now
from training_kit import Client, pb, run, wait_for


def test_eviction(folder):
    """Rows that nobody names for a second go by themselves: their ids are unknown from then on, and get rows that begin
    anew when they come again."""
    with Daemon() as daemon:
        c = Client(daemon)
        create(c, "t", 8, keys=[1, 2], optimizer="sgd", evict_after=1)
        create(c, "same", 8, keys=[1, 2], optimizer="sgd")
        first = rows_of(c, "same", [1, 2])
        push(c, "t", [1, 2, 3])
        assert set(known(c, "t")) == {1, 2, 3}
        version = c.info("t").version
        deadline = time.monotonic() + 20
        while len(known(c, "t")) > 1:
            assert time.monotonic() < deadline
            push(c, "t", [3], missing=SKIP)  # stays
            time.sleep(0.2)
        assert set(known(c, "t")) == {3}
        assert c.info("t").version > version and c.info("t").used_rows == 1
        assert metric(daemon, "evicted_ids_total", "t") == 2
        reply = push(c, "t", [1], np.zeros((1, DIM)))
        assert reply.admitted == 1
        assert rows_of(c, "t", [1])[1] == first[1]  # row 0 again, as it began
        everything = known(c, "t")
        daemon.kill()
        daemon.start()
        c = Client(daemon)
        assert set(known(c, "t")) <= set(everything)
        wait_for("all rows to be given up", lambda: known(c, "t") == {})
        version = c.info("t").version
        daemon.restart()
        c = Client(daemon)
        assert known(c, "t") == {} and c.info("t").version == version and c.info("t").used_rows == 0


def test_a_full_table_makes_room(folder):
    """A push that finds no spare row has old ones given up first, and by this very push its ids get theirs."""
    with Daemon() as daemon:
        c = Client(daemon)
        create(c, "t", 4, optimizer="sgd", evict_after=2)
        assert push(c, "t", [1, 2, 3, 4]).admitted == 4
        assert push(c, "t", [5]).skipped == 1
        since = time.time()
        while time.time() < since + 60:
            reply = push(c, "t", [100, 101, 102, 103])
            if reply.admitted == 4:
                break
            assert reply.admitted == 0, reply
        assert set(known(c, "t")) == {100, 101, 102, 103}
        # an eviction is a version of its own
        assert c.info("t").version == reply.versions[0]
        before = known(c, "t")
        daemon.kill()
        daemon.start()
        c = Client(daemon)
        left = known(c, "t")
        assert left == before or not left  # nothing, if they have become too old meanwhile


def test_pushes_in_flight(folder):
    """Pushes that were prepared while ids came and went mean what they mean in the order of the stream."""
    with Daemon(config="workers = 2\n") as daemon:
        c = Client(daemon)
        create(c, "t", 5000, optimizer="adagrad", admit_after=2)
        r = np.random.default_rng(3)
        pushes, steps = [], 300
        for step in range(1, steps + 1):
            ids = [int(i) for i in r.integers(0, 40, 8) + step * 4]
            pushes.append(pb.PushRequest(trainer="s", sequence=step, missing=SKIP if step % 5 == 0 else ADMIT, pushes=[
                pb.TablePush(table="t", ids=ids, gradients=r.normal(size=8 * DIM).astype("<f4").tolist())]))
        stream = daemon.channel().stream_stream("/embd.v1.Embedding/PushStream", pb.PushRequest.SerializeToString,
                                                pb.PushResponse.FromString)
        replies = list(stream(iter(pushes)))
        assert len(replies) == steps
        counts, rows, admitted, skipped = {}, set(), [], []
        for p in pushes:
            new = 0
            ids = list(p.pushes[0].ids)
            unknown = [i for i in ids if i not in rows]
            if p.missing == ADMIT:
                for key in dict.fromkeys(unknown):
                    counts[key] = counts.get(key, 0) + 1
                    if counts[key] == 2:
                        rows.add(key)
                        new += 1
            admitted.append(new)
            skipped.append(sum(i not in rows for i in ids))
        assert [a.admitted for a in replies] == admitted
        assert [a.skipped for a in replies] == skipped
        everything = known(c, "t", range(2000))
        assert set(everything) == rows
        daemon.kill()
        daemon.start()
        c = Client(daemon)
        assert known(c, "t", range(2000)) == everything
        again = c.push(**{f.name: v for f, v in pushes[-1].ListFields()})
        assert again.duplicate


def test_lives_and_deaths(folder):
    """Rows come and go all the time, until the daemon is killed or stands still: what the log says then is what lookups
    have seen, and two daemons read it alike, to the last bit of keys, times, rows and states."""
    def conf(evict_after):
        return (f'table t {{\n  file = "{folder}/t.st"\n  optimizer = adagrad\n  learning_rate = 0.1\n'
                f'  count = both\n  evict_after = {evict_after}\n}}\n')

    keys, touched = np.zeros(40, "<i8"), np.full(40, -1, "<i8")
    data = {"weight": ("F32", np.ones((40, DIM), "<f4")), "keys": ("I64", keys), "touched": ("I64", touched)}
    tablefile.write(folder / "t.st", tablefile.table("full", 40, DIM, data))
    r, step = np.random.default_rng(5), 0
    with Daemon(config=conf(1)) as daemon:
        for turn in range(6):
            c = Client(daemon)
            deadline, after = time.monotonic() + 2.2 + r.random(), c.info("t").version
            while time.monotonic() < deadline:
                step += 1
                reply = push(c, "t", [int(i) for i in r.integers(0, 60, 6) + step // 8], r.normal(size=(6, DIM)))
                assert not isinstance(reply, tuple), reply
                if step % 10 == 0:
                    known(c, "t", range(step))
            assert metric(daemon, "evicted_ids_total", "t") > 0
            assert after < reply.versions[0] <= c.info("t").version
            seen = None
            if turn % 2:
                (daemon.folder / "embd.conf").write_text(conf(0))
                marks = daemon.log_text().count("options of the table changed")
                daemon.hangup()
                wait_for("the reload", lambda: daemon.log_text().count("options of the table changed") > marks)
                seen = c.info("t").version, known(c, "t", range(step))
            daemon.kill()
            daemon.config = conf(0)
            copy = folder / f"copy{turn}"
            shutil.copytree(daemon.folder / "data", copy / "data")
            daemon.start()
            c = Client(daemon)
            with Daemon(config=conf(0), folder=copy) as twin:
                other, version = Client(twin), c.info("t").version
                assert version == other.info("t").version >= reply.versions[0]
                was, now = tensors_of_now(c, daemon, "t"), tensors_of_now(other, twin, "t")
                assert "frequency" in was
                for key in was:  # counts, too: nobody has looked anything up meanwhile
                    assert was[key].tobytes() == now[key].tobytes(), key
                rows = known(c, "t", range(step))
                assert rows == known(other, "t", range(step)) and c.info("t").used_rows == len(rows)
                if seen:
                    assert seen == (version, rows)
            daemon.config = conf(1)
            daemon.restart()


if __name__ == "__main__":
    run(globals())
