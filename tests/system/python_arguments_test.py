#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The Python package without a daemon: arguments that do not fit are named, and every status is a class of its own."""
import pathlib
import re
import sys
import unittest

import numpy as np

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from daemon import SOURCE  # noqa: E402
from python_kit import embd  # noqa: E402

from embd import lookups, pushes  # noqa: E402

f32 = np.float32


class Arguments(unittest.TestCase):
    def lookup(self, *fields, form="f32", missing="fill", **more):
        lookups.encode([embd.Lookup("a", [1]), embd.Lookup("t", *fields, **more)], form, missing)

    def push(self, *fields, trainer="", sequence=0, rate=None, missing="refuse", form="f32", **more):
        pushes.encode([embd.Push("t", *fields, **more)], trainer, sequence, rate, missing, form)

    def refused(self, kind, words, call, *fields, **more):
        with self.subTest(words):
            with self.assertRaises(kind) as caught:
                call(*fields, **more)
            self.assertIn(words, str(caught.exception))
            self.assertNotIn("\n", str(caught.exception))

    def test_lookups(self):
        name = 'lookups[1] (table "t"): '
        for kind, words, fields in (
                (TypeError, name + "ids is float64; whole numbers are needed", ([1.0],)),
                (TypeError, name + "ids is bool", ([True],)),
                (TypeError, name + "ids is <U1", (["1"],)),
                (TypeError, name + "ids is object", ([1, None],)),
                (TypeError, "whole numbers are needed", ([1 << 64],)),
                (ValueError, name + "ids has the shape (1, 2); one dimension is needed", ([[1, 2]],)),
                (ValueError, name + "ids has the shape ()", (5,)),
                (ValueError, "no array", ([[1], [1, 2]],)),
                (ValueError, name + f"ids[1] = {1 << 63} is above 2^63 - 1", (np.array([1, 1 << 63], np.uint64),)),
                (ValueError, 'pooling is "max"; there are "none", "sum", "mean"', ([1], "max")),
                (TypeError, "pooling is int", ([1], 1)),
                (ValueError, name + "offsets without pooling", ([1], "none", [0, 1])),
                (ValueError, name + "pooling without offsets", ([1], "sum")),
                (ValueError, name + "offsets is empty", ([1], "sum", [])),
                (ValueError, name + "offsets[0] = 1 must be 0", ([1], "sum", [1, 1])),
                (ValueError, name + "offsets[2] = 1 is below offsets[1] = 2", ([1, 2], "mean", [0, 2, 1])),
                (ValueError, name + "offsets[1] = 2 must be the number of ids, 1", ([1], "sum", [0, 2])),
                (ValueError, "offsets[0] = -1", ([1], "sum", [-1, 1])),
                (TypeError, "offsets is float64", ([1], "sum", [0, 1.0])),
                (ValueError, "offsets has the shape", ([1], "sum", [[0, 1]])),
                (ValueError, name + 'weights without pooling "sum"', ([1], "mean", [0, 1], [1.0])),
                (ValueError, 'weights without pooling "sum"', ([1], "none", None, [1.0])),
                (ValueError, name + "weights has 2 numbers for 1 ids", ([1], "sum", [0, 1], [1.0, 2.0])),
                (TypeError, "weights is int64", ([1], "sum", [0, 1], [1])),
                (ValueError, "min_version is -1", ([1], "none", None, None, -1)),
                (TypeError, "min_version is float", ([1], "none", None, None, 1.0)),
                (TypeError, "min_version is bool", ([1], "none", None, None, True))):
            self.refused(kind, words, self.lookup, *fields)
        self.refused(ValueError, 'format is "f64"; there are "f32", "f16", "bf16", "int8"', self.lookup, [1],
                     form="f64")
        self.refused(ValueError, 'missing is "skip"', self.lookup, [1], missing="skip")
        self.refused(TypeError, "lookups[0] is str; embd.Lookup is needed", lookups.encode, ["t"], "f32", "fill")
        self.refused(TypeError, "lookups is dict", lookups.encode, {}, "f32", "fill")
        self.refused(TypeError, 'table is int', lookups.encode, embd.Lookup(5, [1]), "f32", "fill")
        self.refused(ValueError, "UTF-8", lookups.encode, embd.Lookup("\ud800", [1]), "f32", "fill")

    def test_pushes(self):
        name, ones = 'pushes[0] (table "t"): ', np.ones((2, 3))
        for kind, words, fields in (
                (TypeError, name + "gradients is int64; float32, float16 or float64 is needed", ([1, 2], [[1], [2]])),
                (TypeError, "gradients is bool", ([1, 2], ones > 0)),
                (TypeError, "gradients is complex128", ([1, 2], ones * 1j)),
                (ValueError, name + "gradients has the shape (6,); [ids, dim] is needed", ([1, 2], ones.ravel())),
                (ValueError, name + "gradients has 2 rows for 1 ids", ([1], ones)),
                (ValueError, name + "gradients has 2 rows for 1 bags", ([1, 2], ones, "sum", [0, 2])),
                (ValueError, "[bags, dim] is needed", ([1, 2], ones[0], "sum", [0, 2])),
                (TypeError, name + "ids is float64", ([1.0, 2.0], ones))):
            self.refused(kind, words, self.push, *fields)
        for kind, words, fields in (
                (ValueError, 'format is "int8"; there are "f32", "f16", "bf16"', {"form": "int8"}),
                (ValueError, 'missing is "fill"; there are "refuse", "skip", "admit"', {"missing": "fill"}),
                (ValueError, "learning_rate is nan", {"rate": float("nan")}),
                (ValueError, "learning_rate is inf", {"rate": float("inf")}),
                (ValueError, "learning_rate is 1e+300, which float32 cannot hold", {"rate": 1e300}),
                (TypeError, "learning_rate is list", {"rate": [1]}),
                (ValueError, "sequence is 1, and there is no trainer", {"sequence": 1}),
                (ValueError, "have a sequence, from 1", {"trainer": "a"}),
                (ValueError, "sequence is -1", {"trainer": "a", "sequence": -1}),
                (ValueError, f"sequence is {1 << 63}", {"trainer": "a", "sequence": 1 << 63}),
                (TypeError, "sequence is float", {"trainer": "a", "sequence": 1.0}),
                (ValueError, "trainer is 'a b'", {"trainer": "a b", "sequence": 1}),
                (ValueError, "trainer is 'a\\n'", {"trainer": "a\n", "sequence": 1}),
                (ValueError, "1 to 128", {"trainer": "a" * 129, "sequence": 1}),
                (ValueError, "trainer is 'ä'", {"trainer": "ä", "sequence": 1}),
                (TypeError, "trainer is NoneType", {"trainer": None, "sequence": 1})):
            self.refused(kind, words, self.push, [1, 2], ones, **fields)

    def test_client(self):
        for kind, words, fields in ((TypeError, "address is int", {"address": 5}),
                                    (ValueError, "timeout is -1", {"timeout": -1}),
                                    (ValueError, "timeout is nan", {"timeout": float("nan")}),
                                    (TypeError, "patience is str", {"patience": "60"}),
                                    (ValueError, "patience is inf", {"patience": float("inf")})):
            self.refused(kind, words, lambda **more: embd.Client(**more), **fields)
        with embd.Client("unix:/nonexistent/socket", patience=0) as client:
            self.refused(ValueError, "only one of them", client.create, "t", "full", 1, 1, ratio=0.5, budget=1)
            self.refused(ValueError, "rows is -1", client.create, "t", "full", -1, 1)
            self.refused(ValueError, 'ids is "any"', client.create, "t", "full", 1, 1, ids="any")
            self.refused(TypeError, "keys is float64", client.create, "t", "full", 1, 1, keys=[1.0])
            self.refused(TypeError, 'option "a" is list', client.load, "t", "f", options={"a": []})
            self.refused(ValueError, "id is", client.explain, "t", 1 << 63)
            self.refused(TypeError, "timeout is str", client.tables, timeout="1")
            self.refused(ValueError, "trainer is ''", client.position, "")


class Errors(unittest.TestCase):
    def test_classes(self):
        for kind in embd.errors.CLASSES:
            error = embd.errors.error_of(kind.status, "a sentence")
            self.assertIs(type(error), kind)
            self.assertEqual((error.status, error.details, str(error)), (kind.status, "a sentence",
                                                                         f"{kind.status}: a sentence"))
            self.assertIs(getattr(embd, kind.__name__), kind)
        other = embd.errors.error_of("UNAUTHENTICATED", "who are you")
        self.assertEqual((type(other), other.status, other.again().status), (embd.Error, ) + ("UNAUTHENTICATED",) * 2)

    def test_version(self):
        version = re.search(r"AC_INIT\(\[embd\], \[([^]]+)\]", (SOURCE / "configure.ac").read_text())[1]
        self.assertEqual(embd.__version__, version)


if __name__ == "__main__":
    unittest.main()
