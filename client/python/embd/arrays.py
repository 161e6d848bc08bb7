# SPDX-License-Identifier: Apache-2.0
"""From what a caller has to the arrays of the wire, with one sentence about what does not fit, and from the wire to
NumPy. On the wire all numbers are little-endian."""
from __future__ import annotations

from typing import Any, Union

import numpy as np
from numpy.typing import ArrayLike, NDArray

FORMATS = {"f32": 0, "f16": 1, "bf16": 2, "int8": 3}
POOLINGS = {"none": 0, "sum": 1, "mean": 2}
Floats = Union[NDArray[np.float32], NDArray[np.float16]]

INT64_MAX = (1 << 63) - 1


def choice(what: str, value: str, choices: dict[str, int]) -> int:
    """The number of a word."""
    if not isinstance(value, str):
        raise TypeError(f"{what} is {type(value).__name__}; a text is needed")
    if value not in choices:
        words = ", ".join(f'"{word}"' for word in choices)
        raise ValueError(f'{what} is "{value}"; there are {words}')
    return choices[value]


def text(what: str, value: str) -> bytes:
    """A text as the wire has it."""
    if not isinstance(value, str):
        raise TypeError(f"{what} is {type(value).__name__}; a text is needed")
    try:
        return value.encode()
    except UnicodeEncodeError:
        raise ValueError(f"{what} cannot be written as UTF-8") from None


def number(what: str, value: int, most: int = INT64_MAX) -> int:
    """A whole number from 0 to `most`."""
    if isinstance(value, (bool, np.bool_)) or not isinstance(value, (int, np.integer)):
        raise TypeError(f"{what} is {type(value).__name__}; a whole number is needed")
    if not 0 <= value <= most:
        raise ValueError(f"{what} is {value}; it must be 0 to {most}")
    return int(value)


def _array(what: str, value: ArrayLike) -> NDArray[Any]:
    try:
        return np.asarray(value)
    except (ValueError, TypeError, OverflowError) as error:
        raise ValueError(f"{what} is no array: {error}") from None


def _one_dimension(what: str, array: NDArray[Any]) -> None:
    if array.ndim != 1:
        raise ValueError(f"{what} has the shape {array.shape}; one dimension is needed")


def integers(what: str, value: ArrayLike) -> NDArray[np.int64]:
    """One dimension of whole numbers, as int64."""
    array = _array(what, value)
    _one_dimension(what, array)
    if not array.size:
        return np.empty(0, "<i8")
    if array.dtype.kind not in "iu":
        raise TypeError(f"{what} is {array.dtype}; whole numbers are needed")
    if array.dtype.kind == "u" and int(array.max()) > INT64_MAX:
        at = int(np.argmax(array > np.uint64(INT64_MAX)))
        raise ValueError(f"{what}[{at}] = {array[at]} is above 2^63 - 1")
    return np.ascontiguousarray(array, "<i8")


def offsets(what: str, value: ArrayLike, ids: int) -> NDArray[np.uint32]:
    """bags + 1 numbers from 0 to `ids` that never fall, as uint32."""
    array = integers(what, value)
    if not array.size:
        raise ValueError(f"{what} is empty: there must be one more than there are bags, from 0 to {ids}")
    if array[0] != 0:
        raise ValueError(f"{what}[0] = {array[0]} must be 0")
    falls = array[1:] < array[:-1]
    if falls.any():
        at = int(np.argmax(falls)) + 1
        raise ValueError(f"{what}[{at}] = {array[at]} is below offsets[{at - 1}] = {array[at - 1]}")
    if array[-1] != ids:
        raise ValueError(f"{what}[{array.size - 1}] = {array[-1]} must be the number of ids, {ids}")
    if ids > 0xffffffff:
        raise ValueError(f"{what} cannot count {ids} ids")
    return array.astype("<u4")


def _floats(what: str, value: ArrayLike) -> NDArray[Any]:
    array = _array(what, value)
    if array.dtype.kind != "f":
        raise TypeError(f"{what} is {array.dtype}; float32, float16 or float64 is needed")
    return array


def weights(what: str, value: ArrayLike, ids: int) -> NDArray[np.float32]:
    """One float an id, as float32."""
    array = _array(what, value)
    _one_dimension(what, array)
    if array.size != ids:
        raise ValueError(f"{what} has {array.size} numbers for {ids} ids")
    if not ids:
        return np.empty(0, "<f4")
    with np.errstate(over="ignore"):
        return np.ascontiguousarray(_floats(what, array), "<f4")


def gradients(what: str, value: ArrayLike, rows: int, of: str, form: str) -> NDArray[Any]:
    """[rows, dim] floats in the format of the push; infinities are left for the daemon to refuse by name."""
    array = _floats(what, value)
    if array.ndim != 2:
        raise ValueError(f"{what} has the shape {array.shape}; [{of}, dim] is needed")
    if array.shape[0] != rows:
        raise ValueError(f"{what} has {array.shape[0]} rows for {rows} {of}")
    with np.errstate(over="ignore"):
        if form == "f16":
            return float16(array)
        plain = np.ascontiguousarray(array, "<f4")
    return bfloat16(plain) if form == "bf16" else plain


# ---- Formats ----


def bfloat16(values: NDArray[np.float32]) -> NDArray[np.uint16]:
    """float32 to the bits of bfloat16, to the nearest, ties to even; what is not a number stays so."""
    bits = values.view("<u4")
    odd = bits >> np.uint32(16) & np.uint32(1)
    out: NDArray[np.uint16] = ((bits + (np.uint32(0x7fff) + odd)) >> np.uint32(16)).astype("<u2")
    strange = np.isnan(values)
    if strange.any():
        out[strange] = ((bits[strange] >> np.uint32(16)) | np.uint32(0x40)).astype("<u2")
    return out


def float16(values: NDArray[Any]) -> NDArray[np.float16]:
    """To IEEE half, to the nearest, ties to even. That is NumPy's own conversion, which takes some thirty times as long
    where it has to round below the smallest normal half, as in most gradients: there, float32 is rounded before."""
    if values.dtype == np.float32:
        rounded = np.copysign((values + np.float32(0.75)) - np.float32(0.75), values)  # to multiples of 2 ** -24
        values = np.where(np.abs(values) < np.float32(2 ** -14), rounded, values)
    return np.ascontiguousarray(values, "<f2")


def row_bytes(form: str, dim: int) -> int:
    """Bytes of one row on the wire."""
    return {"f32": 4 * dim, "f16": 2 * dim, "bf16": 2 * dim, "int8": dim + 8}[form]


def rows_of(data: memoryview, form: str, rows: int, dim: int) -> Floats:
    """[rows, dim] of what came over the wire: a view of `data` in f32 and f16, decoded to float32 in bf16 and int8."""
    if form == "f16":
        return np.frombuffer(data, "<f2").reshape(rows, dim)
    if form == "bf16":
        wide = np.frombuffer(data, "<u2").astype("<u4")
        wide <<= np.uint32(16)
        return wide.view("<f4").reshape(rows, dim)
    if form == "int8":
        fused = np.frombuffer(data, "u1").reshape(rows, dim + 8)
        tail = np.ascontiguousarray(fused[:, dim:]).view("<f4")
        values = fused[:, :dim].astype("<f4")
        values *= tail[:, :1]
        values += tail[:, 1:]
        return values
    return np.frombuffer(data, "<f4").reshape(rows, dim)
