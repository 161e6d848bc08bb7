#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Counts that the daemon keeps: how often pushes named each row. They are exact through kills, restores and replays,
switched on and off by an option, and come out as arrays that compress takes."""
import pathlib
import sys

import numpy as np

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import tablefile  # noqa: E402
from crash import state  # noqa: E402
from daemon import Daemon  # noqa: E402
from embctl_kit import Embctl  # noqa: E402
from counts_kit import Trainer, counts  # noqa: E402
from training_kit import CALLS, DIM, ROWS, Client, Code, expect, pb, run, served, wait_for, write  # noqa: E402

CALLS["create"] = ("Tables/Create", pb.CreateRequest, pb.CreateResponse)
COUNTED = "optimizer=adagrad,count=pushes"


def test_off_is_absent(folder):
    with served(folder) as daemon:
        c = Client(daemon)
        c.ones("t", 2)
        expect(c.counts(table="t"), Code.FAILED_PRECONDITION, "table t has no counts")
        expect(c.counts(table="x"), Code.NOT_FOUND, "no such table")
        d = c.describe(table="t")
        assert (d.count, d.accesses) == ("no", 0) and "frequency" not in [t.name for t in d.tensors]
        c.save(table="t")
        for tensors in state.snapshot(daemon.folder / "data/tables/t", 1, 2).values():
            assert "frequency" not in tensors


def test_exact_through_kills(folder):
    trainer = Trainer()
    with served(folder, COUNTED) as daemon:
        for i in range(12):
            c = Client(daemon)
            version = trainer.push(c, trainer.random.randint(1, 12))
            assert counts(c).tolist() == trainer.named.tolist()
            d = c.describe(table="t")
            assert (d.count, d.accesses) == ("pushes", trainer.named.sum())
            if i % 3 == 1:
                assert c.save(table="t").snapshot.version == version
                for tensors in state.snapshot(daemon.folder / "data/tables/t", 1, version).values():
                    assert np.frombuffer(tensors["frequency"], "<i8").tolist() == trainer.named.tolist()
            if i % 4 == 3:
                daemon.restart()
            else:
                daemon.kill()
                daemon.start()
            assert counts(Client(daemon)).tolist() == trainer.named.tolist()
        c = Client(daemon)
        # What is refused does not count, and neither does a lookup.
        expect(c.push(pushes=[pb.TablePush(table="t", ids=[1, 99], gradients=[1.0] * 2 * DIM)]), Code.OUT_OF_RANGE)
        c.values("t")
        assert counts(c).tolist() == trainer.named.tolist()


def test_counts_go_back_with_the_table(folder):
    trainer = Trainer()
    with served(folder, COUNTED) as daemon:
        c = Client(daemon)
        version = trainer.push(c, 10)
        c.save(table="t")
        then = trainer.named.copy()
        trainer.push(c, 10)
        assert not isinstance(c.restore(table="t", version=version), tuple)
        assert counts(c).tolist() == then.tolist()
        trainer.named = then
        trainer.push(c, 5)
        daemon.kill()
        daemon.start()
        c = Client(daemon)
        assert counts(c).tolist() == trainer.named.tolist()
        # A replacement begins at zero, or with what its file has.
        write(folder / "new.st", 5.0)
        option = [pb.TableOption(key=k, value=v) for k, v in (("optimizer", "sgd"), ("count", "pushes"))]
        assert c.load(table="t", file="new.st", replace=True, options=option).table.version
        assert not counts(c).any()
        mine = np.arange(ROWS)
        tablefile.write(folder / "mine.st", tablefile.table("full", ROWS, DIM, {
            "weight": ("F32", np.zeros((ROWS, DIM))), "frequency": ("I64", mine)}))
        assert c.load(table="t", file="mine.st", replace=True, options=option).table.version
        c.ones("t", 2, ids=(1, 1, 2))
        mine[1] += 4
        mine[2] += 2
        assert counts(c).tolist() == mine.tolist()
        # Without the option they stay as they are.
        assert c.load(table="t", file="mine.st", replace=True, options=option[:1]).table.version
        c.ones("t", 2)
        assert counts(c).tolist() == list(range(ROWS)) and c.describe(table="t").count == "no"
        # And of a table that is not trained.
        c.load(table="t", file="mine.st", replace=True)
        assert counts(c).tolist() == list(range(ROWS))


def test_switched_on_and_off(folder):
    write(folder / "t.st", optimizer='{"name":"adagrad","learning_rate":0.5}')
    config = lambda text: f'table t {{\n file = "{folder / "t.st"}"\n{text}}}\n'  # noqa: E731
    with Daemon(config=config("reset_optimizer = yes\n")) as daemon:
        c = Client(daemon)

        def reload(text, words):
            (daemon.folder / "embd.conf").write_text(config(text))
            begin = len(daemon.log_text())
            daemon.config = config(text)
            daemon.hangup()
            wait_for(words, lambda: words in daemon.log_text()[begin:])
        c.ones("t", 3)
        before, step = c.values("t"), c.settings("t")["step"]
        # The first time it takes a new content of the table: the same values, state and options, and counts. An
        # option that goes in the same breath goes.
        reload("learning_rate = 0.25\nreset_optimizer = yes\ncount = pushes\n", "restored")
        assert c.values("t") == (4, before[1]) and not counts(c).any()
        assert c.settings("t")["step"] == step and c.settings("t")["learning_rate"] == 0.25
        c.ones("t", 2)
        sums = []
        for switch in ("no", "pushes", "no", "pushes"):
            version = c.info("t").version
            reload(f"count = {switch}\n", "options of the table changed")
            assert c.info("t").version == version and c.describe(table="t").count == switch
            assert c.settings("t")["learning_rate"] == 0.5
            c.ones("t", 3)
            sums.append(int(counts(c).sum()))
            if switch == "no":
                daemon.kill()
                daemon.start()
                c = Client(daemon)
        assert sums == [6, 15, 15, 24]
        before = c.values("t")
        daemon.kill()
        daemon.start()  # replays pushes that counted and pushes that did not
        c = Client(daemon)
        assert c.values("t") == before and counts(c)[[0, 1, 2, 3]].tolist() == [0, 8, 8, 8]
        assert c.settings("t")["step"] == step + 14


def test_switched_on_at_start(folder):
    with served(folder) as daemon:
        c = Client(daemon)
        c.ones("t", 3)
        before = c.values("t")
        daemon.kill()
        daemon.tables["t"] += ",count=pushes"
        daemon.start()
        c = Client(daemon)
        assert c.values("t") == (4, before[1]) and not counts(c).any()
        c.ones("t")
        daemon.kill()
        daemon.start()
        assert counts(Client(daemon)).sum() == 3


def test_ids_of_all_kinds(folder):
    rng = np.random.default_rng(3)
    keys = rng.permutation(10**12 + np.arange(ROWS) * 977)
    weight = {"weight": ("F32", np.zeros((ROWS, DIM)))}
    tablefile.write(folder / "keys.st", tablefile.table("full", ROWS, DIM, dict(weight, keys=("I64", keys))))
    tablefile.write(folder / "hash.st", tablefile.table("full", ROWS, DIM, weight, ids="hash"))
    tablefile.write(folder / "fields.st", tablefile.table(
        "hash", ROWS, DIM, {"f0.table": ("F32", np.zeros((3, DIM))), "f1.table": ("F32", np.zeros((7, DIM)))},
        {"per_field": [{}, {}]}, fields=f"[10,{ROWS - 10}]"))
    tables = {name: f"{folder / name}.st,{COUNTED}" for name in ("keys", "hash", "fields")}
    with Daemon(tables=tables) as daemon:
        c = Client(daemon)
        c.ones("keys", ids=[int(keys[i]) for i in (7, 7, 39)])
        reply = c.counts(table="keys")
        assert list(reply.keys) == keys.tolist() and reply.rows == ROWS and reply.version == 1
        assert [(i, n) for i, n in enumerate(reply.counts) if n] == [(7, 2), (39, 1)]
        reply = c.counts(table="keys", first=38, rows=5)
        assert list(reply.counts) == [0, 1] and list(reply.keys) == keys[38:].tolist()
        assert not list(c.counts(table="keys", first=ROWS).counts)
        expect(c.counts(table="keys", first=ROWS + 1), Code.OUT_OF_RANGE, f"the table has {ROWS} rows")
        expect(c.counts(table="keys", rows=2**63), Code.RESOURCE_EXHAUSTED, "max_ids is 1048576")
        c.ones("hash", ids=[-5, -5, 10**15])
        assert sorted(counts(c, "hash"))[-2:] in ([1, 2], [0, 3]) and counts(c, "hash").sum() == 3
        c.ones("fields", ids=[0, 9, 10, 39, 39])
        assert [(i, n) for i, n in enumerate(counts(c, "fields")) if n] == [(0, 1), (9, 1), (10, 1), (39, 2)]


def test_small_replies(folder):
    """A table goes out in as many pieces as the limits ask for."""
    rows = 1000
    write(folder / "t.st", rows=rows)
    with served(folder, COUNTED, config="max_reply_bytes = 4096\nmax_ids = 100\n") as daemon:
        c = Client(daemon)
        c.ones("t", ids=range(900, 990))
        assert len(counts(c)) == 100
        expect(c.counts(table="t", rows=101), Code.RESOURCE_EXHAUSTED, "max_ids is 100")
        embctl = Embctl(daemon)
        embctl.good("counts", "t", "-o", folder / "f.npy")
        assert np.flatnonzero(np.load(folder / "f.npy")).tolist() == list(range(900, 990))


def test_refusals(folder):
    write(folder / "t.st")
    for text in (f"{folder / 't.st'},count=pushes", f"{folder / 't.st'},optimizer=sgd,count=yes"):
        try:
            Daemon(tables={"t": text}).stop()
        except RuntimeError as error:
            assert "keeps no counts" in str(error) or "none of no, pushes, both" in str(error), error
        else:
            raise AssertionError("it started")
    bad = {"dtype": ("U64", np.zeros(ROWS), "it must be I64"), "short": ("I64", np.zeros(ROWS - 1), "[N = 40]"),
           "shape": ("I64", np.zeros((ROWS, 1)), "[N = 40]"),
           "negative": ("I64", np.where(np.arange(ROWS) == 7, -1, 5), "element [7] is below 0")}
    option = [pb.TableOption(key=k, value=v) for k, v in (("optimizer", "sgd"), ("count", "pushes"))]
    with Daemon(import_dir=folder) as daemon:
        c = Client(daemon)
        for name, (dtype, array, words) in bad.items():
            tablefile.write(folder / f"{name}.st", tablefile.table("full", ROWS, DIM, {
                "weight": ("F32", np.zeros((ROWS, DIM))), "frequency": (dtype, array)}))
            expect(c.load(table=name, file=f"{name}.st", options=option), Code.INVALID_ARGUMENT, words)
        expect(c.load(table="t", file="t.st", options=option[1:]), Code.INVALID_ARGUMENT, "keeps no counts")
        assert not c.list().tables


def test_created_tables_count(folder):
    option = [pb.TableOption(key="count", value="pushes")]
    with Daemon() as daemon:
        c = Client(daemon)
        made = c.create(table="t", method="adapt", rows=ROWS, dim=DIM, ratio=0.7, options=option,
                        frequency=range(ROWS))
        assert not isinstance(made, tuple), made
        c.ones("t", ids=[3, 3])
        want = list(range(ROWS))
        want[3] += 2
        assert counts(c).tolist() == want
        daemon.kill()
        daemon.start()
        assert counts(Client(daemon)).tolist() == want


def test_embctl(folder):
    keys = np.arange(ROWS) * 7 - 50
    tablefile.write(folder / "t.st", tablefile.table("full", ROWS, DIM, {
        "weight": ("F32", np.random.default_rng(1).standard_normal((ROWS, DIM))), "keys": ("I64", keys)}))
    with served(folder, COUNTED) as daemon:
        e, c = Embctl(daemon), Client(daemon)
        named = np.zeros(ROWS, "i8")
        assert e.document("counts", "t")["used"] == 0
        for i in range(300):
            row = min(int(np.random.default_rng(i).exponential(4)), ROWS - 1)
            c.ones("t", ids=[int(keys[row])])
            named[row] += 1
        j = e.document("counts", "t", "-o", folder / "f.npy", "--keys", folder / "k.npy")
        assert np.load(folder / "f.npy").dtype == np.dtype("<i8")
        assert np.load(folder / "f.npy").tolist() == named.tolist()
        assert np.load(folder / "k.npy").tolist() == keys.tolist()
        top = np.sort(named)[::-1]
        assert (j["rows"], j["version"], j["accesses"], j["used"]) == (ROWS, 300, 300, np.count_nonzero(named))
        assert abs(j["top_1_percent"] - top[0] / 300) < 1e-12 and abs(j["top_10_percent"] - top[:4].sum() / 300) < 1e-12
        text = e.text("counts", "t")
        assert "300" in text and "the first 1% of the rows have" in text, text
        assert "of pushes: 300 accesses so far" in e.text("describe", "t")
        assert e.document("describe", "t")["accesses"] == 300
        e.fails(1, "no such table", "counts", "x")
        e.fails(2, "need a file each", "counts", "t", "-o", "-")
        write(folder / "plain.st")
        c.load(table="plain", file="plain.st")
        e.fails(1, "has no counts", "counts", "plain", "-o", folder / "no.npy")
        assert not (folder / "no.npy").exists()
        option = [pb.TableOption(key=k, value=v) for k, v in (("optimizer", "sgd"), ("count", "pushes"))]
        c.load(table="counted", file="plain.st", options=option)
        e.fails(1, "has no keys", "counts", "counted", "-o", folder / "no.npy", "--keys", folder / "no2.npy")
        assert not (folder / "no.npy").exists() and not (folder / "no2.npy").exists()
        # From a snapshot, which is a table file.
        file = c.save(table="counted").snapshot.file  # the second lineage
        whole = daemon.folder / "data/tables/counted" / file
        e.fails(1, "has no counts", "export", folder / "plain.st", "--frequency", "-o", "-")
        assert not e.array("export", whole, "--frequency").any()
        c.ones("counted", 2, ids=[5, 5, 6])
        while not (s := c.save(table="counted").snapshot).whole:
            c.ones("counted", ids=[])  # until it is folded
        whole = daemon.folder / "data/tables/counted" / s.file
        want = [4 * (i == 5) + 2 * (i == 6) for i in range(ROWS)]
        assert e.array("export", whole, "--frequency").tolist() == want
        assert e.document("inspect", whole)["accesses"] == 6 and "6 accesses" in e.text("inspect", whole)


def test_from_training_to_compression(folder):
    """What was counted goes into the methods that ask for it."""
    rows, dim = 400, 8
    rng = np.random.default_rng(5)
    tablefile.write(folder / "t.st", tablefile.table("full", rows, dim, {
        "weight": ("F32", rng.standard_normal((rows, dim)))}))
    with served(folder, COUNTED) as daemon:
        c, e = Client(daemon), Embctl(daemon)
        order = rng.permutation(rows)
        for _ in range(20):
            ids = order[np.minimum(rng.exponential(25, 200).astype(int), rows - 1)].tolist()
            c.ones("t", ids=ids, dim=dim)
        e.good("counts", "t", "-o", folder / "f.npy")
        named = np.load(folder / "f.npy")
        assert named.sum() == 4000
        reply = c.lookup(lookups=[pb.TableLookup(table="t", ids=range(rows))])
        values = np.array(reply.results[0].values, "<f4").reshape(rows, dim)
    np.save(folder / "rows.npy", values)
    often, rarely = np.argsort(named)[::-1][:40], np.argsort(named)[:200]
    for method, ratio in (("mgqe", 0.25), ("adapt", 0.4), ("mde", 0.6), ("autosrh", 0.5)):
        out = folder / f"{method}.st"
        e.good("compress", folder / "rows.npy", "-o", out, "--method", method, "--ratio", ratio, "--frequency",
               folder / "f.npy")
        e.good("verify", out)
        assert e.array("export", out, "--frequency").tolist() == named.tolist(), method
        error = ((e.array("export", out) - values) ** 2).mean(1)
        assert error[often].mean() < error[rarely].mean(), (method, error[often].mean(), error[rarely].mean())


if __name__ == "__main__":
    run(globals())
