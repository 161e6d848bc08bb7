# SPDX-License-Identifier: Apache-2.0
"""Pushes: PushRequest out, PushResponse in. Pure functions of bytes and arrays; any thread. The same arguments always
make the same bytes: the daemon compares them when a number comes again."""
from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import Optional, Sequence, Union

from numpy.typing import ArrayLike

from embd import arrays, wire
from embd.lookups import Parts, bags, listed, name_of, put_array
from embd.wire import Broken

MISSING = {"refuse": 0, "skip": 1, "admit": 2}
FORMATS = {"f32": 0, "f16": 1, "bf16": 2}
TRAINER = re.compile(r"[A-Za-z0-9_.:-]{1,128}", re.ASCII)


@dataclass(eq=False)
class Push:
    """Gradients for one table; all but `gradients` as in the Lookup that they are of.

    gradients    [rows, dim] floats: dL/drow of each id, or of each bag with pooling
    """

    table: str
    ids: ArrayLike
    gradients: ArrayLike
    pooling: str = "none"
    offsets: Optional[ArrayLike] = None
    weights: Optional[ArrayLike] = None


@dataclass(eq=False)
class Pushed:
    """The answer to a push: it is on the daemon's disk, and every later lookup sees it.

    duplicate  it had been applied before, and was not again
    versions   of each Push's table, with this push
    lsn        its place in the daemon's log
    skipped    unknown ids that were left out, with missing="skip"
    admitted   unknown ids that got a row, with missing="admit"
    """

    duplicate: bool
    versions: list[int]
    lsn: int
    skipped: int
    admitted: int


def check_trainer(trainer: str, sequence: Optional[int] = None) -> None:
    """ValueError if these are no trainer, and no number of a push of its."""
    if not isinstance(trainer, str):
        raise TypeError(f"trainer is {type(trainer).__name__}; a text is needed")
    if sequence is not None:
        arrays.number("sequence", sequence)
        if not trainer and sequence:
            raise ValueError(f"sequence is {sequence}, and there is no trainer")
        if not trainer:
            return
        if not sequence:
            raise ValueError("a trainer's pushes have a sequence, from 1")
    if not TRAINER.fullmatch(trainer):
        raise ValueError(f"trainer is {trainer!r}; it must be 1 to 128 of A-Z a-z 0-9 _ . : -")


def encode_pushes(pushes: Union[Push, Sequence[Push]], learning_rate: Optional[float], missing: str,
                  form: str) -> tuple[list[bytes], int]:
    """All of a PushRequest but its trainer and sequence, and how many pushes it has. ValueError or TypeError names what
    does not fit."""
    kind = arrays.choice("format", form, FORMATS)
    policy = arrays.choice("missing", missing, MISSING)
    parts: Parts = []
    items = listed("pushes", pushes, Push)
    for place, one in enumerate(items):
        name = name_of("pushes", place, one.table)
        ids = arrays.integers(f"{name}: ids", one.ids)
        pooling, cuts, scales, rows = bags(name, one, ids.size)
        given = arrays.gradients(f"{name}: gradients", one.gradients, rows, "bags" if pooling else "ids", form)
        body: Parts = [wire.bytes_field(1, arrays.text(f"{name}: table", one.table))]
        size = len(body[0]) + put_array(body, 2, ids)
        if not kind:
            size += put_array(body, 3, given)
        body.append(wire.number_field(4, pooling))
        size += len(body[-1]) + put_array(body, 5, cuts) + put_array(body, 6, scales)
        body.append(wire.number_field(7, kind))
        size += len(body[-1])
        if kind:
            size += put_array(body, 8, given)
        parts += (wire.bytes_head(3, size), *body)
    if learning_rate is not None:
        parts.append(_rate(learning_rate))
    parts.append(wire.number_field(5, policy))
    return parts, len(items)


def _rate(rate: float) -> bytes:
    try:
        value = float(rate)
        if not math.isfinite(value):
            raise ValueError(f"learning_rate is {rate}; a finite number is needed")
        return wire.float_field(4, value)
    except OverflowError:
        raise ValueError(f"learning_rate is {rate}, which float32 cannot hold") from None
    except TypeError:
        raise TypeError(f"learning_rate is {type(rate).__name__}; a number is needed") from None


def head(trainer: str, sequence: int) -> bytes:
    """The rest of a PushRequest, which comes first."""
    return wire.bytes_field(1, trainer.encode()) + wire.number_field(2, sequence)


def encode(pushes: Union[Push, Sequence[Push]], trainer: str, sequence: int, learning_rate: Optional[float],
           missing: str, form: str) -> tuple[bytes, int]:
    """A PushRequest, and how many pushes it has."""
    check_trainer(trainer, sequence)
    parts, count = encode_pushes(pushes, learning_rate, missing, form)
    return b"".join([head(trainer, sequence), *parts]), count


def decode(reply: Optional[bytes], count: int) -> Pushed:
    """A PushResponse to a push of `count` parts. Broken if it is none."""
    if reply is None:
        raise Broken("the reply has no message")
    out = Pushed(False, [], 0, 0, 0)
    try:
        for field, kind, value in wire.fields(memoryview(reply)):
            if field == 1:
                out.duplicate = bool(wire.number_of(kind, value))
            elif field == 2:
                out.versions += wire.numbers_of(kind, value)
            elif field == 3:
                out.lsn = wire.number_of(kind, value)
            elif field == 4:
                out.skipped = wire.number_of(kind, value)
            elif field == 5:
                out.admitted = wire.number_of(kind, value)
    except Broken as error:
        raise Broken(f"the reply to Push cannot be read: {error}") from None
    if len(out.versions) != count:
        raise Broken(f"the reply to Push has {len(out.versions)} versions for {count} tables")
    return out
