# SPDX-License-Identifier: Apache-2.0
"""A training process's dealings with embd: lookups for forward passes, gradients of backward passes, pushes."""
from __future__ import annotations

import logging
import pathlib
import threading
from collections import deque
from concurrent.futures import Future
from typing import Any, Callable, NamedTuple, Optional, TypeVar, Union

import numpy as np
import torch
from numpy.typing import NDArray

from embd import arrays, lookups as looking, pushes as pushing
from embd.client import Client
from embd.errors import Unavailable
from embd.pushes import Push, Pushed
from embd.torch import checkpoint
from embd.torch.rows import Fetch, Gradient, Need, enter
from embd.torch.steps import Steps

T = TypeVar("T")
log = logging.getLogger("embd")
LARGEST = {"f32": 3.4028235e38, "f16": 65504.0, "bf16": 3.3895314e38}  # that a format holds
TRIES = 10  # of a call that embd died under
AHEAD = 4  # lookups that prefetch() has under way; one more, and the oldest is given up
FORGOTTEN = 1000  # gradients without a step() that somebody should hear of


def _beyond(values: NDArray[np.float32], largest: float) -> Optional[int]:
    """The first row with a number that is not finite, or that a format does not hold; None if there is none."""
    if max(values.max(initial=0), -values.min(initial=0)) <= largest:
        return None
    return int(np.argmin((np.abs(values) <= largest).all(1)))


class Restored(NamedTuple):
    """What save() was given, beside the states of model and optimizer."""

    step: int
    extra: Any


