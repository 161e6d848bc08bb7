#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Nearest words in a served table of word vectors: asks the daemon for all rows through embctl and prints,
for each word given, the words with the highest cosine. Standard library only."""
import argparse
import array
import ast
import math
import pathlib
import struct
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent


def read_npy(data):
    """The rows of a little-endian float32 .npy array of two dimensions."""
    if data[:6] != b"\x93NUMPY":
        raise SystemExit("neighbours: embctl did not answer with an array")
    wide = data[6] > 1
    (size,) = struct.unpack_from("<I" if wide else "<H", data, 8)
    begin = (12 if wide else 10) + size
    header = ast.literal_eval(data[begin - size:begin].decode("latin-1"))
    rows, dim = header["shape"]
    values = array.array("f", data[begin:begin + 4 * rows * dim])
    if sys.byteorder == "big":
        values.byteswap()
    return [values[i * dim:(i + 1) * dim] for i in range(rows)]


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--embctl", default="embctl", help="the command to ask with")
    parser.add_argument("--table", default="words")
    parser.add_argument("--words", default=HERE / "glove_words.txt", help="line i is the word of row i")
    parser.add_argument("--count", type=int, default=6)
    parser.add_argument("word", nargs="+")
    args = parser.parse_args()

    words = pathlib.Path(args.words).read_text(encoding="utf-8").split("\n")[:-1]
    ids = "\n".join(str(i) for i in range(len(words)))
    answer = subprocess.run([args.embctl, "lookup", args.table, "--ids", "-", "-o", "-"],
                            input=ids.encode(), stdout=subprocess.PIPE, check=False)
    if answer.returncode != 0:
        raise SystemExit(answer.returncode)
    rows = read_npy(answer.stdout)
    norms = [math.sqrt(sum(x * x for x in row)) or 1.0 for row in rows]
    for word in args.word:
        if word not in words:
            print(f"{word}: not in the list")
            continue
        at = words.index(word)
        me = rows[at]
        cosines = [sum(map(lambda a, b: a * b, me, row)) / (norms[at] * norm)
                   for row, norm in zip(rows, norms)]
        best = sorted(range(len(rows)), key=lambda i: -cosines[i])[1:args.count + 1]
        print(f"{word:>8}  " + "  ".join(f"{words[i]} {cosines[i]:.2f}" for i in best))


if __name__ == "__main__":
    main()
