#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The Python client's pusher, and servers that are late, never end, or answer wrongly: limits, deadlines, and every way in
which it can end."""
import pathlib
import random
import sys
import threading
import time
import unittest

import numpy as np

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import fake_frames  # noqa: E402
from python_kit import Base, Told, embd, fake_server  # noqa: E402

ONES = np.ones((1, 8), np.float32)
PUSH = embd.Push("t", [1], ONES)


class Held:
    """A daemon of sorts that answers so many pushes and then none, until it is let go; what it got, in order."""

    def __init__(self, answers):
        self.answers, self.got, self.free, self.streams = answers, [], threading.Event(), 0

    def stream(self, requests, context):
        self.streams += 1
        for request in requests:
            self.got.append(request)
            if len(self.got) > self.answers:
                while not self.free.wait(0.05):
                    if not context.is_active():
                        return
            yield fake_frames.push_response(request)


class Limits(Base):
    def test_in_flight(self):
        """push() waits when so many have no answer yet."""
        held = Held(2)
        with Told(Position=lambda *_: b"\x08\x07", PushStream=held.stream) as server, \
                embd.Client(server.address) as client:
            pusher = client.pusher("job", in_flight=3)
            futures = []
            thread = threading.Thread(target=lambda: futures.extend(pusher.push(PUSH) for _ in range(8)))
            thread.start()
            while pusher.sequence < 7 + 2 + 3:
                time.sleep(0.01)
            time.sleep(0.3)
            self.assertEqual(pusher.sequence, 7 + 2 + 3)
            self.assertTrue(thread.is_alive())
            self.refused(TimeoutError, "3 pushes are not answered yet", pusher.flush, 0.1)
            held.free.set()
            thread.join(20)
            pusher.close()
            self.assertEqual([future.result().versions for future in futures], [[n] for n in range(8, 16)])
            self.assertEqual(held.streams, 1)

    def test_deadline(self):
        """A stream that does not answer in time is opened again, with the same bytes, until patience is over."""
        held = Held(1)
        with Told(Position=lambda *_: b"", PushStream=held.stream) as server, \
                embd.Client(server.address, timeout=0.3, patience=10) as client:
            pusher = client.pusher("job")
            futures = [pusher.push(PUSH) for _ in range(3)]
            self.assertEqual(futures[0].result(20).versions, [1])
            while held.streams < 3:
                time.sleep(0.01)
            held.free.set()
            pusher.close()
            self.assertEqual([future.result().versions for future in futures], [[1], [2], [3]])
            self.assertEqual(len(set(held.got)), 3)
        held = Held(0)
        with Told(Position=lambda *_: b"", PushStream=held.stream) as server, embd.Client(server.address) as client:
            pusher = client.pusher("job", timeout=0.2, patience=0.5)
            began = time.monotonic()
            pusher.push(PUSH)
            self.refused(embd.DeadlineExceeded, f"push 1 of trainer job: no answer from {server.address} in time",
                         pusher.flush)
            self.assertLess(time.monotonic() - began, 5)

    def test_blocked(self):
        """Who waits for room is told when it ends."""
        held = Held(0)
        with Told(Position=lambda *_: b"", PushStream=held.stream) as server, embd.Client(server.address) as client:
            for end, kind in ((lambda: pusher.abandon(), embd.Cancelled), (client.close, embd.Cancelled)):
                pusher, caught = client.pusher("job", in_flight=1), []
                first = pusher.push(PUSH)
                thread = threading.Thread(target=lambda: caught.append(self.refused(kind, "", pusher.push, PUSH)))
                thread.start()
                while not pusher._order.locked():  # pylint: disable=protected-access
                    time.sleep(0.01)
                end()
                thread.join(10)
                self.assertEqual(len(caught), 1)
                self.refused(kind, "", first.result, 10)

    def test_abandoned(self):
        """At any moment: everything ends, and every future has an outcome."""
        held, draw = Held(200), random.Random(3)
        with Told(Position=lambda *_: b"", PushStream=held.stream) as server, embd.Client(server.address) as client:
            for _ in range(60):
                pusher = client.pusher("job")
                futures = [pusher.push(PUSH) for _ in range(draw.randrange(4))]
                time.sleep(draw.choice([0, 0, 0.001, 0.005]))
                pusher.abandon()
                self.refused(embd.Cancelled, "the pusher was abandoned", pusher.flush)
                self.refused(embd.Cancelled, "the pusher was abandoned", pusher.close)
                self.assertFalse(any(thread.is_alive() for thread in pusher._threads))  # pylint: disable=W0212
                self.assertTrue(all(future.done() for future in futures))

    def test_server_that_does_not_end(self):
        """All is answered, and the stream stays open: close() does not wait for it."""
        def stream(requests, context):
            for request in requests:
                yield fake_frames.push_response(request)
            while context.is_active():
                time.sleep(0.02)
        with Told(Position=lambda *_: b"", PushStream=stream) as server, embd.Client(server.address) as client:
            pusher = client.pusher("job")
            pusher.push(PUSH)
            began = time.monotonic()
            pusher.close()
            self.assertLess(time.monotonic() - began, 8)


class Broken(Base):
    """The trainer "empty" is one that fake_server.py has never seen."""

    def test_answers(self):
        for table, kind, words in (
                ("versions", embd.Internal, "push 1 of trainer empty: the reply to Push has 2 versions for 1 tables"),
                ("rubbish", embd.Internal, "cannot be read: it is not protobuf"),
                ("twice", embd.Internal, "answers a push that it has not got"),
                ("leave", embd.Internal, "the stream ended without answers to 1 pushes"),
                ("status:3:not that", embd.InvalidArgument, "push 1 of trainer empty: not that"),
                ("status:14:not now", embd.Unavailable, "not now (tried for"),
                ("close", embd.Unavailable, ""), ("reset:2", embd.Internal, ""),
                ("length:1000", embd.DeadlineExceeded, "")):
            with self.subTest(table), fake_server() as address, \
                    embd.Client(address, timeout=1, patience=0.3) as client:
                pusher = client.pusher("empty")
                future = pusher.push(embd.Push(table, [1], ONES))
                if table == "twice":  # its second answer comes when nothing waits
                    self.assertEqual(future.result(20).versions, [1])
                    end = time.monotonic() + 10
                    while time.monotonic() < end:
                        try:
                            pusher.flush()
                        except embd.Error:
                            break
                        time.sleep(0.01)
                self.refused(kind, words, pusher.flush)
                self.refused(kind, words, pusher.push, embd.Push(table, [1], ONES))

    def test_goes_on(self):
        """What was answered too often or not at all, and then well."""
        with fake_server() as address, embd.Client(address) as client:
            with client.pusher("empty") as pusher:
                held = [pusher.push(embd.Push("hold", [1], ONES)) for _ in range(3)]
                released = pusher.push(embd.Push("release", [1], ONES))
                self.assertEqual([future.result(20).versions for future in [*held, released]], [[1], [2], [3], [4]])
                again = pusher.push(embd.Push("refuse:2:pusher", [1], ONES))
                self.assertEqual(again.result(20).versions, [5])


if __name__ == "__main__":
    unittest.main()
