# SPDX-License-Identifier: Apache-2.0
"""Rows by PyTorch's operators or by faiss, on one thread: what bench/rows.c is to libembd.

    rows_peers.py torch|faiss IDS

Says that it is ready, then reads a line for each thing to do and answers it with a line, as bench/rows.c does:

    SUBJECT time SECONDS      nanoseconds a row, in batches of fresh random ids
    SUBJECT rows FILE         nothing; rows of the ids 0, 977, 1954, ... below IDS go to FILE

SUBJECT is NAME:TABLE, a table file of embd, whose tensors are computed with as its method says. NAME is that of a function
below, which returns a function from ids to rows; or two, of which the first is done before the clock starts."""
import json
import sys
import time

import numpy as np

BATCH, STEP = 4096, 977
TYPES = {"F32": "<f4", "I64": "<i8", "I32": "<i4", "U8": "u1", "U16": "<u2", "U32": "<u4", "F16": "<f2", "I8": "i1"}


class Table:
    """A table file: settings, and tensors as arrays in memory of this process."""

    def __init__(self, path):
        with open(path, "rb") as f:
            size = int.from_bytes(f.read(8), "little")
            header = json.loads(f.read(size))
            data = f.read()
        self.meta = header.pop("__metadata__")
        self.config = json.loads(self.meta.get("embd.config", "{}"))
        self.rows, self.dim = int(self.meta["embd.rows"]), int(self.meta["embd.dim"])
        self.tensor = {name: np.frombuffer(data[slice(*t["data_offsets"])], TYPES[t["dtype"]]).reshape(t["shape"])
                       for name, t in header.items()}


# ---- PyTorch ----

def torch_tensor(array):
    import torch
    return torch.from_numpy(array.copy())


def torch_full(t):
    from torch.nn.functional import embedding
    weight = torch_tensor(t.tensor["weight"])
    return lambda ids: embedding(ids, weight)


def torch_compo(t):
    """Quotient and remainder, a row each, multiplied."""
    import torch
    from torch.nn.functional import embedding
    q, r, n = torch_tensor(t.tensor["q.weight"]), torch_tensor(t.tensor["r.weight"]), t.config["collisions"]
    assert t.config["op"] == "mult"
    return lambda ids: embedding(torch.div(ids, n, rounding_mode="floor"), q) * embedding(ids % n, r)


def torch_tt(t):
    """Slices of the cores, gathered and multiplied as batches of matrices."""
    import torch
    n, d, r = (t.config[name] for name in "ndr")
    core = [torch_tensor(t.tensor[f"core.{k}"]) for k in range(3)]
    core = [core[0].view(n[0], d[0], r[1]), core[1].view(n[1], r[1], d[1] * r[2]), core[2].view(n[2], r[2], d[2])]
    little = t.config["digit_order"] == "little"

    def rows(ids):
        low = n[0] if little else n[2]
        rest = torch.div(ids, low, rounding_mode="floor")
        digit = [ids % low, rest % n[1], torch.div(rest, n[1], rounding_mode="floor")][:: 1 if little else -1]
        pair = torch.bmm(core[0][digit[0]], core[1][digit[1]]).view(len(ids), d[0] * d[1], r[2])
        return torch.bmm(pair, core[2][digit[2]]).view(len(ids), -1)[:, :t.dim]
    return rows


def torch_mde(t):
    """A narrow row times the projection."""
    from torch.nn.functional import embedding
    emb, proj = torch_tensor(t.tensor["emb"]), torch_tensor(t.tensor["proj"])
    return lambda ids: embedding(ids, emb) @ proj


def torch_autodim(t):
    """The same, and a bias."""
    import torch
    from torch.nn.functional import embedding
    emb, proj, bias = (torch_tensor(t.tensor[name]) for name in ("emb", "proj", "bias"))
    return lambda ids: torch.addmm(bias, embedding(ids, emb), proj)


# ---- faiss ----

def faiss_codes(t):
    """From ids to rows: the codes of a batch, taken by NumPy, and their decoding."""
    take, decode = faiss_decode(t)
    return lambda ids: decode(take(ids))


def faiss_decode(t):
    """Decoding alone: the codes of a batch lie together before the clock starts. Of mgqe's packed codes, which are of two
    lengths, those of the rare rows stand for all."""
    c = t.config
    if "codes" in t.tensor:
        return product_codes(t, c.get("k", c.get("k_high")), t.tensor["codes"])
    codes = t.tensor["codes.low"]
    rows = -(-t.rows // len(codes))
    return product_codes(t, c["k_high"], np.tile(codes, (rows, 1)), (c["k_low"] - 1).bit_length())


def product_codes(t, k, codes, bits=0):
    import faiss
    parts = t.config["parts"]
    book = t.tensor["codebook"].reshape(parts, k, t.dim // parts)
    if not bits:
        bits = (k - 1).bit_length() if t.config["packing"] == "bits" else 8 * codes.itemsize
    k = min(k, 1 << bits)
    book = book[:, :k]
    pq = faiss.ProductQuantizer(t.dim, parts, bits)
    padded = np.zeros((parts, 1 << bits, t.dim // parts), "<f4")
    padded[:, :k] = book
    faiss.copy_array_to_vector(padded.ravel(), pq.centroids)
    return (lambda ids: codes[ids].view("u1").reshape(len(ids), -1)), pq.decode


def seconds_of(prepare, run, ids):
    """Time of a batch; what prepare() makes of the ids is there beforehand."""
    ready = prepare(ids)
    start = time.perf_counter()
    run(ready)
    return time.perf_counter() - start


class Worker:
    def __init__(self, library, count):
        self.library, self.count, self.subjects, self.random = library, count, {}, np.random.default_rng(1)

    def subject(self, name):
        if name not in self.subjects:
            method, path = name.split(":", 1)
            made = globals()[f"{self.library}_{method}"](Table(path))
            self.subjects[name] = made if isinstance(made, tuple) else (self.convert, made)
        return self.subjects[name]

    def convert(self, ids):
        return torch_tensor(ids) if self.library == "torch" else ids

    def time(self, name, seconds):
        prepare, run = self.subject(name)
        spent, batches, end = 0, 0, time.perf_counter() + float(seconds)
        seconds_of(prepare, run, self.random.integers(0, self.count, BATCH))  # warm
        while not batches or time.perf_counter() < end:
            spent += seconds_of(prepare, run, self.random.integers(0, self.count, BATCH))
            batches += 1
        return f"{spent / batches / BATCH * 1e9:.6g}"

    def rows(self, name, path):
        prepare, run = self.subject(name)
        np.asarray(run(prepare(np.arange(0, self.count, STEP)[:BATCH])), "<f4").tofile(path)
        return ""


def main():
    library, count = sys.argv[1], int(sys.argv[2])
    if library == "torch":
        import torch
        torch.set_num_threads(1)
        torch.set_grad_enabled(False)
    else:
        import faiss
        faiss.omp_set_num_threads(1)
    worker = Worker(library, count)
    print("ready", flush=True)
    for line in sys.stdin:
        name, what, value = line.split()
        print(getattr(worker, what)(name, value), flush=True)


main()
