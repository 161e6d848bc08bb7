# SPDX-License-Identifier: Apache-2.0
"""What a lookup must answer, bit for bit, computed by NumPy from the formulas in doc/files.md: no code of
embd is used. Each case makes the parameters of one variant of one method and knows its rows."""
import numpy as np

import tablefile

f32 = np.float32


class Case:
    """A table file and the float32 rows that it stands for."""

    def __init__(self, name, method, rows, tensors, config=None, dim=None, pool=None, **more):
        self.name, self.method, self.rows, self.dim = name, method, np.asarray(rows, f32), dim
        self.dim = self.rows.shape[1]
        self.pool = pool  # pool_first: ids, weights, divisor -> row
        self.bytes = tablefile.table(method, len(self.rows), self.dim, tensors, config, **more)
        self.keys = tensors["keys"][1] if "keys" in tensors else None
        self.default = tensors["default"][1] if "default" in tensors else np.zeros(self.dim, f32)
        self.hashed = more.get("ids") == "hash"
        self.seed = int((config or {}).get("seed", 0))

    def resolve(self, ids):
        """Row numbers, -1 for unknown ids."""
        if self.hashed:
            return np.array([xxh64(int(i), self.seed) % len(self.rows) for i in ids], np.int64)
        if self.keys is not None:
            place = {int(k): i for i, k in enumerate(self.keys)}
            return np.array([place.get(int(i), -1) for i in ids], np.int64)
        return np.array([i if 0 <= i < len(self.rows) else -1 for i in ids], np.int64)

    def lookup(self, ids):
        at = self.resolve(ids)
        out = np.empty((len(ids), self.dim), f32)
        for i, row in enumerate(at):
            out[i] = self.default if row < 0 else self.rows[row]
        return out

    def bags(self, ids, offsets, mean=False, weights=None):
        at, out = self.resolve(ids), np.zeros((len(offsets) - 1, self.dim), f32)
        rows = self.lookup(ids)
        for b in range(len(out)):
            begin, end = offsets[b], offsets[b + 1]
            if begin == end:
                continue
            divisor = f32(end - begin if mean else 1)
            if self.pool and np.all(at[begin:end] >= 0):
                out[b] = self.pool(at[begin:end], None if weights is None else weights[begin:end], divisor)
                continue
            acc = np.zeros(self.dim, f32)
            for i in range(begin, end):
                acc = acc + (rows[i] if weights is None else f32(weights[i]) * rows[i])
            out[b] = acc / divisor if mean else acc
        return out


def pooled(table, at, weights, divisor):
    acc = np.zeros(table.shape[1], f32)
    for i, row in enumerate(at):
        acc = acc + (table[row] if weights is None else f32(weights[i]) * table[row])
    return acc / divisor if divisor != 1 else acc


def xxh64(key, seed):
    """XXH64 of eight little-endian bytes."""
    m = (1 << 64) - 1
    p1, p2, p3, p4, p5 = (0x9E3779B185EBCA87, 0xC2B2AE3D27D4EB4F, 0x165667B19E3779F9,
                          0x85EBCA77C2B2AE63, 0x27D4EB2F165667C5)
    rotate = lambda x, r: ((x << r) | (x >> (64 - r))) & m
    h = (seed + p5 + 8) & m
    k = rotate(((key & m) * p2) & m, 31) * p1 & m
    h = (rotate(h ^ k, 27) * p1 + p4) & m
    h = ((h ^ (h >> 33)) * p2) & m
    h = ((h ^ (h >> 29)) * p3) & m
    return h ^ (h >> 32)


