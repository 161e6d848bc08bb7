# SPDX-License-Identifier: Apache-2.0
"""gRPC's own client against the transport: what the raw peer cannot know is whether a real client agrees."""
import pathlib
import sys
import tempfile
import threading
import time

import grpc

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from echo import Echo, run  # noqa: E402

OPTIONS = [("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1),
           ("grpc.use_local_subchannel_pool", 1)]
MIB = 1 << 20


def channel(server, **options):
    return grpc.insecure_channel(server.address, OPTIONS + [(f"grpc.{k}", v) for k, v in options.items()])


def failure(call, *arguments, **options):
    try:
        call(*arguments, **options)
    except grpc.RpcError as error:
        return error.code().value[0], error.details()
    raise AssertionError("it succeeded")


def pattern(n):
    return (bytes(range(256)) * (n // 256 + 1))[:n]


def test_calls_of_every_shape():
    with tempfile.TemporaryDirectory() as folder, \
            Echo(listen=["127.0.0.1:0", f"unix:{folder}/s"], workers=2) as server:
        for address in server.addresses:
            with grpc.insecure_channel(address, OPTIONS) as client:
                unary = client.unary_unary("/echo.Echo/Unary")
                for size in (0, 1, 4096, 4097, 65536, 10 * MIB):
                    assert unary(pattern(size), timeout=20) == pattern(size)
                assert client.unary_unary("/echo.Echo/Slow")(b"1000", timeout=20) == b"1000"
                large = client.unary_unary("/echo.Echo/Large")
                assert large(b"50000000", timeout=20) == pattern(50000000)
                stream = client.unary_stream("/echo.Echo/Stream")
                assert list(stream(b"100 10000", timeout=20)) == [bytes([i]) * 10000 for i in range(100)]
                both = client.stream_stream("/echo.Echo/Both")
                sent = [pattern(i * 1000) for i in range(100)]
                assert list(both(iter(sent), timeout=20)) == sent
        server.until(lambda c: c["connections"] == 1 and c["inflight"] == 0, "something is left")


def test_failures():
    with Echo() as server, channel(server) as client:
        fail = client.unary_unary("/echo.Echo/Fail")
        for code in range(1, 17):
            assert failure(fail, b"%d why not: \xe2\x82\xac 100%%" % code) == (code, "why not: € 100%")
        assert failure(client.unary_unary("/echo.Echo/None"), b"") == (12, 'no method "/echo.Echo/None"')
        assert failure(client.unary_unary("/echo.Echo/Wait"), b"", timeout=0.1)[0] == 4
        assert failure(client.unary_unary("/echo.Echo/Unary"), b"", compression=grpc.Compression.Gzip)[0] == 12
        both = client.stream_stream("/echo.Echo/Both")
        assert failure(lambda: list(both(iter([b"a", b"fail", b"b"])))) == (10, "as you wish")
    with Echo(max_request_bytes=1000) as server, channel(server) as client:
        unary = client.unary_unary("/echo.Echo/Unary")
        assert unary(bytes(1000)) == bytes(1000)
        status, text = failure(unary, bytes(1001))
        assert status == 8 and "1000" in text, text
        assert unary(bytes(1000)) == bytes(1000), "the connection outlives a refusal"


def test_a_thousand_calls_at_once():
    """More than max_streams, which the client learns of and keeps to."""
    with Echo(max_streams=50, workers=2) as server, channel(server) as client:
        unary = client.unary_unary("/echo.Echo/Unary")
        unary(b"")
        calls = [unary.future(b"%d" % i, timeout=30) for i in range(1000)]
        assert [call.result() for call in calls] == [b"%d" % i for i in range(1000)]


def test_cancellation():
    with Echo() as server, channel(server) as client:
        slow = client.unary_unary("/echo.Echo/Slow")
        calls = [slow.future(b"1000000000000") for _ in range(10)]
        # A call that is cancelled before it was sent never gets to the server.
        server.until(lambda c: c["turns"] > 1000 and c["streams"] == 11, "nothing works")
        for call in calls:
            call.cancel()
        counts = server.until(lambda c: c["Slow"].get("CANCELLED") == 10, "work goes on")
        assert server.counts()["turns"] == counts["turns"]
        assert client.unary_unary("/echo.Echo/Unary")(b"x") == b"x"


def test_many_clients_of_large_and_small_calls():
    with Echo(workers=2) as server:
        wrong, end = [], time.monotonic() + 3

        def work(number):
            try:
                with channel(server) as client:
                    unary = client.unary_unary("/echo.Echo/Unary")
                    large = client.unary_unary("/echo.Echo/Large")
                    while time.monotonic() < end:
                        if number % 4 == 0:
                            assert large(b"3000000", timeout=30) == pattern(3000000)
                        else:
                            body = pattern(number * 1000)
                            assert unary(body, timeout=30) == body
            except Exception as error:  # noqa: BLE001
                wrong.append(error)

        threads = [threading.Thread(target=work, args=(i,)) for i in range(16)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert not wrong, wrong
        server.until(lambda c: c["connections"] == 1 and c["inflight"] == 0, "something is left")


def test_no_call_is_lost_in_a_drain():
    """A server that stops under load: each call is answered, or was refused so that the client may try again."""
    with Echo(workers=2, drain_us=20000000) as server, channel(server) as client:
        slow = client.unary_unary("/echo.Echo/Slow")
        slow(b"1")
        calls = [slow.future(b"1000", timeout=30) for _ in range(200)]
        time.sleep(0.01)
        server.process.terminate()
        ended = [call.code() for call in calls]
        assert set(ended) <= {grpc.StatusCode.OK, grpc.StatusCode.UNAVAILABLE}, set(ended)
        assert ended.count(grpc.StatusCode.OK) > 0
        assert server.process.wait(20) == 0


if __name__ == "__main__":
    run(globals())
