# SPDX-License-Identifier: Apache-2.0
"""A stand-in for the daemon on a stock gRPC server, for tests of the client side alone.

Its answers are made from embd.proto and health.proto, compiled on the spot. It serves two tables:
"words" (1000 rows of 100 columns) and "keyed"; column j of row i is i + j / 128. What was asked is kept in
`calls`, as (method, request, seconds left of the deadline). "words" takes pushes, by the rules of sequences but
without changing a row; the bytes of every push are held against what Python would have sent. `script` has what is
to become of the next pushes instead: a status, "drop" to apply one and lose its answer, or "wait" for `go`.
"""
import concurrent.futures
import importlib
import os
import struct
import subprocess
import sys
import tempfile
import threading
import time

import grpc
import numpy as np

TOP = os.environ.get("TOP_SRCDIR", ".")
ROWS, DIM = 1000, 100


def load_messages():
    """The modules for embd.proto and health.proto."""
    folder = tempfile.TemporaryDirectory(prefix="embd-proto-")
    subprocess.run(["protoc", "-I" + TOP + "/proto", "--python_out=" + folder.name, "embd.proto",
                    "health.proto"], check=True)
    sys.path.insert(0, folder.name)
    try:
        return importlib.import_module("embd_pb2"), importlib.import_module("health_pb2")
    finally:
        sys.path.remove(folder.name)
        folder.cleanup()


pb, health = load_messages()
METHODS = {
    "/embd.v1.Embedding/Lookup": pb.LookupRequest,
    "/embd.v1.Embedding/Push": pb.PushRequest,
    "/embd.v1.Embedding/PushStream": pb.PushRequest,
    "/embd.v1.Embedding/Position": pb.PositionRequest,
    "/embd.v1.Embedding/Forget": pb.ForgetRequest,
    "/embd.v1.Tables/Save": pb.SaveRequest,
    "/embd.v1.Tables/Restore": pb.RestoreRequest,
    "/embd.v1.Tables/List": pb.ListRequest,
    "/embd.v1.Tables/Describe": pb.DescribeRequest,
    "/embd.v1.Tables/Load": pb.LoadRequest,
    "/embd.v1.Tables/Unload": pb.UnloadRequest,
    "/embd.v1.Stats/Query": pb.StatsRequest,
    "/grpc.health.v1.Health/Check": health.HealthCheckRequest,
    "/grpc.health.v1.Health/List": health.HealthListRequest,
}


TABLE = (np.arange(ROWS)[:, None] + np.arange(DIM) / 128).astype("<f4")


def value(row, column):
    return float(TABLE[row, column])


def int8_rows(rows):
    """Fused8BitRowwise; good enough for rows as regular as these."""
    low, high = rows.min(1, keepdims=True), rows.max(1, keepdims=True)
    codes = np.rint((rows - low) * 255 / (high - low + np.float32(1e-8))).astype("u1")
    return b"".join(code.tobytes() + struct.pack("<ff", (b - a) / 255, a)
                    for code, a, b in zip(codes, low[:, 0], high[:, 0]))


