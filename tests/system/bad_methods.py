# SPDX-License-Identifier: Apache-2.0
"""Table files whose tensors or settings break a rule of their method: good cases of tools/golden with one thing
changed. Each says what its refusal must name: a tensor or a setting, or any of several."""
import copy

import numpy as np

import reference  # noqa: F401  (finds tools/golden)
import golden
from golden import make

NAN, INF = float("nan"), float("inf")


class Bad:
    def __init__(self, base, what, names, change):
        self.table = copy.deepcopy(BASES[base])
        self.label, self.method = f"{base}, {what}", self.table.method
        # A tensor of a field may be named by itself, after the field.
        self.names = [*names.split(), *(f"field {n[1]}: {n[3:]}" for n in names.split() if n[0] == "f" and n[2:3] == ".")]
        change(self.table)

    @property
    def bytes(self):
        return make.table_bytes(self.table)


BASES = {case.name: case for case in golden.cases()}


def put(name, at, value):
    """One element is another."""
    def change(table):
        dtype, array = table.tensors[name]
        array = np.array(array)
        array[at] = value
        table.tensors[name] = dtype, array
    return change


def shaped(name, *shape, dtype=None):
    """A tensor of zeros of another shape or type."""
    def change(table):
        old, array = table.tensors.get(name, ("F32", np.zeros(1)))
        table.tensors[name] = dtype or old, np.zeros(shape or np.shape(array))
    return change


def typed(name, dtype):
    def change(table):
        table.tensors[name] = dtype, table.tensors[name][1]
    return change


def without(name):
    return lambda table: table.tensors.pop(name) and None


def longer(name, value=0):
    def change(table):
        dtype, array = table.tensors[name]
        table.tensors[name] = dtype, np.concatenate([array, np.full_like(np.array(array)[:1], value)])
    return change


def shorter(name):
    def change(table):
        dtype, array = table.tensors[name]
        table.tensors[name] = dtype, array[:-1]
    return change


def config(**more):
    """Settings; None takes one away."""
    def change(table):
        for key, value in more.items():
            table.config.pop(key, None)
            if value is not None:
                table.config[key] = value
    return change


def rows(n):
    return lambda table: setattr(table, "rows", n)


def swapped(name, i, j):
    def change(table):
        dtype, array = table.tensors[name]
        array = np.array(array)
        array[[i, j]] = array[[j, i]]
        table.tensors[name] = dtype, array
    return change


def both(*changes):
    def change(table):
        for one in changes:
            one(table)
    return change


TT = [
    ("tt_little", "too few digits", "n", rows(61)),
    ("tt_big", "too few digits", "n", rows(61)),
    ("tt_little", "a digit of no values", "n core.0", both(config(n=[0, 5, 3]), shaped("core.0", 0, 6))),
    ("tt_little", "a negative digit", "n", config(n=[-4, 5, 3])),
    ("tt_little", "two digits", "n", config(n=[4, 15])),
    ("tt_little", "digits beyond 64 bits", "n core.0", config(n=[2**32, 2**32, 3])),
    ("tt_little", "columns beyond 64 bits", "d core.0 core.1", config(d=[2**32, 2**31, 2])),
    ("tt_little", "ranks beyond 64 bits", "r core.0 core.1", config(r=[1, 2**40, 2**40, 1])),
    ("tt_little", "too few columns", "d", both(config(d=[2, 2, 3]), shaped("core.2", 3, 9))),
    ("tt_little", "a rank of 0", "r core.0 core.1", both(config(r=[1, 0, 3, 1]), shaped("core.0", 4, 0), shaped("core.1", 5, 0))),
    ("tt_little", "a first rank of 2", "r core.0", both(config(r=[2, 3, 3, 1]), shaped("core.0", 4, 12))),
    ("tt_little", "a last rank of 2", "r core.2", both(config(r=[1, 3, 3, 2]), shaped("core.2", 3, 24))),
    ("tt_little", "three ranks", "r", config(r=[1, 3, 1])),
    ("tt_little", "no order", "digit_order", config(digit_order=None)),
    ("tt_little", "another order", "digit_order", config(digit_order="middle")),
    ("tt_little", "a core of another width", "core.1", shaped("core.1", 5, 17)),
    ("tt_little", "a core less", "core.2", without("core.2")),
    ("tt_little", "a core more", "core.3", shaped("core.3", 2, 2, dtype="F32")),
    ("tt_little", "not finite", "core.1", put("core.1", (1, 1), NAN)),
    ("tt_big_cached", "cached ids fall", "cache.ids", swapped("cache.ids", 2, 3)),
    ("tt_big_cached", "cached twice", "cache.ids", lambda t: t.tensors["cache.ids"][1].__setitem__(3, t.tensors["cache.ids"][1][2])),
    ("tt_big_cached", "cached beyond", "cache.ids", put("cache.ids", -1, 60)),
    ("tt_big_cached", "cached before", "cache.ids", put("cache.ids", 0, -1)),
    ("tt_big_cached", "cached ids alone", "cache.weight", without("cache.weight")),
    ("tt_big_cached", "cached rows alone", "cache.ids", without("cache.ids")),
    ("tt_big_cached", "fewer cached rows", "cache.weight", shorter("cache.weight")),
]

