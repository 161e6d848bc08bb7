# SPDX-License-Identifier: Apache-2.0
"""Small messages as dataclasses: each field says its number and its kind, and encode() and decode() do the rest."""
from __future__ import annotations

import dataclasses
import struct
from dataclasses import dataclass
from typing import Any, Callable, Iterable, Optional, Type, TypeVar, Union

from embd import arrays, wire
from embd.wire import Broken

# A kind is "string", "bool", "uint" (uint32, uint64), "int" (int64), "sint", "double", "fixed64", "sfixed64", "fixed32",
# "float", a dict of an enum's words, or the class of a message.
Kind = Union[str, dict[str, int], type]
M = TypeVar("M", bound="Message")


@dataclass(frozen=True)
class Spec:
    """How a field is written."""

    number: int
    kind: Kind
    repeated: bool = False
    optional: bool = False  # None is "not there", and the kind's zero is something else


_ZEROS: dict[str, Any] = {"string": "", "bool": False, "double": 0.0, "float": 0.0}


def single(number: int, kind: Kind) -> Any:
    """One value; the kind's zero if it is not there."""
    if isinstance(kind, dict):
        default: Any = next(iter(kind))
    elif isinstance(kind, type):
        return dataclasses.field(default_factory=kind, metadata={"wire": Spec(number, kind)})
    else:
        default = _ZEROS.get(kind, 0)
    return dataclasses.field(default=default, metadata={"wire": Spec(number, kind)})


def several(number: int, kind: Kind) -> Any:
    """A list of values."""
    return dataclasses.field(default_factory=list, metadata={"wire": Spec(number, kind, repeated=True)})


def optional(number: int, kind: Kind) -> Any:
    """One value, or None."""
    return dataclasses.field(default=None, metadata={"wire": Spec(number, kind, optional=True)})


@dataclass
class Message:
    """Its fields are declared with single(), several() and optional()."""


def _specs(kind: Type[Message]) -> list[tuple[str, Spec]]:
    return [(one.name, one.metadata["wire"]) for one in dataclasses.fields(kind)]


# ---- Writing ----

_FIXED = {"double": "<d", "float": "<f", "fixed64": "<Q", "sfixed64": "<q", "fixed32": "<I"}
_TYPES = {"string": wire.BYTES, "double": wire.FIXED64, "float": wire.FIXED32, "fixed64": wire.FIXED64,
          "sfixed64": wire.FIXED64, "fixed32": wire.FIXED32}


def _plain(what: str, kind: Kind, value: Any) -> bytes:
    """A value without its tag (and, of what has a length, without that)."""
    if isinstance(kind, dict):
        return wire.varint(arrays.choice(what, value, kind))
    if isinstance(kind, type):
        return encode(value)
    if kind == "string":
        return arrays.text(what, value)
    if kind == "bool":
        return wire.varint(bool(value))
    if kind == "uint":
        return wire.varint(arrays.number(what, value, wire.U64))
    try:
        if kind in _FIXED:
            return struct.pack(_FIXED[kind], value)
        if kind == "sint":
            return wire.varint((value << 1 ^ value >> 63) & wire.U64)
        return wire.varint(value & wire.U64)
    except (struct.error, OverflowError, TypeError):
        raise ValueError(f"{what} is {value!r}; a number in range is needed") from None


def encode(message: Message) -> bytes:
    """The message as bytes. ValueError or TypeError names a field that does not fit."""
    out: list[bytes] = []
    for name, spec in _specs(type(message)):
        value, kind = getattr(message, name), spec.kind
        framed = isinstance(kind, type) or kind == "string"
        tag = wire.BYTES if framed else _TYPES.get(kind, wire.VARINT) if isinstance(kind, str) else wire.VARINT
        if spec.repeated and not framed:
            packed = b"".join(_plain(f"{name}[{place}]", kind, one) for place, one in enumerate(value))
            out.append(wire.bytes_field(spec.number, packed))
            continue
        for one in value if spec.repeated else [] if value is None else [value]:
            data = _plain(name, kind, one)
            if not spec.repeated and not spec.optional and not (data if framed else any(data)):
                continue  # the kind's zero
            out.append(wire.bytes_head(spec.number, len(data)) if framed else wire.varint(spec.number << 3 | tag))
            out.append(data)
    return b"".join(out)


# ---- Reading ----


def _signed(number: int) -> int:
    return number - (1 << 64) if number >> 63 else number


def _value(spec: Spec, kind: int, value: wire.Value) -> Any:
    """One value of a field, of a kind that is no packed array."""
    wanted = spec.kind
    if isinstance(wanted, dict):
        number = wire.number_of(kind, value)
        return next((word for word, other in wanted.items() if other == number), str(number))
    if isinstance(wanted, type):
        return decode(wanted, wire.bytes_of(kind, value))
    if wanted == "string":
        return wire.text_of(kind, value)
    number = wire.number_of(kind, value)
    if wanted == "sint":
        return number >> 1 ^ -(number & 1)
    return bool(number) if wanted == "bool" else _signed(number) if wanted == "int" else number


def _values(spec: Spec, kind: int, value: wire.Value) -> Iterable[Any]:
    """Those of a field, which may be packed."""
    if isinstance(spec.kind, str) and spec.kind in _FIXED:
        form = _FIXED[spec.kind]
        data = wire.words_of(kind, value, struct.calcsize(form))
        return [number for number, in struct.iter_unpack(form, data)]
    if spec.repeated and spec.kind in ("uint", "int", "sint") and kind == wire.BYTES:
        return [_value(spec, wire.VARINT, number) for number in wire.numbers_of(kind, value)]
    return [_value(spec, kind, value)]


def decode(kind: Type[M], data: Union[bytes, memoryview]) -> M:
    """The message from bytes: unknown fields are skipped, the last one counts. Broken if it cannot be read."""
    out = kind()
    known = {spec.number: (name, spec) for name, spec in _specs(kind)}
    for number, form, value in wire.fields(memoryview(data)):
        if number not in known:
            continue
        name, spec = known[number]
        values = _values(spec, form, value)
        if spec.repeated:
            getattr(out, name).extend(values)
        else:
            for one in values:
                setattr(out, name, one)
    return out


Call = Callable[..., Optional[bytes]]


def ask(call: Call, path: str, request: Message, answer: Type[M], timeout: Optional[float], **how: bool) -> M:
    """One call of messages. Broken if the answer cannot be read."""
    reply = call(path, encode(request), timeout, **how)
    if reply is None:
        raise Broken("there is no message")
    return decode(answer, reply)
