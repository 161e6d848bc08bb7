# SPDX-License-Identifier: Apache-2.0
"""What tests of trainable tables share: a daemon's calls as functions, small tables, pushes of ones, and waiting."""
import json
import pathlib
import shutil
import sqlite3
import struct
import sys
import tempfile
import time

import grpc
import numpy as np

import tablefile
from daemon import Daemon, messages

Code = grpc.StatusCode
pb = messages("embd")
ROWS, DIM = 40, 4
CALLS = {"lookup": ("Embedding/Lookup", pb.LookupRequest, pb.LookupResponse),
         "push": ("Embedding/Push", pb.PushRequest, pb.PushResponse),
         "position": ("Embedding/Position", pb.PositionRequest, pb.PositionResponse),
         "list": ("Tables/List", pb.ListRequest, pb.ListResponse),
         "describe": ("Tables/Describe", pb.DescribeRequest, pb.DescribeResponse),
         "load": ("Tables/Load", pb.LoadRequest, pb.LoadResponse),
         "unload": ("Tables/Unload", pb.UnloadRequest, pb.UnloadResponse),
         "save": ("Tables/Save", pb.SaveRequest, pb.SaveResponse),
         "restore": ("Tables/Restore", pb.RestoreRequest, pb.RestoreResponse),
         "save_group": ("Tables/SaveGroup", pb.SaveGroupRequest, pb.SaveGroupResponse),
         "restore_group": ("Tables/RestoreGroup", pb.RestoreGroupRequest, pb.RestoreGroupResponse),
         "load_group": ("Tables/LoadGroup", pb.LoadGroupRequest, pb.LoadGroupResponse),
         "groups": ("Tables/Groups", pb.GroupsRequest, pb.GroupsResponse),
         "drop_group": ("Tables/DropGroup", pb.DropGroupRequest, pb.DropGroupResponse),
         "counts": ("Tables/Counts", pb.CountsRequest, pb.CountsResponse)}


class Client:
    """A failed call returns (code, sentence)."""

    def __init__(self, daemon):
        self.channel = daemon.channel()
        for name, (path, request, response) in CALLS.items():
            call = daemon.unary(f"/embd.v1.{path}", request, response, self.channel)
            setattr(self, name, self.wrap(call, request))
            setattr(self, name + "_call", call)

    @staticmethod
    def wrap(call, request):
        def run(**fields):
            try:
                return call(request(**fields), timeout=30)
            except grpc.RpcError as error:
                return error.code(), error.details()
        return run

    def values(self, table, rows=ROWS):
        """(version, all rows as bytes), or the code of the failed lookup."""
        reply = self.lookup(lookups=[pb.TableLookup(table=table, ids=range(rows))])
        if isinstance(reply, tuple):
            return reply[0]
        return reply.results[0].version, np.array(reply.results[0].values, "<f4").tobytes()

    def version(self, table):
        return self.values(table)[0]

    def info(self, table):
        return {t.name: t for t in self.list().tables}.get(table)

    def ones(self, table, times=1, ids=(1, 2, 3), dim=DIM):
        """Push ones to some rows; the version after that."""
        for _ in range(times):
            reply = self.push(pushes=[pb.TablePush(table=table, ids=ids, gradients=[1.0] * (len(ids) * dim))])
            assert not isinstance(reply, tuple), reply
        return reply.versions[0]

    def kept(self, table):
        """Versions of the snapshots there are, newest first."""
        return [s.version for s in self.describe(table=table).snapshots]

    def settings(self, table):
        return json.loads(self.describe(table=table).optimizer)


def expect(reply, code, words=""):
    assert isinstance(reply, tuple) and reply[0] == code and words in reply[1], reply


def wait_for(what, condition, seconds=30):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"waited in vain for {what}"
        time.sleep(0.01)


def write(path, value=0.0, rows=ROWS, dim=DIM, **more):
    """A table whose every number is `value`."""
    return tablefile.write(path, tablefile.table("full", rows, dim, {
        "weight": ("F32", np.full((rows, dim), value, np.float32))}, **more))


def files(daemon, table):
    """The files of a table's snapshots: {(generation, version, lineage): path}."""
    out, folder = {}, daemon.folder / "data/tables" / table
    for path in sorted(folder.iterdir()) if folder.exists() else ():
        if path.suffix in (".safetensors", ".blocks"):
            generation, version, lineage = path.stem.split("-")
            out[int(generation), int(version), lineage] = path
    return out


def flip(path, share=0.9):
    """Flip a bit of a file's data."""
    data = bytearray(pathlib.Path(path).read_bytes())
    header, = struct.unpack_from("<Q", data)
    data[8 + header + int((len(data) - 8 - header) * share)] ^= 4
    pathlib.Path(path).write_bytes(data)


def served(folder, options="optimizer=adagrad", **more):
    """A daemon with one trainable table, t."""
    if not (folder / "t.st").exists():
        write(folder / "t.st")
    return Daemon(tables={"t": f"{folder / 't.st'},{options}"}, import_dir=folder, **more)


def both_lineages(daemon):
    wait_for("the second snapshot", lambda: {lineage for *_, lineage in files(daemon, "t")} >= {"a", "b"})


def daemon_rows(daemon):
    """Count, first and last lsn of what the log holds, as it is on disk: the daemon keeps the database to itself, so a
    copy is read; None if that was torn."""
    with tempfile.TemporaryDirectory() as folder:
        for name in ("log.db", "log.db-wal"):
            if (daemon.folder / "data" / name).exists():
                shutil.copy(daemon.folder / "data" / name, folder)
        db = sqlite3.connect(f"{folder}/log.db")
        try:
            return db.execute("SELECT count(*), min(lsn), max(lsn) FROM log").fetchone()
        except sqlite3.DatabaseError:
            return None
        finally:
            db.close()


def run(tests):
    """All functions that are called test_… (or those named as arguments), each with a folder of its own."""
    assert set(sys.argv[1:]) <= set(tests), sys.argv
    for name, test in sorted(tests.items()):
        if name.startswith("test_") and name in (sys.argv[1:] or [name]):
            began = time.monotonic()
            with tempfile.TemporaryDirectory() as folder:
                test(pathlib.Path(folder))
            print(f"ok {time.monotonic() - began:6.2f} s  {name}", flush=True)
