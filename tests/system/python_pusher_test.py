#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The Python client's pusher: daemons that are killed again and again under it (EMBD_PYTHON_KILLS times), after which
the tables are those of the same pushes without a kill, bit for bit; the order of pushes, and refusals."""
import os
import pathlib
import random
import sys
import tempfile
import threading
import time
import unittest

import grpc
import numpy as np

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import reference  # noqa: E402, F401 pylint: disable=unused-import; it knows where golden is
import tablefile  # noqa: E402
from daemon import Daemon  # noqa: E402
from golden import integers  # noqa: E402
from python_kit import Base, embd  # noqa: E402

Code = grpc.StatusCode
f32 = np.float32
KILLS = int(os.environ.get("EMBD_PYTHON_KILLS", 12))
ROWS, DIM = 300, 8
ONES = np.ones((1, DIM), f32)
PUSH = embd.Push("t", [1], ONES)


class Trained(Base):
    def daemon(self, **more):
        """Three tables: sgd at rate 1, adam, and integers that are rounded at random."""
        zeros = {"weight": ("F32", np.zeros((ROWS, DIM), f32))}
        case = integers.make("pusher", ROWS, DIM, 8, True, "row", 0.0005, 0.0)
        out = {}
        for name, data, options in (
                ("t", tablefile.table("full", ROWS, DIM, zeros), "optimizer=sgd,learning_rate=1"),
                ("adam", tablefile.table("full", ROWS, DIM, zeros), "optimizer=adam,learning_rate=0.01"),
                ("int8", tablefile.table(case.method, ROWS, DIM, case.tensors, case.config),
                 "optimizer=sgd,learning_rate=0.1")):
            tablefile.write(str(self.folder / f"{name}.safetensors"), data)
            out[name] = f"{self.folder / f'{name}.safetensors'},{options}"
        return Daemon(tables=out, listen=f"unix:{tempfile.mkdtemp(dir=self.folder)}/socket", **more)


def pushes(sequence):
    """The pushes of a number, always the same, and their options."""
    rng = np.random.default_rng(sequence)
    out = []
    for name in rng.choice(["t", "adam", "int8"], rng.integers(1, 4)):
        n = int(rng.integers(1, 30))
        ids = rng.integers(0, ROWS, n)
        if rng.random() < 0.3:
            offsets = np.array([0, *np.sort(rng.integers(0, n + 1, 3)), n])
            weights = rng.standard_normal(n) if rng.random() < 0.5 else None
            out.append(embd.Push(name, ids, rng.standard_normal((4, DIM)), "sum", offsets, weights))
        else:
            out.append(embd.Push(name, ids, rng.standard_normal((n, DIM))))
    return out, {"learning_rate": [None, 0.05][int(rng.integers(2))],
                 "format": ["f32", "f16", "bf16"][int(rng.integers(3))]}


def state(client):
    """Every table's version and bytes."""
    found = client.lookup([embd.Lookup(name, np.arange(ROWS)) for name in ("t", "adam", "int8")])
    return [(rows.version, rows.values.tobytes()) for rows in found.results]


