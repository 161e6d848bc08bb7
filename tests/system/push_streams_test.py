#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Pushes on their way: streams with several in flight and a refusal in the middle, calls that go away, limits, the daemon's
end, and a log that cannot be written. What needs the writer to wait or fail at a point runs in developer builds only."""
import os
import pathlib
import queue
import sys
import tempfile
import threading
import time
import unittest

import grpc
import numpy as np

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import h2raw  # noqa: E402
import tablefile  # noqa: E402
from daemon import BUILD, Daemon, messages  # noqa: E402

Code = grpc.StatusCode
pb = messages("embd")
DEVELOPER = "#define EMBD_DEVELOPER" in (BUILD / "config.h").read_text()
ROWS, DIM = 64, 16
WINDOW = 1 << 20  # of a stream, the daemon's
SMALL = "max_queued_push_bytes = 1MiB\n"


def one(value=1.0, row=1, rows=1, **fields):
    return pb.PushRequest(pushes=[pb.TablePush(table="t", ids=[row] * rows, gradients=[value] * DIM * rows)], **fields)


class Base(unittest.TestCase):
    def setUp(self):
        self.top = tempfile.TemporaryDirectory()
        self.addCleanup(self.top.cleanup)
        self.points = f"{self.top.name}/points"

    def daemon(self, config="", failpoints=None):
        path = tablefile.write(f"{self.top.name}/t.safetensors", tablefile.table(
            "full", ROWS, DIM, {"weight": ("F32", np.zeros((ROWS, DIM), np.float32))}))
        environment = dict(os.environ, EMBD_FAILPOINTS=failpoints, EMBD_FAILPOINT_LOG=self.points) \
            if failpoints else None
        return Daemon(tables={"t": f"{path},optimizer=sgd,learning_rate=1"}, config=config, environment=environment)

    def connect(self, daemon):
        unary = lambda name, request, answer: daemon.unary(f"/embd.v1.Embedding/{name}", request, answer)
        self.push = unary("Push", pb.PushRequest, pb.PushResponse)
        self.lookup = unary("Lookup", pb.LookupRequest, pb.LookupResponse)
        self.position = unary("Position", pb.PositionRequest, pb.PositionResponse)
        self.stream = daemon.channel().stream_stream(
            "/embd.v1.Embedding/PushStream", lambda m: m if isinstance(m, bytes) else m.SerializeToString(),
            pb.PushResponse.FromString)

    def value(self, row=1):
        result = self.lookup(pb.LookupRequest(lookups=[pb.TableLookup(table="t", ids=[row])])).results[0]
        self.assertEqual(len(set(result.values)), 1)
        return result.values[0], result.version

    def refused(self, call, code, words):
        with self.assertRaises(grpc.RpcError) as caught:
            call()
        self.assertEqual(caught.exception.code(), code, caught.exception.details())
        self.assertIn(words, caught.exception.details())

    def answers(self, requests):
        """The answers of a stream, and how it ended."""
        got, call = [], self.stream(iter(requests), timeout=60)
        try:
            for answer in call:
                got.append(answer)
        except grpc.RpcError as error:
            return got, error.code(), error.details()
        return got, Code.OK, ""

    def wait_for_point(self, name, times=1):
        end = time.monotonic() + 20
        points = pathlib.Path(self.points)
        while not points.exists() or points.read_text().split().count(name) < times:
            self.assertLess(time.monotonic(), end, f"{name} is not reached")
            time.sleep(0.002)


class Streams(Base):
    def test_many_in_flight(self):
        with self.daemon() as daemon:
            self.connect(daemon)
            got, code, text = self.answers(one(trainer="a", sequence=n) for n in range(1, 501))
            self.assertEqual((code, len(got)), (Code.OK, 500), text)
            self.assertEqual([list(answer.versions) for answer in got], [[n] for n in range(1, 501)])
            lsns = [answer.lsn for answer in got]
            self.assertEqual(lsns, list(range(lsns[0], lsns[0] + 500)))
            self.assertEqual(self.value(), (-500, 500))
            self.assertEqual(self.answers([]), ([], Code.OK, ""))

    def test_longer_than_its_window(self):
        """The second of two pushes is held back while the first one waits for the log; then its window opens, though the
        peer, who waits for that, says nothing more."""
        push = one(rows=20000).SerializeToString()
        both = h2raw.message(push) * 2
        self.assertGreater(len(push), WINDOW)
        with self.daemon("max_queued_push_bytes = 16MiB\ncommit_delay = 100ms\n") as daemon, \
                h2raw.Peer(daemon.address) as peer:
            peer.send(h2raw.headers(1, h2raw.request("/embd.v1.Embedding/PushStream")))
            sent = 0
            while sent < len(both):
                while peer.windows[1] + WINDOW - sent == 0 or peer.windows[0] + 65535 - sent <= 0:
                    peer.read()
                n = min(len(both) - sent, 16384, peer.windows[1] + WINDOW - sent, peer.windows[0] + 65535 - sent)
                peer.send(h2raw.data(1, both[sent:sent + n], h2raw.END_STREAM if sent + n == len(both) else 0))
                sent += n
            answer = peer.answer(1)
            self.assertEqual((answer.status, len(answer.messages)), (0, 2))

    def test_repeated_from_the_middle(self):
        with self.daemon() as daemon:
            self.connect(daemon)
            self.answers(one(trainer="a", sequence=n) for n in range(1, 11))
            got, code, _ = self.answers(one(trainer="a", sequence=n) for n in range(6, 16))
            self.assertEqual(code, Code.OK)
            self.assertEqual([answer.duplicate for answer in got], [True] * 5 + [False] * 5)
            self.assertEqual([list(answer.versions) for answer in got], [[n] for n in range(6, 16)])
            self.assertEqual(self.value(), (-15, 15))

    def test_refusal_in_the_middle(self):
        """Those before it are answered, none after it is applied; the client goes on from its position."""
        bad = {"an unknown id": (lambda n: one(row=99, **n), Code.OUT_OF_RANGE, "ids[0] = 99"),
               "garbage": (lambda n: b"\xff", Code.INTERNAL, ""),
               "a bad trainer": (lambda n: one(trainer="a b", sequence=1), Code.INVALID_ARGUMENT, '"a b"'),
               "no such table": (lambda n: pb.PushRequest(pushes=[pb.TablePush(table="x")], **n), Code.NOT_FOUND,
                                 "no such table")}
        with self.daemon() as daemon:
            self.connect(daemon)
            done = position = 0
            for name, (make, code, words) in bad.items():
                for trainer in (True, False):
                    with self.subTest(name, trainer=trainer):
                        number = lambda i: dict(trainer="a", sequence=position + i) if trainer else {}
                        requests = [make(number(i)) if i == 31 else one(**number(i)) for i in range(1, 61)]
                        got, ended, text = self.answers(requests)
                        self.assertEqual(ended, code, text)
                        self.assertIn(words, text)
                        self.assertEqual(len(got), 30)
                        done += 30
                        position += 30 if trainer else 0
                        self.assertEqual(self.value(), (-done, done))
                        self.assertEqual(self.position(pb.PositionRequest(trainer="a")).sequence, position)

    def test_of_several_trainers_at_once(self):
        with self.daemon() as daemon:
            self.connect(daemon)
            results = [None] * 4

            def run(i):
                results[i] = self.answers(one(row=i, trainer=f"t{i}", sequence=n) for n in range(1, 201))

            threads = [threading.Thread(target=run, args=(i,)) for i in range(4)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            versions = []
            for got, code, text in results:
                self.assertEqual((code, len(got)), (Code.OK, 200), text)
                mine = [answer.versions[0] for answer in got]
                self.assertEqual(mine, sorted(mine))
                versions += mine
            self.assertEqual(sorted(versions), list(range(1, 801)))
            for i in range(4):
                self.assertEqual(self.value(i), (-200, 800))

    def test_a_stream_waits_where_a_call_would_be_refused(self):
        """Sixteen times as much as may be queued goes through in streams, two at a time."""
        with self.daemon(SMALL) as daemon:
            self.connect(daemon)
            requests = [one(rows=512) for _ in range(256)]  # 36 KiB, and its sums
            results = []
            threads = [threading.Thread(target=lambda: results.append(self.answers(requests))) for _ in range(2)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            self.assertEqual([(len(got), code) for got, code, _ in results], [(256, Code.OK)] * 2, results[0][2])
            self.assertEqual(self.value(), (-512 * 512, 512))

    def test_one_push_above_the_limit(self):
        with self.daemon(SMALL) as daemon:
            self.connect(daemon)
            large = one(rows=16384)
            words = f"the push needs {large.ByteSize()} bytes and 1048576 are left of max_queued_push_bytes, which is " \
                    "1048576"
            self.refused(lambda: self.push(large), Code.RESOURCE_EXHAUSTED, words)
            got, code, text = self.answers([one(), large, one()])
            self.assertEqual((len(got), code), (1, Code.RESOURCE_EXHAUSTED))
            self.assertIn("max_queued_push_bytes", text)
            # A small message whose bag is spread over rows: its sums need more than it has bytes.
            wide = pb.PushRequest(pushes=[pb.TablePush(table="t", ids=list(range(64)) * 1200, pooling=1,
                                                       offsets=[0, 76800], gradients=[1e-9] * DIM)])
            self.refused(lambda: self.push(wide), Code.RESOURCE_EXHAUSTED, "max_queued_push_bytes")
            self.assertEqual(self.value(), (-1, 1))


@unittest.skipUnless(DEVELOPER, "failpoints are in developer builds")
class Waiting(Base):
    def test_a_call_that_goes_away_counts(self):
        with self.daemon(failpoints="push.commit.after=sleep:1000@1") as daemon:
            self.connect(daemon)
            call = self.push.future(one(trainer="a", sequence=1))
            self.wait_for_point("push.commit.after")
            call.cancel()
            self.assertTrue(call.cancelled())
            again = self.push(one(trainer="a", sequence=1), timeout=30)
            self.assertTrue(again.duplicate)
            self.assertEqual(self.value(), (-1, 1))

    def test_a_stream_that_goes_away_counts(self):
        with self.daemon(failpoints="push.commit.after=sleep:1000@1") as daemon:
            self.connect(daemon)
            requests = queue.Queue()
            call = self.stream(iter(requests.get, None), timeout=60)
            requests.put(one(trainer="a", sequence=1))
            self.wait_for_point("push.commit.after")
            requests.put(one(trainer="a", sequence=2))
            call.cancel()
            requests.put(None)
            # The first is with the writer. Whether the second came before the end is not known; the position tells.
            at = self.position(pb.PositionRequest(trainer="a"), timeout=30).sequence
            self.assertIn(at, (1, 2))
            self.assertEqual(self.value(), (-at, at))

    def test_a_deadline_counts_too(self):
        with self.daemon(failpoints="push.commit.after=sleep:2500@1") as daemon:
            self.connect(daemon)
            call = self.push.future(one(trainer="a", sequence=1), timeout=1.5)
            self.wait_for_point("push.commit.after")
            self.refused(call.result, Code.DEADLINE_EXCEEDED, "")
            self.assertTrue(self.push(one(trainer="a", sequence=1), timeout=30).duplicate)
            self.assertEqual(self.value(), (-1, 1))

    def test_too_much_is_queued(self):
        with self.daemon(SMALL, "push.commit.before=sleep:2500@1") as daemon:
            self.connect(daemon)
            first = self.push.future(one())
            self.wait_for_point("push.commit.before")
            calls = [self.push.future(one(rows=1024), timeout=30) for _ in range(24)]  # 72 KiB, and its sums
            codes = []
            for call in calls:
                codes.append(call.exception().code() if call.exception() else Code.OK)
                if call.exception():
                    self.assertIn("left of max_queued_push_bytes, which is 1048576", call.exception().details())
            self.assertEqual(set(codes), {Code.OK, Code.RESOURCE_EXHAUSTED})
            applied = codes.count(Code.OK)
            self.assertEqual(first.result().versions[0], 1)
            self.assertEqual(self.value(), (-1 - 1024 * applied, 1 + applied))
            self.push(one(rows=1024))  # there is room again

    def test_what_was_handed_over_is_answered_at_the_end(self):
        daemon = self.daemon("drain_timeout = 20s\n", "push.commit.before=sleep:800@1")
        with daemon:
            self.connect(daemon)
            idle = self.stream(iter(queue.Queue().get, None), timeout=60)
            calls = [self.push.future(one(), timeout=30)]
            self.wait_for_point("push.commit.before")
            calls += [self.push.future(one(), timeout=30) for _ in range(5)]
            requests = queue.Queue()
            stream = self.stream(iter(requests.get, None), timeout=60)
            requests.put(one())
            daemon.process.terminate()
            # The first was with the writer; the others may have come too late, and are told so.
            self.assertEqual(calls[0].result().versions[0], 1)
            done = 1
            for call in calls[1:]:
                if call.exception():
                    self.assertEqual(call.exception().code(), Code.UNAVAILABLE, call.exception().details())
                else:
                    done += 1
            try:
                for _ in stream:
                    done += 1
            except grpc.RpcError as error:
                self.assertEqual(error.code(), Code.UNAVAILABLE, error.details())
            requests.put(None)
            idle.cancel()
            self.assertEqual(daemon.wait(), 0)
            daemon.environment = None
            daemon.start()
            self.connect(daemon)
            self.assertEqual(self.value(), (-done, done))


@unittest.skipUnless(DEVELOPER, "failpoints are in developer builds")
class Log(Base):
    def test_disk_full(self):
        with self.daemon(failpoints="push.commit.before=full@2") as daemon:
            self.connect(daemon)
            for sequence in (1, 2, 3):
                request = one(trainer="a", sequence=sequence)
                if sequence == 2:
                    self.refused(lambda: self.push(request), Code.RESOURCE_EXHAUSTED, "nothing was applied")
                    self.assertEqual(self.value(), (-1, 1))
                self.assertEqual(list(self.push(request).versions), [sequence])
            self.assertEqual(daemon.http("/readyz")[0], 200)

    def test_failed_write(self):
        with self.daemon(failpoints="push.commit.before=error@2") as daemon:
            self.connect(daemon)
            self.push(one(trainer="a", sequence=1))
            second = one(trainer="a", sequence=2)
            self.refused(lambda: self.push(second), Code.UNAVAILABLE, "the same push may be sent again")
            for request in (second, one(trainer="b", sequence=1), one(), one(row=99)):
                self.refused(lambda: self.push(request), Code.UNAVAILABLE, "")
            self.refused(lambda: self.position(pb.PositionRequest(trainer="a")), Code.UNAVAILABLE, "")
            got, code, _ = self.answers([one(), one()])
            self.assertEqual((got, code), ([], Code.UNAVAILABLE))
            self.assertEqual(self.value(), (-1, 1))
            status, text = daemon.http("/readyz")
            self.assertEqual(status, 503)
            self.assertIn("nothing can be pushed", text)
            daemon.environment = None
            daemon.restart()
            self.connect(daemon)
            self.assertEqual(self.position(pb.PositionRequest(trainer="a")).sequence, 1)
            self.assertEqual(self.push(second).duplicate, False)
            self.assertEqual(self.value(), (-2, 2))

    def test_killed_at_each_step(self):
        """Before the log has it the push is gone, afterwards it is there; sent again it counts once."""
        for point, there in (("push.read", 0), ("push.order", 0), ("push.commit.before", 0), ("push.commit.after", 1),
                             ("push.apply.before", 1), ("push.apply.gate", 1), ("push.apply.after", 1),
                             ("push.answer", 1)):
            with self.subTest(point), self.daemon(failpoints=f"{point}=kill@3") as daemon:
                self.connect(daemon)
                for sequence in (1, 2):
                    self.push(one(trainer="a", sequence=sequence))
                third = one(trainer="a", sequence=3)
                self.refused(lambda: self.push(third), Code.UNAVAILABLE, "")
                daemon.process.wait()
                daemon.log.close()
                daemon.close_channels()
                daemon.environment = None
                daemon.start()
                self.connect(daemon)
                self.assertEqual(self.position(pb.PositionRequest(trainer="a")).sequence, 2 + there)
                self.assertEqual(self.value(), (-2 - there, 2 + there))
                answer = self.push(third)
                self.assertEqual((answer.duplicate, list(answer.versions)), (bool(there), [3]))
                self.assertEqual(self.value(), (-3, 3))


if __name__ == "__main__":
    unittest.main()