class Session:
    """Lookups and pushes of one training process. Its modules look their rows up in forward(), their backward passes
    collect gradients, and step() pushes them.

    client         an embd.Client, or its address (it is closed with the session then)
    trainer        the name under which pushes are numbered, of one process at a time; None: evaluation, nothing is
                   pushed
    learning_rate  of all steps, instead of the tables' own
    format         of rows on the wire: "f32", "f16", "bf16" or "int8". Modules calculate in float32
    push_format    of gradients on the wire: "f32", "f16" or "bf16"
    in_flight      pushes on their way at once
    missing        ids that a table does not have: "fill" gives them its default row, "error" fails the forward pass
    push_missing   such an id in a push: "refuse", "skip" or "admit". Under "refuse" the forward pass of what is to be
                   trained fails already, with embd.OutOfRange, before anything has changed
    synchronous    every lookup sees every earlier push

    What a forward pass sees. Pushes are applied in order, and a lookup sees each of them whole or not at all in each
    table. step() returns while its push is on its way, at most `in_flight` are, and a lookup sees all that were
    answered when it was sent: so after step() number n a forward pass sees 1 to n - in_flight at least, and up to all
    n. With prefetch() it is what was answered when prefetch() was called: a step() between prefetch() and forward()
    adds one to what may be lacking. `seen` is the number up to which the last forward pass has seen all for certain,
    `sequence` that of the last step(), `versions` has the versions of the tables that it read. With synchronous=True
    every forward pass first waits for the answers of all pushes, as does prefetch(), and what was prefetched before a
    step() is looked up again: call prefetch() after step() then. Results are the same at every run then; else they
    depend on how soon pushes are answered (the pushes themselves are the same for the same rows, in bits and order).

    Gradients are collected in backward passes, as PyTorch adds them up in .grad: several passes before a step() are
    summed, a second pass over a retained graph counts again, step() takes all and zero_grad() drops them. Nothing is
    collected under torch.no_grad(), by a frozen module, or without a trainer; Module.eval() alone changes nothing, as
    with torch.nn.

    When embd is away, forward(), prefetch() and step() wait and try again for the `patience` of the client, with one
    warning to the logger "embd"; then they raise embd.Unavailable (or embd.DeadlineExceeded, if it is there and does
    not answer). Nothing is lost and nothing counts twice: pushes that have no answer are kept under their numbers,
    and the next forward(), step() or flush() first asks where the trainer stands and sends what embd lacks. A forward
    pass that failed is simply called again; a step() that failed has kept its gradients and is called again (then it
    pushes what is new, if anything). A push that embd refuses is told in the same way by the next of these calls, and
    is sent again by the one after it: that helps when embd can be helped (a full disk), and else restore() does,
    which drops it. When another process pushes under this trainer's name, every call says so until restore().

    Threads: forward(), prefetch(), step() belong to one thread; backward passes may run in any. DataLoader workers
    must not use it. Copies of a module share its session."""

    def __init__(self, client: Union[Client, str, None], trainer: Optional[str] = None, *,
                 learning_rate: Optional[float] = None, format: str = "f32",  # noqa: A002
                 push_format: str = "f32", in_flight: int = 8, missing: str = "fill", push_missing: str = "refuse",
                 synchronous: bool = False) -> None:
        arrays.choice("format", format, arrays.FORMATS)
        arrays.choice("push_format", push_format, pushing.FORMATS)
        arrays.choice("missing", missing, looking.MISSING)
        arrays.choice("push_missing", push_missing, pushing.MISSING)
        if not arrays.number("in_flight", in_flight):
            raise ValueError("in_flight is 0; at least 1 is needed")
        if trainer is not None:
            pushing.check_trainer(trainer)
        self._own = not isinstance(client, Client)
        self.client: Client = client if isinstance(client, Client) else Client(client)
        self.trainer, self.learning_rate, self.synchronous = trainer, learning_rate, synchronous
        self.format, self.push_format = format, push_format
        self.missing, self.push_missing = missing, push_missing
        self.tables: dict[str, int] = {}    # of its modules, with their dims
        self.versions: dict[str, int] = {}  # that the last forward pass read
        self.seen = 0
        self._life = 0                      # counts restore()
        self._passes = 0                    # forward passes, for the order of gradients
        self._collected: list[Gradient] = []
        self._guard = threading.Lock()      # of _collected, which backward passes fill
        self._fetches: deque[Fetch] = deque()
        self._steps: Optional[Steps] = None
        if trainer is not None:
            try:
                self._steps = Steps(self.client, trainer, int(in_flight), push_missing, push_format)
            except BaseException:
                self._end()
                raise

    @property
    def sequence(self) -> int:
        """The number of the last step()'s push."""
        return self._steps.sequence if self._steps else 0

    @property
    def answered(self) -> int:
        """The number of the last push whose answer was taken: it is on embd's disk."""
        return self._steps.answered if self._steps else 0

    def __deepcopy__(self, memo: Any) -> Session:
        return self

    def __reduce__(self) -> Any:
        raise TypeError("a session cannot be pickled: save state_dict() of the model, and the session anew")

    # ---- For modules ----

    def register(self, table: str, dim: int) -> None:
        """A module has this table."""
        if self.tables.setdefault(table, dim) != dim:
            raise ValueError(f"table {table} was given the dim {self.tables[table]} before, and {dim} now")

    def fetch(self, owner: object, given: dict[str, NDArray[np.int64]], padding: Optional[int], trained: bool
              ) -> dict[str, tuple[NDArray[np.int64], torch.Tensor]]:
        """For a forward pass of `owner`: of each table the places of the given ids in the rows, and the rows."""
        self._settle(self.synchronous)
        trained = self._trains(trained)
        fetch = self._prefetched(owner, given, self._policy(trained))
        if fetch is None:
            fetch = self._fetch(owner, given, padding, trained)
            fetch.run(lambda asked: self.client.lookup(asked, format=self.format, missing=fetch.missing))
        matrices, self.versions = fetch.matrices()
        self.seen = fetch.seen
        self._passes += 1
        return {need.table: (need.places, self._entered(need, matrix) if trained else torch.from_numpy(matrix))
                for need, matrix in zip(fetch.needs, matrices)}

    def _trains(self, trained: bool) -> bool:
        return trained and self.trainer is not None and torch.is_grad_enabled()

    def _policy(self, trained: bool) -> str:
        return "error" if trained and self.push_missing == "refuse" else self.missing

    def _fetch(self, owner: object, given: dict[str, NDArray[np.int64]], padding: Optional[int], trained: bool
               ) -> Fetch:
        needs = [Need(table, self.tables[table], ids, padding) for table, ids in given.items()]
        return Fetch(owner, needs, self._policy(trained), self.answered)

    def _prefetched(self, owner: object, given: dict[str, NDArray[np.int64]], missing: str) -> Optional[Fetch]:
        """The lookup that prefetch() began for this forward pass, if it did, and it may be used, and went well."""
        for fetch in self._fetches:
            if fetch.serves(owner, given, missing):
                self._fetches.remove(fetch)
                if self.synchronous and fetch.seen != self.sequence:
                    fetch.cancel()
                    return None
                return fetch if fetch.arrive() else None
        return None

    def _entered(self, need: Need, rows: NDArray[np.float32]) -> torch.Tensor:
        order, life = self._passes, self._life

        def collect(gradient: torch.Tensor) -> None:
            if life != self._life:
                raise RuntimeError("this is the backward pass of a forward pass before restore(): its rows are gone")
            values = gradient.detach().to("cpu", torch.float32).numpy()[:-1]
            if not len(values):
                return
            with self._guard:
                self._collected.append(Gradient(order, need.table, need.unique, values))
                many = len(self._collected) == FORGOTTEN
            if many:
                log.warning("%d gradients wait for session.step() or session.zero_grad()", FORGOTTEN)

        return enter(rows, collect)

    # ---- For the training loop ----

    def prefetch(self, module: Any, batch: Any) -> None:
        """Begin to look up what `module` will need for `batch` (its argument of forward(); for an EmbeddingBag with
        offsets a tuple of its arguments), while the caller goes on. The forward pass with the same ids takes the
        result. One that nobody takes is given up when four others were begun; one that failed is looked up again by
        forward(), which raises what becomes of that."""
        self._settle(self.synchronous)
        given = module.needed(module.parts(batch))
        fetch = self._fetch(module, given, module.padding_idx, self._trains(not module.freeze))
        fetch.start(lambda asked: self.client.lookup_later(asked, format=self.format, missing=fetch.missing))
        self._fetches.append(fetch)
        while len(self._fetches) > AHEAD:
            self._fetches.popleft().cancel()

    def step(self, learning_rate: Optional[float] = None, *, grad_scale: Optional[float] = None
             ) -> Optional[Future[Pushed]]:
        """Push what backward passes have collected since the last step, as one push over all tables, and do not wait
        for the answer: that is the future that is returned. Waits while `in_flight` pushes have no answer. With
        nothing collected it pushes nothing and returns None.

        grad_scale  by which the loss was multiplied, as torch.cuda.amp.GradScaler.get_scale() tells: gradients are
                    divided by it. If one is not finite then, all are dropped and None is returned, as GradScaler
                    leaves out such a step

        A gradient that is not finite, or that `push_format` cannot hold, is a ValueError that names its table and id;
        nothing is pushed, and the gradients stay until zero_grad()."""
        if self._steps is None:
            raise RuntimeError("this session has no trainer: it can look up, and not push")
        self._settle()
        with self._guard:
            collected = sorted(self._collected, key=lambda g: (g.order, g.table))
        pushes = []
        for gradient in collected:
            values = gradient.values if grad_scale is None else gradient.values / np.float32(grad_scale)
            bad = _beyond(values, LARGEST[self.push_format])
            if bad is not None and grad_scale is not None:
                self.zero_grad()
                return None
            if bad is not None:
                raise ValueError(f"the gradient of id {gradient.ids[bad]} of table {gradient.table} has a number that "
                                 f"{self.push_format} cannot hold; nothing was pushed")
            pushes.append(Push(gradient.table, gradient.ids, values))
        if not pushes:
            return None
        before = self.sequence
        try:
            return self._steps.push(pushes, self.learning_rate if learning_rate is None else learning_rate)
        finally:
            if self.sequence != before:
                self.zero_grad()

    def zero_grad(self) -> None:
        """Drop what backward passes have collected."""
        with self._guard:
            self._collected.clear()

    def flush(self) -> None:
        """Wait until every push is answered: all are on embd's disk, and every later lookup sees them."""
        self._settle(True)

    def _settle(self, wait: bool = False) -> None:
        if self._steps is not None:
            self._steps.settle(wait)

    def close(self) -> None:
        """flush(), and the end. Gradients that were collected and not pushed are dropped."""
        try:
            self._settle(True)
        finally:
            self._end()

    def __enter__(self) -> Session:
        return self

    def __exit__(self, kind: Any, error: Any, trace: Any) -> None:
        """close(); after an exception without waiting: what embd has not answered may be applied or not."""
        if kind is None:
            self.close()
        else:
            self._end()

    def _drop_fetches(self) -> None:
        for fetch in self._fetches:
            fetch.cancel()
        self._fetches.clear()

    def _end(self) -> None:
        self._drop_fetches()
        if self._steps is not None:
            self._steps.abandon()
        if self._own:
            self.client.close()

    # ---- Checkpoints ----

    def save(self, label: str, path: Union[str, pathlib.Path], model: Optional[torch.nn.Module] = None,
             optimizer: Any = None, *, step: int = 0, extra: Any = None, replace: bool = False) -> None:
        """A checkpoint: the trainable tables of this session's modules as the group `label` in embd, all at one
        instant and behind all pushes so far, and the states of model and optimizer, `step` and `extra` (numbers,
        texts, tensors, lists and dicts of them) in the file `path`, which is there whole or not at all.

        It takes group and file to go back to a checkpoint, so give each a label and a path of its own. A label that
        there is raises AlreadyExists; with `replace` its group is replaced, such as one that a process left which died
        before it wrote the file. client.drop_group() drops an old one. RuntimeError if gradients wait for step().
        When embd is away it is waited for, as in step()."""
        with self._guard:
            if self._collected:
                raise RuntimeError("gradients wait to be pushed: step() or zero_grad() comes before save()")
        self.flush()
        read_only = {table.name for table in self.client.tables() if not table.trainable}
        tables = sorted(set(self.tables) - read_only)
        lsn = 0
        if tables:
            there = label in {group.label for group in self.client.groups()}
            lsn = self._through(lambda again: self.client.save_group(
                label, tables, replace=replace or (again and not there)).lsn)
        checkpoint.write(path, checkpoint.state(label, lsn, model, optimizer, step, extra))

    def _through(self, call: Callable[[bool], T]) -> T:
        """The result of a call that may be made again, through deaths of embd; it is told whether it was before."""
        for tries in range(TRIES):
            try:
                return call(tries > 0)
            except Unavailable:
                if tries == TRIES - 1:
                    raise
                self.client.tables()  # which waits for embd
        raise AssertionError

    def restore(self, label: str, path: Union[str, pathlib.Path], model: Optional[torch.nn.Module] = None,
                optimizer: Any = None) -> Restored:
        """Go back to a checkpoint: model, optimizer and tables as they were at save(). Waits for pushes that are on
        their way; what was refused, collected or prefetched is dropped, and the backward pass of an earlier forward
        pass is refused. Versions of the tables go on from the present ones, and so do the numbers of pushes, from
        where the trainer stands in embd. Raises ValueError if file and group do not belong together, before anything
        is changed; NotFound."""
        content = checkpoint.read(path, label)
        if content["lsn"]:
            there = {group.label: group.lsn for group in self.client.groups()}
            if there.get(label, content["lsn"]) != content["lsn"]:
                raise ValueError(f"{path} belongs to the group {label} of log position {content['lsn']}; that in embd "
                                 f"is of {there[label]}: it was saved under that name since")
        if self._steps is not None:
            self._steps.quiet()
        checkpoint.load(content, model, optimizer)
        if content["lsn"]:
            self._through(lambda again: self.client.restore_group(label))
        self.zero_grad()
        self._life += 1
        self._drop_fetches()
        return Restored(content["step"], content["extra"])
