# SPDX-License-Identifier: Apache-2.0
"""A gRPC server of embd.proto, by stock grpcio, that is slow or wrong on purpose.

Usage: slow_server.py ADDRESS. Prints the address it listens on. What happens to a lookup is named by its
table, "KIND" or "KIND-NUMBER":

  plain         answered at once
  stall-MS      the first lookup after half a second of them waits so long, and all others behind it
  delay-MS      each waits so long by itself
  status-CODE   fails with that gRPC status
  every-N       each N-th fails with UNAVAILABLE
  silent        never answered
  rows, dim, value, packed, result, extra, empty
                answered with one row too few, another dim, four bytes more, the wrong field, a result
                too many, an unknown field, an empty message

Tables.Describe knows them all, with 1,000 rows of dim 16, except "unknown"; with --no-tables there is no such
service. What clients asked for is counted: /test.Report/Take answers with the counts since the last time as
JSON.
"""
import json
import os
import pathlib
import signal
import subprocess
import sys
import tempfile
import threading
import time
from concurrent import futures

import grpc

PROTO = pathlib.Path(__file__).resolve().parent.parent.parent / "proto"
ROWS, DIM = 1000, 16
CODES = {code.value[0]: code for code in grpc.StatusCode}


def messages():
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run(["protoc", f"-I{PROTO}", f"--python_out={folder}", "embd.proto"],
                       check=True)
        sys.path.insert(0, folder)
        import embd_pb2
    return embd_pb2


class Server:
    def __init__(self, pb):
        self.pb, self.lock = pb, threading.Lock()
        self.forget()

    def forget(self):
        self.first, self.stalled, self.requests = None, False, set()
        self.seen = {"calls": 0, "repeated": 0, "timeouts": 0, "ids": 0, "least": None, "most": None,
                     "first_ids": [], "offsets": [], "formats": [], "poolings": [], "tables": []}

    def count(self, body, request, context):
        seen = self.seen
        seen["calls"] += 1
        seen["repeated"] += body in self.requests
        self.requests.add(body)
        seen["timeouts"] += context.time_remaining() is not None
        for one in request.lookups:
            seen["ids"] += len(one.ids)
            if one.ids:
                seen["least"] = min(*one.ids, one.ids[0] if seen["least"] is None else seen["least"])
                seen["most"] = max(*one.ids, one.ids[0] if seen["most"] is None else seen["most"])
            if len(seen["first_ids"]) < 100:
                seen["first_ids"] += one.ids
            for kind, value in (("offsets", list(one.offsets)), ("formats", request.format),
                                ("poolings", one.pooling), ("tables", one.table)):
                if value not in seen[kind] and len(seen[kind]) < 100:
                    seen[kind].append(value)

    def answer(self, request, kind):
        response = self.pb.LookupResponse(lsn=5)
        for one in request.lookups:
            rows = len(one.offsets) - 1 if one.pooling else len(one.ids)
            dim = DIM
            rows -= kind == "rows"
            dim -= kind == "dim"
            result = response.results.add(dim=dim, rows=rows, version=3)
            if (request.format == 0) != (kind == "packed"):
                result.values.extend([0.5] * (rows * dim + (kind == "value")))
            else:
                result.packed = bytes(rows * (dim + 8 if request.format == 3 else dim * 2))
            result.missing.extend(i for i, row in enumerate(one.ids) if not 0 <= row < ROWS)
        if kind == "result":
            response.results.add()
        if kind == "empty":
            return b""
        return response.SerializeToString() + (b"\x78\x01" if kind == "extra" else b"")

    def lookup(self, body, context):
        request = self.pb.LookupRequest.FromString(body)
        kind, _, number = request.lookups[0].table.partition("-")
        number = int(number or 0)
        with self.lock:
            self.count(body, request, context)
            self.first = self.first or time.monotonic()
            if kind == "stall" and not self.stalled and time.monotonic() - self.first > 0.5:
                self.stalled = True
                time.sleep(number / 1000)
            calls = self.seen["calls"]
        if kind == "delay":
            time.sleep(number / 1000)
        if kind == "silent":
            given_up = threading.Event()
            if context.add_callback(given_up.set):
                given_up.wait()
        if kind == "status":
            context.abort(CODES[number], "because it was asked for")
        if kind == "every" and calls % number == 0:
            context.abort(grpc.StatusCode.UNAVAILABLE, "this one not")
        return self.answer(request, kind)

    def report(self, _body, _context):
        with self.lock:
            text = json.dumps(self.seen).encode()
            self.forget()
        return text

    def describe(self, body, context):
        name = self.pb.DescribeRequest.FromString(body).table
        if name == "unknown":
            context.abort(grpc.StatusCode.NOT_FOUND, f'no table "{name}"')
        info = self.pb.TableInfo(name=name, method="full", rows=ROWS, dim=DIM)
        return self.pb.DescribeResponse(table=info).SerializeToString()


def main():
    server = grpc.server(futures.ThreadPoolExecutor(32), options=[("grpc.max_receive_message_length", -1)])
    handler = Server(messages())
    services = {"embd.v1.Embedding": {"Lookup": handler.lookup}, "test.Report": {"Take": handler.report}}
    if "--no-tables" not in sys.argv:
        services["embd.v1.Tables"] = {"Describe": handler.describe}
    server.add_generic_rpc_handlers([
        grpc.method_handlers_generic_handler(service, {
            name: grpc.unary_unary_rpc_method_handler(method) for name, method in methods.items()})
        for service, methods in services.items()])
    address = sys.argv[1]
    port = server.add_insecure_port(address)
    server.start()
    print(address if address.startswith("unix:") else f"127.0.0.1:{port}", flush=True)
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
    threading.Event().wait()


if __name__ == "__main__":
    main()
