#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Write the seeds of the fuzz targets table_file and npy, with plain json and struct.

    fuzz/make_corpus.py            writes fuzz/table_file.in/ and fuzz/npy.in/ beside this script
"""
import json
import os
import struct

HERE = os.path.dirname(os.path.abspath(__file__))
CODE = {"F32": "f", "F64": "d", "F16": "e", "U8": "B", "I8": "b", "U16": "H", "I16": "h",
        "I32": "i", "U32": "I", "I64": "q", "U64": "Q", "BF16": "H"}


def write(target, name, data):
    folder = os.path.join(HERE, target + ".in")
    os.makedirs(folder, exist_ok=True)
    assert len(data) < 4096, name
    with open(os.path.join(folder, name), "wb") as f:
        f.write(data)


def container(metadata, tensors, before="", after="", align=64, separators=(",", ":")):
    """tensors: {name: (dtype, shape, values)}"""
    header, data = {}, b""
    if metadata is not None:
        header["__metadata__"] = metadata
    for name, (dtype, shape, values) in tensors.items():
        raw = struct.pack("<%d%s" % (len(values), CODE[dtype]), *values)
        header[name] = {"dtype": dtype, "shape": shape, "data_offsets": [len(data), len(data) + len(raw)]}
        data += raw
    text = (before + json.dumps(header, separators=separators) + after).encode()
    text += b" " * (-(8 + len(text)) % align)
    return struct.pack("<Q", len(text)) + text + data


def meta(method, rows, dim, config=None, **more):
    m = {"embd.version": "1", "embd.method": method, "embd.rows": str(rows), "embd.dim": str(dim)}
    if config is not None:
        m["embd.config"] = json.dumps(config, separators=(",", ":"))
    m.update({"embd." + k: v for k, v in more.items()})
    return m


def floats(n, start=1):
    return [(start + i) * 0.25 - 1 for i in range(n)]


def count(n):
    return [i % 120 for i in range(n)]


def tables():
    full = {"weight": ("F32", [3, 4], floats(12))}
    yield "full", container(meta("full", 3, 4), full)
    yield "full_unaligned", container(meta("full", 3, 4), full, align=1, after=" ")
    yield "full_spaces", container(meta("full", 3, 4), full, before="  ", separators=(", ", ": "))
    yield "full_empty", container(meta("full", 0, 4), {"weight": ("F32", [0, 4], [])})
    yield "full_extras", container(
        meta("full", 3, 4, {"note": "n", "seed": "7"}, origin="fit", fields="[1,2]", applied="3", lsn="4",
             generation="1", optimizer='{"name":"adam","learning_rate":0.1,"step":2}'),
        {**full, "default": ("F32", [4], floats(4)), "frequency": ("I64", [3], [1, 2, 3]),
         "optimizer.weight.m": ("F32", [3, 4], floats(12)), "optimizer.weight.v": ("F32", [3, 4], [1] * 12)})
    yield "full_keys", container(meta("full", 3, 4), {**full, "keys": ("I64", [3], [-5, 1 << 60, 0])})
    yield "full_keys_twice", container(meta("full", 3, 4), {**full, "keys": ("I64", [3], [7, 1, 7])})
    yield "full_hashed", container(meta("full", 3, 4, {"seed": 9}, ids="hash"), full)
    yield "full_nan", container(meta("full", 3, 4), {"weight": ("F32", [3, 4], [float("nan")] * 12)})
    yield "full_checksum", container(meta("full", 3, 4, checksum="0" * 16), full)
    yield "fp16", container(meta("fp16", 3, 4), {"weight": ("F16", [3, 4], floats(12))})
    yield "bf16", container(meta("bf16", 3, 4), {"weight": ("BF16", [3, 4], [0x3f80 + i for i in range(12)])})
    for bits in (8, 16):
        for signed in (False, True):
            dtype = ("I" if signed else "U") + str(bits)
            name = "int%d_%s" % (bits, "signed" if signed else "unsigned")
            config = {"digit": bits, "signed": signed, "qparam": "table", "scale": 0.01, "middle": 0.5}
            yield name, container(meta("int%d" % bits, 3, 4, config), {"q": (dtype, [3, 4], count(12))})
            config = {"signed": signed, "qparam": "row"}
            yield name + "_rows", container(
                meta("int%d" % bits, 3, 4, config),
                {"qparams": ("F32", [3, 2], [1, -1, 0, 2, 0.5, 0]), "q": (dtype, [3, 4], count(12))})
    yield "hash", container(meta("hash", 1000, 2), {"table": ("F32", [5, 2], floats(10))})
    yield "hash_huge", container(meta("hash", (1 << 63) - 1, 2), {"table": ("F32", [5, 2], floats(10))})
    for op, q, r in (("mult", 2, 2), ("add", 2, 2), ("concat", 1, 1)):
        for pool in ("compose_first", "pool_first"):
            config = {"collisions": 3, "op": op, "pool": pool, "quotient": "f32div" if op == "add" else "int"}
            yield "compo_%s_%s" % (op, pool), container(
                meta("compo", 10, 2, config),
                {"q.weight": ("F32", [4, q], floats(4 * q)), "r.weight": ("F32", [3, r], floats(3 * r)),
                 "default": ("F32", [2], [1, 2])})
    yield "hash_fields", container(
        meta("hash", 5, 2, {"per_field": [{}, {"method": "full"}, {"note": 1}]}, fields="[2,3,0]"),
        {"f0.table": ("F32", [1, 2], floats(2)), "f1.weight": ("F32", [3, 2], floats(6)),
         "f2.table": ("F32", [0, 2], [])})
    yield "compo_fields", container(
        meta("compo", 7, 2, {"seed": 3, "per_field": [
            {"collisions": "2", "op": "mult", "pool": "pool_first"}, {"collisions": 2, "op": "add"}]},
            fields="[4,3]"),
        {"f0.q.weight": ("F32", [2, 2], floats(4)), "f0.r.weight": ("F32", [2, 2], floats(4)),
         "f1.q.weight": ("F32", [2, 2], floats(4)), "f1.r.weight": ("F32", [2, 2], floats(4)),
         "optimizer.f0.q.weight.sum": ("F32", [2], [1, 2])})
    yield "no_metadata", container(None, full)
    yield "no_tensors", container(meta("full", 3, 4), {})
    good = container(meta("full", 3, 4), full)
    yield "cut", good[:-5]
    yield "trailing", good + b"\0"
    yield "duplicate", container(meta("full", 3, 4), full, align=1).replace(b"embd.dim", b"embd.row", 1)
    yield "length_huge", b"\xff" * 8 + good[8:]
    yield "length_zero", b"\0" * 8
    yield "deep", struct.pack("<Q", 40) + b"[" * 20 + b"]" * 20


def npy(descr, shape, data, version=1, order="False", tail=", }"):
    text = "{'descr': %s, 'fortran_order': %s, 'shape': %s%s" % (descr, order, shape, tail)
    prefix = 10 if version == 1 else 12
    text += " " * (-(prefix + len(text) + 1) % 64) + "\n"
    length = struct.pack("<H" if version == 1 else "<I", len(text))
    return b"\x93NUMPY" + bytes([version, 0]) + length + text.encode() + data


def arrays():
    for name, size in (("<f2", 2), ("<f4", 4), ("<f8", 8), ("|u1", 1), ("|i1", 1), ("|b1", 1), ("<i2", 2),
                       ("<u2", 2), ("<i4", 4), ("<u4", 4), ("<i8", 8), ("<u8", 8)):
        yield "type_" + name[1:], npy(repr(name), "(2, 3)", b"\1" * 6 * size)
    yield "version2", npy("'<f4'", "(3,)", b"\0" * 12, 2)
    yield "version3", npy("'<f4'", "(3,)", b"\0" * 12, 3)
    yield "scalar", npy("'<f4'", "()", b"\0" * 4)
    yield "empty", npy("'<f4'", "(0, 4)", b"")
    yield "eight", npy("'|u1'", "(1, 1, 1, 1, 1, 1, 1, 1)", b"\0")
    yield "fortran", npy("'<f4'", "(2, 3)", b"\0" * 24, order="True")
    yield "fortran_line", npy("'<f4'", "(6,)", b"\0" * 24, order="True")
    yield "object", npy("'|O'", "(1,)", b"\0" * 8)
    yield "fields", npy("[('a', '<f4')]", "(1,)", b"\0" * 4)
    yield "big_endian", npy("'>f4'", "(1,)", b"\0" * 4)
    yield "huge", npy("'<f4'", "(4294967296, 4294967296)", b"")
    yield "short", npy("'<f4'", "(2,)", b"\0" * 7)
    yield "no_comma", npy('"<f4"', "(2,)", b"\0" * 8, tail="}")


if __name__ == "__main__":
    for name, data in tables():
        write("table_file", name, data)
    for name, data in arrays():
        write("npy", name, data)