DHE = [
    ("dhe_u64_uniform", "a factor of p", "hash.a", lambda t: put("hash.a", 3, t.tensors["hash.p"][1][3])(t)),
    ("dhe_u64_uniform", "a shift of p", "hash.b", lambda t: put("hash.b", 3, t.tensors["hash.p"][1][3])(t)),
    ("dhe_u64_uniform", "a negative factor", "hash.a", put("hash.a", 0, -1)),
    ("dhe_u64_uniform", "a negative shift", "hash.b", put("hash.b", 15, -1)),
    ("dhe_u64_uniform", "a p of 0", "hash.p", put("hash.p", 2, 0)),
    ("dhe_u64_uniform", "a negative p", "hash.p", put("hash.p", 2, -(1 << 63))),
    ("dhe_u64_uniform", "a p of m", "hash.p m", put("hash.p", 2, 1000000)),
    ("dhe_u64_uniform", "an m of 1", "m", config(m=1)),
    ("dhe_u64_uniform", "an m of 0", "m", config(m=0)),
    ("dhe_u64_uniform", "an m beyond 63 bits", "m", config(m=str(2**63))),
    ("dhe_u64_uniform", "an m above all p", "hash.p m", config(m=2**62)),
    ("dhe_i32_trunc_uniform", "a wide factor", "hash.a", put("hash.a", 5, 2**31)),
    ("dhe_i32_floor_uniform", "a wide shift", "hash.b", put("hash.b", 5, 2**31)),
    ("dhe_i32_trunc_uniform", "a wide p", "hash.p", put("hash.p", 5, 2**31)),
    ("dhe_i32_floor_uniform", "a p below m", "hash.p m", put("hash.p", 5, 999983)),
    ("dhe_i32_trunc_uniform", "an m of 1", "m", config(m=1)),
    ("dhe_i32_trunc_far", "ids beyond 31 bits", "N rows", rows(2**31 + 1)),
    ("dhe_odd", "odd k in pairs", "k", config(dist="normal")),
    ("dhe_u64_uniform", "no hashes", "k hash.a", config(k=0)),
    ("dhe_u64_uniform", "another k", "k hash.a", config(k=17)),
    ("dhe_u64_uniform", "one factor less", "hash.a", shorter("hash.a")),
    ("dhe_u64_uniform", "no arithmetic", "hash_arith", config(hash_arith=None)),
    ("dhe_u64_uniform", "another arithmetic", "hash_arith", config(hash_arith="u32")),
    ("dhe_u64_uniform", "another spread", "dist", config(dist="cauchy")),
    ("dhe_u64_uniform", "another activation", "act", config(act="relu")),
    ("dhe_u64_uniform", "another width", "width", config(width=13)),
    ("dhe_u64_uniform", "a negative variance", "bn.3.running_var", put("bn.3.running_var", 1, -0.5)),
    ("dhe_u64_uniform", "no variance and no epsilon", "bn_eps bn.3.running_var", both(config(bn_eps=0), put("bn.3.running_var", 1, 0))),
    ("dhe_u64_uniform", "an infinite variance", "bn.5.running_var", put("bn.5.running_var", 1, INF)),
    ("dhe_u64_uniform", "a negative epsilon", "bn_eps", config(bn_eps=-1)),
    ("dhe_u64_uniform", "a layer less", "mlp.6.weight", without("mlp.6.weight")),
    ("dhe_u64_uniform", "a layer more", "mlp.7.weight", shaped("mlp.7.weight", 2, 2, dtype="F32")),
    ("dhe_u64_uniform", "statistics of the last layer", "bn.6.weight", shaped("bn.6.weight", 10, dtype="F32")),
    ("dhe_u64_uniform", "no mean", "bn.1.running_mean", without("bn.1.running_mean")),
    ("dhe_u64_uniform", "a layer of another width", "mlp.2.weight", shaped("mlp.2.weight", 12, 13)),
    ("dhe_u64_uniform", "a layer on its side", "mlp.6.weight", shaped("mlp.6.weight", 10, 12)),
    ("dhe_u64_uniform", "not finite", "mlp.4.bias", put("mlp.4.bias", 0, -INF)),
]

