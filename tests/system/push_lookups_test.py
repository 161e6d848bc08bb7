#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Lookups while pushes are applied without a pause: each reply shows every table at one version, whether it takes one turn or
many; none is put off for longer than a push takes, though max_wait is a millisecond; and one that asks for a version
gets it with the push that makes it. Every push adds 1 to all elements of its tables, so rows tell their version."""
import os
import pathlib
import sys
import tempfile
import threading
import time
import unittest

import grpc
import numpy as np

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import tablefile  # noqa: E402
from daemon import Daemon, messages  # noqa: E402

pb = messages("embd_bulk")
SECONDS = float(os.environ.get("EMBD_LOOKUPS_SECONDS", 2))
TABLES, ROWS, DIM = ("a", "b", "c"), 128, 64
ALL = np.arange(ROWS, dtype="<i8").tobytes()
LONG = np.tile(np.arange(ROWS, dtype="<i8"), 100).tobytes()  # 819,200 floats: four turns or so


def part(table, ids, pooled=False, **more):
    if pooled:
        n = len(ids) // 8
        more.update(pooling=1, offsets=np.arange(0, n + 1, 2, dtype="<u4").tobytes())
    return pb.TableLookup(table=table, ids=ids, **more)


class Pusher(threading.Thread):
    """Pushes to one to three tables, several at a time, until told to stop."""

    def __init__(self, daemon, tables):
        super().__init__()
        self.call = daemon.channel().stream_stream("/embd.v1.Embedding/PushStream", pb.PushRequest.SerializeToString,
                                                   pb.PushResponse.FromString)
        self.request = pb.PushRequest(pushes=[pb.TablePush(
            table=table, ids=ALL, gradients=np.full(ROWS * DIM, -1, "<f4").tobytes()) for table in tables])
        self.over, self.done, self.trouble = threading.Event(), 0, None

    def requests(self):
        while not self.over.is_set():
            yield self.request

    def run(self):
        try:
            for _ in self.call(self.requests()):
                self.done += 1
        except grpc.RpcError as error:
            self.trouble = error


class Reader(threading.Thread):
    def __init__(self, daemon, request):
        super().__init__()
        self.call = daemon.unary("/embd.v1.Embedding/Lookup", pb.LookupRequest, pb.LookupResponse)
        self.request, self.over, self.trouble, self.done, self.seen = request, threading.Event(), None, 0, set()

    def run(self):
        lsn, versions = 0, [0] * len(self.request.lookups)
        try:
            while not self.over.is_set():
                reply = self.call(self.request, timeout=30)
                at = {}
                for i, result in enumerate(reply.results):
                    asked = self.request.lookups[i]
                    values = np.frombuffer(result.values, "<f4")
                    expected = result.version * (2 if asked.pooling else 1)
                    assert len(values) and (values == expected).all(), \
                        f"version {result.version} of {asked.table}, but rows of {np.unique(values)}"
                    assert at.setdefault(asked.table, result.version) == result.version, "two versions of a table"
                    assert result.version >= versions[i], "a version fell"
                    versions[i] = result.version
                    self.seen.add(result.version)
                assert reply.lsn >= lsn, "the position fell"
                lsn = reply.lsn
                self.done += 1
        except Exception as error:  # noqa: BLE001 - whatever it is, the test reports it
            self.trouble = error


class Lookups(unittest.TestCase):
    def setUp(self):
        self.top = tempfile.TemporaryDirectory()
        self.addCleanup(self.top.cleanup)

    def daemon(self, config):
        tables = {}
        for name in TABLES:
            path = tablefile.write(f"{self.top.name}/{name}.safetensors", tablefile.table(
                "full", ROWS, DIM, {"weight": ("F32", np.zeros((ROWS, DIM), np.float32))}))
            tables[name] = f"{path},optimizer=sgd,learning_rate=1,durability=interval"
        return Daemon(tables=tables, config=config)

    def test_under_constant_pushes(self):
        requests = {
            "brief": [part("a", ALL)],
            "brief, three tables": [part(name, ALL) for name in TABLES],
            "a table twice": [part("a", ALL[:80]), part("b", ALL[:80]), part("a", ALL, pooled=True)],
            "long": [part("a", LONG)],
            "long, three tables": [part(name, LONG, pooled=True) for name in TABLES] + [part("a", ALL)],
        }
        with self.daemon("workers = 2\nmax_wait = 1ms\n") as daemon:
            pushers = [Pusher(daemon, TABLES[:n]) for n in (1, 3)]
            readers = {name: Reader(daemon, pb.LookupRequest(lookups=parts)) for name, parts in requests.items()}
            threads = pushers + list(readers.values())
            for thread in threads:
                thread.start()
            end = time.monotonic() + SECONDS
            # However slow the machine is, each of them gets somewhere.
            while time.monotonic() < end or min(thread.done for thread in threads) < 5:
                self.assertLess(time.monotonic(), end + 60, [thread.done for thread in threads])
                if any(thread.trouble for thread in threads):
                    break
                time.sleep(0.01)
            for thread in threads:
                thread.over.set()
            for thread in threads:
                thread.join()
            for name, reader in readers.items():
                self.assertIsNone(reader.trouble, f"{name}: {reader.trouble}")
                self.assertGreater(len(reader.seen), 1, name)
            for pusher in pushers:
                self.assertIsNone(pusher.trouble)
            print(f"{sum(p.done for p in pushers)} pushes; lookups: "
                  + ", ".join(f"{reader.done} {name}" for name, reader in readers.items()))

    def test_a_version_that_a_push_makes(self):
        with self.daemon("max_wait = 20s\n") as daemon:
            lookup = daemon.unary("/embd.v1.Embedding/Lookup", pb.LookupRequest, pb.LookupResponse)
            push = daemon.unary("/embd.v1.Embedding/Push", pb.PushRequest, pb.PushResponse)
            calls = {n: lookup.future(pb.LookupRequest(lookups=[part("a", ALL, min_version=n), part("b", ALL)]),
                                      timeout=30) for n in (0, 1, 2, 5)}
            both = lookup.future(pb.LookupRequest(lookups=[part("a", ALL, min_version=3),
                                                           part("b", ALL, min_version=2)]), timeout=30)
            self.assertEqual(calls[0].result().results[0].version, 0)
            for version in range(1, 6):
                for n, call in calls.items():
                    if n >= version:
                        self.assertFalse(call.done(), f"version {n} at {version - 1}")
                request = Pusher(daemon, TABLES[:1] if version % 2 else TABLES[:2]).request
                self.assertEqual(push(request, timeout=20).versions[0], version)
                if version in calls:
                    self.assertGreaterEqual(calls[version].result().results[0].version, version)
            self.assertEqual([result.version for result in both.result().results][1], 2)

    def test_a_version_that_does_not_come(self):
        with self.daemon("max_wait = 100ms\n") as daemon:
            lookup = daemon.unary("/embd.v1.Embedding/Lookup", pb.LookupRequest, pb.LookupResponse)
            pusher = Pusher(daemon, ("b", "c"))  # goes on meanwhile, and changes nothing for `a`
            pusher.start()
            for deadline, code in ((None, grpc.StatusCode.UNAVAILABLE), (0.02, grpc.StatusCode.DEADLINE_EXCEEDED)):
                with self.assertRaises(grpc.RpcError) as caught:
                    lookup(pb.LookupRequest(lookups=[part("b", ALL), part("a", ALL, min_version=1)]), timeout=deadline)
                self.assertEqual(caught.exception.code(), code)
                if code == grpc.StatusCode.UNAVAILABLE:
                    self.assertIn('lookups[1] (table "a"): version 1 was asked for, the table is at 0',
                                  caught.exception.details())
            pusher.over.set()
            pusher.join()
            self.assertIsNone(pusher.trouble)


if __name__ == "__main__":
    unittest.main()
