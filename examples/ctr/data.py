# SPDX-License-Identifier: Apache-2.0
"""Click logs: one file, data.npz, in a folder.

    f_NAME    whole numbers [rows]: the id of field NAME in each row, 0 ... n - 1
    u_NAME    whole numbers: a field that goes with the id of f_user_id; v_NAME the same with f_video_id
    x_NAME    floats [rows]: a number that is no id (optional; DLRM uses it)
    y         0 or 1 [rows]: what is to be foretold (or y_long_view)
    split     0 train, 1 validation, 2 test [rows]

Ids are global in what load() returns: those of a field come after those of the fields before it, so that one table with
fields holds them all."""
import dataclasses
import pathlib
import zipfile
import zlib

import numpy as np

HERE = pathlib.Path(__file__).resolve().parent
KNOWN = {"kuairand": HERE / "kuairand", "flights": HERE.parent.parent / "build" / "data" / "flights"}
LABELS = ("y", "y_long_view")
BY = {"u_": "user_id", "v_": "video_id"}
TRAIN, VALIDATION, TEST = 0, 1, 2


class DataError(Exception):
    """What is wrong with a data set, in one sentence."""


@dataclasses.dataclass
class Log:
    names: list  # of the fields
    cards: list  # ids of each field
    ids: np.ndarray  # int32 [rows, fields], global
    label: np.ndarray  # float32 [rows]
    split: np.ndarray  # uint8 [rows]
    numbers: np.ndarray  # float32 [rows, numbers]

    @property
    def id_count(self):
        return sum(self.cards)

    def rows(self, *splits):
        """Row numbers of these splits, in the file's order."""
        return np.flatnonzero(np.isin(self.split, splits))

    def frequency(self, rows):
        """How often each id occurs in these rows: int64 [ids]."""
        return np.bincount(self.ids[rows].ravel(), minlength=self.id_count).astype(np.int64)


def folder_of(name):
    """Where a data set is: one that is known by name, or a folder."""
    return KNOWN.get(name) or pathlib.Path(name)


def read(path):
    """All arrays of an .npz file."""
    if not path.exists():
        hint = "; tools/data makes it" if path.parent == KNOWN["flights"] else ""
        raise DataError(f"{path}: there is no such file{hint}")
    try:
        with np.load(path, allow_pickle=False) as z:
            return {name: z[name] for name in z.files}
    except (OSError, ValueError, KeyError, EOFError, MemoryError, NotImplementedError, AttributeError,
            zipfile.BadZipFile, zlib.error) as e:
        raise DataError(f"{path}: not a whole .npz file ({e})") from e


def integers(path, name, a, rows):
    """A one-dimensional array of ids, of `rows` if that is known."""
    if a.ndim != 1 or a.dtype.kind not in "iu":
        raise DataError(f"{path}: {name} has to be one whole number a row, and is {a.dtype} {list(a.shape)}")
    if rows is not None and len(a) != rows:
        raise DataError(f"{path}: {name} has {len(a)} rows, and others have {rows}")
    if len(a) and (int(a.min()) < 0 or int(a.max()) >= 1 << 31):
        raise DataError(f"{path}: {name} has the id {int(a.min()) if int(a.min()) < 0 else int(a.max())}, "
                        "and ids go from 0 to 2^31 - 1")
    return a


def column_of(path, arrays, name, rows):
    """The ids of field `name` ("f_...", "u_...", "v_...") in each row."""
    if name.startswith("f_"):
        return integers(path, name, arrays[name], rows)
    by = "f_" + BY[name[:2]]
    if by not in arrays:
        raise DataError(f"{path}: {name} goes with {by}, which is not there")
    at, values = integers(path, by, arrays[by], rows), integers(path, name, arrays[name], None)
    if len(at) and int(at.max()) >= len(values):
        raise DataError(f"{path}: {by} has the id {int(at.max())}, and {name} is given for {len(values)} only")
    return values[at]


def few(path, name, a, rows, most):
    a = integers(path, name, a, rows)
    if len(a) and int(a.max()) > most:
        raise DataError(f"{path}: {name} has the value {int(a.max())}, and the largest is {most}")
    return a


def numbers_of(path, arrays, rows):
    names = [n for n in arrays if n.startswith("x_")]
    for name in names:
        a = arrays[name]
        if a.shape != (rows,) or a.dtype.kind != "f" or not np.isfinite(a).all():
            raise DataError(f"{path}: {name} has to be one finite float a row, {rows} of them")
    columns = [arrays[n].astype(np.float32) for n in names]
    return np.stack(columns, 1) if columns else np.zeros((rows, 0), np.float32)


def load(name):
    """The log of a known data set, or of a folder; DataError says what is wrong with it."""
    path = folder_of(name) / "data.npz"
    arrays = read(path)
    label = next((n for n in LABELS if n in arrays), None)
    fields = [n for n in arrays if n[:2] in ("f_", *BY)]
    for what, there in (("y", label), ("split", "split" in arrays), ("f_...", any(n[:2] == "f_" for n in fields))):
        if not there:
            raise DataError(f"{path}: there is no {what}")
    rows = len(integers(path, label, arrays[label], None))
    if not rows:
        raise DataError(f"{path}: there are no rows")
    y = few(path, label, arrays[label], rows, 1).astype(np.float32)
    split = few(path, "split", arrays["split"], rows, TEST).astype(np.uint8)
    ids, cards = np.empty((rows, len(fields)), np.int32), []
    for i, field in enumerate(fields):
        column = column_of(path, arrays, field, rows)
        first = sum(cards)
        cards.append(int(column.max()) + 1)
        if first + cards[-1] >= 1 << 31:
            raise DataError(f"{path}: the fields have 2^31 ids and more")
        ids[:, i] = column.astype(np.int32) + first
    return Log([f[2:] for f in fields], cards, ids, y, split, numbers_of(path, arrays, rows))
