# SPDX-License-Identifier: Apache-2.0
"""A daemon of its own for a test: started on free ports in a temporary folder, stopped at the end, and what a
test needs to talk to it. The built programs are found through TOP_BUILDDIR."""
import importlib
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request

import grpc

BUILD = pathlib.Path(os.environ.get("TOP_BUILDDIR", "."))
SOURCE = pathlib.Path(__file__).resolve().parent.parent.parent
CHANNEL = [("grpc.max_receive_message_length", 64 << 20), ("grpc.use_local_subchannel_pool", 1)]


# Sanitizers keep freed memory and shadows of all of it, so the process's size says nothing then.
SANITIZED = "-fsanitize=" in (BUILD / "Makefile").read_text() if (BUILD / "Makefile").exists() else False


def program(name):
    """A built program, past libtool's wrapper where there is one."""
    return str(BUILD / name)


_folder = None
_importing = threading.Lock()  # a module that another thread is importing is there, but empty


def messages(proto):
    """The Python messages of a .proto of ours, made by protoc for this process. embd and embd_bulk define the same
    names, so the second of the two lives in a descriptor pool of its own."""
    with _importing:
        return _messages(proto)


def _messages(proto):
    global _folder
    if _folder is None:
        _folder = tempfile.mkdtemp(prefix="embd-pb-")
        import atexit
        atexit.register(shutil.rmtree, _folder, True)
    name = f"{proto}_pb2"
    if name in sys.modules:
        return sys.modules[name]
    subprocess.run(["protoc", f"-I{SOURCE / 'proto'}", f"--python_out={_folder}", f"{proto}.proto"], check=True)
    if _folder not in sys.path:
        sys.path.insert(0, _folder)
    from google.protobuf import descriptor_pool, symbol_database
    shared = descriptor_pool._DEFAULT, symbol_database._DEFAULT
    pool = descriptor_pool.DescriptorPool()
    descriptor_pool._DEFAULT, symbol_database._DEFAULT = pool, symbol_database.SymbolDatabase(pool=pool)
    try:
        return importlib.import_module(name)
    finally:
        descriptor_pool._DEFAULT, symbol_database._DEFAULT = shared


class Daemon:
    """with Daemon(tables={"t": "t.safetensors,memory=copy"}, import_dir=…, config="max_ids = 10\\n") as d: …

    `tables` maps names to files (with options behind commas, as --table takes them). `folder` is the data folder,
    kept for restart() and gone at the end unless it was given. `environment` is that of the process, if not ours."""

    def __init__(self, tables=None, import_dir=None, config="", folder=None, arguments=(), start=True,
                 listen="127.0.0.1:0", environment=None):
        self.own = folder is None
        self.folder = pathlib.Path(folder or tempfile.mkdtemp(prefix="embd-test-"))
        self.tables, self.import_dir, self.config = tables or {}, import_dir, config
        self.arguments, self.listen, self.process = list(arguments), listen, None
        self.embctl, self.channels, self.environment = program("embctl"), [], environment
        if start:
            self.start()

    def command(self):
        path = self.folder / "embd.conf"
        text = self.config
        if self.import_dir:
            text += f'\nimport_dir = "{self.import_dir}"\n'
        path.write_text(text)
        command = [program("embd"), "--config", str(path), "--data-dir", str(self.folder / "data"),
                   "--listen", self.listen, "--http", "127.0.0.1:0"]
        for name, file in self.tables.items():
            command += ["--table", f"{name}={file}"]
        return command + self.arguments

    def start(self, wait=60):
        self.spawn()
        return self.await_ready(wait)

    def spawn(self):
        """Start it and do not wait."""
        (self.folder / "data").mkdir(exist_ok=True, mode=0o750)
        self.log = open(self.folder / "log", "ab+")
        self.log_begin = self.log.seek(0, 2)
        self.process = subprocess.Popen(self.command(), stderr=self.log, stdout=self.log,
                                        stdin=subprocess.DEVNULL, env=self.environment)
        self.pid = self.process.pid

    def await_ready(self, wait=60):
        deadline = time.monotonic() + wait
        while True:
            text = self.log_bytes()[self.log_begin:].decode(errors="replace")
            line = re.search(r"^.* ready .*$", text, re.M)
            if line and "\n" in text[line.end():line.end() + 1]:
                break
            if self.process.poll() is not None:
                text = self.log_bytes()[self.log_begin:].decode(errors="replace")  # its last words
                raise RuntimeError(f"embd ended with {self.process.returncode}:\n{text}")
            if time.monotonic() > deadline:
                self.kill()
                raise RuntimeError(f"embd was not ready after {wait} s:\n{text}")
            time.sleep(0.01)
        self.ready = dict(part.split("=", 1) for part in line.group().split() if "=" in part)
        self.address, self.http_address = self.ready["listen"], self.ready.get("http")
        return self

    def log_bytes(self):
        return (self.folder / "log").read_bytes()

    def log_text(self):
        return self.log_bytes().decode(errors="replace")

    def channel(self):
        channel = grpc.insecure_channel(self.address, CHANNEL)
        self.channels.append(channel)
        return channel

    def unary(self, path, request, response, channel=None):
        """A callable for one method: request message in, response message out."""
        return (channel or self.channel()).unary_unary(path, request.SerializeToString, response.FromString)

    def http(self, path):
        """Status and text of a GET on the HTTP address."""
        try:
            with urllib.request.urlopen(f"http://{self.http_address}{path}", timeout=10) as reply:
                return reply.status, reply.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()

    def hangup(self):
        self.process.send_signal(signal.SIGHUP)

    def close_channels(self):
        for channel in self.channels:
            channel.close()
        self.channels = []

    def stop(self, wait=30):
        """SIGTERM, and the exit status."""
        self.close_channels()
        if self.process and self.process.poll() is None:
            self.process.terminate()
        return self.wait(wait)

    def wait(self, wait=30):
        try:
            status = self.process.wait(wait)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise RuntimeError(f"embd did not stop within {wait} s:\n{self.log_text()[-3000:]}") from None
        self.log.close()
        return status

    def kill(self):
        """SIGKILL, as by a power cut that spares the disk."""
        self.close_channels()
        self.process.kill()
        self.process.wait()
        self.log.close()

    def restart(self):
        self.stop()
        return self.start()

    def __enter__(self):
        return self

    def __exit__(self, kind, error, trace):
        status = self.stop() if self.process and self.process.poll() is None else self.process and \
            self.process.returncode
        if error is not None or status:
            sys.stderr.write(f"embd's log:\n{self.log_text()[-6000:]}\n")
        if self.own:
            shutil.rmtree(self.folder, ignore_errors=True)
        if error is None and status:
            raise AssertionError(f"embd ended with {status}")
