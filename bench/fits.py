# SPDX-License-Identifier: Apache-2.0
"""The work of bench/fits.sh: what embctl compress leaves of a table, against what is best or what others reach."""
import json
import pathlib
import subprocess
import sys
import tempfile

import numpy as np

EMBCTL, TABLE = sys.argv[1:3]
W = np.load(TABLE).astype(np.float32)
N, D = W.shape
TOTAL = float((W.astype(np.float64) ** 2).sum())
bad = []


def read(path):
    """{tensor: array}, settings."""
    data = pathlib.Path(path).read_bytes()
    n = int.from_bytes(data[:8], "little")
    header = json.loads(data[8:8 + n])
    types = {"F32": "<f4", "U8": "u1", "I8": "i1", "U16": "<u2", "I32": "<i4", "I64": "<i8", "U32": "<u4", "U64": "<u8"}
    tensors = {name: np.frombuffer(data, types[t["dtype"]], int(np.prod(t["shape"])),
                                   8 + n + t["data_offsets"][0]).reshape(t["shape"])
               for name, t in header.items() if name != "__metadata__"}
    return tensors, json.loads(header["__metadata__"]["embd.config"])


def compress(method, ratio=None, *options):
    """(error of embctl's own measuring, tensors, settings, rows)"""
    with tempfile.TemporaryDirectory() as folder:
        file, rows = f"{folder}/t.safetensors", f"{folder}/rows.npy"
        command = [EMBCTL, "--json", "compress", TABLE, "-o", file, "--method", method, "--seed", "1", *options]
        out = subprocess.run(command + (["--ratio", str(ratio)] if ratio else []), check=True, capture_output=True)
        subprocess.run([EMBCTL, "export", file, "-o", rows], check=True, capture_output=True)
        tensors, config = read(file)
        return json.loads(out.stdout)["relative_squared_error"], tensors, config, np.load(rows)


def error(rows):
    return float(((W.astype(np.float64) - rows) ** 2).sum()) / TOTAL


def say(method, what, ours, theirs, most):
    """`ours` may be `most` times `theirs`."""
    good = ours <= theirs * most + 1e-12
    print(f"{method:10} {what:58} {ours:.6g} against {theirs:.6g}: {ours / theirs if theirs else 1:.5f}"
          f"{'' if good else '  TOO FAR'}", flush=True)
    if not good:
        bad.append(method)


def equal(method, what, good):
    print(f"{method:10} {what:58} {'equal' if good else 'DIFFERENT'}", flush=True)
    if not good:
        bad.append(method)


def mde():
    values = np.linalg.eigvalsh(W.astype(np.float64).T @ W)
    for ratio in (0.5, 0.25, 0.1):
        ours, tensors, _, _ = compress("mde", ratio)
        d = tensors["emb"].shape[1]
        say("mde", f"truncated SVD of rank {d}", ours, values[:D - d].sum() / TOTAL, 1.001)


def hashed():
    ours, tensors, _, _ = compress("hash", 0.1)
    slots = np.arange(N) % len(tensors["table"])
    best = np.zeros(tensors["table"].shape)
    np.add.at(best, slots, W.astype(np.float64))
    best /= np.bincount(slots)[:, None]
    equal("hash", "least-squares average of each slot", np.allclose(tensors["table"], best, rtol=0, atol=1e-6))


