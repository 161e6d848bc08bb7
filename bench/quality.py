# SPDX-License-Identifier: Apache-2.0
"""How much of a table of word vectors is left: analogies and word similarity, as Mikolov et al. and others ask them. NumPy
only; with a fast BLAS the analogies of 100,000 words take seconds."""
import numpy as np

QUESTIONS = 512  # at a time


def load_questions(path, place):
    """Rows [n, 4] of the questions whose words are all there."""
    lines = path.read_text(encoding="utf-8").splitlines()
    asked = [line.split() for line in lines if line and not line.startswith(":")]
    return np.array([[place[w] for w in words] for words in asked if all(w in place for w in words)], np.int64)


def unit(rows):
    norm = np.linalg.norm(rows, axis=1, keepdims=True)
    return (rows / np.where(norm > 0, norm, 1)).astype(np.float32)


def analogy(rows, questions):
    """Share of the questions a : b = c : ? whose nearest row to b - a + c, the three left out, is the right one
    (3CosAdd)."""
    rows, right = unit(rows), 0
    for first in range(0, len(questions), QUESTIONS):
        q = questions[first:first + QUESTIONS]
        a, b, c, d = q.T
        like = unit(rows[b] - rows[a] + rows[c]) @ rows.T
        like[np.arange(len(q))[:, None], q[:, :3]] = -np.inf
        right += int((like.argmax(1) == d).sum())
    return right / len(questions)


def ranks(values):
    order = np.argsort(values, kind="stable")
    rank = np.empty(len(values))
    rank[order] = np.arange(len(values))
    _, group, count = np.unique(values, return_inverse=True, return_counts=True)
    return (np.bincount(group, rank) / count)[group]


def spearman(a, b):
    return float(np.corrcoef(ranks(a), ranks(b))[0, 1])


def load_pairs(folder, place):
    """{set: (rows [n, 2], scores [n])} of the pairs whose words are all there; sets that are parts of others are left
    out."""
    out = {}
    for path in sorted(folder.glob("*.txt")):
        if path.stem in ("WS-353-REL", "WS-353-SIM"):
            continue
        pairs = [line.lower().split() for line in path.read_text(encoding="utf-8").splitlines()]
        pairs = [(place[p[0]], place[p[1]], float(p[2])) for p in pairs if len(p) > 2 and p[0] in place and p[1] in place]
        if len(pairs) > 100:
            out[path.stem] = np.array([p[:2] for p in pairs]), np.array([p[2] for p in pairs])
    return out


def similarity(rows, pairs):
    """Spearman's correlation of cosines and people's scores, the mean over the sets."""
    rows = unit(rows)
    return float(np.mean([spearman((rows[ids[:, 0]] * rows[ids[:, 1]]).sum(1), score) for ids, score in pairs.values()]))