ROBE = [
    ("robe_hetu", "a P of 0", "rand", put("rand", 0, 0)),
    ("robe_hetu", "a P of 1", "rand", put("rand", 0, 1)),
    ("robe_hetu", "a negative P", "rand", put("rand", 0, -2038074743)),
    ("robe_hetu", "a wide P", "rand", put("rand", 0, 2**31)),
    ("robe_hetu", "a coefficient of P", "rand", put("rand", 3, 2038074743)),
    ("robe_hetu", "a negative coefficient", "rand", put("rand", 8, -1)),
    ("robe_uma", "a wide coefficient", "rand", put("rand", 2, 2**62)),
    ("robe_hetu_nine", "eight numbers", "rand", shorter("rand")),
    ("robe_uma_one_start", "three numbers", "rand", shorter("rand")),
    ("robe_hetu_small_prime", "more cells than P", "array rand", shaped("array", 102)),
    ("robe_hetu_small_prime", "more rows than P", "rand N rows", rows(102)),
    ("robe_uma_far", "an offset that leads beyond P", "val_offset rand", config(val_offset=38074744)),
    ("robe_uma", "an offset near 2^63", "val_offset rand", config(val_offset=2**63 - 1)),
    ("robe_uma", "a negative offset", "val_offset", config(val_offset=-1)),
    ("robe_hetu", "an offset that is not its own", "val_offset", config(val_offset=1)),
    ("robe_uma", "signs that are not its own", "signs", config(signs=False)),
    ("robe_hetu", "no cells", "array", shaped("array", 0)),
    ("robe_hetu", "cells in two dimensions", "array", shaped("array", 100, 1)),
    ("robe_hetu", "a block of 0", "block", config(block=0)),
    ("robe_hetu", "a block that does not divide the row", "block", config(block=5)),
    ("robe_hetu", "a block longer than the row", "block", config(block=24)),
    ("robe_uma_one_start", "a block longer than the array", "block array", config(block=5)),
    ("robe_hetu", "another variant", "variant", config(variant="uno")),
    ("robe_hetu", "no variant", "variant", config(variant=None)),
    ("robe_hetu_slots_one", "two slots without fields", "slot_of_field", config(slot_of_field=[4, 5])),
    ("robe_hetu_slots_named", "a slot too few", "slot_of_field", config(slot_of_field=[1, 2, 3])),
    ("robe_hetu_slots_named", "a slot too many", "slot_of_field", config(slot_of_field=[1, 2, 3, 4, 5])),
    ("robe_hetu_slots_named", "a large slot", "slot_of_field", config(slot_of_field=[1, 2, 3, 2**20])),
    ("robe_hetu_slots_named", "a negative slot", "slot_of_field", config(slot_of_field=[1, 2, 3, -1])),
    ("robe_hetu", "not finite", "array", put("array", 99, NAN)),
]

