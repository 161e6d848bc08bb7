# SPDX-License-Identifier: Apache-2.0
"""Several pushes of one trainer on their way: a PushStream, opened again after it broke.

A push waits from the moment it was handed over until its answer is taken. One thread (the runner) opens a stream, reads
answers and takes the oldest that waits for each; gRPC's own thread asks _requests() for what is to be sent; a watcher
cancels a stream that does not answer in time. After a stream ended on the way, all that waits goes out again on the
next one, the same bytes in the same order: what embd has it answers as duplicates. All state is guarded by `_changed`.
"""
from __future__ import annotations

import threading
import time
from collections import deque
from concurrent.futures import Future, InvalidStateError
from types import TracebackType
from typing import Any, Iterator, Optional, Sequence, Union

import grpc

from embd import arrays, pushes as pushing, wire
from embd.connection import AWAY, Connection, Waiting
from embd.errors import Cancelled, DeadlineExceeded, Error, Internal
from embd.pushes import Push, Pushed

PATH = "/embd.v1.Embedding/PushStream"
AGAIN = AWAY | {"DEADLINE_EXCEEDED"}


class _Parcel:
    """A push that waits for its answer."""

    def __init__(self, sequence: int, message: bytes, count: int) -> None:
        self.sequence, self.message, self.count = sequence, message, count
        self.answer: Future[Pushed] = Future()
        self.answer.set_running_or_notify_cancel()  # it cannot be taken back

    def settle(self, answer: Union[Pushed, Error]) -> None:
        """The future's result or error; the first one counts."""
        try:
            if isinstance(answer, Error):
                self.answer.set_exception(answer)
            else:
                self.answer.set_result(answer)
        except InvalidStateError:
            pass


class _Attempt:
    """One stream: up to which number it has sent, and whether it is over."""

    def __init__(self, first: int) -> None:
        self.sent, self.over, self.late = first - 1, False, False
        self.call: Any = None


