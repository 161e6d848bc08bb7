# SPDX-License-Identifier: Apache-2.0
"""DHE: k hashes of the id, scaled to reals, go through a network of six layers."""
import numpy as np

from .case import Case, Draw, f32, join, plain

PRIMES = (1000003, 1000033, 1000037, 1000039, 1000081, 1000099, 1000117, 1000121)


def hashes(config, a, b, p, ids):
    """Integers [ids][k], exact."""
    m, how = int(config["m"]), config["hash_arith"]
    v = np.asarray(ids, object)[:, None] * np.asarray(a, object)[None] + np.asarray(b, object)[None]
    p = np.asarray(p, object)[None]
    if how == "u64":
        return v % p % m
    v = (v + 2**31) % 2**32 - 2**31  # an int32 that wraps
    if how == "i32_floor":
        return v % p % m
    return np.where(v < 0, -1, 1) * (abs(v) % p % m)  # i32_trunc: remainders as in C, with the sign of v


def inputs(config, h, kind=f32):
    """What the network gets, in float32; `kind` tells by float64 whether that rounding matters."""
    h, m = h.astype(kind), kind(int(config["m"]) - 1)
    if config["dist"] == "uniform":
        return kind(2) * h / m - kind(1)
    u = h / m
    length = np.sqrt(kind(-2) * np.log(np.maximum(u[:, 0::2], kind(float(config.get("norm_eps", 1e-12))))))
    angle = kind(2 * np.pi) * u[:, 1::2]  # of a pair, the first gives the length and the second the angle
    return np.stack([length * np.cos(angle), length * np.sin(angle)], 2).reshape(u.shape)


def mish(y):
    return y * np.tanh(np.where(y > 20, y, np.log1p(np.exp(np.minimum(y, 20)))))


def network(config, tensors, z):
    z = z.astype(float)
    value = lambda layer, kind: tensors[f"{layer}.{kind}"].astype(float)  # noqa: E731
    for at in range(1, 7):
        z = z @ value(f"mlp.{at}", "weight") + value(f"mlp.{at}", "bias")
        if at < 6:
            bn = f"bn.{at}"
            spread = np.sqrt(value(bn, "running_var") + float(config.get("bn_eps", 1e-5)))
            z = mish((z - value(bn, "running_mean")) * value(bn, "weight") / spread + value(bn, "bias"))
    return z


def lookup(config, tensors, ids, shape):
    h = hashes(config, tensors["hash.a"], tensors["hash.b"], tensors["hash.p"], ids)
    rows = network(config, tensors, inputs(config, h)).astype(f32)
    exact = network(config, tensors, inputs(config, h, float))
    assert np.all(abs(rows - exact) <= 4e-6 * abs(exact).max(1, keepdims=True)), "the case shakes its inputs' rounding"
    return rows


def make(name, rows, dim, k, wide, arith, dist, m=1000000, p=None, ids=None, **more):
    draw = Draw(f"dhe {name}")
    p = np.array([(p or PRIMES)[i % len(p or PRIMES)] for i in range(k)], np.int64)
    limit = 2**31 if arith != "u64" else int(p.min())
    tensors = {"hash.a": ("I64", draw.integers(1, limit, k)), "hash.b": ("I64", draw.integers(0, limit, k)),
               "hash.p": ("I64", p)}
    sizes = [k] + [wide] * 5 + [dim]
    for at in range(1, 7):
        fan, out = sizes[at - 1], sizes[at]
        tensors[f"mlp.{at}.weight"] = ("F32", draw.floats(fan, out, low=-(1.5 / fan**0.5), high=1.5 / fan**0.5))
        tensors[f"mlp.{at}.bias"] = ("F32", draw.floats(out, low=-0.5, high=0.5))
        if at < 6:
            tensors[f"bn.{at}.weight"] = ("F32", draw.floats(out, low=0.5, high=1.5))
            tensors[f"bn.{at}.bias"] = ("F32", draw.floats(out, low=-0.3, high=0.3))
            tensors[f"bn.{at}.running_mean"] = ("F32", draw.floats(out, low=-0.2, high=0.2))
            tensors[f"bn.{at}.running_var"] = ("F32", draw.floats(out, low=0.3, high=1.5))
    config = {"k": k, "m": m, "hash_arith": arith, "dist": dist, **more}
    return Case(name, "dhe", rows, dim, tensors, config, ids=ids)


def cases():
    for arith, expected in (("u64", 297575), ("i32_trunc", -656839), ("i32_floor", 343164)):
        config = {"m": 10**6, "hash_arith": arith}
        assert hashes(config, [777777], [424242], [1000003], [3, 5000]).ravel().tolist() == [757567, expected]
        for dist in ("uniform", "normal"):
            yield make(f"dhe_{arith}_{dist}", 40, 10, 16, 12, arith, dist)
    yield make("dhe_odd", 20, 7, 5, 9, "u64", "uniform", bn_eps=1e-3, bn_momentum=0.01, act="mish", width=9)
    yield make("dhe_norm_eps", 30, 6, 8, 7, "i32_trunc", "normal", norm_eps=0.01)
    far = [0, 1, 2**20 + 1, 2**31 - 1, 1234567890]
    yield make("dhe_i32_trunc_far", 2**31, 5, 12, 8, "i32_trunc", "uniform", ids=far)
    yield make("dhe_i32_floor_far", 2**31, 5, 12, 8, "i32_floor", "uniform", ids=far)
    # Products of 120 bits, ids beyond 2^53.
    yield make("dhe_u64_far", 2**62, 5, 12, 8, "u64", "uniform", m=10**12 + 39, p=[2**61 - 1, 10**13 + 37],
               ids=[*far, 2**32, 2**53 + 1, 2**62 - 1])
    yield make("dhe_u64_normal_far", 2**62, 5, 12, 8, "u64", "normal", m=2**31 - 1, p=[2**61 - 1],
               ids=[*far, 2**32, 2**53 + 1, 2**62 - 1])
    yield join("dhe_fields", [make("a", 20, 6, 8, 7, "u64", "uniform"), plain(5, 6),
                              make("b", 15, 6, 6, 9, "u64", "normal")])
