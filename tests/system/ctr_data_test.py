#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""examples/ctr without PyTorch: metrics against values worked out by hand, the log that ships with it, and logs that
are damaged or wrong, which are refused in a sentence."""
import math
import sys

import numpy as np

import ctr_kit
from training_kit import run

import data
import metrics


def test_auc(_):
    assert metrics.auc([0, 0, 1, 1], [0.1, 0.4, 0.35, 0.8]) == 0.75  # three of four pairs are in order
    assert metrics.auc([0, 1], [1, 2]) == 1 and metrics.auc([0, 1], [2, 1]) == 0
    assert metrics.auc([0, 1, 0, 1], [5, 5, 5, 5]) == 0.5
    assert metrics.auc([1, 0, 1], [1, 1, 2]) == 0.75  # a tie counts half
    for label in ([], [1, 1], [0]):
        assert math.isnan(metrics.auc(label, [0.5] * len(label)))
    assert math.isnan(metrics.auc([0, 1], [0, float("nan")]))
    draw = np.random.default_rng(1)
    label, score = draw.integers(0, 2, 300), draw.integers(0, 40, 300)
    pairs = [(a > b) + (a == b) / 2 for a in score[label == 1] for b in score[label == 0]]
    assert abs(metrics.auc(label, score) - np.mean(pairs)) < 1e-12


def test_log_loss(_):
    assert abs(metrics.log_loss([1, 0], [0, 0]) - math.log(2)) < 1e-15
    assert abs(metrics.log_loss([1, 0, 1], [2, -1, 0.5]) - (math.log1p(math.exp(-2)) + math.log1p(math.exp(-1))
                                                            + math.log1p(math.exp(-0.5))) / 3) < 1e-15
    assert metrics.log_loss([0, 1], [1000, -1000]) == 1000  # no overflow
    assert math.isnan(metrics.log_loss([], []))


def test_kuairand(_):
    log = data.load("kuairand")
    assert log.ids.shape == (1045516, 42) and log.id_count == 51336 and abs(log.label.mean() - 0.34668) < 1e-5
    assert [len(log.rows(s)) for s in (data.TRAIN, data.VALIDATION, data.TEST)] == [817187, 94784, 133545]
    first = np.cumsum([0, *log.cards])
    assert (log.ids.min(0) >= first[:-1]).all() and (log.ids.max(0) == first[1:] - 1).all()
    with np.load(data.HERE / "kuairand" / "data.npz") as z:
        i = log.names.index("author_id")
        assert np.array_equal(log.ids[:, i] - first[i], z["v_author_id"][z["f_video_id"]])
    counts = log.frequency(log.rows(data.TEST))
    assert counts.sum() == 133545 * 42 and counts.shape == (51336,)


def arrays():
    return {"f_a": np.array([0, 1, 2, 1]), "f_user_id": np.array([1, 0, 1, 1]), "u_age": np.array([7, 3]),
            "x_price": np.array([0.5, 1, 2, -1]), "y": np.array([0, 1, 0, 1]), "split": np.array([0, 0, 1, 2])}


def refused(folder):
    try:
        data.load(folder)
    except data.DataError as e:
        return str(e)
    raise AssertionError("it was read")


def test_a_log_of_ones_own(folder):
    np.savez(folder / "data.npz", **arrays())
    log = data.load(folder)
    assert log.names == ["a", "user_id", "age"] and log.cards == [3, 2, 8], log
    assert log.ids.tolist() == [[0, 4, 8], [1, 3, 12], [2, 4, 8], [1, 4, 8]]
    assert log.numbers.tolist() == [[0.5], [1], [2], [-1]] and log.label.tolist() == [0, 1, 0, 1]


def test_wrong_logs(folder):
    assert "no such file" in refused(folder) and "tools/data" not in refused(folder)
    for change, words in (
            ({"y": None}, "there is no y"), ({"split": None}, "there is no split"),
            ({"f_a": None, "f_user_id": None, "u_age": None}, "there is no f_"),
            ({"f_user_id": None}, "u_age goes with f_user_id"), ({"f_a": np.array([0, 1])}, "f_a has 2 rows"),
            ({"f_a": np.array([0.5, 1, 2, 3])}, "whole number"),
            ({"f_a": np.array([[0], [1], [2], [3]])}, "whole number"),
            ({"f_a": np.array([0, 1, -2, 3])}, "the id -2"),
            ({"f_a": np.array([0, 1, 1 << 31, 3])}, "the id 2147483648"),
            ({"f_a": np.array([0, 1, (1 << 31) - 1, 3])}, "2^31 ids"), ({"y": np.array([0, 1, 2, 0])}, "the value 2"),
            ({"y": np.array([0, 1, -1, 0])}, "the id -1"), ({"split": np.array([0, 1, 3, 0])}, "the value 3"),
            ({"f_user_id": np.array([0, 1, 2, 0])}, "u_age is given for 2"),
            ({"x_price": np.array([0.5, float("nan"), 1, 1])}, "finite float"),
            ({"x_price": np.array([1.0])}, "finite float"),
            ({k: v[:0] for k, v in arrays().items()}, "no rows"), ({"f_a": np.array([None] * 4)}, "not a whole .npz")):
        changed = {k: v for k, v in {**arrays(), **change}.items() if v is not None}
        np.savez(folder / "data.npz", **changed)
        sentence = refused(folder)
        assert words in sentence and str(folder / "data.npz") in sentence and "\n" not in sentence, (words, sentence)


def test_damaged_files(folder):
    """Cut anywhere, or with a bit flipped anywhere: refused in a sentence, or read where nothing of weight was hit."""
    path = folder / "data.npz"
    np.savez_compressed(path, **arrays())
    whole, log = path.read_bytes(), data.load(folder)
    for cut in range(0, len(whole), 7):
        path.write_bytes(whole[:cut])
        assert "not a whole .npz" in refused(folder), cut
    draw, read = np.random.default_rng(2), 0
    for place in draw.integers(0, len(whole) * 8, 600):
        damaged = bytearray(whole)
        damaged[place // 8] ^= 1 << place % 8
        path.write_bytes(damaged)
        try:
            got = data.load(folder)
        except data.DataError:
            continue
        read += 1
        assert np.array_equal(got.label, log.label) and got.names == log.names, place
        assert np.array_equal(got.ids, log.ids) and np.array_equal(got.split, log.split), place
    assert read < 300, read


if __name__ == "__main__":
    assert ctr_kit.CTR.exists()
    sys.exit(run({name: test for name, test in globals().items() if name.startswith("test_")}))