class Daemon(grpc.GenericRpcHandler):
    def __init__(self):
        self.calls = []
        self.script = []
        self.waiting, self.go = threading.Event(), threading.Event()
        self.trainers = {}  # name: contents of its pushes, in order
        self.lsn = 10
        self.kept = 0  # elements, as the statistics tell
        self.tables = {name: self.info(name) for name in ("keyed", "words")}
        self.server = grpc.server(concurrent.futures.ThreadPoolExecutor(8),
                                  options=[("grpc.max_receive_message_length", 1 << 26),
                                           ("grpc.max_send_message_length", 1 << 26)])
        self.server.add_generic_rpc_handlers((self,))
        self.port = self.server.add_insecure_port("127.0.0.1:0")
        self.address = "127.0.0.1:%d" % self.port

    def __enter__(self):
        self.server.start()
        return self

    def __exit__(self, *what):
        self.server.stop(None)

    def service(self, details):
        kind = METHODS.get(details.method)
        if not kind:
            return None
        name = details.method.rsplit("/", 1)[1]
        if details.method.startswith("/grpc.health"):
            name = "health_" + name

        def read(data):
            message = kind.FromString(data)
            if kind is pb.PushRequest:
                assert message.SerializeToString() == data, "other bytes than Python's"
            return message

        def handle(request, context):
            self.calls.append((name, request, context.time_remaining()))
            return getattr(self, name.lower())(request, context)

        def handle_stream(requests, context):
            for request in requests:
                self.calls.append((name, request, context.time_remaining()))
                yield self.push(request, context)

        make, handler = grpc.unary_unary_rpc_method_handler, handle
        if name == "PushStream":
            make, handler = grpc.stream_stream_rpc_method_handler, handle_stream
        return make(handler, request_deserializer=read,
                    response_serializer=lambda message: message.SerializeToString())

    @staticmethod
    def info(name):
        info = pb.TableInfo(name=name, method="int8", rows=ROWS, dim=DIM, version=7, generation=1,
                            parameter_bytes=ROWS * (DIM + 8), ratio=0.27, private_bytes=4096,
                            mapped_bytes=ROWS * (DIM + 8), file="/data/%s.safetensors" % name)
        if name == "keyed":
            info.ids = pb.TABLE_IDS_KEYS
            info.memory = pb.TABLE_MEMORY_COPY
        else:
            info.trainable, info.snapshot_version, info.optimizer_bytes = True, 5, 4 * ROWS
        return info

    def find(self, name, context):
        if name not in self.tables:
            context.abort(grpc.StatusCode.NOT_FOUND, 'no table "%s"' % name)
        return self.tables[name]

    def lookup(self, request, context):
        reply = pb.LookupResponse(lsn=3)
        for one in request.lookups:
            self.find(one.table, context)
            missing = [i for i, row in enumerate(one.ids) if not 0 <= row < ROWS]
            if missing and request.missing == pb.MISSING_POLICY_ERROR:
                context.abort(grpc.StatusCode.OUT_OF_RANGE,
                              'table "%s" has no id %d' % (one.table, one.ids[missing[0]]))
            ids = np.array(one.ids, "<i8")
            known = (ids >= 0) & (ids < ROWS)
            rows = np.where(known[:, None], TABLE[np.where(known, ids, 0)], np.float32(0))
            if one.pooling:
                if one.weights:
                    rows = rows * np.array(one.weights, "<f4")[:, None]
                bags = np.zeros((len(one.offsets) - 1, DIM), "<f4")
                for b, (first, last) in enumerate(zip(one.offsets, one.offsets[1:])):
                    bags[b] = rows[first:last].sum(0)
                    if one.pooling == pb.POOLING_MEAN and last > first:
                        bags[b] /= last - first
                rows = bags
            result = reply.results.add(dim=DIM, rows=len(rows), version=7, missing=missing)
            if request.format == pb.VECTOR_FORMAT_F32:
                result.values.extend(rows.ravel().tolist())
            elif request.format == pb.VECTOR_FORMAT_F16:
                result.packed = rows.astype("<f2").tobytes()
            elif request.format == pb.VECTOR_FORMAT_BF16:
                result.packed = (rows.view("<u4") >> 16).astype("<u2").tobytes()
            else:
                result.packed = int8_rows(rows)
        return reply

    def push(self, request, context):
        fate = self.script.pop(0) if self.script else None
        if isinstance(fate, grpc.StatusCode):
            context.abort(fate, "as the script says")
        if fate == "wait":
            self.waiting.set()
            self.go.wait()
        content, done = request.SerializeToString(), self.trainers.get(request.trainer, [])
        if request.trainer and 0 < request.sequence <= len(done):
            if done[request.sequence - 1] != content:
                context.abort(grpc.StatusCode.ALREADY_EXISTS, "another content")
            return pb.PushResponse(duplicate=True, versions=[7] * len(request.pushes), lsn=self.lsn)
        if request.trainer and request.sequence != len(done) + 1:
            context.abort(grpc.StatusCode.ABORTED, "the next number is %d" % (len(done) + 1))
        skipped = 0
        for i, one in enumerate(request.pushes):
            table = self.find(one.table, context)
            if not table.trainable:
                context.abort(grpc.StatusCode.FAILED_PRECONDITION, 'table "%s" cannot be trained' % one.table)
            unknown = [row for row in one.ids if not 0 <= row < ROWS]
            if unknown and request.missing == pb.PUSH_MISSING_REFUSE:
                context.abort(grpc.StatusCode.OUT_OF_RANGE, 'pushes[%d] has the unknown id %d' % (i, unknown[0]))
            skipped += len(unknown)
            rows = len(one.offsets) - 1 if one.pooling else len(one.ids)
            assert len(one.gradients) * 4 + len(one.packed) * 2 == rows * DIM * 4
            table.version += 1
        if request.trainer:
            self.trainers[request.trainer] = done + [content]
        self.lsn += 1
        if fate == "drop":
            context.abort(grpc.StatusCode.UNAVAILABLE, "the answer is lost")
        return pb.PushResponse(versions=[self.tables[one.table].version for one in request.pushes], lsn=self.lsn,
                               skipped=skipped)

    def position(self, request, context):
        return pb.PositionResponse(sequence=len(self.trainers.get(request.trainer, [])))

    def forget(self, request, context):
        if request.trainer not in self.trainers:
            context.abort(grpc.StatusCode.NOT_FOUND, 'no trainer "%s"' % request.trainer)
        return pb.ForgetResponse(sequence=len(self.trainers.pop(request.trainer)), lsn=self.lsn)

    @staticmethod
    def snapshot(version, whole=False):
        return pb.SnapshotInfo(version=version, lsn=version + 3, whole=whole, bytes=1 << 20 if whole else 4096,
                               time_us=int((time.time() - 90) * 1e6), file="/data/tables/words/%d" % version,
                               checksum=0xfedcba9876543210)

    def save(self, request, context):
        table = self.find(request.table, context)
        if not table.trainable:
            context.abort(grpc.StatusCode.FAILED_PRECONDITION, 'table "%s" is read-only' % request.table)
        table.snapshot_version = table.version
        return pb.SaveResponse(snapshot=self.snapshot(table.version), us=1234)

    def restore(self, request, context):
        table = self.find(request.table, context)
        if request.version not in (0, 5):
            context.abort(grpc.StatusCode.NOT_FOUND, "no snapshot of version %d" % request.version)
        table.version += 1
        return pb.RestoreResponse(version=table.version, lsn=self.lsn)

    def list(self, request, context):
        return pb.ListResponse(tables=[self.tables[name] for name in sorted(self.tables)], lsn=3)

    def describe(self, request, context):
        table = self.find(request.table, context)
        training = {}
        if table.trainable:
            training = {"optimizer": '{"name":"adagrad","learning_rate":0.05,"epsilon":1e-08,"weight_decay":0.0,'
                                     '"step":12}',
                        "durability": "always", "snapshots": [self.snapshot(5), self.snapshot(3, whole=True)]}
        return pb.DescribeResponse(
            **training, table=table, config='{"digit":8,"signed":false}',
            origin="fit", fields=[600, 400], extra_bytes=8 * ROWS, work=2 * DIM,
            tensors=[pb.TensorInfo(name="qparams", dtype="F32", shape=[ROWS, 2], bytes=8 * ROWS),
                     pb.TensorInfo(name="q", dtype="U8", shape=[ROWS, DIM], bytes=DIM * ROWS)],
            checksum=0x0123456789abcdef, loaded_us=1767225600000000, lsn=2)

    def load(self, request, context):
        if request.table in self.tables and not request.replace:
            context.abort(grpc.StatusCode.ALREADY_EXISTS, 'table "%s" is served' % request.table)
        self.tables[request.table] = self.info(request.table)
        return pb.LoadResponse(table=self.tables[request.table], lsn=4)

    def unload(self, request, context):
        self.find(request.table, context)
        del self.tables[request.table]
        return pb.UnloadResponse(lsn=5, version=7)

    def query(self, request, context):
        bounds = [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024]
        reply = pb.StatsResponse(now=1767225660, uptime_us=3_600_000_000, version="0.1.0",
                                 bucket_us=bounds if request.histogram else [])
        for at, table in enumerate(sorted(self.tables)):
            if request.table and request.table != table:
                continue
            row = reply.rows.add(table=table, call="Lookup", start=1767222000, seconds=3600,
                                 count=1000000 * (at + 1), ids=64000000, missing=12, mean_us=25.5,
                                 p50_us=20, p90_us=50, p99_us=110, p999_us=800, max_us=1020)
            row.errors.add(status=5, count=3)
            if request.histogram:
                row.buckets.extend([0, 0, 10, 1000, 500000, 300000, 150000, 48000, 900, 90, 0])
            if request.memory:
                reply.memory.add(table=table, start=1767225600, private_bytes=4096,
                                 mapped_bytes=108000)
        if request.training and request.table in ("", "words"):
            reply.training.add(table="words", start=1767222000, seconds=3600, pushes=36000, ids=360000, rows=350000,
                               kept=self.kept, changed_bytes=1 << 20, snapshots=2, snapshot_bytes=3 << 20,
                               save_us=52000, save_pause_us=830, version=41000, snapshot_version=40500,
                               snapshot_time=1767225660 - 95, memory_bytes=1 << 16)
        if request.training and not request.table:
            reply.log.CopyFrom(pb.LogInfo(lsn=41020, rows=600, bytes=5 << 20, disk_bytes=9 << 20, queued_bytes=2048,
                                          replay_us=420000, replay_rows=1200, replay_pushes=1100))
            for trainer, status, reason, count in (("", 5, "not_found", 2), ("*", 10, "gap", 40),
                                                   ("ctr-1", 3, "not_finite", 7)):
                reply.refusals.add(trainer=trainer, status=status, reason=reason, start=1767222000, seconds=3600,
                                   count=count)
        if request.memory:
            reply.memory.add(start=1767225600, private_bytes=50 << 20, mapped_bytes=216000,
                             allocated_bytes=30 << 20)
        return reply

    def health_check(self, request, context):
        if request.service not in ("", "embd.v1.Embedding"):
            context.abort(grpc.StatusCode.NOT_FOUND, 'no service "%s"' % request.service)
        return health.HealthCheckResponse(status=1 if not request.service else 2)

    def health_list(self, request, context):
        reply = health.HealthListResponse()
        reply.statuses[""].status = 1
        reply.statuses["embd.v1.Embedding"].status = 2
        return reply
