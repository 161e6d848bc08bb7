# SPDX-License-Identifier: Apache-2.0
"""The daemon as its operator meets it: command line and exit statuses, addresses, health, reflection, the HTTP
pages, and the ways to stop it."""
import http.client
import os
import pathlib
import re
import signal
import socket
import stat
import subprocess
import sys
import tempfile
import time

import grpc
import numpy as np

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import tablefile  # noqa: E402
from daemon import Daemon, messages, program  # noqa: E402

Code = grpc.StatusCode
pb, health, reflection = messages("embd"), messages("health"), messages("reflection")
SERVING, NOT_SERVING, SERVICE_UNKNOWN = 1, 2, 3


def table(folder):
    return tablefile.write(f"{folder}/t.safetensors", tablefile.table("full", 10, 4, {
        "weight": ("F32", np.arange(40, dtype=np.float32).reshape(10, 4))}))


def run(*arguments):
    done = subprocess.run([program("embd"), *map(str, arguments)], capture_output=True, text=True, timeout=60)
    return done.returncode, done.stdout, done.stderr


def lookup(daemon, address=None):
    with grpc.insecure_channel(address or daemon.address) as channel:
        call = channel.unary_unary("/embd.v1.Embedding/Lookup", pb.LookupRequest.SerializeToString,
                                   pb.LookupResponse.FromString)
        return list(call(pb.LookupRequest(lookups=[pb.TableLookup(table="t", ids=[2])]), timeout=10).results[0].values)


def wait_for(what, condition, seconds=20):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"waited in vain for {what}"
        time.sleep(0.01)


def test_command_line(folder):
    conf = pathlib.Path(folder) / "embd.conf"
    code, out, _ = run("--help")
    assert code == 0 and "--config FILE" in out and "--max-request-bytes 64MiB" in out
    assert run("--version")[:2] == (0, "embd 0.1.0\n")
    for arguments, words in (((), "there is nothing to do"), (("serve",), 'unexpected argument "serve"'),
                             (("--lisen", "x"), "the nearest is --listen"), (("--config",), "--config needs a value")):
        code, out, error = run(*arguments)
        assert code == 2 and out == "" and words in error, (arguments, code, error)
    conf.write_text("max_ids = 5\nworkers = 1\n")
    assert run("--check", "--config", conf)[0] == 0
    assert not (pathlib.Path(folder) / "data").exists()
    conf.write_text("max_ids = 5\n\nworkers = many\n")
    wrong = f'{conf}:3: workers: "many" is not a whole number from 0 to 256\n'
    for check in ((), ("--check",)):
        assert run(*check, "--config", conf) == (2, "", wrong)
    assert run("--check", "--config", f"{folder}/none")[0] == 2
    code, _, error = run("--check", "--listen", "0.0.0.0:1")
    assert code == 2 and "insecure = yes" in error
    assert run("--check", "--listen", "0.0.0.0:1", "--insecure", "yes")[0] == 0


def test_failures_to_start(folder):
    taken = socket.socket()
    taken.bind(("127.0.0.1", 0))
    taken.listen()
    address = "127.0.0.1:%d" % taken.getsockname()[1]
    data, free = f"{folder}/data", "127.0.0.1:0"
    (pathlib.Path(folder) / "file").write_text("")
    for arguments, words in (
            (("--data-dir", data, "--listen", address, "--http", free), f'cannot listen on "{address}"'),
            (("--data-dir", data, "--listen", free, "--http", address), f'cannot listen on "{address}"'),
            (("--data-dir", f"{folder}/no/data", "--listen", free), "cannot make the data folder"),
            (("--data-dir", f"{folder}/file", "--listen", free), "data folder"),
            (("--data-dir", data, "--listen", free, "--http", free, "--import-dir", f"{folder}/no"), "import_dir"),
            (("--data-dir", data, "--listen", free, "--http", free, "--table", f"t={folder}/none"), "table t: "),
            (("--data-dir", data, "--listen", free, "--http", free, "--table", f"t={folder}/file"), "table t: ")):
        code, _, error = run(*arguments)
        assert code == 1 and "cannot start" in error and words in error, (arguments, code, error)
    assert stat.S_IMODE(os.stat(data).st_mode) == 0o750
    with Daemon(tables={"t": table(folder)}) as daemon:
        code, _, error = run("--data-dir", daemon.folder / "data", "--listen", free, "--http", free)
        assert code == 1 and f"another daemon (process {daemon.pid})" in error, error
        assert lookup(daemon) == [8, 9, 10, 11]
        modes = {p.name: stat.S_IMODE(p.stat().st_mode) for p in (daemon.folder / "data").iterdir()}
        assert modes["log.db"] == 0o600 and modes["stats.db"] == 0o640, modes


