# SPDX-License-Identifier: Apache-2.0
"""Tables.Create and Tables.Explain: every method is begun from nothing, trained, killed and found again bit for bit;
what is wrong with a request is said; and how an id is answered is told alike by the daemon and by embctl."""
import json
import os
import subprocess

import numpy as np

from daemon import Daemon
from training_kit import CALLS, Client, Code, pb

CALLS["create"] = ("Tables/Create", pb.CreateRequest, pb.CreateResponse)
CALLS["explain"] = ("Tables/Explain", pb.ExplainRequest, pb.ExplainResponse)
EMBCTL = os.environ.get("TOP_BUILDDIR", ".") + "/embctl"
ROWS, DIM = 300, 16


def embctl(*arguments):
    return json.loads(subprocess.run([EMBCTL, "--json", *map(str, arguments)], check=True, capture_output=True).stdout)


METHODS = [m["name"] for m in embctl("methods")]


def options(**pairs):
    return [pb.TableOption(key=k, value=str(v)) for k, v in pairs.items()]


def expect(answer, code, words):
    assert isinstance(answer, tuple), answer
    assert answer[0] == code and words in answer[1], answer


def rows_of(c, table, rows=ROWS):
    reply = c.lookup(lookups=[pb.TableLookup(table=table, ids=range(rows))])
    assert not isinstance(reply, tuple), reply
    return np.array(reply.results[0].values, "<f4").reshape(rows, -1)


def push(c, table, sequence):
    ids = list(range(0, ROWS, 7))
    grad = np.random.default_rng(sequence).normal(size=(len(ids), DIM)).astype("<f4")
    return c.push(trainer=f"t-{table}", sequence=sequence, pushes=[
        pb.TablePush(table=table, ids=ids, gradients=grad.ravel().tolist())])


def every_method_from_nothing():
    with Daemon() as daemon:
        c = Client(daemon)
        before = {}
        for method in METHODS:
            made = c.create(table=method, method=method, rows=ROWS, dim=DIM, seed=5,
                            options=options(learning_rate=0.05))
            assert not isinstance(made, tuple), (method, made)
            assert made.table.trainable and made.table.method == method and made.table.rows == ROWS, made
            first = rows_of(c, method)
            assert np.isfinite(first).all() and first.std() > 0, method
            for sequence in (1, 2, 3):
                answer = push(c, method, sequence)
                assert not isinstance(answer, tuple), (method, answer)
            before[method] = rows_of(c, method)
            assert not np.array_equal(first, before[method]), method
            again = c.create(table=method + ".again", method=method, rows=ROWS, dim=DIM, seed=5)
            assert not isinstance(again, tuple), (method, again)
            assert np.array_equal(first, rows_of(c, method + ".again")), f"{method}: another start from the same seed"
        daemon.kill()
        daemon.start()
        c = Client(daemon)
        for method in METHODS:
            assert np.array_equal(before[method], rows_of(c, method)), method
            assert not isinstance(push(c, method, 4), tuple)
        assert not list((daemon.folder / "data").glob("create.*"))


def fields_keys_and_hashed_ids():
    with Daemon() as daemon:
        c = Client(daemon)
        made = c.create(table="f", method="hash", rows=1000, dim=8, ratio=0.25, fields=[10, 0, 890, 100])
        assert not isinstance(made, tuple), made
        assert made.table.parameter_bytes <= 0.25 * 1000 * 8 * 4, made
        told = c.explain(table="f", id=950)
        assert told.known and told.field == 3 and told.local_row == 50, told
        keys = [7, -3, 1 << 60]
        assert not isinstance(c.create(table="k", method="full", rows=3, dim=4, ids=pb.TABLE_IDS_KEYS, keys=keys), tuple)
        told = c.explain(table="k", id=-3)
        assert told.known and told.row == 1
        assert not c.explain(table="k", id=0).known
        assert not isinstance(c.create(table="h", method="full", rows=64, dim=4, ids=pb.TABLE_IDS_HASH), tuple)
        assert c.explain(table="h", id=-(1 << 63)).known


