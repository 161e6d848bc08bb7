#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The files in tests/golden, which NumPy wrote by the formulas of each method (tools/golden): every table is exported
by embctl and served by a daemon, and every row is the one that NumPy computed, bit for bit; those of methods that add
many products up may differ by 1e-5 of the row's largest element. Every method of this build must have such files, and
tools/golden/make.py must make the committed ones again."""
import io
import json
import pathlib
import subprocess
import sys
import tempfile

import numpy as np

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from daemon import SOURCE, Daemon, messages, program  # noqa: E402

sys.path.insert(0, str(SOURCE / "tools"))
import golden  # noqa: E402
from golden import make  # noqa: E402

FOLDER = SOURCE / "tests" / "golden"
TOLERANCE = 1e-5


def differ(method, found, expected):
    """What is wrong with the rows, or None."""
    if found.shape != expected.shape:
        return f"shape {found.shape}, not {expected.shape}"
    if method not in golden.INEXACT:
        return None if found.tobytes() == expected.tobytes() else "bits differ"
    most = abs(expected).max(1, initial=0, keepdims=True)
    worst = (abs(found.astype(float) - expected) / np.where(most > 0, most, 1)).max(initial=0)
    return None if worst <= TOLERANCE else f"{worst:.2g} of a row's largest element"


def read(name):
    path = FOLDER / f"{name}.ids.npy"
    return np.load(FOLDER / f"{name}.rows.npy"), np.load(path) if path.exists() else None


def exported(path):
    done = subprocess.run([program("embctl"), "export", path, "-o", "-"], capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()
    return np.load(io.BytesIO(done.stdout))


def served(names):
    """{name: rows or the daemon's refusal}, from one daemon that serves all."""
    pb = messages("embd_bulk")
    tables = {name: str(FOLDER / f"{name}.safetensors") for name in names}
    out = {}
    with Daemon(tables=tables) as daemon:
        lookup = daemon.unary("/embd.v1.Embedding/Lookup", pb.LookupRequest, pb.LookupResponse, daemon.channel())
        for name in names:
            rows, ids = read(name)
            ids = np.arange(len(rows)) if ids is None else ids
            one = pb.TableLookup(table=name, ids=ids.astype("<i8").tobytes())
            result = lookup(pb.LookupRequest(lookups=[one]), timeout=60).results[0]
            out[name] = np.frombuffer(result.values, "<f4").reshape(result.rows, result.dim)
    return out


def test_rows(cases):
    wrong = []
    for case in cases:
        rows, ids = read(case.name)
        try:
            why = differ(case.method, exported(FOLDER / f"{case.name}.safetensors"), rows) if ids is None else None
        except AssertionError as error:
            why = str(error).strip()
        if why:
            wrong.append(f"{case.name}: exported: {why}")
    refused = {line.split(":")[0] for line in wrong}
    for name, found in served([case.name for case in cases if case.name not in refused]).items():
        method = next(case.method for case in cases if case.name == name)
        if why := differ(method, found, read(name)[0]):
            wrong.append(f"{name}: served: {why}")
    print("\n".join(wrong))
    return wrong


def test_files_are_made_again(cases):
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        make.main(folder)
        assert sorted(p.name for p in folder.iterdir()) == sorted(p.name for p in FOLDER.iterdir())
        for case in cases:
            for path in folder.glob(f"{case.name}.*"):
                committed = FOLDER / path.name
                if path.name.endswith(".rows.npy") and case.method in golden.INEXACT:
                    why = differ(case.method, np.load(path), np.load(committed))
                    assert not why, f"{path.name}: {why}"  # exp and log may differ between machines
                else:
                    assert path.read_bytes() == committed.read_bytes(), f"{path.name} is made otherwise"


def main():
    cases = golden.cases()
    told = subprocess.run([program("embctl"), "methods", "--json"], capture_output=True, check=True).stdout
    methods = [method["name"] for method in json.loads(told)]
    without = [name for name in methods if name not in {case.method for case in cases}]
    assert not without, f"no golden files for {' '.join(without)}"
    unknown = [name for name in golden.METHODS if name not in methods]
    assert not unknown, f"this build knows no {' '.join(unknown)}"
    test_files_are_made_again(cases)
    wrong = test_rows(cases)
    print(f"{len(cases)} tables of {len(methods)} methods, {len(wrong)} wrong")
    sys.exit(bool(wrong))


if __name__ == "__main__":
    main()
