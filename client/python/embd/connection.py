# SPDX-License-Identifier: Apache-2.0
"""gRPC's side of a client: one channel, calls over bytes, and going on while embd is away. Safe to use from several
threads; it belongs to the process that made it."""
from __future__ import annotations

import logging
import os
import random
import time
from typing import Any, Callable, Iterator, Optional

import grpc

from embd.errors import Error, error_of

log = logging.getLogger("embd")
DEFAULT_ADDRESS = "127.0.0.1:3623"
# What gRPC says when the connection goes. embd itself never says UNKNOWN, and nobody but the peer cancels these calls.
AWAY = frozenset(("UNAVAILABLE", "UNKNOWN", "CANCELLED"))
LEAST_WAIT, MOST_WAIT = 0.02, 0.5  # seconds between two tries
LEAST_TRY = 1.0  # seconds that a later try has, though patience be over by then


class Waiting:
    """How long to wait for the next try: longer each time, no two clients alike."""

    def __init__(self) -> None:
        self.wait = LEAST_WAIT

    def next(self) -> float:
        wait = self.wait * random.uniform(0.5, 1)
        self.wait = min(2 * self.wait, MOST_WAIT)
        return wait


def _options(max_reply_bytes: int) -> list[tuple[str, int]]:
    return [
        ("grpc.max_receive_message_length", max_reply_bytes),
        ("grpc.max_send_message_length", -1),
        ("grpc.use_local_subchannel_pool", 1),  # a closed client closes its connection
        ("grpc.enable_http_proxy", 0),
        ("grpc.initial_reconnect_backoff_ms", 50),
        ("grpc.min_reconnect_backoff_ms", 5000),  # time to connect
        ("grpc.max_reconnect_backoff_ms", 500),
    ]


class Connection:
    """A channel to `address`, which is connected when first needed, and again after it broke."""

    def __init__(self, address: Optional[str], timeout: Optional[float], patience: float, max_reply_bytes: int) -> None:
        if address is None:
            address = os.environ.get("EMBD_SERVER") or DEFAULT_ADDRESS
        if not isinstance(address, str):
            raise TypeError(f"address is {type(address).__name__}; a text is needed")
        self.address = address
        self.timeout, self.patience = duration("timeout", timeout), duration("patience", patience) or 0.0
        self.pid = os.getpid()
        self.closed = False
        self._channel = grpc.insecure_channel(address, _options(max_reply_bytes))
        self._calls: dict[str, Any] = {}
        self._away = False  # somebody was told so; threads may tell it twice

    def away(self, error: Error) -> None:
        """It will be tried again after this error: one warning, until back()."""
        if not self._away:
            self._away = True
            log.warning("embd at %s is away, trying again for %g s: %s", self.address, self.patience, error)

    def back(self) -> None:
        """It has answered."""
        if self._away:
            self._away = False
            log.warning("embd at %s answers again", self.address)

    def close(self) -> None:
        """Calls that are under way are cancelled."""
        self.closed = True
        if self.ours():
            self._channel.close()

    def ours(self) -> bool:
        """Whether this is the process that made it."""
        return os.getpid() == self.pid

    def check(self) -> None:
        """ValueError if it is closed, RuntimeError in another process than its own."""
        self.check_process()
        if self.closed:
            raise ValueError("the client is closed")

    def check_process(self) -> None:
        """RuntimeError in another process than its own."""
        if not self.ours():
            raise RuntimeError(f"this client was made in process {self.pid}: gRPC does not outlive a fork, so make one "
                               f"in each process")

    def _unary(self, path: str) -> Any:
        call = self._calls.get(path)
        if call is None:  # two threads may make the same one
            call = self._calls[path] = self._channel.unary_unary(path)
        return call

    def stream(self, path: str, requests: Iterator[bytes], wait: bool) -> Any:
        """A call with a stream of messages each way: an iterator of replies that can be cancelled. With `wait` it waits
        for the connection."""
        self.check()
        return self._channel.stream_stream(path)(requests, wait_for_ready=wait)

    def start(self, path: str, request: bytes, timeout: Optional[float]) -> Any:
        """A call under way: gRPC's future of the reply."""
        self.check()
        return self._unary(path).future(request, timeout=timeout)

    def error(self, error: grpc.RpcError, timeout: Optional[float]) -> Error:
        """Ours for gRPC's."""
        status = error.code().name if isinstance(error, grpc.Call) else "UNKNOWN"
        details = (error.details() if isinstance(error, grpc.Call) else str(error)) or "no reason was given"
        if status == "DEADLINE_EXCEEDED" and timeout is not None:
            details = f"no answer from {self.address} within {timeout:g} s"
        return error_of(status, details)

    def call(self, path: str, request: bytes, timeout: Optional[float] = None, *, again: bool = False,
             wait: bool = False, slow: bool = False) -> Optional[bytes]:
        """The reply to a message. With `again` it is sent again while embd is away, for `patience`; with `wait` it is
        sent once, when there is a connection. `timeout` is for the whole call, tries and all; without it the client's
        is for each try, and none for a `slow` call."""
        self.check()
        timeout = duration("timeout", timeout)
        each = timeout if timeout is not None or slow else self.timeout
        began, waiting, first = time.monotonic(), Waiting(), True
        last = began + (self.patience if timeout is None else min(self.patience, timeout))
        why: Optional[Error] = None  # what was heard last
        while True:
            # A later try waits for the connection: gRPC gets on with connecting only while a call waits for it.
            left = each
            if not first:
                left = max(last - time.monotonic(), LEAST_TRY if timeout is None else 0.001)
                left = left if each is None else min(left, each)
            try:
                ready = self.patience > 0 and (wait or not first)
                reply: Optional[bytes] = self._unary(path)(request, timeout=left, wait_for_ready=ready)
                self.back()
                return reply
            except grpc.RpcError as error:
                found = self.error(error, left)
            silent = not first and found.status == "DEADLINE_EXCEEDED"
            if not again or self.closed or not (silent or found.status in AWAY):
                raise found
            why = why if why and silent else found
            pause = waiting.next()
            if time.monotonic() + pause >= last:
                tried = f" (tried for {time.monotonic() - began:.1f} s)"
                raise why if first else why.again(why.details + tried)
            first = False
            self.away(why)
            time.sleep(pause)
            self.check()


class Later:
    """A call under way. result() waits for it; a lookup that found embd away goes on from there."""

    def __init__(self, future: Any, finish: Callable[[Any, Optional[float]], Any]) -> None:
        self._future, self._finish = future, finish
        self._result: Any = None
        self._there = False

    def done(self) -> bool:
        """Whether the call has ended, well or not."""
        return self._there or bool(self._future.done())

    def cancel(self) -> bool:
        """Give the call up."""
        return bool(self._future.cancel())

    def result(self, timeout: Optional[float] = None) -> Any:
        """Its result, or the error that it ended with. TimeoutError if there is neither after `timeout` seconds, and
        the call goes on."""
        if not self._there:
            self._result = self._finish(self._future, timeout)
            self._there = True
        return self._result


def duration(what: str, seconds: Optional[float]) -> Optional[float]:
    """A time in seconds, or None."""
    if seconds is None:
        return None
    if isinstance(seconds, bool) or not isinstance(seconds, (int, float)):
        raise TypeError(f"{what} is {type(seconds).__name__}; seconds are needed")
    if not 0 <= seconds < float("inf"):
        raise ValueError(f"{what} is {seconds}; it must be 0 or more seconds")
    return float(seconds)