def what_is_refused():
    with Daemon(config="max_create_bytes = 1MiB\n") as daemon:
        c = Client(daemon)
        good = dict(table="t", method="full", rows=10, dim=4)
        assert not isinstance(c.create(**good), tuple)
        expect(c.create(**good), Code.ALREADY_EXISTS, "served already")
        for wrong, code, words in (
                (dict(table=".x"), Code.INVALID_ARGUMENT, "no name for a table"),
                (dict(method=""), Code.INVALID_ARGUMENT, "a method is needed"),
                (dict(method="fool"), Code.NOT_FOUND, "no method"),
                (dict(dim=0), Code.INVALID_ARGUMENT, "dimension"),
                (dict(dim=70000), Code.INVALID_ARGUMENT, "dimension"),
                (dict(rows=1 << 63), Code.INVALID_ARGUMENT, ""),
                (dict(rows=1 << 40), Code.RESOURCE_EXHAUSTED, "max_create_bytes is 1"),
                (dict(ratio=-1), Code.INVALID_ARGUMENT, "ratio"),
                (dict(ratio=float("nan")), Code.INVALID_ARGUMENT, "ratio"),
                (dict(budget=0), Code.INVALID_ARGUMENT, "budget"),
                (dict(method="hash", budget=8), Code.INVALID_ARGUMENT, "needs at least"),
                (dict(deviation=-1), Code.INVALID_ARGUMENT, "deviation"),
                (dict(fields=[3, 3]), Code.INVALID_ARGUMENT, "fields"),
                (dict(fields=[1] * 10001), Code.RESOURCE_EXHAUSTED, "10000"),
                (dict(keys=[1]), Code.INVALID_ARGUMENT, "keys"),
                (dict(ids=pb.TABLE_IDS_KEYS, keys=[1] * 10), Code.INVALID_ARGUMENT, "twice"),
                (dict(frequency=[1]), Code.INVALID_ARGUMENT, "counts"),
                (dict(frequency=[-1] * 10), Code.INVALID_ARGUMENT, "negative"),
                (dict(settings=options(nothing=1)), Code.INVALID_ARGUMENT, "no setting"),
                (dict(options=options(nothing=1)), Code.INVALID_ARGUMENT, "nothing"),
                (dict(options=options(optimizer="sgd") * 2), Code.INVALID_ARGUMENT, "twice"),
                (dict(method="int8", options=options(optimizer="adam")), Code.INVALID_ARGUMENT, "F32")):
            expect(c.create(**{**good, "table": "u", **wrong}), code, words)
        expect(c.explain(table="u", id=1), Code.NOT_FOUND, "no such table")
        assert [t.name for t in c.list().tables] == ["t"]
        assert not list((daemon.folder / "data").glob("create.*"))


def costly_methods_are_limited():
    """One id of tt and dhe costs thousands of multiply-adds: a call is refused before it begins, others are not."""
    with Daemon(config="max_work = 1000000\n") as daemon:
        c = Client(daemon)
        for method, ratio in (("tt", 0.3), ("dhe", 0.5)):
            assert not isinstance(c.create(table=method, method=method, rows=3000, dim=16, ratio=ratio), tuple)
            work = c.describe(table=method).work
            assert work > 1000, (method, work)
            most = 1000000 // work
            few = c.lookup(lookups=[pb.TableLookup(table=method, ids=range(most))])
            assert few.results[0].rows == most, few
            expect(c.lookup(lookups=[pb.TableLookup(table=method, ids=range(most + 1))]), Code.RESOURCE_EXHAUSTED,
                   "max_work is 1000000")


def explanations_agree():
    """The daemon, and embctl on the same parameters in a file."""
    with Daemon() as daemon:
        c = Client(daemon)
        for method in METHODS:
            file = f"{daemon.folder}/{method}.safetensors"
            subprocess.run([EMBCTL, "create", "-o", file, "--method", method, "--rows", str(ROWS), "--dim", str(DIM),
                            "--seed", "5"], check=True, capture_output=True)
            made = c.create(table=method, method=method, rows=ROWS, dim=DIM, seed=5)
            assert not isinstance(made, tuple), made
            for x in (0, 1, 150, ROWS - 1):
                here, there = embctl("explain", file, x), embctl("--server", daemon.address, "explain", method, x)
                for told in (here, there):
                    del told["table"]
                assert here == there, (method, x, here, there)
                assert here["facts"], (method, x)
                assert np.array_equal(np.array(here["values"], "<f4"), rows_of(c, method)[x]), (method, x)
        for x in (ROWS, -1):
            assert not embctl("--server", daemon.address, "explain", "full", x)["known"]


every_method_from_nothing()
fields_keys_and_hashed_ids()
what_is_refused()
costly_methods_are_limited()
explanations_agree()
print(f"{len(METHODS)} methods begun, trained, found again and explained")