def to_bf16(x):
    bits = np.asarray(x, f32).view(np.uint32)
    return ((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16).astype(np.uint16)


def from_bf16(h):
    return (np.asarray(h, np.uint16).astype(np.uint32) << 16).view(f32)


def encode(rows, fmt):
    """Rows in a wire format: 0 F32, 1 F16, 2 BF16, 3 INT8."""
    rows = np.ascontiguousarray(rows, f32)
    if fmt == 0:
        return rows.tobytes()
    if fmt == 1:
        with np.errstate(over="ignore"):
            return rows.astype("<f2").tobytes()
    if fmt == 2:
        return to_bf16(rows).tobytes()
    out = []
    for row in rows:
        low, high = row.min() + f32(0), row.max()  # a minimum of -0 is written as 0
        span = f32(high - low)
        code = np.rint((row - low) * f32(255) / (span + f32(1e-8)))
        out.append(np.clip(code, 0, 255).astype(np.uint8).tobytes()
                   + np.array([span / f32(255), low], "<f4").tobytes())
    return b"".join(out)


def integers(rng, rows, dim, digit, signed, qparam, scale=None, middle=0.0):
    low, high = (-(1 << (digit - 1)), (1 << (digit - 1)) - 1) if signed else (0, (1 << digit) - 1)
    q = rng.integers(low, high + 1, (rows, dim))
    dtype = ("I" if signed else "U") + str(digit)
    config = {"digit": digit, "signed": signed, "qparam": qparam}
    tensors = {"q": (dtype, q)}
    if qparam == "row":
        params = np.stack([rng.random(rows) / (1 << digit), rng.standard_normal(rows)], 1).astype(f32)
        params[3, 0] = 0  # a constant row
        tensors["qparams"] = ("F32", params)
        e = q.astype(f32) * params[:, :1] + params[:, 1:]
    else:
        config.update(scale=scale, middle=middle)
        least = f32(middle) if signed else f32(middle - (1 << (digit - 1)) * scale)
        e = q.astype(f32) * f32(scale) + least
    return e, tensors, config


def compo(rng, rows, dim, collisions, op, quotient="int", pool="compose_first"):
    x = np.arange(rows, dtype=np.int64)
    if quotient == "f32div":
        q = (x.astype(f32) / f32(collisions)).astype(np.int64)
    else:
        q = x // collisions
    r = x % collisions
    wide = dim // 3 if op == "concat" else dim
    a = rng.standard_normal((int(q.max()) + 1, wide)).astype(f32)
    b = rng.standard_normal((collisions, dim - wide if op == "concat" else dim)).astype(f32)
    join = {"mult": lambda u, v: u * v, "add": lambda u, v: u + v,
            "concat": lambda u, v: np.concatenate([u, v], -1)}[op]
    first = None
    if pool == "pool_first":
        first = lambda at, w, divisor: join(pooled(a, q[at], w, divisor), pooled(b, r[at], w, divisor))
    config = {"collisions": collisions, "op": op, "quotient": quotient, "pool": pool}
    return join(a[q], b[r]), {"q.weight": ("F32", a), "r.weight": ("F32", b)}, config, first


def fields(rng, method, sizes, dim):
    """A table with one set of parameters a field, the last field left full."""
    tensors, per_field, rows = {}, [], []
    for i, n in enumerate(sizes):
        if i == len(sizes) - 1:
            w = rng.standard_normal((n, dim)).astype(f32)
            tensors[f"f{i}.weight"] = ("F32", w)
            per_field.append({"method": "full"})
            rows.append(w)
        elif method == "hash":
            h = max(1, n // 4)
            w = rng.standard_normal((h, dim)).astype(f32)
            tensors[f"f{i}.table"] = ("F32", w)
            per_field.append({})
            rows.append(w[np.arange(n) % h])
        else:
            e, parts, config, _ = compo(rng, n, dim, 5 + i, ["mult", "add", "concat"][i % 3])
            tensors.update({f"f{i}.{name}": value for name, value in parts.items()})
            per_field.append(config)
            rows.append(e)
    return np.concatenate(rows), tensors, {"per_field": per_field}


def cases(seed=7):
    """Every variant of the seven methods."""
    rng = np.random.default_rng(seed)
    normal = lambda *shape: rng.standard_normal(shape).astype(f32)
    out = []
    w = normal(300, 33)
    w[5, :4] = [0.0, -0.0, 1e-40, 3e38]
    out.append(Case("full", "full", w, {"weight": ("F32", w)}))
    h = (normal(200, 17) * 100).astype("<f2")
    h[2, :3] = [6e-8, 65504, -0.0]
    out.append(Case("fp16", "fp16", h.astype(f32), {"weight": ("F16", h)}))
    b = to_bf16(normal(200, 19))
    out.append(Case("bf16", "bf16", from_bf16(b), {"weight": ("BF16", b)}))
    for digit in (8, 16):
        for signed in (False, True):
            for qparam in ("table", "row"):
                e, tensors, config = integers(rng, 120, 21, digit, signed, qparam, 0.0123, 0.37)
                out.append(Case(f"int{digit}_{'i' if signed else 'u'}_{qparam}", f"int{digit}", e, tensors,
                                config))
    t = normal(37, 16)
    out.append(Case("hash", "hash", t[np.arange(500) % 37], {"table": ("F32", t)}))
    for op in ("mult", "add", "concat"):
        for pool in ("compose_first", "pool_first"):
            e, tensors, config, first = compo(rng, 1000, 18, 12, op, pool=pool)
            out.append(Case(f"compo_{op}_{pool}", "compo", e, tensors, config, pool=first))
    e, tensors, config, _ = compo(rng, 901, 9, 7, "mult", "f32div")
    out.append(Case("compo_f32div", "compo", e, tensors, config))
    for method in ("hash", "compo"):
        sizes = [40, 0, 75, 20] if method == "hash" else [40, 30, 75, 20]
        e, tensors, config = fields(rng, method, sizes, 12)
        out.append(Case(f"{method}_fields", method, e, tensors, config, fields=sizes))
    w, keys = normal(64, 10), rng.permutation(10**12 + np.arange(64) * 977 - 5 * 10**11)
    keys[0], keys[1] = -(1 << 63), (1 << 63) - 1
    out.append(Case("keys", "full", w, {"weight": ("F32", w), "keys": ("I64", keys),
                                        "default": ("F32", normal(10))}))
    w = normal(101, 8)
    out.append(Case("hashed", "full", w, {"weight": ("F32", w)}, {"seed": "12345678901234567890"},
                    ids="hash"))
    return out