class Kills(Trained):
    def test_killed_again_and_again(self):
        with self.daemon() as daemon, embd.Client(daemon.address) as client:
            stop, problems, answers = threading.Event(), [], []

            def train():
                try:
                    with client.pusher("job", in_flight=6) as pusher:
                        while not stop.is_set() or pusher.sequence < 100:
                            items, options = pushes(pusher.sequence + 1)
                            answers.append(pusher.push(items, **options))
                except Exception as error:  # pylint: disable=broad-except
                    problems.append(error)
                    stop.set()

            trainer = threading.Thread(target=train)
            trainer.start()
            draw, ports = random.Random(7), []
            for kill in range(KILLS):
                time.sleep(draw.uniform(0, 0.3))
                daemon.kill()
                time.sleep(draw.choice([0, 0, 0.2]))
                daemon.start()
                ports.append(len(answers))
                if problems:
                    break
            # A last one that is asked to stop.
            daemon.stop()
            daemon.start()
            stop.set()
            trainer.join(120)
            self.assertFalse(trainer.is_alive())
            self.assertEqual(problems, [])
            self.assertTrue(all(answer.done() for answer in answers))
            self.assertGreaterEqual(len(answers), 100)
            self.assertGreater(len(set(ports)), 1, "no push between two kills")
            lsns = [answer.result().lsn for answer in answers]
            self.assertEqual(lsns, sorted(set(lsns)))
            self.assertEqual(client.position("job"), len(answers))
            killed = state(client)
            duplicates = sum(answer.result().duplicate for answer in answers)
        with self.daemon() as daemon, embd.Client(daemon.address) as client:
            for sequence in range(1, len(answers) + 1):
                items, options = pushes(sequence)
                answer = client.push(items, **options)
                self.assertEqual(answer.versions, answers[sequence - 1].result().versions)
            self.assertEqual(state(client), killed)
        print(f"{KILLS} kills, {len(answers)} pushes, {duplicates} of them answered a second time: the same bits")

    def test_away_for_good(self):
        with self.daemon() as daemon, embd.Client(daemon.address, patience=0.5) as client:
            pusher = client.pusher("job")
            pusher.push(PUSH).result(20)
            daemon.kill()
            began = time.monotonic()
            lost = pusher.push(PUSH)
            error = self.refused(embd.Unavailable, "push 2 of trainer job: ", pusher.flush)
            self.assertRegex(error.details, r"\(tried for \d")
            self.assertLess(time.monotonic() - began, 10)
            self.refused(embd.Unavailable, "push 2", lost.result, 0)
            self.refused(embd.Unavailable, "push 2", pusher.push, PUSH)
            self.refused(embd.Unavailable, "push 2", pusher.close)
            pusher.close()
            # It goes on from where the trainer stands.
            daemon.start()
            with client.pusher("job") as pusher:
                self.assertEqual(pusher.sequence, 1)
                self.assertEqual(pusher.push(PUSH).result(20).versions, [2])
            self.assertEqual(client.lookup(embd.Lookup("t", [1])).results[0].values[0, 0], -2)

    def test_idle(self):
        """A daemon that comes and goes while nothing is pushed is not noticed."""
        with self.daemon() as daemon, embd.Client(daemon.address, patience=5) as client:
            with client.pusher("job") as pusher:
                for sequence in range(1, 5):
                    self.assertEqual(pusher.push(PUSH).result(20).versions, [sequence])
                    daemon.kill()
                    daemon.start()
                pusher.flush()
            self.assertEqual(client.position("job"), 4)


