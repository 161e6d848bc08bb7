# SPDX-License-Identifier: Apache-2.0
"""The client: lookups, pushes, and where trainers stand."""
from __future__ import annotations

import threading
import time
import weakref
from types import TracebackType
from typing import Any, Optional, Sequence, Union

import grpc

from embd import lookups as looking, pushes as pushing, wire
from embd.connection import AWAY, Connection, Later, duration
from embd.errors import Cancelled, Internal
from embd.groups import Groups
from embd.lookups import Found, Lookup
from embd.pusher import Pusher
from embd.pushes import Push, Pushed

LOOKUP, PUSH = "/embd.v1.Embedding/Lookup", "/embd.v1.Embedding/Push"
POSITION, FORGET = "/embd.v1.Embedding/Position", "/embd.v1.Embedding/Forget"


class Client(Groups):
    """Calls of one embd daemon.

    address    "host:port", "[v6]:port" or "unix:/path"; None: the environment's EMBD_SERVER, else 127.0.0.1:3623
    timeout    seconds until a call is given up; None: never
    patience   seconds for which calls that may be repeated are tried again while embd is away: lookups, pushes of a
               trainer, position, tables, describe, explain. 0: not at all
    max_reply_bytes  larger replies are refused

    A call that is given a timeout of its own has ended by then, tries and all. It connects when first needed, and again
    when the connection broke. Any number of threads may use a client at once. It belongs to one process: gRPC does not
    outlive a fork, so a process that forks (as a DataLoader's workers do) makes a client of its own; one that was made
    before says so with RuntimeError."""

    def __init__(self, address: Optional[str] = None, *, timeout: Optional[float] = 30.0, patience: float = 60.0,
                 max_reply_bytes: int = 64 << 20) -> None:
        self._connection = Connection(address, timeout, patience, max_reply_bytes)
        self._pushers: weakref.WeakSet[Pusher] = weakref.WeakSet()
        self._making = threading.Lock()  # of pushers

    @property
    def address(self) -> str:
        """Of the daemon."""
        return self._connection.address

    def close(self) -> None:
        """End its connection. Calls that are under way, and pushers that were not closed, end with Cancelled."""
        with self._making:
            pushers = list(self._pushers)
            self._connection.closed = True
        for pusher in pushers:
            pusher.abandon(Cancelled("the client was closed"))
        self._connection.close()

    def __enter__(self) -> Client:
        return self

    def __exit__(self, kind: Optional[type[BaseException]], error: Optional[BaseException],
                 trace: Optional[TracebackType]) -> None:
        self.close()

    # ---- Lookups ----

    def lookup(self, lookups: Union[Lookup, Sequence[Lookup]], *, format: str = "f32", missing: str = "fill",
               timeout: Optional[float] = None) -> Found:
        """Rows, or pooled bags of rows, of one or more tables, each table at one version.

        format   of the rows on the wire: "f32", "f16", "bf16" or "int8" (a quarter of the bytes)
        missing  "fill": unknown ids get the table's default row and are listed; "error": they fail the call

        Raises NotFound, InvalidArgument, OutOfRange, ResourceExhausted, DataLoss, Unavailable (also if a min_version
        was not reached), DeadlineExceeded, Internal; ValueError and TypeError before anything is sent."""
        request, asked = looking.encode(lookups, format, missing)
        return self._found(self._connection.call(LOOKUP, request, timeout, again=True), asked, format)

    def lookup_later(self, lookups: Union[Lookup, Sequence[Lookup]], *, format: str = "f32", missing: str = "fill",
                     timeout: Optional[float] = None) -> Later:
        """The same, under way while the caller goes on: its result() is Found. Should embd be away, it is tried again
        while result() waits."""
        request, asked = looking.encode(lookups, format, missing)
        connection = self._connection
        duration("timeout", timeout)
        each = connection.timeout if timeout is None else timeout
        began = time.monotonic()

        def finish(future: Any, wait: Optional[float]) -> Found:
            try:
                reply = future.result(wait)
            except grpc.FutureTimeoutError:
                raise TimeoutError("the lookup has not been answered yet") from None
            except grpc.FutureCancelledError:
                raise Cancelled("the lookup was given up") from None
            except grpc.RpcError as failure:
                error = connection.error(failure, each)
                left = None if timeout is None else max(began + timeout - time.monotonic(), 0)
                if error.status not in AWAY or connection.closed or not connection.patience or left == 0:
                    raise error from None
                reply = connection.call(LOOKUP, request, left, again=True)
            return self._found(reply, asked, format)

        return Later(connection.start(LOOKUP, request, each), finish)

    @staticmethod
    def _found(reply: Optional[bytes], asked: looking.Asked, form: str) -> Found:
        try:
            return looking.decode(reply, asked, form)
        except wire.Broken as error:
            raise Internal(str(error)) from None

    # ---- Pushes ----

    def push(self, pushes: Union[Push, Sequence[Push]], *, trainer: str = "", sequence: int = 0,
             learning_rate: Optional[float] = None, missing: str = "refuse", format: str = "f32",
             timeout: Optional[float] = None) -> Pushed:
        """One step of training: gradients for one or more tables. All of it is applied, or nothing.

        trainer, sequence  exactly once: the trainer's name, and 1 for its first push, one more for each that follows.
                           While embd is away it is sent again, and counts once. Without them a push is sent once, as
                           soon as there is a connection
        learning_rate      instead of the tables' own
        missing            unknown ids "refuse" the push, are left out ("skip") or get a row ("admit")
        format             of the gradients on the wire: "f32", "f16" or "bf16"

        After Unavailable, DeadlineExceeded, Cancelled or Internal it may have been applied or not: a trainer pushes the
        same again under the same number. After any other error nothing was changed, and the number is not used up.
        Raises NotFound, InvalidArgument, OutOfRange, FailedPrecondition, Aborted, AlreadyExists, ResourceExhausted,
        DataLoss too; ValueError and TypeError before anything is sent."""
        request, count = pushing.encode(pushes, trainer, sequence, learning_rate, missing, format)
        reply = self._connection.call(PUSH, request, timeout, again=bool(trainer), wait=not trainer)
        try:
            return pushing.decode(reply, count)
        except wire.Broken as error:
            raise Internal(str(error)) from None

    def pusher(self, trainer: str, *, in_flight: int = 8, timeout: Optional[float] = None,
               patience: Optional[float] = None) -> Pusher:
        """Several pushes of one trainer on their way at once, numbered by itself from position(trainer) + 1; see
        Pusher. `timeout` (for each answer that is waited for) and `patience` are the client's if nothing is said."""
        connection, position = self._connection, self.position(trainer)
        timeout = connection.timeout if timeout is None else duration("timeout", timeout)
        patience = connection.patience if patience is None else duration("patience", patience) or 0.0
        with self._making:
            connection.check()
            pusher = Pusher(connection, trainer, position, in_flight, timeout, patience)
            self._pushers.add(pusher)
        return pusher

    def position(self, trainer: str, *, timeout: Optional[float] = None) -> int:
        """The sequence of a trainer's last push that was applied, 0 if there is none."""
        return self._trainer(POSITION, trainer, timeout, True)

    def forget(self, trainer: str, *, timeout: Optional[float] = None) -> int:
        """Forget a trainer: its next push begins at 1 again. Returns where it stood."""
        return self._trainer(FORGET, trainer, timeout, False)

    def _trainer(self, path: str, trainer: str, timeout: Optional[float], again: bool) -> int:
        pushing.check_trainer(trainer)
        reply = self._connection.call(path, wire.bytes_field(1, trainer.encode()), timeout, again=again, wait=not again)
        try:
            return wire.number_in(reply, 1)
        except wire.Broken as error:
            raise Internal(f"the reply to {path.rsplit('/', 1)[1]} cannot be read: {error}") from None
