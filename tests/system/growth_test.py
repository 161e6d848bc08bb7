# SPDX-License-Identifier: Apache-2.0
"""Tables that grow: unknown ids get rows after so many pushes, and what cannot grow says so."""
import shutil
import time

import numpy as np

import tablefile
from daemon import Daemon
from growth_kit import ADMIT, DIM, REFUSE, SKIP, create, known, metric, options, push, rows_of, stream, tensors_of_now
from training_kit import CALLS, Client, Code, expect, pb, run, wait_for

OWN = ("full", "fp16", "bf16", "int8", "int16", "alpt")
SHARED = ("hash", "compo", "tt", "dhe", "robe")


def test_a_stream_of_new_ids(folder):
    """Counts, rows, what is skipped; and the row of a new id is the one that it began with, trained by this push."""
    with Daemon() as daemon:
        c = Client(daemon)
        made = create(c, "t", 10, keys=[5, -7], optimizer="sgd")
        assert made.table.grows and made.table.used_rows == 2 and made.table.rows == 10
        expect(push(c, "t", [5, 100], missing=REFUSE), Code.OUT_OF_RANGE, "ids[1] = 100 is not in the table")
        reply = push(c, "t", [5, 100], missing=SKIP)
        assert reply.skipped == 1 and reply.admitted == 0
        before = rows_of(c, "t", [5])
        reply = push(c, "t", [100, 5, 101, 100])
        assert reply.admitted == 2 and reply.skipped == 0 and list(reply.versions) == [2], reply
        rows = rows_of(c, "t", [5, 100, 101, 102])
        assert set(rows) == {5, 100, 101}
        assert np.allclose(np.frombuffer(rows[5], "<f4"), np.frombuffer(before[5], "<f4") - 0.1)
        x = c.explain(table="t", id=100)
        assert x.known and x.row == 2 and c.explain(table="t", id=101).row == 3
        reply = push(c, "t", range(200, 210))  # six more find room
        assert reply.admitted == 6 and reply.skipped == 4
        assert set(known(c, "t")) == {5, -7, 100, 101, *range(200, 206)}
        assert c.info("t").used_rows == 10
        reply = push(c, "t", [300, 5])
        assert reply.admitted == 0 and reply.skipped == 1
        assert metric(daemon, "table_rows_used", "t") == 10 and metric(daemon, "admitted_ids_total", "t") == 8
        assert metric(daemon, "crowded_ids_total", "t") == 5
        # the same id in several places of one push: bags, and two parts for one table
        create(c, "u", 10, optimizer="sgd")
        reply = c.push(missing=ADMIT, pushes=[
            pb.TablePush(table="u", ids=[1, 2, 1], gradients=[1.0] * 8, pooling=pb.POOLING_SUM, offsets=[0, 2, 3]),
            pb.TablePush(table="u", ids=[2, 3], gradients=[1.0] * 8)])
        assert reply.admitted == 3 and list(reply.versions) == [1, 1]
        rows = {k: np.frombuffer(v, "<f4") for k, v in rows_of(c, "u", [1, 2, 3]).items()}
        create(c, "v", 10, keys=[1, 2, 3], optimizer="sgd")
        fresh = {k: np.frombuffer(v, "<f4") for k, v in rows_of(c, "v", [1, 2, 3]).items()}
        for key, times in ((1, 2), (2, 2), (3, 1)):
            assert np.allclose(rows[key], fresh[key] - 0.1 * times, atol=1e-6), key


def test_admit_after(folder):
    """An id gets a row with the push that names it for the n-th time, however often one push repeats it."""
    with Daemon() as daemon:
        c = Client(daemon)
        create(c, "t", 100, admit_after=3)
        for turn in range(1, 4):
            reply = push(c, "t", [7, 7, 8] if turn < 3 else [7])
            assert reply.admitted == (turn == 3), (turn, reply)
        assert set(known(c, "t")) == {7}
        assert push(c, "t", [8, 9]).admitted == 1
        # with room for few, those that come often are the ones that stay
        create(c, "u", 100, admit_after=4, admit_room=8)
        for turn in range(3):
            assert push(c, "u", [1]).admitted == 0
        for key in range(1000, 1007):
            assert push(c, "u", [key]).admitted == 0
        assert push(c, "u", [1]).admitted == 1  # eight ids had room
        for key in range(2000, 2100):
            assert push(c, "u", [key]).admitted == 0
        expect(c.create(table="w", method="full", rows=4, dim=4, options=options(admit_after=0)), Code.INVALID_ARGUMENT,
               "admit_after: \"0\" is no number from 1 to 1000000")
        expect(c.create(table="w", method="full", rows=4, dim=4, options=options(admit_room="x")),
               Code.INVALID_ARGUMENT, "admit_room: \"x\" is no number")


