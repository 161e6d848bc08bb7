#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The Python client: lookups of every method and format against the formulas, pushes against NumPy, each error of the
daemon, threads, and the calls about tables."""
import json
import os
import pathlib
import re
import sys
import threading
import unittest

import numpy as np

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import equal_calls  # noqa: E402
import reference  # noqa: E402
import tablefile  # noqa: E402
from daemon import SOURCE, Daemon  # noqa: E402
from python_kit import Base, embd  # noqa: E402

f32 = np.float32
ROWS, DIM = 40, 4
FORMATS = ["f32", "f16", "bf16", "int8"]
POOLINGS = ["none", "sum", "mean"]
RATE_1 = "optimizer=sgd,learning_rate=1"
LIMITS = "max_ids = 100000\nmax_request_bytes = 8MiB\nmax_gradient_norm = 100\nmax_wait = 50ms\n"
ONES = np.ones((1, DIM), f32)


def full(values, **more):
    return tablefile.table("full", len(values), values.shape[1], dict(weight=("F32", values), **more))


def decoded(data, form, rows, dim):
    """What the bytes of a reply stand for."""
    if form < 2:
        return np.frombuffer(data, ("<f4", "<f2")[form]).reshape(rows, dim)
    if form == 2:
        return reference.from_bf16(np.frombuffer(data, "<u2")).reshape(rows, dim)
    fused = np.frombuffer(data, "u1").reshape(rows, dim + 8)
    scale, bias = (fused[:, at:at + 4].copy().view("<f4") for at in (dim, dim + 4))
    return fused[:, :dim] * scale + bias


class Lookups(Base):
    def test_every_method_and_format(self):
        """Bit for bit what the formulas say, of every method, in every format, rows and bags; several tables a call."""
        cases = reference.small(2)
        tables = {case.name.replace(" ", "_"): self.write(f"{i}", case.bytes) for i, case in enumerate(cases)}
        by_format = {}
        for call in equal_calls.calls(cases, seed=5):
            by_format.setdefault(call.fmt, []).append(call)
        with Daemon(tables=tables) as daemon, embd.Client(daemon.address) as client:
            for form, calls in by_format.items():
                for at in range(0, len(calls), 7):
                    some = calls[at:at + 7]
                    asked = [embd.Lookup(call.case.name.replace(" ", "_"), call.ids, POOLINGS[call.pooling],
                                         call.offsets if call.pooling else None, call.weights or None) for call in some]
                    found = client.lookup(asked, format=FORMATS[form])
                    later = client.lookup_later(asked, format=FORMATS[form]).result()
                    for call, rows, again in zip(some, found.results, later.results):
                        expected = decoded(call.value, form, call.rows, call.case.dim)
                        self.assertEqual(rows.values.shape, expected.shape, str(call))
                        self.assertEqual(rows.values.dtype, np.float16 if form == 1 else f32, str(call))
                        data = expected.astype(rows.values.dtype).tobytes()
                        self.assertTrue(call.agrees(rows.values.tobytes()) if form == 0 else
                                        rows.values.tobytes() == data, str(call))
                        self.assertEqual(rows.missing.tolist(), call.missing, str(call))
                        self.assertEqual(rows.values.tobytes(), again.values.tobytes(), str(call))

    def test_large(self):
        """Beyond gRPC's usual 4 MiB, as views; a limit of our own is kept."""
        values = np.arange(60000 * 32, dtype=f32).reshape(60000, 32)
        with Daemon(tables={"t": self.write("t", full(values))}) as daemon:
            with embd.Client(daemon.address) as client:
                rows = client.lookup(embd.Lookup("t", np.arange(60000))).results[0]
                np.testing.assert_array_equal(rows.values, values)
                self.assertFalse(rows.values.flags.owndata)
                self.assertFalse(rows.values.flags.writeable)
            with embd.Client(daemon.address, max_reply_bytes=1 << 20) as client:
                self.refused(embd.ResourceExhausted, "larger than max", client.lookup,
                             embd.Lookup("t", np.arange(60000)))
                self.assertEqual(client.lookup(embd.Lookup("t", [3])).results[0].values[0, 0], 96)

    def test_unknown_ids(self):
        with Daemon(tables={"t": self.write("t", full(np.ones((ROWS, DIM), f32)))}) as daemon, \
                embd.Client(daemon.address) as client:
            rows = client.lookup(embd.Lookup("t", [1, ROWS, 2, -1])).results[0]
            self.assertEqual(rows.missing.tolist(), [1, 3])
            self.assertEqual(rows.values[:, 0].tolist(), [1, 0, 1, 0])
            self.refused(embd.OutOfRange, f"ids[1] = {ROWS}", client.lookup, embd.Lookup("t", [1, ROWS]),
                         missing="error")
            self.assertEqual(client.lookup([]).results, [])

    def test_min_version(self):
        """It waits for the version: here for a push from another thread."""
        tables = {"t": f"{self.write('t', full(np.zeros((ROWS, DIM), f32)))},{RATE_1}"}
        with Daemon(tables=tables, config="max_wait = 20ms\n") as daemon, embd.Client(daemon.address) as client:
            self.refused(embd.Unavailable, "", client.lookup, embd.Lookup("t", [1], min_version=1), timeout=0.3)
            later = client.lookup_later(embd.Lookup("t", [1], min_version=2))
            pushing = threading.Timer(0.2, lambda: [client.push(embd.Push("t", [1], ONES)) for _ in range(2)])
            pushing.start()
            rows = client.lookup(embd.Lookup("t", [1], min_version=2)).results[0]
            self.assertEqual((rows.version, rows.values[0, 0]), (2, -2))
            self.assertEqual(later.result().results[0].version, 2)
            pushing.join()
            with embd.Client(daemon.address, patience=0) as hasty:
                self.refused(embd.Unavailable, "", hasty.lookup, embd.Lookup("t", [1], min_version=9))

    def test_threads(self):
        values = np.arange(ROWS * DIM, dtype=f32).reshape(ROWS, DIM)
        problems = []
        with Daemon(tables={"t": self.write("t", full(values))}) as daemon, embd.Client(daemon.address) as client:
            def run(seed):
                rng = np.random.default_rng(seed)
                for _ in range(100):
                    ids = rng.integers(0, ROWS, rng.integers(0, 200))
                    if not np.array_equal(client.lookup(embd.Lookup("t", ids)).results[0].values, values[ids]):
                        problems.append(seed)
            threads = [threading.Thread(target=run, args=(seed,)) for seed in range(8)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
        self.assertEqual(problems, [])


class Pushes(Base):
    def daemon(self, config=LIMITS):
        zeros = full(np.zeros((ROWS, DIM), f32))
        keys = full(np.zeros((3, DIM), f32), keys=("I64", np.array([100, -5, 1 << 40])))
        names = {"t": zeros, "u": zeros, "k": keys}
        tables = {name: f"{self.write(name, data)},{RATE_1}" for name, data in names.items()}
        tables["r"] = self.write("r", full(np.zeros((30000, DIM), f32)))
        return Daemon(tables=tables, config=config, import_dir=str(self.folder))

    def test_against_numpy(self):
        """sgd at rate 1 subtracts: rows, bags, weights, repeats, every format; several tables and a rate a push."""
        rng = np.random.default_rng(1)
        expected = {name: np.zeros((ROWS, DIM), np.float64) for name in "tu"}
        with self.daemon() as daemon, embd.Client(daemon.address) as client:
            for step in range(120):
                form, rate, pushes = FORMATS[step % 3], [None, 0.5, 0.0][step // 3 % 3], []
                for name in rng.choice(["t", "u"], rng.integers(1, 4)):
                    n = int(rng.integers(0, 6))
                    ids, kind = rng.integers(0, ROWS, n), int(rng.integers(3))
                    offsets = [0, *np.sort(rng.integers(0, n + 1, 2)), n] if kind else None
                    weights = rng.integers(-2, 3, n).astype(f32) if kind == 1 and step % 2 else None
                    # Multiples of 12 stay exact in bfloat16, with a mean over 2, 3 or 4, and in any order of the sums.
                    gradients = rng.integers(-2, 3, (3 if kind else n, DIM)) * 12.0
                    pushes.append(embd.Push(name, ids, gradients, POOLINGS[kind], offsets, weights))
                    for i, row in enumerate(ids):
                        bag = np.searchsorted(offsets, i, "right") - 1 if kind else i
                        share = 1 if weights is None else weights[i]
                        if kind == 2:
                            share = 1 / (offsets[bag + 1] - offsets[bag])
                        expected[name][row] -= gradients[bag] * share * (1 if rate is None else rate)
                try:
                    answer = client.push(pushes, trainer="a", sequence=client.position("a") + 1, learning_rate=rate,
                                         format=form)
                except embd.InvalidArgument as error:  # the sum has too long a norm
                    self.assertIn("max_gradient_norm", error.details)
                    raise
                self.assertEqual((answer.duplicate, len(answer.versions), answer.skipped), (False, len(pushes), 0))
            for name in "tu":
                found = client.lookup(embd.Lookup(name, np.arange(ROWS))).results[0].values
                np.testing.assert_allclose(found, expected[name], rtol=1e-4, atol=1e-3)

    def test_exactly_once(self):
        with self.daemon() as daemon, embd.Client(daemon.address) as client:
            push = embd.Push("t", [1], ONES)
            self.assertEqual(client.position("a"), 0)
            first = client.push(push, trainer="a", sequence=1)
            again = client.push(push, trainer="a", sequence=1)
            self.assertEqual((first.duplicate, again.duplicate, again.versions, again.lsn),
                             (False, True, first.versions, first.lsn))
            error = self.refused(embd.Aborted, "2", client.push, push, trainer="a", sequence=3)
            self.assertEqual(error.status, "ABORTED")
            self.refused(embd.AlreadyExists, "", client.push, embd.Push("t", [1], 2 * ONES), trainer="a", sequence=1)
            client.push(push)  # of no trainer
            self.assertEqual(client.position("a"), 1)
            self.assertEqual(client.forget("a"), 1)
            self.assertEqual(client.position("a"), 0)
            self.assertEqual(client.lookup(embd.Lookup("t", [1])).results[0].values.tolist(), [[-2] * DIM])

    def test_refused(self):
        """Each with the daemon's sentence, and nothing changes."""
        with self.daemon() as daemon, embd.Client(daemon.address) as client:
            nan = np.array([[0, np.nan, 0, 0]], f32)
            for kind, words, push in (
                    (embd.NotFound, 'pushes[0] (table "nobody"): no such table', embd.Push("nobody", [1], ONES)),
                    (embd.FailedPrecondition, 'pushes[1] (table "r"): the table is read-only',
                     [embd.Push("t", [1], ONES), embd.Push("r", [1], ONES)]),
                    (embd.OutOfRange, 'pushes[0] (table "t"): ids[0] = 40', embd.Push("t", [40], ONES)),
                    (embd.InvalidArgument, "gradients[1] is not finite", embd.Push("t", [1], nan)),
                    (embd.InvalidArgument, "3 gradients for 1 ids of 4 columns", embd.Push("t", [1], ONES[:, :3])),
                    (embd.InvalidArgument, "max_gradient_norm is 100", embd.Push("t", [1], 101 * ONES)),
                    (embd.ResourceExhausted, "100001 ids", embd.Push("t", np.ones(100001, int), np.ones((100001, 1))))):
                with self.subTest(words):
                    self.refused(kind, words, client.push, push, trainer="a", sequence=1)
            self.refused(embd.InvalidArgument, "gradients[0]", client.push, embd.Push("t", [1], 1e9 * ONES),
                         format="f16")
            self.refused(embd.InvalidArgument, "learning_rate", client.push, embd.Push("t", [1], ONES),
                         learning_rate=-1)
            self.assertEqual(client.position("a"), 0)
            self.assertFalse(client.lookup(embd.Lookup("t", np.arange(ROWS))).results[0].values.any())

    def test_unknown_ids(self):
        with self.daemon() as daemon, embd.Client(daemon.address) as client:
            answer = client.push(embd.Push("k", [-5, 7, 1 << 40], np.ones((3, DIM))), missing="skip")
            self.assertEqual((answer.skipped, answer.versions), (1, [1]))
            rows = client.lookup(embd.Lookup("k", [100, -5, 1 << 40, 7])).results[0]
            self.assertEqual((rows.values[:, 0].tolist(), rows.missing.tolist()), ([0, -1, -1, 0], [3]))

    def test_damaged(self):
        with self.daemon() as daemon, embd.Client(daemon.address) as client:
            os.truncate(self.folder / "r.safetensors", 4096)
            error = self.refused(embd.DataLoss, "", client.lookup, embd.Lookup("r", [29999]))
            self.assertEqual(error.status, "DATA_LOSS")

    def test_killed(self):
        """A numbered push outlives the daemon that it was sent to, and counts once; so does a lookup."""
        with self.daemon() as daemon, embd.Client("unix:" + str(self.folder / "socket")) as client:
            daemon.stop()
            daemon.listen = "unix:" + str(self.folder / "socket")
            daemon.start()
            for sequence in range(1, 9):
                daemon.kill()
                starting = threading.Timer(0.1, daemon.start)
                starting.start()
                if sequence % 2:
                    client.lookup(embd.Lookup("t", [1]))
                answer = client.push(embd.Push("t", [1], ONES), trainer="a", sequence=sequence)
                self.assertEqual(answer.versions, [sequence])
                starting.join()
            self.assertEqual(client.lookup(embd.Lookup("t", [1])).results[0].values[0, 0], -8)


class Readme(Base):
    def test_example(self):
        """That of the README, as it stands."""
        text = (SOURCE / "client/python/README.md").read_text()
        code, *_ = re.findall(r"^```python\n(.*?)^```$", text, re.M | re.S)
        self.assertLessEqual(len(code.splitlines()), 12)
        zeros = self.write("zeros", full(np.zeros((5000, DIM), f32)))
        with Daemon(tables={"words": f"{zeros},{RATE_1}", "ads": zeros}) as daemon:
            names = {}
            exec(code.replace("127.0.0.1:3623", daemon.address), names)  # pylint: disable=exec-used
            self.assertEqual((names["words"].shape, names["ads"].shape), ((2, DIM), (2, DIM)))
            self.assertEqual(names["answer"].result().versions, [100])
            with embd.Client(daemon.address) as client:
                values = client.lookup(embd.Lookup("words", [4711, 43])).results[0].values
                np.testing.assert_allclose(values[:, 0], [-5, 0], rtol=1e-5)


class Tables(Base):
    def test_life(self):
        self.write("t", full(np.zeros((ROWS, DIM), f32)))
        with Daemon(import_dir=str(self.folder)) as daemon, embd.Client(daemon.address) as client:
            self.assertEqual(client.tables(), [])
            options = {"optimizer": "sgd", "learning_rate": 1.0, "memory": "copy", "reset_optimizer": True}
            loaded = client.load("t", "t.safetensors", options=options)
            self.assertEqual((loaded.table.name, loaded.table.method, loaded.table.rows, loaded.table.dim,
                              loaded.table.trainable, loaded.table.memory), ("t", "full", ROWS, DIM, True, "copy"))
            self.refused(embd.AlreadyExists, "", client.load, "t", "t.safetensors")
            self.refused(embd.InvalidArgument, "unknown option", client.load, "x", "t.safetensors",
                         options={"colour": 1})
            self.refused(embd.NotFound, "", client.describe, "nobody")
            client.push(embd.Push("t", [1], ONES))
            saved = client.save("t")
            self.assertEqual((saved.snapshot.version, saved.snapshot.whole or saved.snapshot.bytes > 0), (1, True))
            client.push(embd.Push("t", [1], ONES))
            described = client.describe("t")
            self.assertEqual((described.table.version, described.snapshots[0].version, described.durability),
                             (2, 1, "always"))
            self.assertEqual(json.loads(described.optimizer)["name"], "sgd")
            self.assertEqual([(one.name, one.dtype, one.shape) for one in described.tensors],
                             [("weight", "F32", [ROWS, DIM])])
            self.assertEqual(client.restore("t", 1).version, 3)
            self.assertEqual(client.lookup(embd.Lookup("t", [1])).results[0].values[0, 0], -1)
            self.refused(embd.NotFound, "", client.restore, "t", 77)
            self.assertEqual(client.load("t", "t.safetensors", replace=True).table.version, 4)
            self.assertEqual([one.name for one in client.tables()], ["t"])
            self.assertGreater(client.unload("t", forget=True).version, 0)
            self.assertEqual(client.tables(), [])

    def test_create(self):
        with Daemon() as daemon, embd.Client(daemon.address) as client:
            keys = np.array([5, -7, 1 << 40])
            made = client.create("k", "full", 3, DIM, ids="keys", keys=keys, seed=1, deviation=0.5)
            self.assertEqual((made.table.ids, made.table.trainable), ("keys", True))
            self.assertEqual(client.lookup(embd.Lookup("k", [*keys, 0])).results[0].missing.tolist(), [3])
            made = client.create("c", "compo", 1000, 8, settings={"collisions": 64, "op": "mult"},
                                 options={"optimizer": "adam", "learning_rate": 0.01})
            self.assertEqual(json.loads(made.config)["collisions"], 64)
            made = client.create("m", "mgqe", 1000, 8, settings={"parts": 2, "k_high": 8, "k_low": 2, "shared": True},
                                 frequency=np.arange(1000))
            self.assertIs(json.loads(made.config)["shared"], True)
            made = client.create("f", "hash", 100, 8, ratio=0.1, fields=[60, 40], ids="rows")
            self.assertLessEqual(made.table.ratio, 0.1)
            self.assertEqual(client.describe("f").fields, [60, 40])
            self.refused(embd.AlreadyExists, "", client.create, "k", "full", 3, DIM)
            self.refused(embd.NotFound, "no method", client.create, "x", "unheard", 3, DIM)
            told = client.explain("c", 130)
            self.assertEqual((told.method, told.known, told.row, told.field), ("compo", True, 130, None))
            self.assertTrue(any(fact.cells for fact in told.facts))
            np.testing.assert_array_equal(f32(told.values), client.lookup(embd.Lookup("c", [130])).results[0].values[0])
            self.assertEqual(client.explain("f", 70).field, 1)
            self.assertFalse(client.explain("k", 6).known)

    def test_growth(self):
        with Daemon() as daemon, embd.Client(daemon.address) as client:
            made = client.create("g", "full", 3, DIM, ids="keys", keys=[7],
                                 options={"optimizer": "sgd", "admit_after": 2})
            self.assertEqual((made.table.grows, made.table.used_rows), (True, 1))
            push = embd.Push("g", [7, 99], np.ones((2, DIM), np.float32))
            self.refused(embd.OutOfRange, "99", client.push, push)
            first, second = client.push(push, missing="admit"), client.push(push, missing="admit")
            self.assertEqual((first.admitted, first.skipped), (0, 1))
            self.assertEqual((second.admitted, second.skipped), (1, 0))
            self.assertEqual(client.lookup(embd.Lookup("g", [7, 99, 100])).results[0].missing.tolist(), [2])
            self.assertEqual(client.tables()[0].used_rows, 2)
            client.create("r", "full", 3, DIM)
            unknown = embd.Push("r", [3], np.ones((1, DIM), np.float32))
            self.refused(embd.FailedPrecondition, "grow", client.push, unknown, missing="admit")

    def test_counts(self):
        with Daemon(config="max_ids = 100\n") as daemon, embd.Client(daemon.address) as client:
            client.create("c", "full", 250, DIM, options={"optimizer": "sgd", "count": "pushes"})
            wanted = np.zeros(250, np.int64)
            for ids in ([3, 249, 3], [120, 3]):
                client.push(embd.Push("c", ids, np.ones((len(ids), DIM), np.float32)))
                np.add.at(wanted, ids, 1)
            np.testing.assert_array_equal(client.counts("c"), wanted)  # three slices
            told = client.describe("c")
            self.assertEqual((told.count, told.accesses), ("pushes", 5))
            client.create("g", "mgqe", 250, DIM, settings={"parts": 2, "k_high": 8, "k_low": 2},
                          frequency=client.counts("c"))
            client.create("n", "full", 5, DIM)
            self.refused(embd.FailedPrecondition, "", client.counts, "n")
            self.refused(embd.NotFound, "x", client.counts, "x")


if __name__ == "__main__":
    unittest.main()