DEDUP = [
    ("dedup", "a block that is not there", "map", put("map", 3, 17)),
    ("dedup", "a negative block", "map", put("map", 0, -1)),
    ("dedup", "the least block", "map", put("map", 35, -(2**31))),
    ("dedup", "an entry less", "map", shorter("map")),
    ("dedup", "an entry more", "map", longer("map")),
    ("dedup", "blocks of no rows", "bx blocks", both(config(bx=0), shaped("blocks", 17, 0, 4))),
    ("dedup", "blocks of no columns", "by blocks", both(config(by=0), shaped("blocks", 17, 5, 0))),
    ("dedup", "negative rows", "bx", config(bx=-5)),
    ("dedup", "blocks of other rows", "blocks bx", config(bx=6)),
    ("dedup", "blocks beyond 64 bits", "bx by blocks", config(bx=2**62, by=2**62)),
    ("dedup", "no blocks", "map blocks", shaped("blocks", 0, 5, 4)),
    ("dedup_padded", "another count of blocks", "nbx", config(nbx=8)),
    ("dedup_padded", "another count across", "nby", config(nby=2)),
    ("dedup", "another update", "update", config(update="copied")),
    ("dedup", "a map of I64", "map", typed("map", "I64")),
    ("dedup", "not finite", "blocks", put("blocks", (16, 4, 3), INF)),
]

CODES = [
    ("mgqe", "a code of k_high", "codes", put("codes", (89, 3), 16)),
    ("mgqe_u16", "a code of k_high", "codes", put("codes", (0, 0), 300)),
    ("mgqe_uneven_k", "a code of k_high", "codes", put("codes", (5, 1), 37)),
    ("mgqe_shared", "a code of k_high", "codes", put("codes", (5, 1), 20)),
    ("mgqe", "k_low of k_high", "k_low k_high", config(k_low=16)),
    ("mgqe", "k_low of 0", "k_low", config(k_low=0)),
    ("mgqe", "k_high beyond 16 bits", "k_high", config(k_high=65537)),
    ("mgqe_u16", "bytes for 300 centroids", "codes k_high", lambda t: t.tensors.update(codes=("U8", np.zeros((60, 2))))),
    ("mgqe", "no parts", "parts", config(parts=0)),
    ("mgqe", "negative parts", "parts", config(parts=-4)),
    ("mgqe", "parts that do not divide the row", "parts codebook", config(parts=5)),
    ("mgqe", "more parts than columns", "parts codebook", config(parts=32)),
    ("mgqe", "parts beyond 64 bits", "parts codebook", config(parts=2**62)),
    ("mgqe", "a centroid less", "codebook", shorter("codebook")),
    ("mgqe", "a codebook for each part of a shared one", "codebook", config(shared=True)),
    ("mgqe_shared", "one codebook for all parts", "codebook", config(shared=None)),
    ("mgqe", "no codes", "codes", without("codes")),
    ("mgqe", "a row of codes less", "codes", shorter("codes")),
    ("mgqe", "a bitmap beside plain codes", "high", shaped("high", 12, dtype="U8")),
    ("mgqe", "another packing", "packing", config(packing="nibbles")),
    ("mgqe_bits_uneven", "a packed high code of k_high", "codes.high", put("codes.high", (0, 0), 255)),
    ("mgqe_bits_uneven", "a packed low code of k_low", "codes.low", put("codes.low", (0, 0), 255)),
    ("mgqe_bits_uneven", "a bit beyond the rows", "high", put("high", -1, 255)),
    ("mgqe_bits_uneven", "a bitmap too short", "high", shorter("high")),
    ("mgqe_bits_uneven", "a bitmap too long", "high", longer("high")),
    ("mgqe_bits_uneven", "one more high row than bits", "codes.high high", longer("codes.high")),
    ("mgqe_bits_uneven", "one low row less", "codes.low high", shorter("codes.low")),
    ("mgqe_bits", "no bitmap", "high", without("high")),
    ("mgqe_bits", "plain codes beside packed ones", "codes", shaped("codes", 90, 4, dtype="U8")),
    ("mgqe", "not finite", "codebook", put("codebook", (0, 0), NAN)),
    ("dpq", "a code of k", "codes", put("codes", (0, 7), 32)),
    ("dpq_u16", "a code of k", "codes", put("codes", (0, 1), 65535)),
    ("dpq", "a k of 0", "k", config(k=0)),
    ("dpq", "a k beyond 16 bits", "k", config(k=65537)),
    ("dpq", "another k", "codebook", config(k=31)),
    ("dpq", "another mode", "mode", config(mode="pq")),
    ("dpq", "no parts", "parts", config(parts=0)),
    ("dpq", "k_high", "k_high", config(k_high=16)),
    ("dpq_bits_uneven", "a packed code of k", "codes", put("codes", (0, 0), 255)),
]

