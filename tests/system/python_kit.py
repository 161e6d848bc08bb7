# SPDX-License-Identifier: Apache-2.0
"""Finds the Python package: the one beside us, or with EMBD_PACKAGE=installed the one that the interpreter has. And
servers for its tests: one that speaks gRPC and answers as it is told, and one that breaks every rule."""
import contextlib
import os
import pathlib
import subprocess
import sys
import tempfile
import unittest
from concurrent import futures

import grpc

import tablefile
from daemon import SOURCE

if os.environ.get("EMBD_PACKAGE") != "installed":
    sys.path.insert(0, str(SOURCE / "client/python"))

import embd  # noqa: E402

if os.environ.get("EMBD_PACKAGE") == "installed":
    assert not embd.__file__.startswith(str(SOURCE / "client")), embd.__file__


class Told:
    """A gRPC server of embd.v1.Embedding: `answers` are functions of (request bytes, context) by the call's name, those
    of PushStream of (iterator of request bytes, context). It counts the requests of each call."""

    def __init__(self, address="127.0.0.1:0", **answers):
        self.requests = {name: [] for name in answers}
        self.server = grpc.server(futures.ThreadPoolExecutor(16), options=[("grpc.so_reuseport", 0)])
        handlers = {name: grpc.stream_stream_rpc_method_handler(answer) if name == "PushStream"
                    else grpc.unary_unary_rpc_method_handler(self.counted(name, answer))
                    for name, answer in answers.items()}
        self.server.add_generic_rpc_handlers([grpc.method_handlers_generic_handler("embd.v1.Embedding", handlers)])
        self.address = address[:address.rindex(":") + 1] + str(self.server.add_insecure_port(address))
        self.server.start()

    def counted(self, name, answer):
        def run(request, context):
            self.requests[name].append(request)
            return answer(request, context)
        return run

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.server.stop(0).wait()


@contextlib.contextmanager
def fake_server():
    """The address of a server that speaks frames by hand: see fake_server.py."""
    with tempfile.TemporaryDirectory() as folder:
        path = f"{folder}/socket"
        command = [sys.executable, str(SOURCE / "tests/system/fake_server.py"), path]
        with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
            try:
                assert process.stdout.readline() == b"ready\n"
                yield f"unix:{path}"
            finally:
                process.kill()


class Base(unittest.TestCase):
    """With a folder for files of tables."""

    def setUp(self):
        self.top = tempfile.TemporaryDirectory()
        self.addCleanup(self.top.cleanup)
        self.folder = pathlib.Path(self.top.name)

    def write(self, name, data):
        return tablefile.write(str(self.folder / f"{name}.safetensors"), data)

    def refused(self, kind, words, call, *fields, **more):
        with self.assertRaises(kind) as caught:
            call(*fields, **more)
        self.assertIn(words, str(caught.exception))
        if isinstance(caught.exception, embd.Error):
            self.assertIs(type(caught.exception), kind)
            self.assertEqual(str(caught.exception), f"{caught.exception.status}: {caught.exception.details}")
        return caught.exception
