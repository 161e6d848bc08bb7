# SPDX-License-Identifier: Apache-2.0
"""`embctl bench` against a server whose delays and faults are known: what it shows must be what happened."""
import io
import json
import os
import pathlib
import signal
import subprocess
import sys
import tempfile
import time

import grpc
import numpy as np

from protowire import field, varint

HERE = pathlib.Path(__file__).resolve().parent
EMBCTL = pathlib.Path(os.environ["TOP_BUILDDIR"]) / "embctl"
ROWS, DIM = 1000, 16


class Server:
    def __init__(self, address, *options):
        self.process = subprocess.Popen([sys.executable, HERE / "slow_server.py", address, *options],
                                        stdout=subprocess.PIPE, text=True)
        self.address = self.process.stdout.readline().strip()
        assert self.address, "the server did not start"

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()

    def stop(self):
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()

    def report(self):
        """What clients have asked for since the last time."""
        with grpc.insecure_channel(self.address) as channel:
            return json.loads(channel.unary_unary("/test.Report/Take")(b"", timeout=20))

    def command(self, *arguments):
        return [EMBCTL, "--server", self.address, "bench", "--json", *map(str, arguments)]

    def bench(self, *arguments, status=0, stdin=None):
        """The exit status must be `status`; returns the report, or the sentence where there is none."""
        done = subprocess.run(self.command(*arguments), capture_output=True, input=stdin, timeout=120,
                              check=False)
        error = done.stderr.decode()
        assert done.returncode == status, f"{arguments}: status {done.returncode}: {error}"
        assert (error == "") == (status == 0), f"{arguments}: {error}"
        if not done.stdout:
            return error
        return {**json.loads(done.stdout), "stderr": error}


def slow_calls(result, us):
    return sum(n for start, _, n in result["latency"]["buckets"] if start >= us)


def reply_bytes(ids, dim=DIM, row=4 * DIM, packed=False):
    """Bytes of slow_server's reply to one table's lookup of known ids."""
    vectors = (b"\x08" + varint(dim) + b"\x10" + varint(ids) + field(4 if packed else 3, bytes(ids * row))
               + b"\x28\x03")
    return len(field(1, vectors)) + 2


def test_counts_are_exact(server):
    r = server.bench("--table", "plain", "--calls", 300, "--ids", 7)
    seen = server.report()
    assert r["calls"] == 300 == seen["calls"] == r["latency"]["count"], (r, seen)
    assert r["failed"] == 0 and r["errors"] == {} and r["unknown_ids"] == 0
    assert r["ids"] == 2100 == seen["ids"]
    assert r["received_bytes"] == 300 * reply_bytes(7)
    assert abs(r["calls_per_second"] - 300 / r["seconds"]) < 1e-6 * r["calls_per_second"]
    assert seen["timeouts"] == 300, "calls carry a deadline"
    assert 0 <= seen["least"] < seen["most"] < ROWS
    assert sum(n for _, _, n in r["latency"]["buckets"]) == 300
    assert r["latency"]["p50_us"] <= r["latency"]["p99_us"] <= r["latency"]["max_us"]


def test_requests_are_fresh(server):
    for law in ("uniform", "zipf", "zipf:0.7"):
        server.bench("--table", "plain", "--calls", 200, "--ids", 16, "--distribution", law)
        assert server.report()["repeated"] == 0, law
    server.bench("--table", "plain", "--calls", 50, "--seed", 5)
    first = server.report()["first_ids"]
    server.bench("--table", "plain", "--calls", 50, "--seed", 5)
    assert server.report()["first_ids"] == first, "the same seed gives the same ids"
    server.bench("--table", "plain", "--calls", 50, "--seed", 6)
    assert server.report()["first_ids"] != first


def test_zipf_has_hot_rows(server):
    server.bench("--table", "plain", "--calls", 1, "--ids", 100000, "--distribution", "zipf:1.5")
    ids = np.array(server.report()["first_ids"])
    share = np.sort(np.bincount(ids))[::-1] / len(ids)
    exact = np.arange(1, ROWS + 1) ** -1.5
    exact /= exact.sum()
    assert np.all(np.abs(share[:5] - exact[:5]) < 0.01), share[:5]


