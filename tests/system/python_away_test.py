#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The Python client when embd is away or answers wrongly: what is sent again, deadlines, and broken answers."""
import os
import pathlib
import sys
import threading
import time
import unittest

import grpc
import numpy as np

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import fake_frames  # noqa: E402
from python_kit import Base, Told, embd, fake_server  # noqa: E402

Code = grpc.StatusCode
f32 = np.float32
ONES = np.ones((1, 4), f32)


def abort(code, words="because"):
    return lambda request, context: context.abort(code, words)


class Away(Base):
    """Servers that are not there, go away, or do not answer."""

    @staticmethod
    def failing(times, code, answer):
        """Fails so often, then answers."""
        left = [times]

        def run(request, context):
            left[0] -= 1
            if left[0] >= 0:
                context.abort(code, "not now")
            return answer(request)
        return run

    def test_what_is_sent_again(self):
        push = embd.Push("t", [1], ONES)
        for code in (Code.UNAVAILABLE, Code.UNKNOWN, Code.CANCELLED):
            with Told(Lookup=self.failing(3, code, fake_frames.lookup_response),
                      Push=self.failing(3, code, fake_frames.push_response),
                      Position=self.failing(3, code, lambda _: b"\x08\x07")) as server, \
                    embd.Client(server.address, patience=5) as client:
                self.assertEqual(client.lookup(embd.Lookup("t", [5])).results[0].values[0, 0], 5)
                self.assertEqual(client.push(push, trainer="a", sequence=9).versions, [9])
                self.assertEqual(client.position("a"), 7)
                for requests in server.requests.values():
                    self.assertEqual((len(requests), len(set(requests))), (4, 1))

    def test_what_is_not(self):
        """A push of no trainer, since a second one could count twice; and what was refused."""
        push = embd.Push("t", [1], ONES)
        for code, kind in ((Code.UNAVAILABLE, embd.Unavailable), (Code.UNKNOWN, embd.Error),
                           (Code.CANCELLED, embd.Cancelled)):
            with Told(Push=abort(code), Forget=abort(code)) as server, \
                    embd.Client(server.address, patience=5) as client:
                self.assertEqual(self.refused(kind, "because", client.push, push).status, code.name)
                self.refused(kind, "because", client.forget, "a")
                self.assertEqual({name: len(some) for name, some in server.requests.items()}, {"Push": 1, "Forget": 1})
        for kind in embd.errors.CLASSES:
            if kind.status in ("UNAVAILABLE", "UNKNOWN", "CANCELLED"):
                continue
            answer = abort(Code[kind.status])
            with Told(Lookup=answer, Push=answer) as server, embd.Client(server.address, patience=5) as client:
                self.refused(kind, "", client.lookup, embd.Lookup("t", [1]))
                self.refused(kind, "", client.lookup_later(embd.Lookup("t", [1])).result)
                self.refused(kind, "", client.push, push, trainer="a", sequence=1)
                self.assertEqual({name: len(some) for name, some in server.requests.items()}, {"Lookup": 2, "Push": 1})

    def test_patience(self):
        address = "unix:" + str(self.folder / "nobody")
        push = embd.Push("t", [1], ONES)
        for patience in (0, 0.3):
            with embd.Client(address, patience=patience) as client:
                for call in (lambda: client.lookup(embd.Lookup("t", [1])), lambda: client.position("a"), client.tables,
                             lambda: client.push(push, trainer="a", sequence=1),
                             lambda: client.lookup_later(embd.Lookup("t", [1])).result(),
                             lambda: client.pusher("a"), lambda: client.save("t")):
                    began = time.monotonic()
                    self.refused(embd.Unavailable, "", call)
                    self.assertLess(time.monotonic() - began, patience + 5)
        with embd.Client(address) as client:
            for call in (lambda **more: client.lookup(embd.Lookup("t", [1]), **more),
                         lambda **more: client.lookup_later(embd.Lookup("t", [1]), **more).result(),
                         lambda **more: client.push(push, trainer="a", sequence=1, **more)):
                began = time.monotonic()
                self.refused(embd.Unavailable, "", call, timeout=0.2)
                self.assertLess(time.monotonic() - began, 2)
            self.refused(embd.DeadlineExceeded, f"no answer from {address} within 0.2 s", client.push, push,
                         timeout=0.2)

    def test_there_later(self):
        """What is sent once waits for the connection, and so does the rest."""
        with Told(Lookup=lambda *_: b"") as server:
            address = server.address
        push, answers = embd.Push("t", [1], ONES), []
        with embd.Client(address) as client:
            waiting = [threading.Thread(target=lambda call=call: answers.append(call())) for call in (
                lambda: client.push(push).versions, lambda: client.push(push, trainer="a", sequence=0 + 1).versions,
                lambda: client.lookup(embd.Lookup("t", [1])).results[0].version)]
            for thread in waiting:
                thread.start()
            time.sleep(0.3)
            self.assertEqual(answers, [])
            with Told(address, Lookup=lambda request, _: fake_frames.lookup_response(request),
                      Push=lambda request, _: fake_frames.push_response(request)) as server:
                for thread in waiting:
                    thread.join()
                self.assertEqual(len(server.requests["Push"]), 2)
        self.assertEqual(sorted(map(str, answers)), ["7", "[0]", "[1]"])

    def test_deadlines(self):
        over = threading.Event()
        silent = lambda *_: over.wait(20) and b""  # noqa: E731
        push = embd.Push("t", [1], ONES)
        with Told(Lookup=silent, Push=silent) as server:
            with embd.Client(server.address, timeout=0.2) as client:
                for call in (lambda: client.lookup(embd.Lookup("t", [1])), lambda: client.push(push),
                             lambda: client.lookup_later(embd.Lookup("t", [1])).result(),
                             lambda: client.push(push, trainer="a", sequence=1)):
                    began = time.monotonic()
                    self.refused(embd.DeadlineExceeded, f"no answer from {server.address} within 0.2 s", call)
                    self.assertLess(time.monotonic() - began, 2)
            with embd.Client(server.address, timeout=None) as client:
                self.refused(embd.DeadlineExceeded, "within 0.1 s", client.lookup, embd.Lookup("t", [1]), timeout=0.1)
                later = client.lookup_later(embd.Lookup("t", [1]))
                self.refused(TimeoutError, "not been answered yet", later.result, 0.1)
                self.assertFalse(later.done())
                self.assertTrue(later.cancel())
                self.refused(embd.Cancelled, "given up", later.result)
                caught = []
                waiting = threading.Thread(target=lambda: caught.append(self.refused(
                    embd.Cancelled, "", client.lookup, embd.Lookup("t", [1]))))
                waiting.start()
                time.sleep(0.1)
                client.close()
                waiting.join(5)
                self.assertEqual(len(caught), 1)
                self.refused(ValueError, "the client is closed", client.lookup, embd.Lookup("t", [1]))
                self.refused(ValueError, "the client is closed", client.lookup_later, embd.Lookup("t", [1]))
                self.refused(ValueError, "the client is closed", client.pusher, "a")
            over.set()

    def test_another_process(self):
        with embd.Client("127.0.0.1:1") as client:
            pid = os.fork()
            if not pid:
                try:
                    client.lookup(embd.Lookup("t", [1]))
                except RuntimeError as error:
                    os._exit(0 if "make one in each process" in str(error) else 1)
                os._exit(2)
            self.assertEqual(os.waitpid(pid, 0)[1], 0)

    def test_environment(self):
        before = os.environ.pop("EMBD_SERVER", None)
        try:
            self.assertEqual(embd.Client().address, "127.0.0.1:3623")
            os.environ["EMBD_SERVER"] = "unix:/here"
            self.assertEqual(embd.Client().address, "unix:/here")
            self.assertEqual(embd.Client("there:1").address, "there:1")
        finally:
            os.environ.pop("EMBD_SERVER")
            if before is not None:
                os.environ["EMBD_SERVER"] = before


