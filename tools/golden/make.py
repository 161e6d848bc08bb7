#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""tools/golden/make.py [FOLDER]: writes every case as a table file, the rows that it must answer, and, where those are
not all of its rows in order, the ids: NAME.safetensors, NAME.rows.npy, NAME.ids.npy. FOLDER is tests/golden."""
import pathlib
import sys

import numpy as np

HERE = pathlib.Path(__file__).resolve().parent
if __name__ == "__main__":
    sys.path[:1] = [str(HERE.parent), str(HERE.parent.parent / "tests" / "system")]
import golden  # noqa: E402
import tablefile  # noqa: E402


def table_bytes(case):
    more = {"fields": str(case.fields)} if case.fields else {}
    if case.id_kind:
        more["ids"] = case.id_kind
    return tablefile.table(case.method, case.rows, case.dim, case.tensors, case.config or None, **more)


def files(case):
    """{name: bytes or array}"""
    ids = range(case.rows) if case.ids is None else case.ids
    out = {f"{case.name}.safetensors": table_bytes(case), f"{case.name}.rows.npy": golden.lookup(case, ids)}
    if case.ids is not None:
        out[f"{case.name}.ids.npy"] = np.array(case.ids, "<i8")
    return out


def main(folder):
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.iterdir():
        old.unlink()
    for case in golden.cases():
        for name, content in files(case).items():
            if isinstance(content, bytes):
                (folder / name).write_bytes(content)
            else:
                np.save(folder / name, content)
    total = sum(path.stat().st_size for path in folder.iterdir())
    print(f"{folder}: {len(golden.cases())} tables of {len(golden.METHODS)} methods, {total} bytes")


if __name__ == "__main__":
    main(pathlib.Path(sys.argv[1]) if sys.argv[1:] else HERE.parent.parent / "tests" / "golden")
