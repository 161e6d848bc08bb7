#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The C client's pushes, streams, positions and snapshots against a real daemon (client_push.c), what the rows are
afterwards and after a kill, and that stock Python sends and reads the same bytes."""
import pathlib
import subprocess
import sys
import tempfile

import numpy as np

import tablefile
from daemon import Daemon, messages, program

ROWS, DIM, PUSHES = 64, 8, 60
pb = messages("embd_bulk")


def rows(daemon, table):
    lookup = daemon.unary("/embd.v1.Embedding/Lookup", pb.LookupRequest, pb.LookupResponse)
    request = pb.LookupRequest()
    request.lookups.add(table=table, ids=np.arange(ROWS, dtype="<i8").tobytes())
    return np.frombuffer(lookup(request).results[0].values, "<f4").reshape(ROWS, DIM)


def expected(pushes, each):
    table = np.zeros((ROWS, DIM), "<f4")
    for number in range(1, pushes + 1):
        np.add.at(table, [number % ROWS, ROWS - 1], each)
    return table


def test_bytes(daemon):
    """embd.proto and embd_bulk.proto are the same on the wire for stock Python, and so are the daemon's answers."""
    plain = messages("embd")
    ids, gradients, weights = [3, -1, 2**40], [1.5, -0.0, 3e-40, 7, 8, 9], [1, 2, 0.5]
    for rate in None, 0, 0.25:
        one = plain.PushRequest(trainer="x:1", sequence=2**63 - 1, missing=plain.PUSH_MISSING_SKIP)
        two = pb.PushRequest(trainer="x:1", sequence=2**63 - 1, missing=pb.PUSH_MISSING_SKIP)
        if rate is not None:
            one.learning_rate = two.learning_rate = rate
        one.pushes.add(table="t", ids=ids, gradients=gradients, pooling=1, offsets=[0, 1, 3], weights=weights)
        two.pushes.add(table="t", ids=np.array(ids, "<i8").tobytes(), gradients=np.array(gradients, "<f4").tobytes(),
                       pooling=1, offsets=np.array([0, 1, 3], "<u4").tobytes(),
                       weights=np.array(weights, "<f4").tobytes())
        for message in one, two:
            message.pushes.add(table="h", format=1, packed=b"\0\x3c")
        assert one.SerializeToString() == two.SerializeToString(), rate
        assert plain.PushRequest.FromString(two.SerializeToString()).HasField("learning_rate") == (rate is not None)

    request = pb.PushRequest(trainer="bytes", sequence=1, missing=pb.PUSH_MISSING_SKIP)
    for table in "a", "b", "a":
        request.pushes.add(table=table, ids=np.array([1, 1000], "<i8").tobytes(), gradients=bytes(2 * DIM * 4))
    raw = daemon.channel().unary_unary("/embd.v1.Embedding/Push")
    for again in range(2):
        data = raw(request.SerializeToString())
        reply = plain.PushResponse.FromString(data)
        assert reply.SerializeToString() == data, (data, reply)
        assert reply.duplicate == bool(again) and len(reply.versions) == 3 and reply.lsn
        assert reply.versions[0] == reply.versions[2] and (again or reply.skipped == 3), reply


def main():
    with tempfile.TemporaryDirectory(prefix="embd-client-") as name:
        folder = pathlib.Path(name)
        tablefile.write(folder / "t", tablefile.table("full", ROWS, DIM,
                                                      {"weight": ("F32", np.zeros((ROWS, DIM), "<f4"))}))
        trainable = f"{folder}/t,optimizer=sgd,learning_rate=0.5"
        with Daemon(tables={"a": trainable, "b": trainable, "plain": f"{folder}/t"}) as daemon:
            done = subprocess.run([program("tests/system/client_push"), daemon.address], capture_output=True, text=True,
                                  check=False)
            assert done.returncode == 0, done.stderr
            test_bytes(daemon)
            want = expected(PUSHES, 1), expected(PUSHES + 1, 2)
            for again in range(2):
                assert (rows(daemon, "a") == want[0]).all() and (rows(daemon, "b") == want[1]).all(), again
                daemon.kill()
                daemon.start()


if __name__ == "__main__":
    sys.exit(main())
