#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The Python package's coding, without a daemon: requests have the bytes that protobuf gives them, answers of protobuf
are read, broken ones are Broken and nothing else."""
import dataclasses
import pathlib
import random
import struct
import sys
import unittest

import numpy as np

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import reference  # noqa: E402
from daemon import messages  # noqa: E402
from python_kit import embd  # noqa: E402

from embd import arrays, lookups, pushes, tables, wire  # noqa: E402
from embd.messages import Message, decode, encode  # noqa: E402

pb = messages("embd")
f32 = np.float32
FORMATS = ["f32", "f16", "bf16", "int8"]
POOLINGS = ["none", "sum", "mean"]


def random_bags(rng, n):
    """Pooling, offsets, weights and rows for n ids."""
    pooling = int(rng.integers(3))
    if not pooling:
        return pooling, None, None, n
    cuts = np.concatenate([[0], np.sort(rng.integers(0, n + 1, rng.integers(0, 4))), [n]])
    weights = rng.standard_normal(n).astype(f32) if pooling == 1 and rng.random() < 0.5 else None
    return pooling, cuts, weights, len(cuts) - 1


def strange_floats(rng, n):
    """Floats of any bits, infinities and NaN too."""
    return rng.integers(0, 1 << 32, n, dtype=np.uint32).view(f32)


class Requests(unittest.TestCase):
    def test_lookups(self):
        rng = np.random.default_rng(1)
        for _ in range(300):
            ours, theirs = [], pb.LookupRequest(format=int(rng.integers(4)), missing=int(rng.integers(2)))
            for table in range(int(rng.integers(0, 4))):
                n = int(rng.integers(0, 5))
                ids = rng.integers(-(1 << 63), 1 << 63, n)
                pooling, cuts, weights, _ = random_bags(rng, n)
                version = int(rng.choice([0, 1, 300, (1 << 63) - 1]))
                ours.append(embd.Lookup(f"t{table}ü", ids, POOLINGS[pooling], cuts, weights, version))
                theirs.lookups.add(table=f"t{table}ü", ids=ids, pooling=pooling, offsets=() if cuts is None else cuts,
                                   weights=() if weights is None else weights, min_version=version)
            data, _ = lookups.encode(ours, FORMATS[theirs.format], ["fill", "error"][theirs.missing])
            self.assertEqual(data, theirs.SerializeToString())

    def test_pushes(self):
        rng = np.random.default_rng(2)
        for _ in range(300):
            form = int(rng.integers(3))
            ours, theirs = [], pb.PushRequest(missing=int(rng.integers(3)))
            if rng.random() < 0.5:
                theirs.trainer, theirs.sequence = "job.7:a-b_c", int(rng.integers(1, 1 << 63))
            if rng.random() < 0.5:
                theirs.learning_rate = float(f32(rng.choice([0, 0.1, -0.0])))
            for _ in range(int(rng.integers(0, 4))):
                n, dim = int(rng.integers(0, 5)), int(rng.integers(1, 4))
                ids = rng.integers(-(1 << 63), 1 << 63, n)
                pooling, cuts, weights, rows = random_bags(rng, n)
                gradients = rng.standard_normal((rows, dim)).astype(f32)
                ours.append(embd.Push("t", ids, gradients, POOLINGS[pooling], cuts, weights))
                packed = reference.encode(gradients, form) if form else b""
                theirs.pushes.add(table="t", ids=ids, pooling=pooling, offsets=() if cuts is None else cuts,
                                  weights=() if weights is None else weights, format=form, packed=packed,
                                  gradients=() if form else gradients.ravel())
            rate = theirs.learning_rate if theirs.HasField("learning_rate") else None
            data, count = pushes.encode(ours, theirs.trainer, theirs.sequence, rate,
                                        ["refuse", "skip", "admit"][theirs.missing], FORMATS[form])
            self.assertEqual((data, count), (theirs.SerializeToString(), len(ours)))

    def test_what_arrays_may_be(self):
        expected, _ = lookups.encode(embd.Lookup("t", np.array([1, 2, 3, 4])), "f32", "fill")
        wide = np.zeros((4, 3), np.int64)
        wide[:, 1] = [1, 2, 3, 4]
        for ids in ([1, 2, 3, 4], (1, 2, 3, 4), range(1, 5), np.array([1, 2, 3, 4], ">i8"), wide[:, 1],
                    np.array([1, 2, 3, 4], np.uint64), np.array([1, 2, 3, 4], np.int8),
                    np.array([4, 3, 2, 1])[::-1]):
            self.assertEqual(lookups.encode([embd.Lookup("t", ids)], "f32", "fill")[0], expected)
        gradients = np.arange(6, dtype=f32).reshape(2, 3)
        expected, _ = pushes.encode(embd.Push("t", [1, 2], gradients), "", 0, None, "refuse", "f32")
        for same in (gradients.astype(float), gradients.astype(">f4"), np.asfortranarray(gradients),
                     gradients.astype(np.float16), gradients.tolist()):
            data, _ = pushes.encode(embd.Push("t", [1, 2], same), "", 0, None, "refuse", "f32")
            self.assertEqual(data, expected)

    def test_bfloat16(self):
        rng = np.random.default_rng(3)
        values = strange_floats(rng, 200000)
        values = np.concatenate([values[~np.isnan(values)], f32([0, -0.0, 3.4028235e38, -3.4028235e38, 1e-45])])
        np.testing.assert_array_equal(arrays.bfloat16(values), reference.to_bf16(values))
        ties = (np.arange(0x10000, dtype=np.uint32) << 16 | 0x8000).view(f32)
        ties = ties[~np.isnan(ties)]
        np.testing.assert_array_equal(arrays.bfloat16(ties) & 1, 0)
        nan = np.array([0x7f800001, 0x7fffffff, 0xff800001, 0xffffffff, 0x7fc00000], np.uint32).view(f32)
        self.assertTrue(np.isnan((arrays.bfloat16(nan).astype(np.uint32) << 16).view(f32)).all())

    def test_float16(self):
        """As NumPy converts, of any bits, and around every half."""
        half = np.arange(0x7c00, dtype=np.uint16).view(np.float16).astype(f32)
        middle = (half[1:] + half[:-1]) / 2
        values = np.concatenate([half, middle, np.nextafter(middle, f32(0)), np.nextafter(middle, f32(1e6))])
        values = np.concatenate([values, -values, strange_floats(np.random.default_rng(4), 200000)])
        values = values[~np.isnan(values)]
        with np.errstate(all="ignore"):
            found, want = arrays.float16(values), values.astype(np.float16)
            self.assertTrue(np.isnan(arrays.float16(f32([np.nan]))[0]))
        np.testing.assert_array_equal(found.view(np.uint16), want.view(np.uint16))


class Replies(unittest.TestCase):
    def test_formats(self):
        rng = np.random.default_rng(4)
        for form, name in enumerate(FORMATS):
            for rows, dim in ((0, 1), (1, 1), (7, 3), (100, 64)):
                values = rng.standard_normal((rows, dim)).astype(f32)
                result = pb.TableVectors(dim=dim, rows=rows, version=1 << 40, missing=list(range(0, rows, 2)))
                data = reference.encode(values, form)
                if form:
                    result.packed = data
                else:
                    result.values.extend(values.ravel())
                reply = pb.LookupResponse(results=[result, pb.TableVectors(dim=1)], lsn=9).SerializeToString()
                found = lookups.decode(reply, [(rows, rows, "a"), (0, 0, "b")], name)
                first = found.results[0]
                self.assertEqual((first.version, found.lsn, first.missing.tolist()),
                                 (1 << 40, 9, list(range(0, rows, 2))))
                self.assertEqual((first.values.shape, first.values.dtype),
                                 ((rows, dim), np.float16 if form == 1 else f32))
                if form < 2:
                    self.assertEqual(first.values.tobytes(), data)
                    self.assertFalse(first.values.flags.owndata or first.values.flags.writeable)
                elif form == 2:
                    np.testing.assert_array_equal(first.values.ravel(), reference.from_bf16(np.frombuffer(data, "<u2")))
                else:
                    for row, fused in zip(first.values, struct.iter_unpack(f"<{dim}B2f", data)):
                        expected = np.array(fused[:dim], f32) * f32(fused[dim]) + f32(fused[dim + 1])
                        np.testing.assert_array_equal(row, expected)

    def test_every_bfloat16(self):
        bits = np.arange(0x10000, dtype="<u2")
        reply = pb.LookupResponse(results=[pb.TableVectors(dim=256, rows=256, packed=bits.tobytes())])
        values = lookups.decode(reply.SerializeToString(), [(256, 256, "t")], "bf16").results[0].values
        self.assertEqual(values.tobytes(), (bits.astype("<u4") << 16).tobytes())

    def test_pieces(self):
        """Protobuf lets packed arrays come in pieces and one by one, and fields of later versions are skipped."""
        one, two = struct.pack("<2f", 1, 2), struct.pack("<f", 3)
        body = (b"\x08\x03\x10\x01" + b"\x1a\x08" + one + b"\x1d" + two + b"\x28\x05" + b"\x35\0\0\0\0" + b"\x7a\x01x"
                + b"\x78\x05" + b"\x7d1234" + b"\x7912345678")
        reply = b"\x0a" + wire.varint(len(body)) + body + b"\x18\x01"
        rows = lookups.decode(reply, [(1, 1, "t")], "f32").results[0]
        self.assertEqual((rows.values.tolist(), rows.missing.tolist(), rows.version), ([[1, 2, 3]], [0], 5))

    def reply(self, **fields):
        fields = {"dim": 2, "rows": 3, "values": [1.0] * 6, "version": 4, "missing": [2], **fields}
        return pb.LookupResponse(results=[pb.TableVectors(**fields)], lsn=77)

    def test_lookup_answers_something_else(self):
        good = self.reply()
        two = pb.LookupResponse(results=[good.results[0]] * 2)
        for words, reply, form in (
                ("more results than the 1", two, "f32"), ("0 results for 1", pb.LookupResponse(lsn=1), "f32"),
                ("0 results for 1", b"", "f32"), ("no message", None, "f32"), ("another format", good, "f16"),
                ("another format", good, "int8"), ("another format", self.reply(packed=b"x"), "f32"),
                ("4 rows, and 3 were asked for", self.reply(rows=4), "f32"), ("2 rows", self.reply(rows=2), "f32"),
                ("0 rows", self.reply(rows=0), "f32"), ("have 0 columns", self.reply(dim=0), "f32"),
                ("24 bytes are not 3 rows of 3 columns", self.reply(dim=3), "f32"),
                ("20 bytes are not", self.reply(values=[1.0] * 5), "f32"),
                ("28 bytes are not", self.reply(values=[1.0] * 7), "f32"),
                ("0 bytes are not", self.reply(values=[]), "f32"),
                ("are not 3 rows of 4294967295", self.reply(dim=0xffffffff), "f32"),
                ("13 bytes", self.reply(values=[], packed=b"1" * 13), "f16"),
                ("29 bytes", self.reply(values=[], packed=b"1" * 29), "int8"),
                ("id number 3 of 3 unknown", self.reply(missing=[0, 3]), "f32"),
                ("not protobuf", b"\xff", "f32"), ("not protobuf", b"\x0a\x05abc", "f32"),
                ("not protobuf", b"\x0b", "f32"), ("not protobuf", b"\0\0", "f32"),
                ("not protobuf", b"\x10" + b"\xff" * 10, "f32"),
                ("another type", b"\x08\x01", "f32"), ("another type", b"\x12\x01a", "f32"),
                ("another type", b"\x0a\x05\x0d1234", "f32"), ("another type", b"\x0a\x02\x18\x01", "f32"),
                ("another type", b"\x0a\x05\x1a\x03123", "f32"), ("another type", b"\x0a\x02\x20\x01", "f32")):
            with self.subTest(words), self.assertRaisesRegex(wire.Broken, words):
                data = reply.SerializeToString() if isinstance(reply, pb.LookupResponse) else reply
                lookups.decode(data, [(3, 3, "t")], form)

    def test_damaged_lookup_replies(self):
        """Cut anywhere, any bit flipped: Broken, or an answer of the right shape."""
        good, asked = self.reply().SerializeToString(), [(3, 3, "t")]
        for n in range(len(good)):
            self.one_of(good[:n], asked, "f32", lsn=0)
        rng = random.Random(5)
        for _ in range(20000):
            data = bytearray(good)
            for _ in range(rng.randint(1, 3)):
                data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
            self.one_of(bytes(data), asked, rng.choice(FORMATS))
            self.one_of(rng.randbytes(rng.randrange(30)), asked, rng.choice(FORMATS))

    def one_of(self, data, asked, form, **fields):
        try:
            found = lookups.decode(data, asked, form)
        except wire.Broken:
            return
        self.assertEqual([rows.values.shape[0] for rows in found.results], [3])
        self.assertTrue(all(place < 3 for place in found.results[0].missing))
        for name, value in fields.items():
            self.assertEqual(getattr(found, name), value)

    def test_push_replies(self):
        good = pb.PushResponse(duplicate=True, versions=[1, 1 << 50], lsn=7, skipped=3)
        answer = pushes.decode(good.SerializeToString(), 2)
        self.assertEqual(dataclasses.astuple(answer), (True, [1, 1 << 50], 7, 3, 0))
        self.assertEqual(pushes.decode(b"\x10\x05\x28\x09", 1).admitted, 9)  # a number by itself, too
        for words, data, count in (("2 versions for 1 tables", good.SerializeToString(), 1), ("0 versions", b"", 1),
                                   ("2 versions for 3", good.SerializeToString(), 3), ("no message", None, 1),
                                   ("not protobuf", b"\x12\x01\xff", 1), ("another type", b"\x0a\x01a", 0),
                                   ("another type", b"\x15abcd", 1), ("not protobuf", b"\x12\x05a", 1)):
            with self.subTest(words), self.assertRaisesRegex(wire.Broken, words):
                pushes.decode(data, count)
        rng = random.Random(6)
        for _ in range(20000):
            try:
                self.assertEqual(len(pushes.decode(rng.randbytes(rng.randrange(16)), 1).versions), 1)
            except wire.Broken:
                pass


MESSAGES = {tables.TableInfo: "TableInfo", tables.TensorInfo: "TensorInfo", tables.SnapshotInfo: "SnapshotInfo",
            tables.Description: "DescribeResponse", tables.Listed: "ListResponse", tables.Loaded: "LoadResponse",
            tables.Created: "CreateResponse", tables.Unloaded: "UnloadResponse", tables.Saved: "SaveResponse",
            tables.Restored: "RestoreResponse", tables.NumberList: "NumberList", tables.Cells: "Cells",
            tables.Fact: "Fact", tables.Explained: "ExplainResponse", tables.TableRequest: "SaveRequest",
            tables.FlagRequest: "UnloadRequest", tables.RestoreRequest: "RestoreRequest",
            tables.ExplainRequest: "ExplainRequest", tables.Option: "TableOption", tables.LoadRequest: "LoadRequest",
            tables.CreateRequest: "CreateRequest", tables.CountsRequest: "CountsRequest",
            tables.CountsSlice: "CountsResponse"}


def random_value(rng, kind, message):
    if isinstance(kind, dict):
        return rng.choice(list(kind))
    if isinstance(kind, type):
        return message(kind)
    return {"string": lambda: rng.choice(["", "a", "grüße\0"]), "bool": lambda: rng.random() < 0.5,
            "uint": lambda: rng.choice([0, 1, 200, (1 << 32) - 1]),
            "int": lambda: rng.randint(-(1 << 63), (1 << 63) - 1),
            "sint": lambda: rng.choice([0, -1, 1, -(1 << 63), (1 << 63) - 1]),
            "fixed64": lambda: rng.choice([0, (1 << 64) - 1]), "sfixed64": lambda: rng.choice([0, -(1 << 63), 5]),
            "fixed32": lambda: rng.choice([0, (1 << 32) - 1]), "double": lambda: rng.choice([0.0, -0.0, 0.1, -1e300]),
            "float": lambda: rng.choice([0.0, 0.5, -2.0])}[kind]()


def random_message(rng, kind):
    """One of ours, and a dict of its fields for protobuf."""
    fields, used = {}, False
    for one in dataclasses.fields(kind):
        spec = one.metadata["wire"]
        draw = lambda: random_value(rng, spec.kind, lambda inner: random_message(rng, inner))  # noqa: B023, E731
        if spec.repeated:
            fields[one.name] = [draw() for _ in range(rng.randrange(3))]
        elif not spec.optional:
            fields[one.name] = draw()
        elif not used and rng.random() < 0.5:  # of a oneof there is one
            fields[one.name], used = draw(), kind in (tables.Fact, tables.CreateRequest)
    return kind(**fields)


def same(test, ours, theirs):
    """Every field of ours against protobuf's, by number."""
    names = {field.number: field for field in theirs.DESCRIPTOR.fields}
    test.assertEqual({one.metadata["wire"].number for one in dataclasses.fields(ours)}, set(names), type(ours))
    for one in dataclasses.fields(ours):
        spec, field = one.metadata["wire"], names[one.metadata["wire"].number]
        value, other = getattr(ours, one.name), getattr(theirs, field.name)
        if spec.optional:
            test.assertEqual(value is not None, theirs.HasField(field.name), one.name)
            if value is None:
                continue
        pairs = list(zip(value, other)) if spec.repeated else [(value, other)]
        test.assertEqual(len(pairs), len(other) if spec.repeated else 1)
        for mine, its in pairs:
            if isinstance(spec.kind, type):
                same(test, mine, its)
            else:
                test.assertEqual(spec.kind[mine] if isinstance(spec.kind, dict) else mine, its, one.name)


class Administration(unittest.TestCase):
    def test_messages(self):
        rng = random.Random(7)
        for kind, name in MESSAGES.items():
            for _ in range(100):
                ours = random_message(rng, kind)
                theirs = getattr(pb, name).FromString(encode(ours))
                same(self, ours, theirs)
                self.assertEqual(repr(decode(kind, theirs.SerializeToString())), repr(decode(kind, encode(ours))))
                same(self, decode(kind, theirs.SerializeToString()), theirs)
        declared = {value for value in vars(tables).values() if isinstance(value, type) and issubclass(value, Message)}
        self.assertEqual(declared - {Message}, set(MESSAGES))

    def test_damaged(self):
        rng = random.Random(8)
        for _ in range(5000):
            for kind in (tables.Description, tables.Explained, tables.Listed):
                data = bytearray(encode(random_message(rng, kind)))
                if data and rng.random() < 0.7:
                    data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
                try:
                    decode(kind, bytes(data[:rng.randrange(len(data) + 1)]))
                except wire.Broken:
                    pass

    def test_new_words(self):
        """A number that is new to us is told, and no error."""
        self.assertEqual(decode(tables.TableInfo, b"\x38\x07").state, "7")


if __name__ == "__main__":
    unittest.main()