def test_formats_and_bags(server):
    rows = {"f32": 4 * DIM, "f16": 2 * DIM, "bf16": 2 * DIM, "int8": DIM + 8}
    for number, (name, row) in enumerate(rows.items()):
        r = server.bench("--table", "plain", "--calls", 20, "--ids", 10, "--format", name)
        assert r["received_bytes"] == 20 * reply_bytes(10, row=row, packed=number > 0), name
        r = server.bench("--table", "plain", "--calls", 20, "--ids", 10, "--format", name, "--bags", 4)
        assert r["received_bytes"] == 20 * reply_bytes(3, row=row, packed=number > 0), name
        seen = server.report()
        assert seen["formats"] == [number] and seen["poolings"] == [0, 1], seen
        assert seen["offsets"] == [[], [0, 4, 8, 10]], seen
    server.bench("--table", "plain", "--calls", 50, "--ids", 20, "--bags", "2-5", "--pooling", "mean")
    seen = server.report()
    lengths = {b - a for o in seen["offsets"] for a, b in zip(o[:-2], o[1:-1])}
    assert seen["poolings"] == [2] and lengths == {2, 3, 4, 5}, lengths
    assert all(o[-1] == 20 for o in seen["offsets"])
    server.bench("--table", "plain", "--calls", 5, "--ids", 20, "--pooling", "sum")
    assert server.report()["offsets"] == [[0, 20]]
    server.bench("--table", "plain", "--calls", 5, "--ids", 0)
    assert server.report()["ids"] == 0


def test_tables_threads_connections(server):
    r = server.bench("--table", "plain", "--table", "other", "--calls", 501, "--threads", 2,
                     "--connections", 5, "--streams", 3, "--ids", 4)
    seen = server.report()
    assert r["calls"] == 501 == seen["calls"] and seen["repeated"] == 0
    assert seen["tables"] == ["plain", "other"] and r["ids"] == 501 * 8 == seen["ids"]
    assert [t["rows"] for t in r["load"]["tables"]] == [ROWS, ROWS]


def test_wrong_replies_are_failures(server):
    for kind, words in {"rows": "63 rows came for 64 asked", "dim": "rows of dim 15 came, not 16",
                        "value": "4100 bytes of rows came, not 4096", "packed": "another format",
                        "result": "more results than the 1", "extra": "such a one takes",
                        "empty": "has 0 results"}.items():
        r = server.bench("--table", kind, "--calls", 30, "--streams", 4, status=1)
        assert r["calls"] == 0 and r["failed"] == 30 and list(r["errors"]) == ["wrong_reply"], kind
        assert r["errors"]["wrong_reply"]["count"] == 30 and r["latency"]["count"] == 0, kind
        assert words in r["errors"]["wrong_reply"]["first"], r["errors"]
        assert "30 of 30 calls failed" in r["stderr"] and words in r["stderr"], r["stderr"]


def test_errors_are_counted_by_status(server):
    r = server.bench("--table", "status-5", "--calls", 30, status=1)
    assert r["errors"] == {"NOT_FOUND": {"count": 30, "first": "because it was asked for"}}
    assert r["calls"] == 0 and r["calls_per_second"] == 0
    server.report()
    r = server.bench("--table", "every-10", "--calls", 95, status=1)
    assert r["errors"] == {"UNAVAILABLE": {"count": 9, "first": "this one not"}} and r["calls"] == 86
    assert r["latency"]["count"] == 86
    assert "9 of 95 calls failed; UNAVAILABLE: this one not" in r["stderr"]


def test_open_loop_shows_a_stall(server):
    """The server does nothing for 200 ms: of 200 calls a second, forty are due meanwhile, and half of them wait for
    longer than 100 ms. A closed loop shows one slow call."""
    server.report()
    r = server.bench("--table", "stall-200", "--rate", 200, "--seconds", 2.5, "--warmup", 0.1, "--ids", 1)
    assert r["calls"] == 500 and r["failed"] == 0
    slow = slow_calls(r, 98304)
    assert 18 <= slow <= 200, f"{slow} calls took over 98 ms"
    assert r["latency"]["p999_us"] > 180000 and r["latency"]["p99_us"] > 150000, r["latency"]
    assert r["latency"]["p50_us"] < 100000
    server.report()
    r = server.bench("--table", "stall-200", "--seconds", 1.5, "--warmup", 0.1, "--ids", 1)
    assert 1 <= slow_calls(r, 180000) <= 3, "the closed loop waits with the server"


def test_open_loop_counts_waiting_for_a_stream(server):
    """One stream alone: the calls that are due during the stall are not even sent, and yet they count."""
    server.report()
    r = server.bench("--table", "stall-300", "--rate", 100, "--seconds", 2, "--warmup", 0.1, "--streams", 1,
                     "--ids", 1)
    assert r["calls"] == 200 and r["found_streams_busy"] >= 20, r
    assert 17 <= slow_calls(r, 98304) <= 150, r["latency"]
    assert r["sent_late"]["max_us"] > 200000
    assert any("found all streams busy" in note for note in r["notes"])