ADAPT = [
    ("adapt_dense", "a row of its own that is not there", "remap", put("remap", 2, 9)),
    ("adapt_dense", "no remap", "remap", without("remap")),
    ("adapt_dense", "a short remap", "remap", shorter("remap")),
    ("adapt_dense", "an I64 remap", "remap", typed("remap", "I64")),
    ("adapt_dense_all_hot", "a rare id without rare rows", "remap rare", put("remap", 3, -1)),
    ("adapt_dense_all_hot", "the least value without rare rows", "remap rare", put("remap", 3, -(2**31))),
    ("adapt_dense", "a hash of dense", "rare_hash", config(rare_hash="id_mod")),
    ("adapt_dense", "rare rows of another width", "rare", shaped("rare", 7, 11)),
    ("adapt_hot_low_rank", "no hash", "rare_hash", config(rare_hash=None)),
    ("adapt_hot_low_rank", "another hash", "rare_hash", config(rare_hash="xxh")),
    ("adapt_hot_low_rank", "another remap", "remap", config(remap="sparse")),
    ("adapt_hot_low_rank", "hot ids that fall", "hot.ids", swapped("hot.ids", 0, 1)),
    ("adapt_hot_id_mod", "a hot id twice", "hot.ids", lambda t: put("hot.ids", 5, t.tensors["hot.ids"][1][4])(t)),
    ("adapt_hot_id_mod", "a hot id beyond", "hot.ids", put("hot.ids", -1, 70)),
    ("adapt_hot_id_mod_u64", "a hot id beyond 63 bits", "hot.ids", lambda t: t.tensors.update(
        {"hot.ids": ("U64", np.array([*t.tensors["hot.ids"][1][:-1], 2**64 - 1], np.uint64))})),
    ("adapt_hot_id_mod", "a hot id without a row", "hot.ids freq", shorter("freq")),
    ("adapt_hot_low_rank_all_hot", "a rare id without rare rows", "rare", both(shorter("hot.ids"), shorter("freq"))),
    ("adapt_hot_id_mod", "no hot ids", "hot.ids", without("hot.ids")),
    ("adapt_hot_id_mod", "hot ids of I64", "hot.ids", typed("hot.ids", "I64")),
]

