# SPDX-License-Identifier: Apache-2.0
"""Every method a second time, in NumPy, from its published formula: what a table file must answer. One module a
method, with `lookup(config, tensors, ids, shape)`, which gives float32 rows, and `cases()`, tables of each variant.
No code of embd is used. Arithmetic is float32, one rounding an operation, in the order of the formula, so that rows can
be compared bit for bit; those of the methods in INEXACT, which add many products up, are computed in float64."""
import importlib

import numpy as np

from . import ids as idspace

METHODS = ("full hash compo tt dhe robe dedup mgqe dpq adapt int8 int16 fp16 bf16 alpt mde autodim optembed deeplight "
           "autosrh pep").split()
INEXACT = ("dhe", "tt", "mde", "autodim")  # within 1e-5 of a row's largest element
ANY = ("keys", "touched", "default", "frequency")  # tensors of any table


def module(method):
    return importlib.import_module(f"{__name__}.{method}")


def rows_at(case, at):
    """Rows at positions `at`, each in [0, N)."""
    at = np.asarray(at, np.int64)
    if not len(at):
        return np.zeros((0, case.dim), np.float32)
    tensors = {name: np.asarray(array) for name, (_, array) in case.tensors.items() if name not in ANY}
    if "per_field" not in case.config:
        return module(case.method).lookup(case.config, tensors, at, case.shape)
    out = np.empty((len(at), case.dim), np.float32)
    first = np.cumsum([0, *case.fields])
    for f, config in enumerate(case.config["per_field"]):
        mine = (at >= first[f]) & (at < first[f + 1])
        parts = {name[len(f"f{f}."):]: array for name, array in tensors.items() if name.startswith(f"f{f}.")}
        method = config.get("method", case.method)
        if mine.any():
            out[mine] = module(method).lookup(config, parts, at[mine] - first[f], case.shape.of_field(f))
    return out


def resolve(case, ids):
    """Positions of ids, -1 for unknown ones."""
    if case.id_kind == "hash":
        seed = int(case.config.get("seed", 0))
        return np.array([idspace.xxh64(int(i), seed) % case.rows for i in ids], np.int64)
    if "keys" in case.tensors:
        keys = case.tensors["keys"][1]
        touched = case.tensors["touched"][1] if "touched" in case.tensors else np.zeros(len(keys))
        place = {int(key): i for i, key in enumerate(keys) if touched[i] >= 0}  # the others are spare
        return np.array([place.get(int(i), -1) for i in ids], np.int64)
    return np.array([i if 0 <= i < case.rows else -1 for i in map(int, ids)], np.int64)


def lookup(case, ids):
    """What embd must answer for any ids."""
    at = resolve(case, ids)
    out = np.zeros((len(at), case.dim), np.float32)
    if "default" in case.tensors:
        out[:] = case.tensors["default"][1]
    out[at >= 0] = rows_at(case, at[at >= 0])
    return out


def cases():
    """All tables of all methods."""
    found = [case for method in METHODS for case in module(method).cases()]
    assert len({case.name for case in found}) == len(found)
    assert {case.method for case in found} == set(METHODS)
    return found