def test_what_cannot_grow(folder):
    with Daemon() as daemon:
        c = Client(daemon)
        for name, more in (("rows", {}), ("keys", {"ids": pb.TABLE_IDS_KEYS, "keys": range(4)}),
                           ("hash", {"ids": pb.TABLE_IDS_HASH})):
            assert not isinstance(c.create(table=name, method="full", rows=4, dim=DIM, **more), tuple)
        assert push(c, "rows", [3]).admitted == 0 and push(c, "keys", [3]).admitted == 0
        assert push(c, "hash", [12345]).admitted == 0
        expect(push(c, "rows", [3, 4]), Code.FAILED_PRECONDITION,
               "ids[1] = 4 is not in the table, whose ids are 0 to 3, and the table does not grow")
        expect(push(c, "keys", [9]), Code.FAILED_PRECONDITION, "ids[0] = 9 is not in the table, and the table does not")
        expect(push(c, "rows", [3], missing=3), Code.INVALID_ARGUMENT, "missing is 3; it must be REFUSE (0), SKIP (1) or")
        create(c, "t", 4)
        # all or nothing: another table of the push refuses
        expect(c.push(missing=ADMIT, pushes=[pb.TablePush(table="t", ids=[1], gradients=[1.0] * DIM),
                                             pb.TablePush(table="rows", ids=[9], gradients=[1.0] * DIM)]),
               Code.FAILED_PRECONDITION, "pushes[1] (table \"rows\")")
        expect(push(c, "t", [1], [[1, 2, 3, float("nan")]]), Code.INVALID_ARGUMENT, "is not finite")
        assert known(c, "t") == {} and c.info("t").version == 0
        for method in ("dedup", "mgqe", "dpq", "adapt", "optembed", "deeplight", "autosrh", "pep", "mde", "autodim"):
            made = c.create(table="x", method=method, rows=40, dim=DIM, ids=pb.TABLE_IDS_KEYS, grows=True)
            expect(made, Code.INVALID_ARGUMENT, "cannot grow")
        expect(c.create(table="x", method="full", rows=4, dim=4, grows=True), Code.INVALID_ARGUMENT, "ids are keys")
        expect(c.create(table="x", method="full", rows=4, dim=4, ids=pb.TABLE_IDS_KEYS, keys=range(5)),
               Code.INVALID_ARGUMENT, "there are 5 keys for 4 rows")
        expect(c.create(table="x", method="full", rows=4, dim=4, ids=pb.TABLE_IDS_KEYS, grows=True, fields=[2, 2]),
               Code.INVALID_ARGUMENT, "a table with fields cannot grow")
        some = c.create(table="y", method="full", rows=4, dim=4, ids=pb.TABLE_IDS_KEYS, keys=range(3))
        assert some.table.grows and some.table.used_rows == 3


def test_every_method_and_optimizer(folder):
    """After a kill the log brings in the same ids, and every bit is the same; so it is after a save."""
    with Daemon() as daemon:
        c = Client(daemon)
        names = []
        for method in OWN + SHARED:
            for optimizer in ("sgd", "adagrad", "rowwise_adagrad", "adam"):
                if method in OWN[1:] and optimizer in ("adagrad", "adam"):
                    continue  # for tensors of F32
                names.append(f"{method}.{optimizer}")
                create(c, names[-1], 64, method=method, optimizer=optimizer, admit_after=2)
                stream(c, names[-1], 12, len(names), trainer=names[-1])
        before = {name: known(c, name) for name in names}
        assert all(8 < len(b) <= 64 for b in before.values()), {n: len(b) for n, b in before.items()}
        # another daemon replays a copy of the log, this one has lived through it
        shutil.copytree(daemon.folder / "data", folder / "data")
        with Daemon(folder=folder) as replay:
            other = Client(replay)
            for name in names:
                assert known(other, name) == before[name], name
                was, now = tensors_of_now(c, daemon, name), tensors_of_now(other, replay, name)
                assert was.keys() == now.keys() and {"keys", "touched"} < was.keys()
                for key in was:
                    assert was[key].tobytes() == now[key].tobytes(), (name, key)
                assert sum(now["touched"] >= 0) == len(before[name])
                assert {int(k) for k in now["keys"][now["touched"] >= 0]} == set(before[name])
        daemon.kill()
        daemon.start()
        c = Client(daemon)
        for name in names:
            assert known(c, name) == before[name], name
        for name in names:
            stream(c, name, 3, 1, first=13, trainer=name)
        before = {name: known(c, name) for name in names}
        assert daemon.stop() == 0
        daemon.start()
        c = Client(daemon)
        for name in names:
            assert known(c, name) == before[name], name


