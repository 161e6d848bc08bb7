# SPDX-License-Identifier: Apache-2.0
"""A file that changes under the daemon costs its own table at most: truncated or overwritten in place it is
DATA_LOSS until it is loaded again; renamed over, deleted or copied to private memory, nothing is lost."""
import os
import pathlib
import sys
import tempfile
import time

import grpc
import numpy as np

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import tablefile  # noqa: E402
from daemon import Daemon, messages  # noqa: E402

ROWS, DIM = 20000, 64


def write(path, value):
    return tablefile.write(path, tablefile.table("full", ROWS, DIM, {
        "weight": ("F32", np.full((ROWS, DIM), value, np.float32))}))


def main():
    pb = messages("embd_bulk")
    full = messages("embd")
    names = ["cut", "over", "renamed", "deleted", "copied", "other"]
    with tempfile.TemporaryDirectory() as folder:
        tables = {n: write(f"{folder}/{n}.safetensors", i) for i, n in enumerate(names)}
        options = {n: path + (",memory=copy" if n == "copied" else "") for n, path in tables.items()}
        with Daemon(tables=options, import_dir=folder) as daemon:
            call = daemon.unary("/embd.v1.Embedding/Lookup", pb.LookupRequest, pb.LookupResponse)
            ids = np.arange(0, ROWS, 7, dtype=np.int64).tobytes()

            def lookup(name):
                """The value of the table, or the status of the failed call."""
                try:
                    reply = call(pb.LookupRequest(lookups=[pb.TableLookup(table=name, ids=ids)]), timeout=10)
                except grpc.RpcError as error:
                    return error.code()
                values = np.unique(np.frombuffer(reply.results[0].values, "<f4"))
                return int(values[0]) if len(values) == 1 else "mixed"

            def wait_for(name, what):
                deadline = time.monotonic() + 10
                while lookup(name) != what:
                    assert time.monotonic() < deadline, f"{name}: {lookup(name)} instead of {what}"
                    time.sleep(0.02)

            assert [lookup(n) for n in names] == list(range(len(names)))
            os.truncate(tables["cut"], 4096)
            assert lookup("cut") == grpc.StatusCode.DATA_LOSS  # at once: the pages are gone
            # The pages are there, but not what was checked: served until the watch sees it, within a second or two.
            with open(tables["over"], "r+b") as f:
                f.seek(1 << 20)
                f.write(b"\xff" * 4096)
            wait_for("over", grpc.StatusCode.DATA_LOSS)
            write(f"{folder}/new", 77)
            os.rename(f"{folder}/new", tables["renamed"])
            os.unlink(tables["deleted"])
            os.truncate(tables["copied"], 0)
            time.sleep(2.5)  # the watch has passed all files by now
            assert [lookup(n) for n in names[2:]] == list(range(2, len(names)))

            describe = daemon.unary("/embd.v1.Tables/Describe", full.DescribeRequest, full.DescribeResponse)
            assert describe(full.DescribeRequest(table="cut")).table.state == full.TABLE_STATE_DAMAGED
            assert "embd_table_damaged" in daemon.http("/metrics")[1]
            load = daemon.unary("/embd.v1.Tables/Load", full.LoadRequest, full.LoadResponse)
            try:
                load(full.LoadRequest(table="cut", file="cut.safetensors", replace=True), timeout=10)
                raise AssertionError("a truncated file was loaded")
            except grpc.RpcError as error:
                assert error.code() == grpc.StatusCode.INVALID_ARGUMENT, error
            for name in ("cut", "over"):
                os.unlink(tables[name])
                write(tables[name], 55)
                load(full.LoadRequest(table=name, file=f"{name}.safetensors", replace=True), timeout=10)
                assert lookup(name) == 55
    print("truncated, overwritten, renamed, deleted: each cost its own table at most")


if __name__ == "__main__":
    main()