NARROW = [
    ("alpt_8", "a scale of 0", "scale", put("scale", 7, 0)),
    ("alpt_8", "a negative scale", "scale", put("scale", 7, -0.01)),
    ("alpt_8", "a scale of -0", "scale", put("scale", 7, -0.0)),
    ("alpt_16", "a scale that is no number", "scale", put("scale", 7, NAN)),
    ("alpt_16", "an infinite scale", "scale", put("scale", 7, INF)),
    ("alpt_8", "scales in two dimensions", "scale", shaped("scale", 60, 1)),
    ("alpt_8", "seven bits", "digit", config(digit=7)),
    ("alpt_8", "sixteen bits in eight", "q digit", config(digit=16)),
    ("alpt_8", "no signs", "q", typed("q", "U8")),
    ("alpt_8_middle", "no finite middle", "middle", config(middle=1e39)),
    ("alpt_scale_lr", "a negative rate", "scale_lr", config(scale_lr=-1)),
    ("int8_i_table", "a scale of 0", "scale", config(scale=0)),
    ("int8_u_table", "a negative scale", "scale", config(scale=-0.5)),
    ("int16_i_table", "a scale that no float holds", "scale", config(scale=1e39)),
    ("int16_u_table", "no scale", "scale", config(scale=None)),
    ("int8_u_row", "a negative scale", "qparams", put("qparams", (5, 0), -0.5)),
    ("int8_u_row", "an infinite minimum", "qparams", put("qparams", (5, 1), INF)),
    ("mde", "a projection of other rows", "proj emb", shaped("proj", 6, 16)),
    ("mde", "a projection of other columns", "proj", shaped("proj", 5, 15)),
    ("mde", "no projection", "proj emb", without("proj")),
    ("mde", "rows wider than the table", "emb", both(shaped("emb", 70, 17), shaped("proj", 17, 16))),
    ("mde", "rows of no columns", "emb", both(shaped("emb", 70, 0), shaped("proj", 0, 16))),
    ("mde", "a shift", "bias", shaped("bias", 16, dtype="F32")),
    ("mde_dims", "another width", "dims", config(dims=[4])),
    ("mde_dims", "two widths", "dims", config(dims=[3, 3])),
    ("mde", "not finite", "proj", put("proj", (4, 15), NAN)),
    ("autodim", "no projection", "proj", without("proj")),
    ("autodim", "no shift", "bias", without("bias")),
    ("autodim", "a short shift", "bias", shorter("bias")),
    ("autodim", "rows wider than the table", "emb", both(shaped("emb", 70, 17), shaped("proj", 17, 16))),
    ("autodim_dims", "another width", "dims", config(dims=[5])),
    ("mde_fields", "no projection of a field", "f0.proj f0.emb", without("f0.proj")),
    ("mde_fields", "a field of wide rows", "f4.emb f4.proj", both(shaped("f4.emb", 17, 13), shaped("f4.proj", 13, 12))),
]

OPTEMBED = [
    ("optembed_remap", "a row that is not there", "remap", lambda t: put("remap", 2, len(t.tensors["emb"][1]))(t)),
    ("optembed_remap", "a row of -2", "remap", put("remap", 2, -2)),
    ("optembed_remap", "the least row", "remap", put("remap", 62, -(2**31))),
    ("optembed_remap", "a width of D + 1", "candidate", put("candidate", 1, 12)),
    ("optembed_remap", "a negative width", "candidate", put("candidate", 1, -1)),
    ("optembed_remap", "a width less", "candidate", shorter("candidate")),
    ("optembed_remap", "a width more", "candidate", longer("candidate")),
    ("optembed_remap_one", "two widths without fields", "candidate", longer("candidate")),
    ("optembed_remap", "narrow rows", "emb", shaped("emb", 30, 11)),
    ("optembed_remap", "no form", "form", config(form=None)),
    ("optembed_remap", "another form", "form", config(form="csr")),
    ("optembed_remap", "rows that are not finite and not read", "emb", put("emb", (0, 11), NAN)),
    ("optembed_remap", "a bitmap", "kept", shaped("kept", 8, dtype="U8")),
    ("optembed_compact", "a bit beyond the rows", "kept", put("kept", -1, 255)),
    ("optembed_compact", "a bitmap too short", "kept", shorter("kept")),
    ("optembed_compact", "a bitmap too long", "kept", longer("kept")),
    ("optembed_compact", "a row less than bits", "emb kept", shorter("emb")),
    ("optembed_compact", "a row more than bits", "emb kept", longer("emb")),
    ("optembed_compact_full_width", "rows wider than the table", "emb", lambda t: shaped("emb", len(t.tensors["emb"][1]), 9)(t)),
    ("optembed_compact", "rows of no columns", "emb", lambda t: shaped("emb", len(t.tensors["emb"][1]), 0)(t)),
    ("optembed_fields", "a field's bit beyond its rows", "f0.kept", put("f0.kept", -1, 255)),
]