class Broken(Base):
    """Servers that answer wrongly: one sentence each, and the client goes on."""

    # What fake_server.py does, and the error. Frames that gRPC's own code cannot bear (a message without trailers ends
    # Debian's grpcio, and us with it) are left to the tests of the C client.
    CASES = [("empty", embd.Internal, "0 results for 1"), ("raw:ff", embd.Internal, "not protobuf"),
             ("raw:0a050a03616263", embd.Internal, "another type"), ("raw:0a00", embd.Internal, "0 rows, and 1"),
             ("raw:0a041001080a", embd.Internal, "0 bytes are not 1 rows of 10 columns"),
             ("raw:0a0608ffffffff0f", embd.Internal, "0 rows"),
             ("raw:0a0a080110011a040000803f30ff", embd.Internal, "not protobuf"),
             ("status:5:no such table", embd.NotFound, "no such table"),
             ("status:7:not you", embd.PermissionDenied, "not you"),
             ("status:12:what", embd.Unimplemented, "what"), ("status:16:who", embd.Error, "who"),
             ("status:99:what", embd.Error, ""), ("http:404", embd.Unimplemented, ""),
             ("http:503", embd.Unavailable, ""),
             ("reset:8", embd.Cancelled, ""), ("reset:2", embd.Internal, ""), ("close", embd.Unavailable, ""),
             ("close_within", embd.Unavailable, ""), ("garbage", embd.Error, None), ("flag:1", embd.Error, None),
             ("silence", embd.DeadlineExceeded, "within 2 s"), ("begin", embd.DeadlineExceeded, "")]

    def test_lookups(self):
        with fake_server() as address, embd.Client(address, patience=0, timeout=2) as client:
            for table, kind, words in self.CASES:
                with self.subTest(table):
                    with self.assertRaises(embd.Error) as caught:
                        client.lookup(embd.Lookup(table, [1]))
                    if words is not None:
                        self.assertIs(type(caught.exception), kind, caught.exception)
                        self.assertIn(words, str(caught.exception))
                    self.assertNotIn("\n", str(caught.exception))
            np.testing.assert_array_equal(client.lookup(embd.Lookup("words", [3, -4])).results[0].values,
                                          f32([[3, 3.25, 3.5, 3.75], [-4, -3.75, -3.5, -3.25]]))

    def test_pushes(self):
        with fake_server() as address, embd.Client(address, patience=0, timeout=2) as client:
            for table, kind, words in (("versions", embd.Internal, "2 versions for 1 tables"),
                                       ("raw:ff", embd.Internal, "not protobuf"),
                                       ("empty", embd.Internal, "0 versions"), ("close", embd.Unavailable, "")):
                with self.subTest(table):
                    self.refused(kind, words, client.push, embd.Push(table, [1], ONES), trainer="a", sequence=1)
            self.refused(embd.Internal, "the reply to Position cannot be read", client.position, "raw:ff")
            self.assertEqual(client.push(embd.Push("gradient", [1], ONES), trainer="a", sequence=77).duplicate, True)
            self.assertEqual(client.position("raw:0805"), 5)


if __name__ == "__main__":
    unittest.main()
