# SPDX-License-Identifier: Apache-2.0
"""A table replaced a hundred times under load: no lookup fails, none mixes the rows of two files, and versions
only rise. Every row of file k holds the value k in all its columns."""
import os
import pathlib
import sys
import tempfile
import threading
import time

import numpy as np

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import tablefile  # noqa: E402
from daemon import Daemon, messages  # noqa: E402

ROWS, DIM, CLIENTS = 5000, 32, 4
LARGE = 140000  # rows, 18 MB
REPLACEMENTS = int(os.environ.get("EMBD_REPLACEMENTS", 100))


def write(path, value):
    """Every fourth is large: the daemon frees it on a thread of its own."""
    rows = LARGE if value % 4 == 0 else ROWS
    tablefile.write(path, tablefile.table("full", rows, DIM, {
        "weight": ("F32", np.full((rows, DIM), value, np.float32))}))


class Client(threading.Thread):
    """Looks up until told to stop; remembers what it saw and the first thing that was wrong."""

    def __init__(self, daemon, seed):
        super().__init__()
        self.daemon, self.rng = daemon, np.random.default_rng(seed)
        self.stop, self.calls, self.seen, self.trouble = False, 0, set(), None

    def run(self):
        pb = messages("embd_bulk")
        lookup = self.daemon.unary("/embd.v1.Embedding/Lookup", pb.LookupRequest, pb.LookupResponse)
        version = 0
        try:
            while not self.stop:
                n = int(self.rng.choice([1, 64, 4000]))
                ids = self.rng.integers(0, ROWS, n, np.int64).tobytes()
                part = pb.TableLookup(table="t", ids=ids)
                reply = lookup(pb.LookupRequest(lookups=[part, part]), timeout=20)
                values = np.concatenate([np.frombuffer(r.values, "<f4") for r in reply.results])
                assert len(values) == 2 * n * DIM, f"{len(values)} values"
                assert (values == values[0]).all(), f"mixed rows: {np.unique(values)}"
                assert reply.results[0].version == reply.results[1].version
                assert reply.results[0].version >= version, "the version fell"
                version = reply.results[0].version
                self.calls += 1
                self.seen.add(float(values[0]))
        except Exception as error:  # noqa: BLE001 - whatever it is, the test reports it
            self.trouble = error


def mapped(pid):
    """The table files that the daemon has mapped."""
    return [line for line in pathlib.Path(f"/proc/{pid}/maps").read_text().splitlines() if ".safetensors" in line]


def wait_for_calls(clients, calls):
    """However slow the machine: the load goes on between two replacements."""
    deadline = time.monotonic() + 20
    while sum(client.calls for client in clients) < calls and not any(client.trouble for client in clients):
        assert time.monotonic() < deadline, "the load stands still"
        time.sleep(0.001)


def waits_for_version(daemon, pb, load, version, folder):
    """A lookup that asks for the next version is answered when it is there, and sees it."""
    lookup = daemon.unary("/embd.v1.Embedding/Lookup", pb.LookupRequest, pb.LookupResponse)
    asked = pb.LookupRequest(lookups=[pb.TableLookup(table="t", ids=[1], min_version=version + 1)])
    answers = []
    waiting = threading.Thread(target=lambda: answers.append(lookup(asked, timeout=20)))
    waiting.start()
    write(f"{folder}/next.safetensors", 5000)
    reply = load(pb.LoadRequest(table="t", file="next.safetensors", replace=True), timeout=30)
    waiting.join()
    assert answers and answers[0].results[0].version == reply.table.version == version + 1
    assert answers[0].results[0].values[0] == 5000


def main():
    pb = messages("embd")
    with tempfile.TemporaryDirectory() as folder:
        for k in range(2):
            write(f"{folder}/{k}.safetensors", k)
        with Daemon(tables={"t": f"{folder}/0.safetensors"}, import_dir=folder) as daemon:
            load = daemon.unary("/embd.v1.Tables/Load", pb.LoadRequest, pb.LoadResponse)
            clients = [Client(daemon, seed) for seed in range(CLIENTS)]
            for client in clients:
                client.start()
            wait_for_calls(clients, CLIENTS)
            version = 0
            for k in range(1, REPLACEMENTS + 1):
                write(f"{folder}/{k}.safetensors", k)
                reply = load(pb.LoadRequest(table="t", file=f"{k}.safetensors", replace=True), timeout=30)
                assert reply.table.version > version, f"version {reply.table.version} after {version}"
                version = reply.table.version
                # Answered means: every later lookup sees the new table.
                lookup = daemon.unary("/embd.v1.Embedding/Lookup", pb.LookupRequest, pb.LookupResponse)
                now = lookup(pb.LookupRequest(lookups=[pb.TableLookup(table="t", ids=[7])]), timeout=20)
                assert now.results[0].values[0] == k, f"saw {now.results[0].values[0]} after loading {k}"
                pathlib.Path(f"{folder}/{k - 1}.safetensors").unlink()
                wait_for_calls(clients, sum(client.calls for client in clients) + 1)
            for client in clients:
                client.stop = True
            for client in clients:
                client.join()
            for client in clients:
                assert client.trouble is None, client.trouble
            calls = sum(client.calls for client in clients)
            seen = set().union(*(client.seen for client in clients))
            assert calls > REPLACEMENTS and len(seen) > REPLACEMENTS / 4, (calls, len(seen))
            waits_for_version(daemon, pb, load, version, folder)
            deadline = time.monotonic() + 10  # the writer frees the old table when nobody is inside any more
            while len(mapped(daemon.pid)) > 1:
                assert time.monotonic() < deadline, f"old files are still mapped: {mapped(daemon.pid)}"
                time.sleep(0.01)
    print(f"{REPLACEMENTS} replacements, {calls} lookups, {len(seen)} files seen: none failed, none mixed")


if __name__ == "__main__":
    main()
