# SPDX-License-Identifier: Apache-2.0
"""Table files written without embd: json and struct alone lay out the container, NumPy holds the arrays."""
import json
import struct

import numpy as np

DTYPES = {"F32": "<f4", "F16": "<f2", "BF16": "<u2", "U8": "u1", "I8": "i1", "U16": "<u2", "I16": "<i2",
          "I32": "<i4", "U32": "<u4", "I64": "<i8", "U64": "<u8", "F64": "<f8", "BOOL": "u1"}


def safetensors(tensors, metadata):
    """The bytes of a file: `tensors` is {name: (dtype, array)}, `metadata` {key: text}."""
    header, data, offset = {"__metadata__": metadata}, [], 0
    order = sorted(tensors, key=lambda name: -np.dtype(DTYPES[tensors[name][0]]).itemsize)
    for name in order:
        dtype, array = tensors[name]
        raw = np.ascontiguousarray(array, dtype=DTYPES[dtype]).tobytes()
        header[name] = {"dtype": dtype, "shape": list(np.shape(array)),
                        "data_offsets": [offset, offset + len(raw)]}
        data.append(raw)
        offset += len(raw)
    text = json.dumps(header).encode()
    text += b" " * (-(len(text) + 8) % 64)
    return struct.pack("<Q", len(text)) + text + b"".join(data)


def table(method, rows, dim, tensors, config=None, **more):
    """The bytes of a table file; `more` are further embd. keys, such as ids="hash"."""
    metadata = {"embd.version": "1", "embd.method": method, "embd.rows": str(rows), "embd.dim": str(dim)}
    if config is not None:
        metadata["embd.config"] = json.dumps(config)
    metadata.update({f"embd.{key}": str(value) for key, value in more.items()})
    return safetensors(tensors, metadata)


def write(path, data):
    with open(path, "wb") as f:
        f.write(data)
    return path