def test_unix_sockets(folder):
    grpc_path, http_path = f"{folder}/g.sock", f"{folder}/h.sock"
    stale = socket.socket(socket.AF_UNIX)
    stale.bind(grpc_path)
    stale.close()  # its file stays, as after a kill
    daemon = Daemon(tables={"t": table(folder)}, listen=f"unix:{grpc_path}",
                    arguments=["--listen", "127.0.0.1:0"], start=False)
    daemon.arguments += ["--max-streams", "10"]
    with daemon.start() as daemon:
        assert lookup(daemon, f"unix:{grpc_path}") == [8, 9, 10, 11]
        assert lookup(daemon) == [8, 9, 10, 11]
        assert stat.S_IMODE(os.stat(grpc_path).st_mode) == 0o660
        assert f"ready listen=unix:{grpc_path} listen=127.0.0.1:" in daemon.log_text()
    assert not os.path.exists(grpc_path), "the socket's file is left behind"
    code = subprocess.Popen([program("embd"), "--data-dir", f"{folder}/d", "--listen", "127.0.0.1:0", "--http",
                             f"unix:{http_path}"], stderr=subprocess.PIPE, text=True)
    for line in code.stderr:
        if " ready " in line:
            break
    with socket.socket(socket.AF_UNIX) as s:
        s.connect(http_path)
        s.sendall(b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n")
        assert b"200 OK" in s.recv(4096)
    code.terminate()
    assert code.wait(20) == 0


def test_health(folder):
    with Daemon(tables={"t": table(folder)}) as daemon:
        request, response = health.HealthCheckRequest, health.HealthCheckResponse
        channel = daemon.channel()
        check = daemon.unary("/grpc.health.v1.Health/Check", request, response, channel)
        services = ["", "embd.v1.Embedding", "embd.v1.Stats", "embd.v1.Tables"]
        assert [check(request(service=s), timeout=10).status for s in services] == [SERVING] * 4
        try:
            check(request(service="t"), timeout=10)
            raise AssertionError("an unknown service has a health")
        except grpc.RpcError as error:
            assert error.code() == Code.NOT_FOUND
        everything = daemon.unary("/grpc.health.v1.Health/List", health.HealthListRequest, health.HealthListResponse)
        statuses = everything(health.HealthListRequest(), timeout=10).statuses
        assert {name: s.status for name, s in statuses.items()} == dict.fromkeys(services, SERVING)
        watch = channel.unary_stream("/grpc.health.v1.Health/Watch", request.SerializeToString, response.FromString)
        known, unknown = watch(request(), timeout=60), watch(request(service="nobody"), timeout=60)
        assert next(known).status == SERVING and next(unknown).status == SERVICE_UNKNOWN
        daemon.process.terminate()
        assert next(known).status == NOT_SERVING
        for stream in (known, unknown):
            try:
                next(stream)
                raise AssertionError("a watch goes on")
            except grpc.RpcError as error:
                assert error.code() == Code.UNAVAILABLE, error
        assert daemon.wait() == 0


def test_reflection(folder):
    with Daemon(tables={"t": table(folder)}) as daemon:
        request, response = reflection.ServerReflectionRequest, reflection.ServerReflectionResponse

        def ask(version, *requests, channel=daemon.channel()):
            call = channel.stream_stream(f"/grpc.reflection.{version}.ServerReflection/ServerReflectionInfo",
                                         request.SerializeToString, response.FromString)
            return list(call(iter(requests), timeout=10))

        for version in ("v1", "v1alpha"):
            answers = ask(version, request(host="h", list_services="*"), request(file_by_filename="embd.proto"),
                          request(file_containing_symbol="embd.v1.Embedding.Lookup"),
                          request(file_containing_symbol="no.such.Thing"),
                          request(all_extension_numbers_of_type="embd.v1.LookupRequest"), request())
            names = {s.name for s in answers[0].list_services_response.service}
            assert {"embd.v1.Embedding", "embd.v1.Tables", "embd.v1.Stats", "grpc.health.v1.Health",
                    "grpc.reflection.v1.ServerReflection", "grpc.reflection.v1alpha.ServerReflection"} == names
            assert answers[0].valid_host == "h" and answers[0].original_request.list_services == "*"
            file = answers[1].file_descriptor_response.file_descriptor_proto
            assert file == answers[2].file_descriptor_response.file_descriptor_proto and len(file) == 1
            from google.protobuf import descriptor_pb2
            parsed = descriptor_pb2.FileDescriptorProto.FromString(file[0])
            assert parsed.package == "embd.v1" and "LookupRequest" in {m.name for m in parsed.message_type}
            assert answers[3].error_response.error_code == Code.NOT_FOUND.value[0]
            assert "no.such.Thing" in answers[3].error_response.error_message
            assert answers[4].all_extension_numbers_response.base_type_name == "embd.v1.LookupRequest"
            assert answers[5].error_response.error_code == Code.INVALID_ARGUMENT.value[0]
    with Daemon(config="reflection = no\n") as daemon:
        try:
            ask("v1", request(list_services=""), channel=daemon.channel())
            raise AssertionError("reflection is off and answers")
        except grpc.RpcError as error:
            assert error.code() == Code.UNIMPLEMENTED


def exposition(text):
    """Prometheus' text format, read strictly: {family: (type, {(sample, labels): value})}."""
    families, current = {}, None
    for line in text.splitlines():
        if line.startswith("# HELP "):
            current = line.split(" ", 3)[2]
            assert current not in families and len(line.split(" ", 3)[3]) > 3, line
            families[current] = [None, {}]
        elif line.startswith("# TYPE "):
            _, _, name, kind = line.split(" ")
            assert name == current and families[name][0] is None and not families[name][1], line
            families[name][0] = kind
        else:
            m = re.fullmatch(r'([a-z_]+)(?:\{((?:[a-z]+="[^"\\\n]*",?)+)\})? (\+Inf|-?[0-9.e+-]+)', line)
            assert m, f"not a sample: {line!r}"
            kind, samples = families[current]
            suffix = m[1][len(current):]
            assert m[1].startswith(current) and suffix in (
                ("_bucket", "_sum", "_count") if kind == "histogram" else ("",)), line
            key = m[1], m[2] or ""
            assert key not in samples, f"twice: {line}"
            samples[key] = float(m[3])
    for name, (kind, samples) in families.items():
        assert name.startswith("embd_") and kind in ("counter", "gauge", "histogram"), name
        assert (kind == "counter") == (name.endswith("_total") or name == "embd_catalog_number"), name
    return families


def test_metrics(folder):
    with Daemon(tables={"t": table(folder)}) as daemon:
        for _ in range(7):
            lookup(daemon)
        families = exposition(daemon.http("/metrics")[1])
        one = lambda name, labels="": families[name][1][(name, labels)]
        assert one("embd_calls_total", 'table="t",call="Lookup",code="OK"') == 7
        assert one("embd_lookup_ids_total", 'table="t"') == 7 and one("embd_lookup_missing_total", 'table="t"') == 0
        assert (one("embd_ready"), one("embd_tables"), one("embd_tables_damaged")) == (1, 1, 0)
        assert one("embd_process_resident_memory_bytes") > 1 << 20 and one("embd_connections_total") == 7
        assert one("embd_table_mapped_bytes", 'table="t"') > 160 and one("embd_workers") >= 1
        wait_for("the connections to close", lambda: exposition(daemon.http("/metrics")[1])[
            "embd_connections"][1][("embd_connections", "")] == 0)
        samples = families["embd_call_duration_seconds"][1]
        buckets = [(float(re.search(',le="([^"]*)"', labels)[1].replace("+Inf", "inf")), value)
                   for (name, labels), value in samples.items() if 'table="t"' in labels and "bucket" in name]
        assert len(buckets) < 30 and buckets == sorted(buckets) and [v for _, v in buckets] == sorted(
            v for _, v in buckets), buckets
        assert buckets[-1] == (float("inf"), 7)
        assert samples[("embd_call_duration_seconds_count", 'table="t",call="Lookup"')] == 7
        assert 0 < samples[("embd_call_duration_seconds_sum", 'table="t",call="Lookup"')] < 7


def test_http(folder):
    with Daemon(tables={"t": table(folder)}) as daemon:
        host, port = daemon.http_address.split(":")

        def ask(text):
            with socket.create_connection((host, int(port)), 10) as s:
                s.sendall(text)
                reply = b""
                while part := s.recv(65536):
                    reply += part
                return reply

        def request(method, path):
            connection = http.client.HTTPConnection(host, int(port), timeout=10)
            connection.request(method, path)
            reply = connection.getresponse()
            return reply.status, reply.read(), reply.headers

        assert request("GET", "/livez")[:2] == (200, b"alive\n")
        status, body, headers = request("HEAD", "/metrics")
        assert (status, body) == (200, b"") and int(headers["Content-Length"]) > 1000
        assert headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
        assert request("GET", "/readyz?verbose")[:2] == (200, b"ready\n")
        assert request("POST", "/metrics")[0] == 405 and request("POST", "/metrics")[2]["Allow"] == "GET, HEAD"
        assert [request("GET", path)[0] for path in ("/", "/metricz", "//metrics", "/metrics/")] == [404] * 4
        for text, status in ((b"GET /livez HTTP/1.0\r\n\r\n", b"200"), (b"GET /livez\r\n\r\n", b"400"),
                             (b"\r\n\r\n", b"400"), (b"GET /livez HTTP/2.0\r\n\r\n", b"400"),
                             (b"GET  /livez HTTP/1.1 x\r\n\r\n", b"400"), (b"\0\xff /livez HTTP/1.1\r\n\r\n", b"400"),
                             (b"\xff /livez HTTP/1.1\r\n\r\n", b"405"),
                             (b"GET /livez HTTP/1.1\r\nx: " + b"y" * 9000 + b"\r\n\r\n", b"431"),
                             (b"x" * 20000, b"431")):
            reply = ask(text)
            assert reply[9:12] == status, (text[:40], reply[:80])
        # Many idle connections do not fill the daemon, and are cut before they keep others out for long.
        idle = [socket.create_connection((host, int(port)), 10) for _ in range(200)]
        wait_for("refusals", lambda: sum(1 for s in idle if closed(s)) >= 100)
        assert lookup(daemon) == [8, 9, 10, 11]
        for s in idle:
            s.close()
        wait_for("room", lambda: ask(b"GET /livez HTTP/1.1\r\n\r\n")[9:12] == b"200")


def closed(s):
    s.setblocking(False)
    try:
        return s.recv(1) == b""
    except BlockingIOError:
        return False
    except ConnectionResetError:
        return True


def open_call(daemon):
    """A call that stays open until it is cut: reflection whose client does not end."""
    call = daemon.channel().stream_stream("/grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
                                          reflection.ServerReflectionRequest.SerializeToString,
                                          reflection.ServerReflectionResponse.FromString)

    def ask():
        yield reflection.ServerReflectionRequest(list_services="")
        time.sleep(30)

    answers = call(ask(), timeout=30)
    next(answers)
    return answers


def test_stops(folder):
    with Daemon(tables={"t": table(folder)}, config="drain_timeout = 300ms\n") as daemon:
        call = open_call(daemon)
        start = time.monotonic()
        daemon.process.terminate()
        assert daemon.wait() == 0 and 0.25 < time.monotonic() - start < 10
        call.cancel()
    with Daemon(tables={"t": table(folder)}) as daemon:
        call = open_call(daemon)
        start = time.monotonic()
        daemon.process.send_signal(signal.SIGINT)
        wait_for("the drain", lambda: "stopping: " in daemon.log_text())
        assert daemon.http("/readyz") == (503, "the daemon is stopping\n")
        assert daemon.http("/livez")[0] == 200
        daemon.process.send_signal(signal.SIGINT)
        assert daemon.wait() == 0 and time.monotonic() - start < 10, "the second signal did not stop it"
        call.cancel()
    with Daemon(tables={"t": table(folder)}) as daemon:
        for _ in range(100):
            daemon.process.send_signal(signal.SIGPIPE)
        assert lookup(daemon) == [8, 9, 10, 11]
        start = time.monotonic()
        assert daemon.stop() == 0 and time.monotonic() - start < 5
    # The service manager is told.
    manager = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    manager.bind(f"{folder}/notify")
    manager.settimeout(20)
    os.environ["NOTIFY_SOCKET"] = f"{folder}/notify"
    try:
        with Daemon(tables={"t": table(folder)}) as daemon:
            assert manager.recv(100) == b"READY=1"
            daemon.hangup()
            assert manager.recv(100).startswith(b"RELOADING=1\nMONOTONIC_USEC=")
            assert manager.recv(100) == b"READY=1"
            daemon.stop()
            assert manager.recv(100) == b"STOPPING=1"
    finally:
        del os.environ["NOTIFY_SOCKET"]


def main():
    tests = [test for name, test in sorted(globals().items()) if name.startswith("test_")]
    for test in tests:
        with tempfile.TemporaryDirectory() as folder:
            test(folder)
        print(f"ok {test.__name__}", flush=True)


if __name__ == "__main__":
    main()