def test_counts(folder):
    """What was counted for an id goes with it: nobody inherits it, and spare rows are told apart."""
    CALLS["counts"] = ("Tables/Counts", pb.CountsRequest, pb.CountsResponse)
    with Daemon() as daemon:
        c = Client(daemon)
        create(c, "t", 4, keys=[0, 9], optimizer="sgd", evict_after=2, count="pushes")
        push(c, "t", [0, 0, 9, 5])
        told = c.counts(table="t")
        assert list(told.counts) == [2, 1, 1, 0] and list(told.keys) == [0, 9, 5, 0] and list(told.spare) == [3]
        wait_for("all rows to be given up", lambda: list(c.counts(table="t").spare) == [0, 1, 2, 3])
        assert list(c.counts(table="t").counts) == [0] * 4 and c.describe(table="t").accesses == 0
        push(c, "t", [7])
        told = c.counts(table="t")
        assert list(told.counts) == [1, 0, 0, 0] and told.keys[0] == 7 and list(told.spare) == [1, 2, 3]


def test_lookups_go_on(folder):
    """While ids come and go, a lookup finds an id with its row or not at all: rows of 0 and rows of 1 are never mixed."""
    with Daemon(config="workers = 2\n") as daemon:
        c = Client(daemon)
        create(c, "t", 64, optimizer="sgd", evict_after=1)
        lookups = [c.lookup_call.future(pb.LookupRequest(lookups=[pb.TableLookup(table="t", ids=range(2000))]))
                   for _ in range(20)]
        deadline, step = time.monotonic() + 3, 0
        while time.monotonic() < deadline:
            step += 1
            assert not isinstance(push(c, "t", [int(i) for i in np.arange(8) + step * 2 % 1900]), tuple)
            for i, call in enumerate(lookups):
                if call.done():
                    reply = call.result().results[0]
                    assert reply.rows == 2000 and len(reply.missing) >= 2000 - 64
                    lookups[i] = c.lookup_call.future(pb.LookupRequest(lookups=[
                        pb.TableLookup(table="t", ids=range(2000))]))
        for call in lookups:
            call.result()


def test_files(folder):
    """A file with spare rows from elsewhere is served, refuses nothing that it knows, and grows when it is trained."""
    rows, keys = 6, [10, 0, 20, 0, 0, 30]
    touched = np.array([int(time.time())] * 6, "<i8")
    touched[[1, 3, 4]] = -1
    weight = np.arange(rows * DIM, dtype="<f4").reshape(rows, DIM)
    data = {"weight": ("F32", weight), "keys": ("I64", np.array(keys)), "touched": ("I64", touched),
            "frequency": ("I64", np.full(rows, 9))}
    tablefile.write(folder / "t.st", tablefile.table("full", rows, DIM, data, deviation="0.5"))
    tablefile.write(folder / "bad.st", tablefile.table("full", rows, DIM, data | {"touched": ("I64", touched * 2)}))
    with Daemon(import_dir=folder) as daemon:
        c = Client(daemon)
        expect(c.load(table="bad", file="bad.st"), Code.INVALID_ARGUMENT, "tensor \"touched\": element [1] is below -1")
        assert c.load(table="read", file="t.st").table.used_rows == 3
        assert set(known(c, "read")) == {10, 20, 30}
        assert rows_of(c, "read", [0, 20]) == {20: weight[2].tobytes()}
        expect(push(c, "read", [1]), Code.FAILED_PRECONDITION, "read-only")
        loaded = c.load(table="t", file="t.st", options=options(optimizer="adagrad", learning_rate=0.1))
        assert loaded.table.grows and loaded.table.used_rows == 3
        assert push(c, "t", [0, 20]).admitted == 1  # 0 is a key like any other
        assert c.explain(table="t", id=0).row == 1
        now = tensors_of_now(c, daemon, "t")
        assert list(now["frequency"]) == [9, 0, 9, 9, 9, 9] and list(now["keys"][:3]) == [10, 0, 20]
        assert list(now["touched"] >= 0) == [True, True, True, False, False, True]
        assert set(known(c, "t")) == {0, 10, 20, 30}
        assert push(c, "t", [1, 2, 3]).admitted == 2


if __name__ == "__main__":
    run(globals())