def sparse(method):
    csr, coo = f"{method}_csr", f"{method}_coo"
    twice = lambda name: lambda t: put(name, 1, t.tensors[name][1][0])(t)  # noqa: E731
    return [
        (csr, "a first place of 1", "csr.indptr", put("csr.indptr", 0, 1)),
        (csr, "places that fall", "csr.indptr", put("csr.indptr", 30, 0)),
        (csr, "a negative place", "csr.indptr", put("csr.indptr", 1, -(1 << 63))),
        (csr, "a place far beyond", "csr.indptr", put("csr.indptr", 30, (1 << 63) - 1)),
        (csr, "a last place that is not the count", "csr.indptr csr.data csr.indices",
         lambda t: put("csr.indptr", -1, t.tensors["csr.indptr"][1][-1] + 1)(t)),
        (csr, "a place less", "csr.indptr", shorter("csr.indptr")),
        (csr, "a column of D", "csr.indices", put("csr.indices", -1, 16)),
        (csr, "columns that fall", "csr.indices", lambda t: swapped("csr.indices", *wide_row(t))(t)),
        (csr, "a column twice", "csr.indices", lambda t: put("csr.indices", wide_row(t)[1], t.tensors["csr.indices"][1][wide_row(t)[0]])(t)),
        (csr, "a column less", "csr.indices csr.data", shorter("csr.indices")),
        (csr, "a value less", "csr.indices csr.data", shorter("csr.data")),
        (csr, "columns of I64", "csr.indices", typed("csr.indices", "I64")),
        (csr, "places of I32", "csr.indptr", typed("csr.indptr", "I32")),
        (csr, "no form", "form", config(form=None)),
        (csr, "another form", "form", config(form="remap")),
        (csr, "the form of the other", "coo.row coo.col coo.data csr.indptr", config(form="coo")),
        (csr, "not finite", "csr.data", put("csr.data", 0, NAN)),
        (coo, "rows that fall", "coo.row", put("coo.row", 0, 59)),
        (coo, "a row of N", "coo.row", put("coo.row", -1, 60)),
        (coo, "a negative row", "coo.row", put("coo.row", 0, -1)),
        (coo, "a column of D", "coo.col", put("coo.col", -1, 16)),
        (coo, "an entry twice", "coo.col coo.row", both(twice("coo.row"), twice("coo.col"))),
        (coo, "a column less", "coo.col coo.row coo.data", shorter("coo.col")),
        (coo, "an infinite value", "coo.data", put("coo.data", 2, -INF)),
        (coo, "both forms", "csr.indptr", shaped("csr.indptr", 61, dtype="I64")),
    ]


def wide_row(table):
    """Two neighbours of one row."""
    indptr = np.asarray(table.tensors["csr.indptr"][1])
    at = int(indptr[np.flatnonzero(np.diff(indptr) >= 2)[0]])
    return at, at + 1


DEEPLIGHT = [
    ("deeplight_csr_u16_300", "bytes for 300 columns", "csr.indices", typed("csr.indices", "U8")),
    ("deeplight_coo_u16_300", "bytes for 300 columns", "coo.col", typed("coo.col", "U8")),
    ("deeplight_csr_i32_16", "a negative column", "csr.indices", put("csr.indices", 0, -1)),
    ("deeplight_coo_i32_16", "a negative column", "coo.col", put("coo.col", 0, -(2**31))),
    ("deeplight_coo_i32", "a negative row", "coo.row", put("coo.row", 0, -(2**31))),
    ("deeplight_csr_none", "a place without entries", "csr.indptr", put("csr.indptr", 4, 1)),
]

FIELDS = [
    ("dedup_fields", "a map of a field", "f1.map", put("f1.map", 0, 5)),
    ("mgqe_fields", "a code of a field", "f0.codes", put("f0.codes", (0, 0), 9)),
    ("adapt_fields", "a remap of a field", "f0.remap", put("f0.remap", 0, 4)),
    ("tt_fields", "a cached id of a field", "f2.cache.ids", put("f2.cache.ids", -1, 33)),
    ("dhe_fields", "a p of a field", "f2.hash.p", put("f2.hash.p", 0, 5)),
    ("robe_hetu_slots", "settings for each field", "per_field", config(per_field=[{}, {}, {}, {}])),
    ("deeplight_csr", "settings for each field", "per_field", config(per_field=[{}])),
]


def cases():
    table = TT + DHE + ROBE + DEDUP + CODES + ADAPT + NARROW + OPTEMBED + DEEPLIGHT + FIELDS
    for method in ("deeplight", "autosrh", "pep"):
        table = table + sparse(method)
    return [Bad(*entry) for entry in table]