def robe():
    for more in ((), ("--set", "variant=uma")):
        ours, tensors, config, rows = compress("robe", 0.1, *more)
        array, r, length = tensors["array"], tensors["rand"].astype(object), config["block"]
        cells = len(array)
        x, i = np.arange(N, dtype=np.int64)[:, None], np.arange(D, dtype=np.int64)[None, :]
        r = [int(v) for v in r]
        if config["variant"] == "uma":
            h = (r[3] * (x + config.get("val_offset", 0)) + r[2] * (i // length) + r[1]) % r[0]
            h, sign = h % (cells - length + 1) + i % length, np.ones((N, D), np.int64)
        else:
            h = (r[3] * x + r[1] + i % length + r[2] * (i // length)) % r[0] % cells
            sign = 2 * ((r[7] * x + r[5] + r[6] * i) % r[0] % 2) - 1 if config.get("signs", True) else np.ones((N, D))
        sums = np.bincount(h.ravel(), (sign * W.astype(np.float64)).ravel(), cells)
        count = np.bincount(h.ravel(), minlength=cells)
        best = sums / np.maximum(count, 1)
        equal("robe", f"least-squares average of each cell ({config['variant']})", np.allclose(array, best, rtol=0, atol=1e-6))


def deeplight():
    ours, tensors, config, rows = compress("deeplight", 0.25)
    kept = rows != 0
    n = len(tensors["csr.data" if "csr.data" in tensors else "coo.data"])
    least = np.partition(np.abs(W).ravel(), W.size - n)[W.size - n]
    equal("deeplight", f"exactly the {n:,} largest entries",
          int(kept.sum()) >= n - 8 and (np.abs(W[kept]) >= least).all() and (rows[kept] == W[kept]).all()
          and (np.abs(W[~kept]) <= least).all())


def int8():
    ours, *_ = compress("int8", 0.25)
    best = min(error(np.clip(np.rint(W / s), -128, 127) * s)
               for s in np.abs(W).max() / 127 * np.linspace(0.05, 1.05, 201))
    say("int8", "one scale, grid of 201 scales", ours, best, 1.01)


def alpt():
    ours, *_ = compress("alpt", 0.26)
    top = np.abs(W).max(1, keepdims=True)
    top[top == 0] = 1
    best, rows = np.full(N, np.inf), np.empty_like(W)
    for clip in np.linspace(0.5, 1.02, 105):
        s = (top * clip / 127).astype(np.float32)
        q = np.clip(np.rint(W / s), -128, 127)
        under = (q * q).sum(1)
        s = np.where(under > 0, (W * q).sum(1) / np.where(under > 0, under, 1), 1)[:, None]
        e = ((W - q * s) ** 2).sum(1)
        better = e < best
        best[better], rows[better] = e[better], (q * s)[better]
    say("alpt", "a scale a row, grid of 105 clip ratios", ours, error(rows), 1.01)


def adapt():
    _, tensors, config, rows = compress("adapt", 0.25)
    same = (rows == W).all(1)
    shared = np.flatnonzero(~same)
    hot = tensors["freq"]
    ok = len(shared) <= N - len(hot)
    # Which ids share a row shows in the rows themselves: each group's row is its mean.
    _, group = np.unique(rows[shared], axis=0, return_inverse=True)
    group = group.ravel()
    mean = np.zeros((group.max() + 1, D))
    np.add.at(mean, group, W[shared].astype(np.float64))
    mean /= np.bincount(group)[:, None]
    equal("adapt", "means of the rows that share one", ok and np.allclose(rows[shared], mean[group], rtol=0, atol=1e-6))


def tt_authors(n, d, r):
    """The authors' TTDecomposer: two truncated SVDs, the singular values kept on the left."""
    padded = np.zeros((int(np.prod(n)), int(np.prod(d))), np.float32)
    padded[:N, :D] = W
    t = padded.reshape(*n, *d).transpose(0, 3, 1, 4, 2, 5).astype(np.float64)
    first = t.reshape(n[0] * d[0], -1)
    value, vector = np.linalg.eigh(first @ first.T)
    u = vector[:, ::-1][:, :r[1]]
    core0 = u * np.sqrt(np.maximum(value[::-1][:r[1]], 0))
    rest = (u.T @ first) / np.maximum(np.sqrt(np.maximum(value[::-1][:r[1]], 1e-30)), 1e-30)[:, None]
    second = rest.reshape(r[1] * n[1] * d[1], n[2] * d[2])
    value, vector = np.linalg.eigh(second.T @ second)
    v = vector[:, ::-1][:, :r[2]]
    made = (core0 @ (second @ v @ v.T).reshape(r[1], -1)).reshape(n[0], d[0], n[1], d[1], n[2], d[2])
    return error(made.transpose(0, 2, 4, 1, 3, 5).reshape(padded.shape)[:N, :D])


def tt():
    for ratio in (0.25, 0.05):
        ours, _, c, _ = compress("tt", ratio, "--set", "digit_order=big")
        say("tt", f"the authors' decomposition, n={c['n']} d={c['d']} r={c['r']}", ours, tt_authors(c["n"], c["d"], c["r"]), 1)


def product_codes():
    try:
        import faiss
    except ImportError:
        print("dpq        faiss is not there: no comparison (pip install faiss-cpu)")
        return
    for parts, bits in ((25, 8), (20, 8), (10, 8), (50, 4)):
        ours, *_ = compress("dpq", None, "--set", f"parts={parts}", "--set", f"k={2 ** bits}")
        pq = faiss.ProductQuantizer(D, parts, bits)
        pq.train(W)
        say("dpq", f"faiss PQ{parts}x{bits}", ours, error(pq.decode(pq.compute_codes(W))), 1.01)


CHECKS = {"mde": mde, "hash": hashed, "robe": robe, "deeplight": deeplight, "int8": int8, "alpt": alpt, "adapt": adapt,
          "tt": tt, "dpq": product_codes}
for name in sys.argv[3:] or CHECKS:
    CHECKS[name]()
sys.exit(f"too far from the optimum: {', '.join(sorted(set(bad)))}" if bad else 0)
