# SPDX-License-Identifier: Apache-2.0
"""Arrays as other projects keep them, under their names and in their layouts, and the rows that those projects look up:
their own formulas, in NumPy."""
import numpy as np

import reference  # noqa: F401  (finds tools/golden)
from golden import dhe, robe
from golden.case import Draw, Shape, f32

ALL = []


class Case:
    """`arrays` by name, what to say beside them, the rows that must come out."""

    def __init__(self, name, source, method, arrays, rows, *said, left=(), exact=True):
        self.name, self.source, self.method, self.arrays = name, source, method, arrays
        self.rows, self.said, self.left, self.exact = np.asarray(rows, f32), said, sorted(left), exact
        ALL.append(self)


def draw(name):
    return Draw(f"import {name}")


def turned(array):
    return np.ascontiguousarray(np.swapaxes(array, 0, 1))


# ---- Hetu ----

def hetu_compo():
    d = draw("compo")
    q, r = d.floats(9, 6), d.floats(7, 6)
    x = np.arange(60)
    arrays = {"CompoEmb(0.1)_q": q, "CompoEmb(0.1)_r": r, "CompoEmb(0.1)_q_adam_m": q, "linear_weight": d.floats(3, 3)}
    Case("compo", "hetu", "compo", arrays, q[x // 7] * r[x % 7], "--rows", 60, left=["linear_weight"])
    fields, rows, arrays = [40, 25, 11], [], {}
    for i, n in enumerate(fields):
        q, r = d.floats(-(-n // 5), 6), d.floats(5, 6)
        arrays |= {f"CompoEmb(1e-05)_{i}_q": q, f"CompoEmb(1e-05)_{i}_r": r}
        rows.append(q[np.arange(n) // 5] * r[np.arange(n) % 5])
    del arrays["CompoEmb(1e-05)_1_q"], arrays["CompoEmb(1e-05)_1_r"]
    arrays["Embedding_1"] = rows[1] = d.floats(25, 6)  # a field that stays full
    Case("compo_fields", "hetu", "compo", arrays, np.concatenate(rows), "--fields", "40,25,11")
    q, r = d.floats(6, 2), d.floats(5, 4)
    x = np.arange(28)
    Case("compo_concat", "hetu", "compo", {"CompoEmb(0.5)_q": q, "CompoEmb(0.5)_r": r},
         np.concatenate([q[x // 5], r[x % 5]], 1), "--rows", 28, "--set", "op=concat")


def hetu_hash():
    d = draw("hash")
    t = d.floats(7, 5)
    Case("hash", "hetu", "hash", {"HashEmb(0.1)": t}, t[np.arange(50) % 7], "--rows", 50)
    a, b = d.floats(3, 5), d.floats(8, 5)
    Case("hash_fields", "hetu", "hash", {"HashEmb(0.1)_0": a, "Embedding_1": b}, np.concatenate([a[np.arange(20) % 3], b]),
         "--fields", "20,8")
    Case("hash_information", "hetu", "hash", {"HashEmb(0.1)": t}, t[np.arange(50) % 7], "--fields", "20,30")


def train(cores, at, ranks):
    """A row is the product of the slices at `at`, as the layer multiplies them, from the left."""
    out = np.ones((len(at[0]), 1, 1))
    for t, core in enumerate(cores):
        piece = core[at[t]].astype(float).reshape(len(out), ranks[t], -1)
        out = (out.reshape(len(out), -1, ranks[t]) @ piece)
    return out.reshape(len(out), -1)


def hetu_tt():
    d = draw("tt")
    n, w, r = [4, 5, 3], [2, 2, 4], [1, 3, 3, 1]
    cores = [d.floats(n[t], r[t] * w[t] * r[t + 1]) for t in range(3)]
    x = np.arange(57)
    rows = train(cores, [x % 4, x // 4 % 5, x // 4 // 5], r)
    arrays = {f"TTEmb(0.1)_{t}": core for t, core in enumerate(cores)}
    Case("tt", "hetu", "tt", arrays, rows, "--rows", 57, "--set", "d=2,2,4", exact=False)
    Case("tt_dim", "hetu", "tt", arrays, rows, "--rows", 57, "--dim", 16, exact=False)
    full = d.floats(9, 16)
    arrays = {f"TTEmb(0.1)_1_{t}": core for t, core in enumerate(cores)} | {"Embedding_0": full}
    Case("tt_fields", "hetu", "tt", arrays, np.concatenate([full, rows]), "--fields", "9,57", "--set", "d=2,2,4", exact=False)
    # The decomposer's cores keep their dimensions, the first has the most significant digit, and rows are padded.
    a, b, c = d.floats(4, 2, 3), d.floats(4, 3, 3, 2), d.floats(4, 2, 3)
    x = np.arange(50)
    rows = np.einsum("xak,xkbl,xlc->xabc", *(v.astype(float) for v in (a[x // 16], b[x // 4 % 4], c[x % 4]))).reshape(50, -1)
    Case("tt_decomposer", "hetu", "tt", {"a": a, "b": b, "c": c}, rows[:, :13], "--rows", 50, "--dim", 13, exact=False)


def dhe_arrays(d, k, wide, dim, torch=False):
    arrays = {"slopes": d.integers(1, 10**6, k).astype(np.int32), "biases": d.integers(1, 10**6, k).astype(np.int32),
              "primes": np.array([dhe.PRIMES[i % 8] for i in range(k)], np.int32)}
    sizes = [k] + [wide] * 5 + [dim]
    for at in range(1, 7):
        fan = sizes[at - 1]
        weight = d.floats(fan, sizes[at], low=-1.5 / fan**0.5, high=1.5 / fan**0.5)
        arrays[f"linear{at}_weight"] = turned(weight) if torch else weight
        arrays[f"linear{at}_bias"] = d.floats(sizes[at])
        if at < 6:
            for part, low, high in (("weight", .5, 1.5), ("bias", -.3, .3), ("running_mean", -.2, .2), ("running_var", .3, 1.5)):
                arrays[f"bn{at}_{part}"] = d.floats(wide, low=low, high=high)
    return arrays


def dhe_rows(arrays, ids, arith, dist, torch=False):
    config = {"m": 10**6, "hash_arith": arith, "dist": dist}
    h = dhe.hashes(config, arrays["slopes"], arrays["biases"], arrays["primes"], ids)
    z = dhe.inputs(config, h).astype(float)
    for at in range(1, 7):
        weight = arrays[f"linear{at}_weight"].astype(float)
        z = z @ (weight.T if torch else weight) + arrays[f"linear{at}_bias"]
        if at < 6:
            z = (z - arrays[f"bn{at}_running_mean"]) / np.sqrt(arrays[f"bn{at}_running_var"].astype(float) + 1e-5)
            z = z * arrays[f"bn{at}_weight"] + arrays[f"bn{at}_bias"]
            z = z * np.tanh(np.log1p(np.exp(z)))
    return z


def hetu_dhe():
    ids = np.arange(40)
    for arith in ("u64", "i32_trunc", "i32_floor"):
        for torch in (False, True):
            arrays = dhe_arrays(draw(f"dhe {arith}"), 12, 9, 6, torch)
            said = ["--rows", 40, "--set", f"hash_arith={arith}", "--set", "m=1000000", "--set", "dist=uniform"]
            Case(f"dhe_{arith}{'_torch' * torch}", "hetu", "dhe", arrays, dhe_rows(arrays, ids, arith, "uniform", torch),
                 *said, *(["--linear", "out-in"] if torch else []), exact=False)


def hetu_robe():
    d = draw("robe")
    array, numbers = d.floats(97, 1), np.array(list(robe.EXAMPLE) + [5], np.int32)
    for block in (12, 4, 1):
        config = {"variant": "hetu", "block": block}
        cell, sign = robe.places(config, numbers, 97, 12, np.arange(60), Shape(60, 12))
        Case(f"robe_{block}", "hetu", "robe", {"RobeEmb0.1": array, "random_numbers": numbers},
             sign.astype(f32) * array[cell, 0], "--rows", 60, "--dim", 12, "--set", f"block={block}")
    fields = [20, 40]
    config = {"variant": "hetu", "block": 4, "use_slot": True}
    cell, sign = robe.places(config, numbers, 97, 12, np.arange(60), Shape(60, 12, fields))
    Case("robe_slots", "hetu", "robe", {"RobeEmb0.1": array, "random_numbers": numbers}, sign.astype(f32) * array[cell, 0],
         "--fields", "20,40", "--dim", 12, "--set", "block=4", "--set", "use_slot=true")


def hetu_dedup():
    d = draw("dedup")
    emb, remap = d.floats(3 * 8, 6), d.integers(0, 3, 7).astype(np.int32)
    x = np.arange(53)
    rows = emb[remap[x // 8] * 8 + x % 8]
    Case("dedup", "hetu", "dedup", {"DedupEmb": emb, "DedupEmb_remap": remap[:, None]}, rows, "--rows", 53, "--set", "bx=8")
    full = d.floats(5, 6)
    Case("dedup_fields", "hetu", "dedup", {"DedupEmb_1": emb, "DedupEmb_1_remap": remap[:, None], "Embedding_0": full},
         np.concatenate([full, rows]), "--fields", "5,53", "--set", "bx=8")
    blocks, places = d.floats(5, 8 * 4), d.integers(0, 5, 7 * 3).astype(np.int64)
    rows = np.concatenate([blocks.reshape(5, 8, 4)[places[x // 8 * 3 + j], x % 8] for j in range(3)], 1)[:, :10]
    Case("deduplicator", "hetu", "dedup", {"Deduplicator": blocks, "Deduplicator_map": places}, rows, "--rows", 53,
         "--dim", 10, "--set", "bx=8", "--set", "by=4")


def hetu_codes():
    d = draw("codes")

    def look(table, codes, k):  # as make_inference() does: a base for each part, then the rows side by side
        return table[codes + np.arange(codes.shape[1]) * k].reshape(len(codes), -1)

    key, codes = d.floats(4 * 16, 3), d.integers(0, 16, 50, 4).astype(np.int32)
    extra = {"MGQEmb_query": d.floats(50, 12), "MGQEmb_frequency": d.integers(0, 2, 50, 1).astype(np.int32)}
    Case("mgqe", "hetu", "mgqe", {"MGQEmb_key": key, "MGQEmb_codebook": codes, **extra}, look(key, codes, 16),
         "--set", "k_low=4")
    wide, wide_codes = d.floats(2 * 300, 6), d.integers(0, 300, 40, 2).astype(np.int32)
    full = d.floats(6, 12)
    arrays = {"MGQEmb_0_key": wide, "MGQEmb_0_codebook": wide_codes, "Embedding_1": full,
              "MGQEmb_2_key": key, "MGQEmb_2_codebook": codes}
    Case("mgqe_fields", "hetu", "mgqe", arrays, np.concatenate([look(wide, wide_codes, 300), full, look(key, codes, 16)]),
         "--set", "k_low=3")
    Case("dpq", "hetu", "dpq", {"DPQEmb_key": key, "DPQEmb_codebook": codes, "DPQEmb_query": d.floats(50, 12)},
         look(key, codes, 16))
    value = d.floats(4 * 16, 3)
    Case("dpq_sx", "hetu", "dpq", {"DPQEmb_key": key, "DPQEmb_value": value, "DPQEmb_codebook": codes}, look(value, codes, 16))
    one = d.floats(16, 3)
    Case("dpq_shared", "hetu", "dpq", {"DPQEmb_key": one, "DPQEmb_codebook": codes}, one[codes].reshape(50, -1),
         "--set", "shared=true")


def hetu_adapt():
    d = draw("adapt")
    freq, rare = d.floats(4, 5), d.floats(3, 5)

    def remap(n):
        high = np.zeros(n, bool)
        high[d.chosen(n, 4)] = True
        return np.where(high, np.cumsum(high) - 1, -np.cumsum(~high)).astype(np.int32)

    def look(m):  # two lookups of which one finds nothing, and their sum
        return np.where((m >= 0)[:, None], freq[np.maximum(m, 0)], 0) + np.where((m < 0)[:, None], rare[(-m - 1) % 3], 0)

    m = remap(30)
    arrays = {"AdaptEmb_freq": freq, "AdaptEmb_rare": rare, "AdaptEmb_remap": m[:, None]}
    Case("adapt", "hetu", "adapt", arrays, look(m))
    full, other = d.floats(8, 5), remap(17)
    arrays = {f"AdaptEmb_{i}_{part}": v for i, v in ((0, m), (2, other))
              for part, v in (("freq", freq), ("rare", rare), ("remap", v[:, None]))} | {"Embedding_1": full}
    Case("adapt_fields", "hetu", "adapt", arrays, np.concatenate([look(m), full, look(other)]))


def hetu_integers():
    d = draw("integers")
    for digit in (8, 16):
        q = d.integers(0, 1 << digit, 30, 7).astype(f"u{digit // 8}")
        rows = q.astype(f32) * f32(0.01) + f32(0 - (1 << (digit - 1)) * 0.01)
        Case(f"int{digit}", "hetu", f"int{digit}", {"QuanEmb": q}, rows, "--set", "scale=0.01")
        params = np.stack([d.floats(30, low=0), d.floats(30)], 1)
        Case(f"int{digit}_row", "hetu", f"int{digit}", {"QuanEmb": q, "qparams": params},
             q.astype(f32) * params[:, :1] + params[:, 1:])
        q = d.integers(-(1 << (digit - 1)), 1 << (digit - 1), 30, 7).astype(f"i{digit // 8}")
        Case(f"int{digit}_signed", "hetu", f"int{digit}", {"QuanEmb": q}, q.astype(f32) * f32(0.5) + f32(0.25),
             "--set", "scale=0.5", "--set", "middle=0.25")
        scale = d.floats(30, 1, low=0.01, high=1)
        Case(f"alpt_{digit}", "hetu", "alpt", {"ALPTEmb": q, "ALPTEmb_scale": scale}, q.astype(f32) * scale)


def hetu_narrow():
    d = draw("narrow")
    sizes, parts, rows = [(20, 3), (6, 8), (11, 1)], {}, []
    for i, (n, w) in enumerate(sizes):
        emb, proj = d.floats(n, w), d.floats(w, 8)
        parts[f"MDEmb_{i}"] = emb
        if w < 8:
            parts[f"MDEmb_{i}_proj"] = proj
        rows.append(emb.astype(float) @ proj if w < 8 else emb)
    Case("mde", "hetu", "mde", parts, np.concatenate(rows), exact=False)
    parts, rows = {}, []
    for i, (n, w) in enumerate(sizes):
        emb, proj, bias = d.floats(n, w), d.floats(w, 8), d.floats(8)
        parts |= {f"AutoDimNew_{i}": emb, f"AutoDimNew_{i}_weight": proj, f"AutoDimNew_{i}_bias": bias}
        rows.append(emb.astype(float) @ proj + bias)
    Case("autodim", "hetu", "autodim", parts, np.concatenate(rows), "--fields", "20,6,11", exact=False)


def hetu_optembed():
    d = draw("optembed")
    fields, cand = [20, 30], np.array([2, 5], np.int32)
    kept = d.floats(50, low=0) < 0.6
    remap = np.where(kept, np.cumsum(kept) - 1, -1).astype(np.int32)
    emb = d.floats(int(kept.sum()), 7)
    pmask = np.tril(np.ones((7, 7), f32))
    field = np.repeat([0, 1], fields)
    rows = np.where(kept[:, None], emb[np.maximum(remap, 0)] * pmask[cand[field]], 0)
    arrays = {"OptEmbedAfterRowPruning": emb, "OptEmbedAfterRowPruning_remap": remap[:, None],
              "OptEmbedAfterRowPruning_candidate": cand, "OptEmbedAfterRowPruning_pmask": pmask}
    Case("optembed", "hetu", "optembed", arrays, rows + 0.0, "--fields", "20,30")


def hetu_pruned():
    for stem, method in (("DeepLightEmb", "deeplight"), ("AutoSrhEmb", "autosrh"), ("PEPRetrainEmb", "pep")):
        d = draw(stem)
        dense = np.where(d.floats(40, 9, low=0) < 0.3, d.floats(40, 9), f32(0))
        row, col = np.nonzero(dense)
        data, indptr = dense[row, col], np.searchsorted(row, np.arange(41))
        for x in range(0, 40, 3):  # SciPy does not promise an order
            mine = slice(indptr[x], indptr[x + 1])
            col[mine], data[mine] = col[mine][::-1], data[mine][::-1].copy()
        matrix = {"data": data, "indices": col.astype(np.int32), "indptr": indptr.astype(np.int32)}
        Case(f"{method}_csr", "hetu", method, {f"{stem}_sparse.{k}": v for k, v in matrix.items()}, dense, "--dim", 9)
        mixed = d.shuffle(len(row))
        matrix = {"data": data[mixed], "row": row[mixed].astype(np.int32), "col": col[mixed].astype(np.int32)}
        Case(f"{method}_coo", "hetu", method, {f"{stem}_sparse_{k}": v for k, v in matrix.items()}, dense, "--rows", 40,
             "--dim", 9)
        if method == "deeplight":
            Case("deeplight_dense", "hetu", method, {stem: dense}, dense)
        if method == "autosrh":
            group, alpha = d.integers(0, 6, 40).astype(np.int32), d.floats(6, 9, low=0)
            Case("autosrh_dense", "hetu", method, {stem: dense, f"{stem}_groupind": group, f"{stem}_alpha": alpha},
                 dense * alpha[group])
        if method == "pep":
            weight, mask = d.floats(40, 9), (d.floats(40, 9, low=0) < 0.4).astype(np.int32)
            Case("pep_dense", "hetu", method, {stem: weight, f"{stem}_mask": mask}, np.where(mask != 0, weight, 0))


def hetu_full():
    d = draw("full")
    w = d.floats(12, 5)
    Case("full", "hetu", "full", {"Embedding": w}, w)
    Case("full_f64", "hetu", "full", {"Embedding": w.astype(float)}, w)
    Case("full_f16", "hetu", "full", {"Embedding": w.astype("<f2")}, w.astype("<f2"))


# ---- Others ----

def dlrm():
    d = draw("dlrm")
    q, r = d.floats(-(-41 // 6), 4), d.floats(6, 4)
    x = np.arange(41)
    rows = q[(x.astype(f32) / f32(6)).astype(np.int64)] * r[x % 6]
    Case("dlrm_qr", "dlrm", "compo", {"emb_l.0.weight_q": q, "emb_l.0.weight_r": r}, rows, "--fields", "41")
    full = d.floats(5, 4)
    Case("dlrm_qr_fields", "dlrm", "compo", {"emb_l.0.weight_q": q, "emb_l.0.weight_r": r, "emb_l.1.weight": full,
                                             "bot_l.0.weight": d.floats(3, 3)},
         np.concatenate([rows, full]), "--fields", "41,5", left=["bot_l.0.weight"])
    a, b, p = d.floats(20, 3), d.floats(7, 8), d.floats(8, 3)  # a Linear's weights are [out,in]
    Case("dlrm_md", "dlrm", "mde", {"emb_l.0.embs.weight": a, "emb_l.0.proj.weight": p, "emb_l.1.embs.weight": b},
         np.concatenate([a.astype(float) @ p.T, b]), exact=False)


def fbtt():
    d = draw("fbtt")
    n, w, r = [4, 5, 3], [2, 3, 2], [1, 4, 2, 1]
    x = np.arange(58)
    at = [x // 15, x // 3 % 5, x % 3]
    tables = [d.floats(2, n[t], r[t] * w[t] * r[t + 1]) for t in range(3)]
    arrays = {f"tt_cores.{t}": core for t, core in enumerate(tables)}
    for place in (0, 1):
        Case(f"fbtt_{place}", "fbtt", "tt", arrays, train([core[place] for core in tables], at, r), "--rows", 58,
             "--set", "d=2,3,2", "--table", place, exact=False)
    rows = train([core[0] for core in tables], at, r)
    hot, weight = np.array([3, 17, 57]), d.floats(3, 12)
    rows[hot] = weight
    Case("fbtt_cached", "fbtt", "tt", arrays | {"cache_ids": hot, "cache_weight": weight}, rows, "--rows", 58,
         "--set", "d=2,3,2", exact=False)


def robez():
    d = draw("robez")
    weight, numbers = d.floats(150), np.concatenate([[2038074743], d.integers(0, 2038074743, 50)])
    x = np.arange(30)[:, None] + 1000
    for chunk in (4, 5):
        i = np.arange(12)
        cell = (numbers[3] * x + numbers[2] * (i // chunk) + numbers[1]) % numbers[0] % (150 - chunk + 1) + i % chunk
        Case(f"robez_{chunk}", "robez", "robe", {"hashed_weight": weight, "random_numbers": numbers}, weight[cell],
             "--rows", 30, "--dim", 12, "--set", f"block={chunk}", "--set", "val_offset=1000")


def cases():
    if not ALL:
        for make in (hetu_compo, hetu_hash, hetu_tt, hetu_dhe, hetu_robe, hetu_dedup, hetu_codes, hetu_adapt, hetu_integers,
                     hetu_narrow, hetu_optembed, hetu_pruned, hetu_full, dlrm, fbtt, robez):
            make()
    return ALL
