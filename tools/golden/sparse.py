# SPDX-License-Identifier: Apache-2.0
"""Rows of which few entries are stored: deeplight, autosrh and pep, by rows (CSR) or as a sorted list (COO)."""
import numpy as np

from .case import Case, Draw, f32


def lookup(config, tensors, ids, shape):
    out = np.zeros((len(ids), shape.dim), f32)
    for i, x in enumerate(ids):
        if config["form"] == "csr":
            begin, end = tensors["csr.indptr"][x:x + 2]
            column, value = tensors["csr.indices"][begin:end], tensors["csr.data"][begin:end]
        else:
            begin, end = np.searchsorted(tensors["coo.row"], [x, x + 1])
            column, value = tensors["coo.col"][begin:end], tensors["coo.data"][begin:end]
        out[i, column] = value
    return out


def make(method, name, rows, dim, form, column="U8", row="I64", share=0.2):
    draw = Draw(f"sparse {name}")
    at, col = np.nonzero(draw.floats(rows, dim, low=0) < share)
    value = draw.floats(len(at))
    if len(value) > 4:
        value[1:4] = [0.0, -0.0, 1e-40]  # stored zeros
    if form == "csr":
        indptr = np.searchsorted(at, np.arange(rows + 1))
        tensors = {"csr.indptr": ("I64", indptr), "csr.indices": (column, col), "csr.data": ("F32", value)}
    else:
        tensors = {"coo.row": (row, at), "coo.col": (column, col), "coo.data": ("F32", value)}
    return Case(name, method, rows, dim, tensors, {"form": form})


def cases(method):
    for form in ("csr", "coo"):
        yield make(method, f"{method}_{form}", 60, 16, form)
        yield make(method, f"{method}_{form}_none", 9, 4, form, share=-1)


def more_cases(method):
    """The types of the indices, and shapes at the edges: once is enough."""
    for form in ("csr", "coo"):
        for column, dim in (("U16", 16), ("I32", 16), ("U16", 300), ("I32", 300), ("U8", 256)):
            yield make(method, f"{method}_{form}_{column.lower()}_{dim}", 12, dim, form, column, "I64", 0.1)
        yield make(method, f"{method}_{form}_full", 12, 7, form, share=2)
        yield make(method, f"{method}_{form}_no_rows", 0, 7, form)
    yield make(method, f"{method}_coo_i32", 50, 9, "coo", "U8", "I32")
    yield make(method, f"{method}_coo_i32_i32", 30, 9, "coo", "I32", "I32")
    case = make(method, f"{method}_coo_far", 30, 9, "coo")
    spread = np.array([0, 1, 2**31 - 1, 2**31, 2**53 + 1, 2**62 - 1])
    row, col, value = (np.asarray(case.tensors[f"coo.{part}"][1]) for part in ("row", "col", "data"))
    mine = row < len(spread)
    case.rows = 2**62
    case.tensors = {"coo.row": ("I64", spread[row[mine]]), "coo.col": ("U8", col[mine]), "coo.data": ("F32", value[mine])}
    case.ids = [0, 1, 2, 2**31 - 2, 2**31 - 1, 2**31, 2**53, 2**53 + 1, 2**62 - 2, 2**62 - 1]
    yield case