def test_open_loop_keeps_its_rate(server):
    for option, spread in (("", 0), ("--poisson", 150)):
        server.report()
        r = server.bench("--table", "delay-20", "--rate", 300, "--seconds", 2, "--warmup", 0.2, "--ids", 1,
                         *option.split())
        assert abs(r["calls"] - 600) <= spread, f"{r['calls']} calls {option}"
        assert 1.95 < r["seconds"] < 10 and r["latency"]["p50_us"] >= 18432  # the bucket of 20 ms
        assert server.report()["calls"] >= r["calls"] + 40, "the warm-up is load too"


def test_calls_time_out(server):
    start = time.monotonic()
    r = server.bench("--table", "silent", "--rate", 40, "--seconds", 1, "--warmup", 0, "--timeout", "300ms",
                     status=1)
    assert time.monotonic() - start < 20
    assert r["calls"] == 0 and r["errors"]["DEADLINE_EXCEEDED"]["count"] == 40
    assert r["latency"]["count"] == 40 and r["latency"]["p50_us"] > 280000, r["latency"]


def test_overload_ends(server):
    """Far more calls than the server can answer in time: each is counted, and the run ends."""
    r = server.bench("--table", "delay-100", "--rate", 200, "--seconds", 1, "--warmup", 0, "--streams", 2,
                     "--timeout", "400ms", status=1)
    late = r["errors"]["DEADLINE_EXCEEDED"]["count"]
    assert r["calls"] + late == 200 and r["calls"] >= 2 and late > 100 and r["seconds"] < 10, r


def test_traces_are_followed(server, folder):
    ids = np.arange(5000, dtype="<i8") * 7 % ROWS
    np.save(f"{folder}/ids.npy", ids)
    server.report()
    r = server.bench("--table", "plain", "--trace", f"{folder}/ids.npy", "--calls", 200, "--ids", 30)
    assert server.report()["first_ids"] == ids[:120].tolist() and r["load"]["tables"][0]["trace"]
    strange = io.BytesIO()
    np.save(strange, np.array([3, -1, 5000, 9], "<i4"))
    r = server.bench("--table", "plain", "--trace", "-", "--calls", 10, "--ids", 4, stdin=strange.getvalue())
    assert r["unknown_ids"] == 20 and r["failed"] == 0
    assert server.report()["first_ids"][:6] == [3, -1, 5000, 9, 3, -1]
    assert any("50.0% of the ids were unknown" in note for note in r["notes"]), r["notes"]
    np.save(f"{folder}/reals.npy", np.zeros(3))
    assert "ids are int64 or int32" in server.bench("--table", "plain", "--trace", f"{folder}/reals.npy",
                                                    "--calls", 1, status=1)
    assert "1 traces" not in server.bench("--table", "plain", "--trace", f"{folder}/none.npy", status=1)


def test_cpu_of_the_server(server, other):
    r = server.bench("--table", "plain", "--calls", 200)
    assert r["server_pid"] == server.process.pid and 1 < r["server_cpu_us"] < 1e6
    assert 0 < r["client_cpu_us"] < 1e6 and 0 < r["client_busy"] <= 1.1
    r = other.bench("--table", "plain", "--calls", 200, "--rows", 10, "--dim", DIM)
    assert "server_cpu_us" not in r, "nothing is known of a server behind TCP"
    r = other.bench("--table", "plain", "--calls", 200, "--rows", 10, "--dim", DIM, "--server-pid",
                    other.process.pid)
    assert r["server_pid"] == other.process.pid and r["server_cpu_us"] > 1


def test_tables_are_described_or_given(server, other):
    server.report(), other.report()
    assert 'no table "unknown"' in server.bench("--table", "unknown", status=1)
    assert "give --rows and --dim" in other.bench("--table", "plain", status=1)
    assert "give --rows and --dim" in other.bench("--table", "plain", "--rows", 9, status=1)
    r = other.bench("--table", "plain", "--rows", 9, "--dim", DIM, "--calls", 100, "--threads", 2)
    assert r["calls"] == 100 and other.report()["most"] == 8
    r = server.bench("--table", "plain", "--rows", 9, "--calls", 100)
    assert server.report()["most"] == 8, "--rows counts though the server knows"
    r = other.bench("--table", "plain", "--rows", 9, "--dim", 15, "--calls", 10, status=1)
    assert r["errors"]["wrong_reply"]["count"] == 10


