# SPDX-License-Identifier: Apache-2.0
"""Replies of many pieces: rows larger than a piece, many tables, long lists of unknown ids, bags, every format; equal to
what NumPy finds. And what is broken off in the middle leaves nothing behind."""
import re
import time

import grpc
import numpy as np

import tablefile
from daemon import Daemon
from training_kit import Client, pb, run, wait_for

KEYS = 4000
OWN_CONNECTION = [("grpc.use_local_subchannel_pool", 1), ("grpc.max_receive_message_length", -1)]


def tables(folder):
    """{name: (rows as NumPy has them, their keys)}; and the daemon's options."""
    r, out, options = np.random.default_rng(5), {}, {}
    shapes = {"wide": (6, 65536), "thin": (5000, 1), "keyed": (KEYS, 3), **{f"t{i:02}": (3000, 16 + i) for i in range(26)}}
    for name, (rows, dim) in shapes.items():
        weight = r.standard_normal((rows, dim), "<f4")
        tensors = {"weight": ("F32", weight)}
        if name == "keyed":
            tensors["keys"] = ("I64", np.arange(rows) * 7)
        options[name] = tablefile.write(str(folder / f"{name}.safetensors"), tablefile.table("full", rows, dim, tensors))
        out[name] = weight
    return out, options


def compare(reply, lookups, data, fmt=0):
    """Values in F32 and F16, and the unknown ids."""
    assert len(reply.results) == len(lookups)
    for asked, got in zip(lookups, reply.results, strict=True):
        weight = data[asked.table]
        ids = np.array(asked.ids, "<i8")
        known = np.ones(len(ids), bool)
        if asked.table == "keyed":
            known = (ids % 7 == 0) & (ids < 7 * KEYS)
            ids = np.where(known, ids // 7, 0)
        want = np.where(known[:, None], weight[ids], np.float32(0))
        if asked.pooling:
            want = np.array([want[a:b].sum(0, dtype="<f4") for a, b in zip(asked.offsets, asked.offsets[1:])])
        value = np.frombuffer(got.packed, "<f2") if fmt else np.array(got.values, "<f4")
        assert got.rows == len(want) and got.dim == weight.shape[1], asked.table
        assert np.allclose(value.reshape(want.shape), want.astype("<f2") if fmt else want, rtol=1e-3 if fmt else 1e-5,
                           atol=1e-3 if fmt else 1e-5), asked.table
        if not asked.pooling and not fmt:
            assert value.tobytes() == want.astype("<f4").tobytes(), asked.table
        assert list(got.missing) == list(np.flatnonzero(~known)), asked.table


def test_equal(folder):
    data, options = tables(folder)
    r = np.random.default_rng(6)

    def some(name, n, pooling=0):
        high = 14 * KEYS if name == "keyed" else len(data[name])
        more = {"pooling": pooling, "offsets": [*range(0, n, 7), n]} if pooling else {}
        return pb.TableLookup(table=name, ids=r.integers(0, high, n), **more)

    with Daemon(tables=options, config="workers = 2\nmax_ids = 1000000\n") as daemon:
        c = Client(daemon)
        every = [some(name, 6 if name == "wide" else 1000) for name in data]
        for lookups in ([some("wide", 1)], [some("wide", 40)], [some("thin", 200000)], [some("keyed", 200000)],
                        [some("keyed", 3), some("thin", 0), some("keyed", 0), some("thin", 70000)], every, every[::-1],
                        [some("wide", 50, 1), some("t05", 100000, 1), some("thin", 300000, 1)]):
            for fmt in (0, 1):
                compare(c.lookup(lookups=lookups, format=fmt), lookups, data, fmt)


def test_broken_off(folder):
    """Sixty calls of which most go away in the middle. Each has a connection of its own, since gRPC's core may reset a
    stream before it has sent its headers, for which HTTP/2 has the whole connection closed."""
    data, options = tables(folder)
    request = pb.LookupRequest(lookups=[pb.TableLookup(table="t25", ids=np.arange(50000) % 3000)])
    with Daemon(tables=options, config="workers = 1\n") as daemon:
        def lookup(timeout):
            channel = grpc.insecure_channel(daemon.address, OWN_CONNECTION)
            daemon.channels.append(channel)
            return daemon.unary("/embd.v1.Embedding/Lookup", pb.LookupRequest, pb.LookupResponse, channel).future(
                request, timeout=timeout)

        for turn in range(6):
            futures = [lookup(30) for _ in range(10)]
            time.sleep(turn * 0.003)
            for i, future in enumerate(futures):
                if (i + turn) % 5:
                    future.cancel()
            for i, future in enumerate(futures):
                if (i + turn) % 5 == 0:
                    compare(future.result(), request.lookups, data)
        for ms in range(1, 20):  # deadlines in the middle
            try:
                compare(lookup(ms / 1000).result(), request.lookups, data)
            except grpc.RpcError as error:
                # A message can only be broken off by a reset; to gRPC that is one or the other by its own clock.
                assert error.code() in (grpc.StatusCode.DEADLINE_EXCEEDED, grpc.StatusCode.CANCELLED), error
        wait_for("its memory", lambda: re.search(r"^embd_inflight_bytes 0$", daemon.http("/metrics")[1], re.M))
        compare(lookup(30).result(), request.lookups, data)


if __name__ == "__main__":
    run(globals())