class Order(Trained):
    def test_refused(self):
        """Those before it are applied, none behind it is."""
        with self.daemon() as daemon, embd.Client(daemon.address) as client:
            pusher = client.pusher("job", in_flight=50)
            good = [pusher.push(PUSH) for _ in range(10)]
            bad = pusher.push(embd.Push("t", [ROWS], ONES))
            behind = []
            try:
                for _ in range(20):
                    behind.append(pusher.push(PUSH))
            except embd.OutOfRange:
                pass
            words = f'push 11 of trainer job: pushes[0] (table "t"): ids[0] = {ROWS} is not in the table'
            self.refused(embd.OutOfRange, words, pusher.flush)
            self.refused(embd.OutOfRange, words, pusher.push, PUSH)
            self.assertEqual([future.result(20).versions for future in good], [[n] for n in range(1, 11)])
            for future in [bad, *behind]:
                self.refused(embd.OutOfRange, words, future.result, 20)
            self.refused(embd.OutOfRange, words, pusher.close)
            self.assertEqual(client.position("job"), 10)
            self.assertEqual(client.lookup(embd.Lookup("t", [1])).results[0].values[0, 0], -10)
            with client.pusher("job") as pusher:  # its number is not used up
                self.assertEqual(pusher.push(embd.Push("t", [ROWS], ONES), missing="skip").result(20).skipped, 1)
                self.assertEqual(pusher.sequence, 11)

    def test_arguments(self):
        """What cannot be sent is refused at once, and the pusher goes on."""
        with self.daemon() as daemon, embd.Client(daemon.address) as client:
            self.refused(ValueError, "in_flight is 0", client.pusher, "job", in_flight=0)
            self.refused(TypeError, "in_flight is float", client.pusher, "job", in_flight=1.5)
            self.refused(ValueError, "trainer is 'a b'", client.pusher, "a b")
            with client.pusher("job") as pusher:
                self.refused(ValueError, 'pushes[0] (table "t"): gradients has 1 rows for 2 ids', pusher.push,
                             embd.Push("t", [1, 2], ONES))
                self.refused(TypeError, "pushes is int", pusher.push, 5)
                self.assertEqual(pusher.sequence, 0)
                gradients = ONES.copy()
                future = pusher.push(embd.Push("t", [1], gradients))
                gradients[:] = 1e30  # it has been handed over
                self.assertEqual(future.result(20).versions, [1])
                self.assertFalse(future.cancel())
            self.refused(ValueError, "the pusher is closed", pusher.push, PUSH)
            pusher.flush()
            pusher.close()
            self.assertEqual(client.lookup(embd.Lookup("t", [1])).results[0].values[0, 0], -1)

    def test_another_pusher(self):
        """Two of one trainer: the one whose number is taken is told so."""
        with self.daemon() as daemon, embd.Client(daemon.address) as client:
            one, two = client.pusher("job"), client.pusher("job")
            one.push(PUSH).result(20)
            two.push(embd.Push("t", [2], ONES))
            self.refused(embd.AlreadyExists, "push 1 of trainer job", two.flush)
            one.push(PUSH)
            one.close()
            self.assertEqual(client.position("job"), 2)

    def test_threads(self):
        """Any thread may push; two trainers at once."""
        with self.daemon() as daemon, embd.Client(daemon.address) as client:
            with client.pusher("a", in_flight=4) as a, client.pusher("b", in_flight=4) as b:
                threads = [threading.Thread(target=lambda p=p: [p.push(PUSH) for _ in range(50)]) for p in (a, b) * 4]
                for thread in threads:
                    thread.start()
                for thread in threads:
                    thread.join()
                a.flush()
                b.flush()
                self.assertEqual((a.sequence, b.sequence), (200, 200))
            self.assertEqual((client.position("a"), client.position("b")), (200, 200))
            self.assertEqual(client.lookup(embd.Lookup("t", [1])).results[0].values[0, 0], -400)

    def test_client_closed(self):
        with self.daemon() as daemon:
            client = embd.Client(daemon.address)
            pusher = client.pusher("job")
            pusher.push(PUSH).result(20)
            client.close()
            self.refused(embd.Cancelled, "the client was closed", pusher.flush)
            self.refused(embd.Cancelled, "the client was closed", pusher.close)
            self.refused(ValueError, "the client is closed", pusher.push, PUSH)

    def test_block_that_fails(self):
        """The error of the block is the one that is seen; what was handed over is pushed."""
        with self.daemon() as daemon, embd.Client(daemon.address) as client:
            with self.assertRaises(ZeroDivisionError):
                with client.pusher("job") as pusher:
                    pusher.push(PUSH)
                    raise ZeroDivisionError
            self.assertEqual(client.position("job"), 1)
            with self.assertRaises(ZeroDivisionError):
                with client.pusher("job") as pusher:
                    pusher.push(embd.Push("nobody", [1], ONES))
                    raise ZeroDivisionError
            with self.assertRaises(embd.NotFound):
                with client.pusher("job") as pusher:
                    pusher.push(embd.Push("nobody", [1], ONES))


if __name__ == "__main__":
    unittest.main()