def test_wrong_usage(server):
    table = ("--table", "plain")
    for arguments, words in [
            ((), "which --table?"), (("--table", "a/b"), "is no table's name"),
            (("--table", ".a"), "is no table's name"), ((*table, "--ids", "-1"), "--ids"),
            ((*table, "--ids", 16777217), "no number from 0 to 16,777,216"),
            ((*table, "--rate", 0), "--rate"), ((*table, "--rate", "nan"), "--rate"),
            ((*table, "--poisson"), "--poisson goes with --rate"),
            ((*table, "--seconds", 0), "--seconds"), ((*table, "--calls", 0), "--calls"),
            ((*table, "--distribution", "normal"), "neither uniform nor zipf"),
            ((*table, "--distribution", "zipf:0"), "neither uniform nor zipf"),
            ((*table, "--distribution", "zipf:11"), "neither uniform nor zipf"),
            ((*table, "--bags", 0), "neither LEN nor MIN-MAX"),
            ((*table, "--bags", "5-4"), "neither LEN nor MIN-MAX"),
            ((*table, "--bags", "5-"), "neither LEN nor MIN-MAX"),
            ((*table, "--bags", 5, "--pooling", "none"), "exclude each other"),
            ((*table, "--pooling", "max"), "none … mean"), ((*table, "--format", "f64"), "f32 … int8"),
            ((*table, "--threads", 3, "--connections", 2), "--connections"),
            ((*table, "--connections", 2000, "--streams", 2000), "calls in flight"),
            ((*table, "--trace", "-", "--trace", "-"), "2 traces for 1 tables"),
            ((*table, "--dim", 65537), "--dim"), ((*table, "--rows", 0), "--rows"),
            ((*table, "--timeout", "5"), "--timeout"), ((*table, "--timeout", "25h"), "a day at most"), ((*table, "more"), "one too many"),
            ((*table, "--server", "nowhere"), "nowhere")]:
        error = server.bench(*arguments, status=2)
        assert words in error and error.startswith("embctl: ") and error.count("\n") == 1, error
    error = server.bench(*table, "--ids", 16000000, "--rows", 9, "--dim", 1, *["--table", "x"] * 40, status=1)
    assert "more than gRPC can carry" in error


def test_text_report(server):
    command = [c for c in server.command("--table", "every-50", "--calls", 200) if c != "--json"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    lines = done.stdout.splitlines()
    assert done.returncode == 1 and "UNAVAILABLE: this one not" in done.stderr
    for words in ("every-50, 1,000 x 16", "64 fresh uniform ids", "closed loop, 1 connection of 1 stream",
                  "p99.9", "latency", "UNAVAILABLE: this one not", "a call in the server"):
        assert any(words in line for line in lines), f"{words}: {done.stdout}"
    assert any(line.split()[:2] == ["calls", "196"] for line in lines), done.stdout
    assert any("%" in line and "█" in line for line in lines), done.stdout


def test_interrupt_ends_it_with_a_report(server):
    server.report()
    with subprocess.Popen(server.command("--table", "plain", "--seconds", 600, "--warmup", 0),
                          stdout=subprocess.PIPE) as process:
        while not server.report()["calls"]:
            pass
        process.send_signal(signal.SIGINT)
        r = json.loads(process.stdout.read())
    assert process.returncode == 130 and r["stopped"] and r["calls"] > 0 and r["seconds"] < 100, r
    assert "stopped early" in r["notes"]


def test_server_comes_and_goes(folder):
    address = f"unix:{folder}/restarted"
    first = Server(address)
    with subprocess.Popen(first.command("--table", "plain", "--seconds", 600, "--warmup", 0, "--connections",
                                        3, "--streams", 2, "--timeout", "5s"),
                          stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        while not first.report()["calls"]:
            pass
        first.stop()
        with Server(address) as second:
            while second.report()["calls"] < 20:
                pass
            process.send_signal(signal.SIGINT)
            r = json.loads(process.stdout.read())
    assert process.returncode == 1 and list(r["errors"]) == ["UNAVAILABLE"], r["errors"]
    assert 1 <= r["failed"] <= 6 and r["connections_lost"] >= 3 and r["calls"] > 20, r


def test_server_stays_away(folder):
    address = f"unix:{folder}/gone"
    server = Server(address)
    with subprocess.Popen(server.command("--table", "plain", "--seconds", 600, "--timeout", "500ms"),
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        while not server.report()["calls"]:
            pass
        server.stop()
        assert process.wait(60) == 1
        assert "cannot connect" in process.stderr.read()
    assert "cannot connect" in server.bench("--table", "plain", "--rows", 5, "--dim", 5, status=1)


def main():
    with tempfile.TemporaryDirectory() as folder, Server(f"unix:{folder}/socket") as server, \
            Server("127.0.0.1:0", "--no-tables") as other:
        have = {"server": server, "other": other, "folder": folder}
        for name, test in list(globals().items()):
            if name.startswith("test_") and (len(sys.argv) < 2 or name in sys.argv[1:]):
                code = test.__code__
                start = time.monotonic()
                test(*(have[a] for a in code.co_varnames[:code.co_argcount]))
                print(f"{name} {time.monotonic() - start:.1f} s", flush=True)


if __name__ == "__main__":
    main()
