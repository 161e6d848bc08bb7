#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""What a push is: each broken rule of push_cases.py gets its status and sentence and changes nothing; what is summed is held
against NumPy; duplicates, gaps, conflicts and rates; all tables or none."""
import pathlib
import sys
import tempfile
import time
import unittest

import grpc
import numpy as np

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import push_cases as pc  # noqa: E402
import reference  # noqa: E402
import tablefile  # noqa: E402
from daemon import Daemon, messages  # noqa: E402

Code = grpc.StatusCode
pb, bulk = messages("embd"), messages("embd_bulk")
f32 = np.float32
CONFIG = "max_ids = 1000\nmax_request_bytes = 1MiB\nmax_gradient_norm = 100\nmax_trainers = 3\nmax_wait = 50ms\n"
TRAINED = "optimizer=sgd,learning_rate=1"
KEYS = np.arange(100, 110)


class Client:
    """The calls of a daemon; one that is refused returns (code, sentence)."""

    def __init__(self, daemon):
        self.channel = daemon.channel()
        for name, path, answer in (("push", "Push", pb.PushResponse), ("lookup", "Lookup", pb.LookupResponse),
                                   ("position", "Position", pb.PositionResponse),
                                   ("forget", "Forget", pb.ForgetResponse)):
            setattr(self, name, self.method(f"/embd.v1.Embedding/{path}", answer))

    def method(self, path, answer):
        call = self.channel.unary_unary(path, None, answer.FromString)

        def run(message):
            data = message if isinstance(message, bytes) else message.SerializeToString()
            try:
                return call(data, timeout=20)
            except grpc.RpcError as error:
                return error.code(), error.details()

        return run

    def rows(self, table, ids):
        reply = self.lookup(bulk.LookupRequest(lookups=[bulk.TableLookup(table=table, ids=np.array(
            ids, "<i8").tobytes())]).SerializeToString())
        return np.array(reply.results[0].values, f32).reshape(len(ids), -1), reply.results[0].version

    def at(self, trainer):
        reply = self.position(pb.PositionRequest(trainer=trainer))
        return reply.sequence


def request(*parts, **fields):
    return pb.PushRequest(pushes=[pb.TablePush(**part) for part in parts], **fields)


def one(value=1.0, table="t", row=1, **fields):
    return request({"table": table, "ids": [row], "gradients": [value] * 4}, **fields)


class Base(unittest.TestCase):
    def setUp(self):
        self.top = tempfile.TemporaryDirectory()
        self.addCleanup(self.top.cleanup)

    def write(self, name, data):
        return tablefile.write(f"{self.top.name}/{name}.safetensors", data)

    def full(self, name, **more):
        return self.write(name, tablefile.table("full", 10, 4, dict(
            weight=("F32", np.zeros((10, 4), f32)), **more)))

    def daemon(self, **more):
        tables = {"t": f"{self.full('t')},{TRAINED}", "u": f"{self.full('u')},{TRAINED}",
                  "k": f"{self.full('k', keys=('I64', KEYS))},{TRAINED}", "r": self.full("r")}
        tables.update(more)
        return Daemon(tables=tables, config=CONFIG)

    def refused(self, answer, code, words):
        self.assertIsInstance(answer, tuple, f"it was answered: {answer}")
        self.assertEqual(answer[0], code, answer[1])
        self.assertIn(words, answer[1])


class Rules(Base):
    def test_each_broken_rule(self):
        by_number = {code.value[0]: code for code in Code}
        tables = {"d": self.full("d")}
        with self.daemon(**tables) as daemon:
            daemon.stop()
            self.write("d", b"spoilt")
            daemon.start()
            client = Client(daemon)
            sequence = 1
            for name, message, status, words in pc.CASES:
                with self.subTest(name):
                    self.refused(client.push(message), by_number[status], words)
                    # A refused push does not use up its number.
                    self.refused(client.push(message + pc.identity("a", sequence)), by_number[status], words)
                    good = client.push(one(0.0, trainer="a", sequence=sequence))
                    self.assertEqual((good.duplicate, list(good.versions)), (False, [sequence]), good)
                    sequence += 1
            for table in ("t", "u"):
                np.testing.assert_array_equal(client.rows(table, range(10))[0], 0)
            self.assertEqual(client.rows("u", [1])[1], 0)
            self.assertEqual(client.at("a"), len(pc.CASES))

    def test_who_pushes(self):
        by_number = {code.value[0]: code for code in Code}
        with self.daemon() as daemon:
            client = Client(daemon)
            for sequence in (1, 2):
                client.push(one(trainer="a", sequence=sequence))
            for name, message, status, words in pc.IDENTITIES:
                with self.subTest(name):
                    self.refused(client.push(message), by_number[status], words)
                    self.assertEqual(client.at("a"), 2)
            np.testing.assert_array_equal(client.rows("t", [1])[0], -2)
            # Names and numbers at their limits.
            for trainer in ("x" * 128, "A-Z_a.z:09"):
                self.assertEqual(client.push(one(0.0, trainer=trainer, sequence=1)).duplicate, False)
            self.refused(client.push(one(trainer="fourth", sequence=1)), Code.RESOURCE_EXHAUSTED, "max_trainers")
            for name in ("", "a b", "x" * 129, "ä"):
                self.refused(client.position(pb.PositionRequest(trainer=name)), Code.INVALID_ARGUMENT, "trainer")
                self.refused(client.forget(pb.ForgetRequest(trainer=name)), Code.INVALID_ARGUMENT, "trainer")

    def test_empty_pushes(self):
        with self.daemon() as daemon:
            client = Client(daemon)
            nothing = client.push(pb.PushRequest(trainer="a", sequence=1))
            self.assertEqual((list(nothing.versions), nothing.skipped), ([], 0))
            self.assertTrue(client.push(pb.PushRequest(trainer="a", sequence=1)).duplicate)
            no_ids = client.push(request({"table": "t"}, {"table": "u", "pooling": 1, "offsets": [0]}))
            self.assertEqual(list(no_ids.versions), [1, 1])
            bags = client.push(request({"table": "t", "pooling": 2, "offsets": [0, 0, 0], "gradients": [1.0] * 8}))
            self.assertEqual(list(bags.versions), [2])
            np.testing.assert_array_equal(client.rows("t", range(10))[0], 0)
            daemon.kill()
            daemon.start()
            self.assertEqual(Client(daemon).rows("t", [0])[1], 2)

    def test_duplicates(self):
        with self.daemon() as daemon:
            client = Client(daemon)
            first = request({"table": "u", "ids": [1], "gradients": [1.0] * 4},
                            {"table": "t", "ids": [1], "gradients": [1.0] * 4},
                            {"table": "u", "ids": [3, 99], "gradients": [1.0] * 8},
                            trainer="a", sequence=1, missing=pb.PUSH_MISSING_SKIP)
            answer = client.push(first)
            self.assertEqual((answer.duplicate, list(answer.versions), answer.skipped), (False, [1, 1, 1], 1))
            second = client.push(one(trainer="a", sequence=2))
            self.assertGreater(second.lsn, answer.lsn)
            for _ in range(2):
                again = client.push(first)
                self.assertEqual((again.duplicate, list(again.versions), again.lsn, again.skipped),
                                 (True, [1, 1, 1], answer.lsn, 1))
                last = client.push(one(trainer="a", sequence=2))
                self.assertEqual((last.duplicate, list(last.versions), last.lsn), (True, [2], second.lsn))
                # The same after a kill, when only the log knows it.
                daemon.kill()
                daemon.start()
                client = Client(daemon)
                self.assertEqual(client.at("a"), 2)
            self.refused(client.push(one(2.0, trainer="a", sequence=2)), Code.ALREADY_EXISTS, "sequence = 2")
            self.refused(client.push(one(2.0, trainer="a", sequence=1)), Code.ALREADY_EXISTS, "sequence = 1")
            # The same numbers in another encoding are another message.
            other = one(trainer="a", sequence=2).SerializeToString() + pc.field(99, 1)
            self.refused(client.push(other), Code.ALREADY_EXISTS, "another content")
            np.testing.assert_array_equal(client.rows("t", [1])[0], -2)
            np.testing.assert_array_equal(client.rows("u", [1, 3])[0], -1)

    def test_positions(self):
        with self.daemon() as daemon:
            client = Client(daemon)
            self.assertEqual(client.at("a"), 0)
            for sequence in range(1, 4):
                lsn = client.push(one(trainer="a", sequence=sequence)).lsn
                self.assertEqual(client.at("a"), sequence)
            forgotten = client.forget(pb.ForgetRequest(trainer="a"))
            self.assertEqual((forgotten.sequence, forgotten.lsn), (3, lsn + 1))
            self.assertEqual(client.at("a"), 0)
            self.refused(client.forget(pb.ForgetRequest(trainer="a")), Code.NOT_FOUND, '"a"')
            daemon.kill()
            daemon.start()
            client = Client(daemon)
            self.assertEqual(client.at("a"), 0)
            self.refused(client.push(one(trainer="a", sequence=4)), Code.ABORTED, "1 is expected")
            self.assertEqual(client.push(one(trainer="a", sequence=1)).duplicate, False)
            np.testing.assert_array_equal(client.rows("t", [1])[0], -4)
            # Without a trainer a push that is sent twice is applied twice.
            for version in (5, 6):
                self.assertEqual(list(client.push(one()).versions), [version])

    def test_rates(self):
        with self.daemon() as daemon:
            client = Client(daemon)
            for rate, value in ((None, -1), (0.5, -1.5), (0.0, -1.5), (2.0, -3.5), (None, -4.5)):
                client.push(one() if rate is None else one(learning_rate=rate))
                np.testing.assert_array_equal(client.rows("t", [1])[0], value)

    def test_all_tables_or_none(self):
        with self.daemon() as daemon:
            client = Client(daemon)
            part = lambda table, ids: {"table": table, "ids": ids, "gradients": [1.0] * 4 * len(ids)}
            for bad in (part("nobody", [1]), part("r", [1]), part("k", [1])):
                self.assertIsInstance(client.push(request(part("t", [1]), part("u", [2]), bad)), tuple)
                self.assertIsInstance(client.push(request(bad, part("t", [1]), part("u", [2]))), tuple)
            good = client.push(request(part("t", [1]), part("k", [105]), part("u", [2])))
            self.assertEqual(list(good.versions), [1, 1, 1])
            self.assertEqual(client.rows("t", [1])[0][0, 0] + client.rows("u", [2])[0][0, 0], -2)
            np.testing.assert_array_equal(client.rows("k", KEYS)[0][:, 0], [0] * 5 + [-1] + [0] * 4)

    def test_lookups_see_what_was_answered(self):
        with self.daemon() as daemon:
            client = Client(daemon)
            for version in range(1, 20):
                lsn = client.push(one()).lsn
                reply = client.lookup(pb.LookupRequest(lookups=[pb.TableLookup(table="t", ids=[1])]))
                self.assertEqual(reply.results[0].version, version)
                self.assertEqual(reply.lsn, lsn)
                self.assertEqual(reply.results[0].values[0], -version)

    def test_counted(self):
        with self.daemon() as daemon:
            client = Client(daemon)
            client.push(request({"table": "t", "ids": [1, 77, 2], "gradients": [1.0] * 12},
                                {"table": "u", "ids": [1], "gradients": [1.0] * 4}, missing=pb.PUSH_MISSING_SKIP))
            client.push(one(float("nan")))
            client.push(one(table="nobody"))
            client.at("a")
            query = client.method("/embd.v1.Stats/Query", pb.StatsResponse)
            rows, end = {}, time.monotonic() + 20
            while ("*", "Position") not in rows and time.monotonic() < end:
                rows = {(row.table, row.call): row for row in query(pb.StatsRequest()).rows}
                time.sleep(0.05)  # they are written once a second
            t, u, nobody = rows["t", "Push"], rows["u", "Push"], rows["?", "Push"]
            self.assertEqual((t.count, t.ids, t.missing, u.count, u.ids), (2, 4, 1, 1, 1))
            self.assertEqual([(e.status, e.count) for e in t.errors], [(Code.INVALID_ARGUMENT.value[0], 1)])
            self.assertEqual([(e.status, e.count) for e in nobody.errors], [(Code.NOT_FOUND.value[0], 1)])
            self.assertEqual(rows["*", "Position"].count, 1)


def random_parts(rng, case, count):
    """Parts of every kind, and the gradients of rows that they stand for, in the order of the sum."""
    known = case.keys if case.keys is not None else np.arange(len(case.rows))
    parts, grads = [], []
    for _ in range(count):
        n = int(rng.integers(1, 30))
        ids = rng.choice(known[:40], n)
        unknown = rng.random(n) < 0.1
        ids = np.where(unknown & (not case.hashed), -7, ids)
        kind = rng.integers(0, 4)
        cuts = np.sort(rng.integers(0, n + 1, 3))
        offsets = np.concatenate([[0], cuts, [n]])
        rows = n if kind == 0 else 4
        g = rng.standard_normal((rows, case.dim)).astype(f32)
        part = {"table": "t", "ids": ids.tolist()}
        fmt = int(rng.integers(0, 3))
        if fmt == 0:
            part["gradients"] = g.ravel().tolist()
        else:
            part.update(format=fmt, packed=reference.encode(g, fmt))
            g = g.astype("<f2").astype(f32) if fmt == 1 else reference.from_bf16(reference.to_bf16(g))
        weights = rng.standard_normal(n).astype(f32)
        if kind:
            part.update(pooling=2 if kind == 3 else 1, offsets=offsets.tolist())
        if kind == 2:
            part["weights"] = weights.tolist()
        for i, row in enumerate(case.resolve(ids)):
            bag = int(np.searchsorted(offsets[1:], i, "right")) if kind else i
            if row < 0:
                continue
            grad = g[bag]
            if kind == 2:
                grad = weights[i] * grad
            if kind == 3:
                grad = grad / f32(offsets[bag + 1] - offsets[bag])
            grads.append((int(row), grad))
        parts.append(part)
    return parts, grads


def summed(pairs, dim):
    out = {}
    for row, grad in pairs:
        out[row] = out.get(row, np.zeros(dim, f32)) + grad
    return out


class Sums(Base):
    """The parameters after random pushes, against the formulas."""

    def check(self, name, step, pushes=20):
        case = reference.case(name)
        path = self.write(name, case.bytes)
        rng = np.random.default_rng(11)
        with Daemon(tables={"t": f"{path},optimizer=sgd,learning_rate=0.25"}) as daemon:
            client = Client(daemon)
            expected = case.rows.copy()
            everything = case.keys if case.keys is not None else np.arange(len(case.rows))
            for version in range(1, pushes + 1):
                parts, grads = random_parts(rng, case, int(rng.integers(1, 4)))
                skipped = sum(case.resolve(p["ids"]).tolist().count(-1) for p in parts)
                answer = client.push(request(*parts, missing=pb.PUSH_MISSING_SKIP))
                self.assertEqual((answer.skipped, list(answer.versions)), (skipped, [version] * len(parts)), answer)
                step(expected, summed(grads, case.dim))
                got, at = client.rows("t", everything)
                self.assertEqual(at, version)
                np.testing.assert_allclose(got, expected[case.resolve(everything)], rtol=2e-5, atol=2e-6)

    def test_full(self):
        def step(rows, grads):
            for row, grad in grads.items():
                rows[row] -= f32(0.25) * grad

        self.check("keys", step)
        self.check("hashed", step)

    def test_hash(self):
        def step(rows, grads):
            physical = summed(((row % 37, grad) for row, grad in grads.items()), rows.shape[1])
            for row, grad in physical.items():
                rows[row::37] -= f32(0.25) * grad

        self.check("hash", step)

    def test_compo(self):
        """Two factors a row: recovered from the rows by the formula itself, so the file's tensors are read."""
        case = reference.case("compo_mult_compose_first")
        rng = np.random.default_rng(7)
        path = self.write("compo", case.bytes)
        factors = self.factors(case)
        with Daemon(tables={"t": f"{path},optimizer=sgd,learning_rate=0.25"}) as daemon:
            client = Client(daemon)
            for _ in range(20):
                parts, grads = random_parts(rng, case, 2)
                client.push(request(*parts, missing=pb.PUSH_MISSING_SKIP))
                q, r = {}, {}
                for row, grad in summed(grads, case.dim).items():
                    a, b = row // 12, row % 12
                    q[a] = q.get(a, 0) + grad * factors[1][b]
                    r[b] = r.get(b, 0) + grad * factors[0][a]
                for factor, step in zip(factors, (q, r)):
                    for row, grad in step.items():
                        factor[row] -= f32(0.25) * grad
                x = np.arange(len(case.rows))
                got, _ = client.rows("t", x)
                np.testing.assert_allclose(got, factors[0][x // 12] * factors[1][x % 12], rtol=1e-4, atol=1e-5)

    @staticmethod
    def factors(case):
        import json
        import struct
        size = struct.unpack("<Q", case.bytes[:8])[0]
        header = json.loads(case.bytes[8:8 + size])
        out = []
        for name in ("q.weight", "r.weight"):
            begin, end = header[name]["data_offsets"]
            out.append(np.frombuffer(case.bytes[8 + size + begin:8 + size + end], "<f4")
                       .reshape(header[name]["shape"]).copy())
        return out


if __name__ == "__main__":
    unittest.main()
