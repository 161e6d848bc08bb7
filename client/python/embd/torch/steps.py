# SPDX-License-Identifier: Apache-2.0
"""The pushes of a training process: each is kept until embd has answered it, so that any failure can be got over."""
from __future__ import annotations

from collections import deque
from concurrent.futures import Future
from typing import Optional

from embd.client import Client
from embd.errors import Aborted, AlreadyExists, Error
from embd.pusher import Pusher
from embd.pushes import Push, Pushed

UNKNOWN = frozenset(("UNAVAILABLE", "DEADLINE_EXCEEDED", "CANCELLED", "INTERNAL", "UNKNOWN"))  # applied or not


class _Step:
    """A push that is not known to be applied."""

    def __init__(self, sequence: int, pushes: list[Push], learning_rate: Optional[float]) -> None:
        self.sequence, self.pushes, self.learning_rate = sequence, pushes, learning_rate
        self.answer: Optional[Future[Pushed]] = None  # None: it was not handed over


class Steps:
    """Numbered pushes of a trainer on their way, `in_flight` at once. Of one thread.

    sequence  of the last one
    answered  of the last one whose answer was taken: it is on embd's disk"""

    def __init__(self, client: Client, trainer: str, in_flight: int, missing: str, form: str) -> None:
        self._client, self._trainer, self._in_flight = client, trainer, in_flight
        self._missing, self._format = missing, form
        self._waiting: deque[_Step] = deque()
        self._pusher: Optional[Pusher] = None
        self._conflict: Optional[Error] = None  # somebody else pushes under our name
        self.sequence = self.answered = 0
        self.begin()

    def begin(self) -> None:
        """From where the trainer stands in embd."""
        pusher = self._client.pusher(self._trainer, in_flight=self._in_flight)
        self._pusher, self.sequence, self.answered = pusher, pusher.sequence, pusher.sequence

    def push(self, pushes: list[Push], learning_rate: Optional[float]) -> Future[Pushed]:
        """Hand a push over, when less than `in_flight` wait for their answers. If `sequence` has changed then it is
        kept, whatever this raises; if not, ValueError or TypeError say why it cannot be sent."""
        if self._pusher is None:
            self._resume()
        step = _Step(self.sequence + 1, pushes, learning_rate)
        self._waiting.append(step)
        self.sequence = step.sequence
        try:
            return self._hand_over(step)
        except (ValueError, TypeError):
            self.sequence = self._waiting.pop().sequence - 1
            raise

    def settle(self, wait: bool = False) -> None:
        """Take the answers that are there, or wait for all. Raises what became of the first push that has none; then
        that one and those behind it are sent again at the next call."""
        if self._conflict is not None:
            raise self._conflict.again()
        if self._waiting and self._pusher is None:
            self._resume()
        while self._waiting:
            answer = self._waiting[0].answer
            assert answer is not None
            if not wait and not answer.done():
                return
            try:
                answer.result()
            except Error as error:
                self._failed(error)
                raise
            self.answered = self._waiting.popleft().sequence

    def quiet(self) -> None:
        """Until no push is on its way, and begin again. Raises if that cannot be known; refused pushes are dropped."""
        try:
            self.settle(True)
        except RuntimeError:
            pass
        except Error as error:
            if error.status in UNKNOWN:
                raise
        self.abandon()
        self._waiting.clear()
        self._conflict = None
        self.begin()

    def abandon(self) -> None:
        """Without waiting: what has no answer may be applied or not."""
        if self._pusher is not None:
            self._pusher.abandon()
            self._pusher = None

    def _resume(self) -> None:
        """Another pusher, and what embd has not got into its hands."""
        self._pusher = self._client.pusher(self._trainer, in_flight=self._in_flight)
        at = self._pusher.sequence
        if not self.answered <= at <= self.sequence:
            self.abandon()
            raise RuntimeError(f"embd has push {at} of trainer {self._trainer}; {self.answered} was answered and "
                               f"{self.sequence} the last one here: another process pushes under that name, or embd "
                               f"went back")
        while self._waiting and self._waiting[0].sequence <= at:
            self._confirm(self._waiting[0])
            self.answered = self._waiting.popleft().sequence
        for step in list(self._waiting):
            self._hand_over(step)

    def _confirm(self, step: _Step) -> None:
        """embd has this number: that it is this push it says when it gets it again."""
        try:
            self._client.push(step.pushes, trainer=self._trainer, sequence=step.sequence,
                              learning_rate=step.learning_rate, missing=self._missing, format=self._format)
        except BaseException as error:
            self._failed(error)
            raise

    def _hand_over(self, step: _Step) -> Future[Pushed]:
        try:
            assert self._pusher is not None
            step.answer = self._pusher.push(step.pushes, learning_rate=step.learning_rate, missing=self._missing,
                                            format=self._format)
        except BaseException as error:  # Ctrl-C too: whether the pusher has it, the next call finds out
            self._failed(error)
            raise
        return step.answer

    def _failed(self, error: BaseException) -> None:
        """Go on with another pusher next time; or not at all, if these numbers are another's."""
        self.abandon()
        if isinstance(error, (AlreadyExists, Aborted)):
            self._conflict = error
