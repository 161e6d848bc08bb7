#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""embctl import: arrays of other projects (import_cases.py) become table files whose rows are those that the projects'
own formulas give, from folders of .npy files and from safetensors; and what cannot be imported gets a sentence."""
import io
import pathlib
import pickle
import sys
import tempfile
import zipfile

import numpy as np

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import import_cases  # noqa: E402
import tablefile  # noqa: E402
from embctl_kit import Embctl  # noqa: E402

TYPES = {"float32": "F32", "float64": "F64", "float16": "F16", "uint8": "U8", "int8": "I8", "uint16": "U16",
         "int16": "I16", "int32": "I32", "int64": "I64"}
embctl = Embctl(type("", (), {"address": ""}))


def write(folder, arrays):
    folder.mkdir()
    for name, array in arrays.items():
        np.save(folder / f"{name}.npy", array)
    return folder


def write_one(path, arrays):
    tensors = {name: (TYPES[str(array.dtype)], array) for name, array in arrays.items()}
    path.write_bytes(tablefile.safetensors(tensors, {}))
    return path


def rows_of(path):
    return np.load(io.BytesIO(embctl.good("export", path, "-o", "-")))


def agree(case, found):
    if case.exact:
        return found.tobytes() == case.rows.tobytes()
    most = abs(case.rows).max(1, keepdims=True)
    return found.shape == case.rows.shape and bool(np.all(abs(found - case.rows) <= 2e-5 * most))


def test_mappings(folder):
    for case in import_cases.cases():
        for kind, given in (("folder", write(folder / case.name, case.arrays)),
                            ("one", write_one(folder / f"{case.name}.arrays", case.arrays))):
            out = folder / f"{case.name}.{kind}"
            told = embctl.document("import", "--from", case.source, given, *case.said, "-o", out)
            assert told["method"] == case.method and told["left_out"] == case.left, (case.name, told)
            assert told["rows"] == len(case.rows), (case.name, told)
            assert agree(case, rows_of(out)), f"{case.name} from a {kind}: other rows"


def test_list_of_files(folder):
    """Files one by one, and a --method among several."""
    case = next(c for c in import_cases.cases() if c.name == "compo")
    source = write(folder / "both", case.arrays | {"HashEmb(0.1)": case.arrays["CompoEmb(0.1)_r"]})
    embctl.fails(1, "--method", "import", "--from", "hetu", source, *case.said, "-o", folder / "x")
    embctl.good("import", "--from", "hetu", source, *case.said, "-o", folder / "x", "--method", "compo")
    assert agree(case, rows_of(folder / "x"))
    embctl.good("import", "--from", "hetu", source / "HashEmb(0.1).npy", "--rows", 60, "-o", folder / "y")
    assert rows_of(folder / "y").shape == (60, 6)
    embctl.fails(1, "exists", "import", "--from", "hetu", source / "HashEmb(0.1).npy", "--rows", 60, "-o", folder / "y")
    embctl.good("import", "--from", "hetu", source / "HashEmb(0.1).npy", "--rows", 61, "-o", folder / "y", "--force")
    text = embctl.text("import", "--from", "hetu", *sorted(source.glob("Compo*_[qr].npy")), source / "linear_weight.npy",
                       *case.said, "-o", folder / "z")
    assert "left out" in text and '"linear_weight"' in text


def test_plain_rows(folder):
    rng = np.random.default_rng(5)
    for dtype in ("<f4", "<f8", "<f2"):
        values, keys = rng.standard_normal((20, 6)).astype(dtype), rng.permutation(20) * 10**14 - 7
        np.save(folder / "v.npy", values)
        np.save(folder / "k.npy", keys)
        embctl.good("import", "--from", "npy", "--values", folder / "v.npy", "-o", folder / "plain", "--force")
        assert rows_of(folder / "plain").tobytes() == values.astype("<f4").tobytes()
        embctl.good("import", "--from", "npy", "--values", folder / "v.npy", "--keys", folder / "k.npy", "-o",
                    folder / "keyed", "--force")
        embctl.good("export", folder / "keyed", "-o", folder / "out.npy", "--keys", folder / "keys.npy")
        assert np.load(folder / "keys.npy").tolist() == keys.tolist()
        assert np.load(folder / "out.npy").tobytes() == values.astype("<f4").tobytes()
    np.save(folder / "few.npy", keys[:5])
    np.save(folder / "twice.npy", np.zeros(20, np.int64))
    np.save(folder / "flat.npy", values[0])
    np.save(folder / "whole.npy", np.zeros((3, 3), np.int64))
    for words, *command in (("5 keys for 20", "--values", folder / "v.npy", "--keys", folder / "few.npy"),
                            ("twice", "--values", folder / "v.npy", "--keys", folder / "twice.npy"),
                            ("shape", "--values", folder / "flat.npy"), ("I64", "--values", folder / "whole.npy")):
        embctl.fails(1, words, "import", "--from", "npy", *command, "-o", folder / "none")
        assert not (folder / "none").exists()


def test_hugectr(folder):
    rng = np.random.default_rng(6)
    pair = folder / "pair"
    pair.mkdir()
    keys, values = rng.permutation(30).astype("<i8") * 10**15, rng.standard_normal((30, 5)).astype("<f4")
    (pair / "key").write_bytes(keys.tobytes())
    (pair / "emb_vector").write_bytes(values.tobytes())
    embctl.good("import", "--from", "hugectr", pair, "-o", folder / "t")
    embctl.good("export", folder / "t", "-o", folder / "t.npy", "--keys", folder / "tk.npy")
    assert np.load(folder / "tk.npy").tobytes() == keys.tobytes()
    assert np.load(folder / "t.npy").tobytes() == values.tobytes()
    for name, data, words in (("emb_vector", values.tobytes()[:-1], "emb_vector"), ("emb_vector", b"", "emb_vector"),
                              ("key", keys.tobytes()[:-1], "key"), ("key", b"", "key")):
        good = (pair / name).read_bytes()
        (pair / name).write_bytes(data)
        embctl.fails(1, words, "import", "--from", "hugectr", pair, "-o", folder / "none")
        (pair / name).write_bytes(good)
    (pair / "key").unlink()
    embctl.fails(1, "key", "import", "--from", "hugectr", pair, "-o", folder / "none")


def test_pickles(folder):
    """Programs are not run, whatever they are called; the sentence says what to do instead."""
    class Trap:
        def __reduce__(self):
            return (pathlib.Path.touch, (folder / "sprung",))

    for name, protocol in (("model.pt", 2), ("model.pth", 4), ("weights.bin", 5), ("x.pkl", 0), ("CompoEmb_q.npy", 3)):
        path = folder / name
        path.write_bytes(pickle.dumps(Trap(), protocol))
        embctl.fails(1, "numpy.save", "import", "--from", "hetu", path, "-o", folder / "none")
    with zipfile.ZipFile(folder / "zipped.bin", "w") as archive:
        archive.writestr("data.pkl", b"x")
    embctl.fails(1, "zip", "import", "--from", "hetu", folder / "zipped.bin", "-o", folder / "none")
    only = folder / "only"
    only.mkdir()
    (only / "model.pt").write_bytes(b"")
    embctl.fails(1, "numpy.save", "import", "--from", "hetu", only, "-o", folder / "none")
    np.save(folder / "objects.npy", np.array([{}], object), allow_pickle=True)
    embctl.fails(1, "objects.npy", "import", "--from", "hetu", folder / "objects.npy", "-o", folder / "none")
    assert not (folder / "sprung").exists() and not (folder / "none").exists()


def refusals():
    """(name of a good case, what is changed, what is said instead, words)"""
    def without(name):
        return lambda arrays: arrays.pop(name)

    def other(name, array):
        return lambda arrays: arrays.__setitem__(name, array)

    nothing = lambda arrays: None  # noqa: E731
    zeros = lambda *shape, t="<f4": np.zeros(shape, t)  # noqa: E731
    yield "compo", nothing, [], "--rows"
    yield "compo", nothing, ["--rows", 64], "q.weight"
    yield "compo", without("CompoEmb(0.1)_r"), ["--rows", 60], "CompoEmb_r"
    yield "compo", other("CompoEmb(0.2)_r", zeros(7, 6)), ["--rows", 60], "CompoEmb(0.2)_r"
    yield "compo", other("CompoEmb(0.1)_q", zeros(9, 5)), ["--rows", 60], "q.weight"
    yield "compo", other("CompoEmb(0.1)_q", zeros(9, 6, t="<i4")), ["--rows", 60], "I32"
    yield "compo", nothing, ["--rows", 60, "--set", "op=minus"], "op"
    yield "compo", nothing, ["--rows", 60, "--set", "colour=red"], "colour"
    yield "compo", nothing, ["--rows", 60, "--dim", 7], "--dim"
    yield "compo_fields", nothing, [], "--fields"
    yield "compo_fields", nothing, ["--fields", "40,25"], "fields"
    yield "compo_fields", nothing, ["--fields", "40,24,11"], "rows"
    yield "compo_fields", without("Embedding_1"), ["--fields", "40,25,11"], "field 1"
    yield "hash", nothing, ["--rows", 50, "--method", "compo"], "compo"
    yield "tt", nothing, ["--rows", 57], "--dim"
    yield "tt", nothing, ["--rows", 57, "--dim", 15], "--set d"
    yield "tt", nothing, ["--rows", 57, "--set", "d=2,3,4"], "core"
    yield "tt", nothing, ["--rows", 61, "--set", "d=2,2,4"], "n"
    yield "tt_decomposer", nothing, ["--rows", 50], "--dim"
    yield "dhe_u64", nothing, ["--rows", 40], "hash_arith"
    yield "dhe_u64", without("bn3_running_mean"), ["--rows", 40], "running statistics"
    yield "dhe_u64_torch", nothing, ["--rows", 40], "--linear"
    yield "robe_4", nothing, ["--rows", 60, "--dim", 12], "block"
    yield "robe_4", other("random_numbers", zeros(5, t="<i8") + 7), ["--rows", 60, "--dim", 12, "--set", "block=4"], "rand"
    yield "dedup", nothing, ["--rows", 53], "bx"
    yield "dedup", nothing, ["--rows", 53, "--set", "bx=7"], "blocks"
    yield "dedup", other("DedupEmb_remap", zeros(7, 1, t="<i4") + 3), ["--rows", 53, "--set", "bx=8"], "map"
    yield "mgqe", nothing, [], "k_low"
    yield "mgqe", other("MGQEmb_codebook", zeros(50, 4, t="<i4") - 1), ["--set", "k_low=4"], "MGQEmb_codebook"
    yield "int8", other("QuanEmb", zeros(5, 5)), ["--set", "scale=1"], "8 or 16 bits"
    yield "int8", nothing, [], "scale"
    yield "mde", without("MDEmb_1"), [], "field 1"
    yield "optembed", nothing, ["--fields", "20,31"], "rows"
    yield "deeplight_csr", nothing, [], "--dim"
    yield "deeplight_csr", nothing, ["--dim", 3], "csr.indices"
    yield "deeplight_csr", other("DeepLightEmb_sparse.indptr", np.array([0, 5, 3], "<i4")), ["--dim", 9], "indptr"
    yield "deeplight_csr", other("DeepLightEmb_sparse.data", zeros(2)), ["--dim", 9], "values"
    yield "fbtt_0", nothing, ["--rows", 58, "--set", "d=2,3,2", "--table", 2], "--table 2"
    yield "full", other("Embedding", np.array([[1, np.nan]], "<f4")), [], "finite"
    yield "full", other("MagnitudeSVDDecomposer_remap", zeros(3)), [], "magnitude"
    yield "full", without("Embedding"), [], ".npy"


def test_refusals(folder):
    for number, (name, change, said, words) in enumerate(refusals()):
        case = next(c for c in import_cases.cases() if c.name == name)
        arrays = dict(case.arrays)
        change(arrays)
        source = write(folder / str(number), arrays)
        embctl.fails(1, words, "import", "--from", case.source, source, *said, "-o", folder / "none")
        assert not (folder / "none").exists(), (name, words)


def test_usage(folder):
    for words, *command in (("-o", "--from", "hetu", "x"), ("--from", "x", "-o", folder / "y"),
                            ("caffe", "--from", "caffe", "x", "-o", folder / "y"),
                            ("which arrays", "--from", "hetu", "-o", folder / "y"),
                            ("--values", "--from", "npy", "-o", folder / "y"),
                            ("--values", "--from", "hetu", "x", "--values", "v", "-o", folder / "y"),
                            ("--fields", "--from", "hetu", "x", "--fields", "3,x", "-o", folder / "y"),
                            ("--fields", "--from", "hetu", "x", "--fields", "3,4", "--rows", "8", "-o", folder / "y"),
                            ("--linear", "--from", "hetu", "x", "--linear", "sideways", "-o", folder / "y"),
                            ("KEY=VALUE", "--from", "hetu", "x", "--set", "op", "-o", folder / "y"),
                            ("--rows", "--from", "hetu", "x", "--rows", "-1", "-o", folder / "y")):
        embctl.fails(2, words, "import", *command)
    embctl.fails(1, "no-such", "import", "--from", "hetu", folder / "no-such", "-o", folder / "y")


def main():
    for name, test in list(globals().items()):
        if name.startswith("test_"):
            with tempfile.TemporaryDirectory() as folder:
                test(pathlib.Path(folder))
            print(f"ok {name}")


if __name__ == "__main__":
    main()