class Pusher:
    """Pushes of one trainer, several in flight, each applied exactly once. Client.pusher() makes it.

    It numbers the pushes itself. When the connection is lost or embd is started again, it connects again and sends what
    was not answered, the same bytes under the same numbers, until `patience` is over since the last answer. The first
    push that is refused ends it, and none behind it is applied: their futures, flush(), close() and later pushes raise
    the error. After that position() says where the trainer stands.

    Close it, or use it in a `with` block: what was handed over and not answered when the process ends may be lost. A
    trainer has one pusher at a time, in one process; any thread may push. Callbacks of the futures run in a thread of
    the pusher's, and must not push or wait."""

    def __init__(self, connection: Connection, trainer: str, position: int, in_flight: int, timeout: Optional[float],
                 patience: float) -> None:
        if not arrays.number("in_flight", in_flight):
            raise ValueError("in_flight is 0; at least 1 is needed")
        self.trainer, self.in_flight = trainer, int(in_flight)
        self._connection, self._timeout, self._patience = connection, timeout, patience
        self._order = threading.Lock()  # of those who push
        self._changed = threading.Condition()
        self._waiting: deque[_Parcel] = deque()
        self._sequence = position
        self._failure: Optional[Error] = None
        self._closing = False
        self._attempt: Optional[_Attempt] = None
        self._progress = time.monotonic()  # the last answer, or the beginning of the wait for one
        self._away = 0.0  # since when streams end without an answer
        self._threads = [threading.Thread(target=run, name=f"embd-{trainer}", daemon=True)
                         for run in (self._run, self._watch)]
        for thread in self._threads:
            thread.start()

    @property
    def sequence(self) -> int:
        """Of the last push that was handed over."""
        return self._sequence

    # ---- For the caller ----

    def push(self, pushes: Union[Push, Sequence[Push]], *, learning_rate: Optional[float] = None,
             missing: str = "refuse", format: str = "f32") -> Future[Pushed]:
        """Hand a push over (the arguments of Client.push()). Waits while `in_flight` pushes have no answer yet. The
        arrays may be changed when it returns. Returns the future of the answer. Raises ValueError and TypeError for
        what cannot be sent, and the error of the push that was refused."""
        self._connection.check()
        parts, count = pushing.encode_pushes(pushes, learning_rate, missing, format)
        with self._order:
            with self._changed:
                while len(self._waiting) >= self.in_flight and not self._failure and not self._closing:
                    self._changed.wait()
                self._check()
                sequence = self._sequence + 1
            parcel = _Parcel(sequence, b"".join([pushing.head(self.trainer, sequence), *parts]), count)
            with self._changed:
                self._check()
                if not self._waiting:
                    self._progress = time.monotonic()
                self._waiting.append(parcel)
                self._sequence = sequence
                self._changed.notify_all()
        return parcel.answer

    def _check(self) -> None:
        if self._failure:
            raise self._failure.again()
        if self._closing:
            raise ValueError("the pusher is closed")

    def flush(self, timeout: Optional[float] = None) -> None:
        """Wait until every push that was handed over is answered. Raises the error of the push that was refused;
        TimeoutError if they are not answered after `timeout` seconds, and the pusher goes on."""
        self._connection.check_process()
        end = None if timeout is None else time.monotonic() + timeout
        with self._changed:
            while self._waiting and not self._failure:
                left = None if end is None else end - time.monotonic()
                if left is not None and left <= 0:
                    raise TimeoutError(f"{len(self._waiting)} pushes are not answered yet")
                self._changed.wait(left)
            if self._failure:
                raise self._failure.again()

    def close(self) -> None:
        """Wait as flush() does, and end. Raises what flush() raises, at the first time."""
        if not self._connection.ours():
            return
        with self._changed:
            told, self._closing = self._closing, True
            self._changed.notify_all()
        for thread in self._threads:
            thread.join()
        if self._failure and not told:
            raise self._failure.again()

    def abandon(self, error: Optional[Error] = None) -> None:
        """End without waiting: pushes without an answer may be applied or not, and their futures get the error."""
        if self._connection.ours():
            self._fail(error or Cancelled("the pusher was abandoned"))

    def __enter__(self) -> Pusher:
        return self

    def __exit__(self, kind: Optional[type[BaseException]], error: Optional[BaseException],
                 trace: Optional[TracebackType]) -> None:
        try:
            self.close()
        except Error:
            if error is None:
                raise

    # ---- Its threads ----

    def _run(self) -> None:
        """The runner: nobody shall wait for it in vain."""
        try:
            self._run_streams()
        except BaseException as error:
            self._fail(Internal(f"the pusher broke: {error!r}"))
            raise

    def _run_streams(self) -> None:
        """One stream after the other, until it is closed or has failed."""
        waiting, why = Waiting(), None
        while self._wanted():
            error = self._stream()
            with self._changed:
                if error is None:
                    self._away = 0.0
                    continue
                now = time.monotonic()
                if not self._away:
                    self._away, waiting, why = now, Waiting(), None
                pause = waiting.next()
                # When patience cut it short, what was heard before is the reason.
                why = error if why is None or error.status != "DEADLINE_EXCEEDED" else why
                if error.status in AGAIN and now + pause - self._away < self._patience:
                    self._connection.away(why)
                    self._changed.wait_for(lambda: self._failure is not None, pause)
                    continue
                away = now - self._away
            self._fail(self._about(why if error.status in AGAIN else error, away))
            return

    def _wanted(self) -> bool:
        """Wait until there is something to send. False when there is no more."""
        with self._changed:
            while not self._waiting and not self._closing and not self._failure:
                self._changed.wait()
            return bool(self._waiting) and not self._failure

    def _stream(self) -> Optional[Error]:
        """One stream, until it ends. None if nothing is left to be answered, else why it ended."""
        with self._changed:
            attempt, away = _Attempt(self._waiting[0].sequence), self._away > 0
            self._attempt, self._progress = attempt, time.monotonic()
            self._changed.notify_all()
        error: Optional[Error] = None
        try:
            attempt.call = self._connection.stream(PATH, self._requests(attempt), away)
            if self._failure:  # the watcher may have ended before there was a call
                attempt.call.cancel()
            for reply in attempt.call:
                self._take(attempt, reply)
        except grpc.RpcError as failure:
            error = self._connection.error(failure, None)
        except wire.Broken as failure:
            error = Internal(str(failure))
            self._fail(self._about(error, 0))
        except (ValueError, RuntimeError) as failure:  # the client was closed
            error = Cancelled(str(failure))
            self._fail(error)
        if attempt.call is not None:
            attempt.call.cancel()
        with self._changed:
            attempt.over, self._attempt = True, None
            self._changed.notify_all()
            if not self._waiting:  # also when it has failed
                return None
            if attempt.late:
                return DeadlineExceeded(f"no answer from {self._connection.address} in time")
            return error or Internal(f"the stream ended without answers to {len(self._waiting)} pushes")

    def _requests(self, attempt: _Attempt) -> Iterator[bytes]:
        """What a stream sends, for gRPC's thread."""
        while True:
            with self._changed:
                while not attempt.over and not self._failure and attempt.sent == self._sequence and not self._closing:
                    self._changed.wait()
                if attempt.over or self._failure or attempt.sent == self._sequence:
                    return
                attempt.sent += 1
                message = self._waiting[attempt.sent - self._waiting[0].sequence].message
            yield message

    def _take(self, attempt: _Attempt, reply: Optional[bytes]) -> None:
        """An answer: it is that of the oldest push that waits."""
        with self._changed:
            if not self._waiting or self._waiting[0].sequence > attempt.sent:
                raise wire.Broken(f"{self._connection.address} answers a push that it has not got")
            parcel = self._waiting[0]
        parcel.settle(pushing.decode(reply, parcel.count))
        self._connection.back()
        with self._changed:
            if not self._failure:
                self._waiting.popleft()
            self._progress, self._away = time.monotonic(), 0.0
            self._changed.notify_all()

    def _watch(self) -> None:
        """The watcher: a stream is cancelled when its answer does not come in time, or patience is over."""
        with self._changed:
            while not self._failure and (self._waiting or not self._closing):
                attempt = self._attempt
                if not self._waiting or attempt is None or attempt.late:
                    self._changed.wait()
                    continue
                end = float("inf") if self._timeout is None else self._progress + self._timeout
                if self._away:
                    end = min(end, self._away + self._patience)
                left = end - time.monotonic()
                if end == float("inf"):
                    self._changed.wait()
                elif left > 0:
                    self._changed.wait(left)
                elif attempt.call is not None:
                    attempt.late = True
                    attempt.call.cancel()
                else:
                    self._changed.wait(0.01)
            if not self._failure:  # all is answered: the stream ends by itself, unless the other side is dead
                self._changed.wait_for(lambda: self._attempt is None, 1)
            attempt = self._attempt
            if attempt and attempt.call is not None:
                attempt.call.cancel()

    def _about(self, error: Error, away: float) -> Error:
        """The error with the push that it is about: the oldest that waits."""
        with self._changed:
            sequence = self._waiting[0].sequence if self._waiting else self._sequence
        tried = f" (tried for {away:.1f} s)" if error.status in AGAIN else ""
        return error.again(f"push {sequence} of trainer {self.trainer}: {error.details}{tried}")

    def _fail(self, error: Error) -> None:
        """The end of it, unless it has ended."""
        with self._changed:
            if self._failure:
                return
            self._failure = error
            parcels = list(self._waiting)
            self._waiting.clear()
            self._changed.notify_all()  # the watcher ends the stream
        for parcel in parcels:
            parcel.settle(error.again())
