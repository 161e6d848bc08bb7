# SPDX-License-Identifier: Apache-2.0
"""CompoEmb: e(x) = Q[x / R] (*) Rm[x mod R], composed by a product, a sum or side by side."""
import numpy as np

from .case import Case, Draw, f32, join, plain

JOIN = {"mult": lambda q, r: q * r, "add": lambda q, r: q + r, "concat": lambda q, r: np.concatenate([q, r], -1)}


def places(config, ids):
    """Rows of the two factors."""
    r = int(config["collisions"])
    if config.get("quotient", "int") == "f32div":  # as code that divides in float32 has it
        return (ids.astype(f32) / f32(r)).astype(np.int64), ids % r
    return ids // r, ids % r


def lookup(config, tensors, ids, shape):
    q, r = places(config, ids)
    return JOIN[config["op"]](tensors["q.weight"][q], tensors["r.weight"][r])


def pool(config, tensors, ids, weights, divisor):
    """A bag under pool_first: each factor is pooled, then they are composed."""
    sums = []
    for name, at in zip(("q.weight", "r.weight"), places(config, ids)):
        total = np.zeros(tensors[name].shape[1], f32)
        for i, row in enumerate(at):
            total = total + (tensors[name][row] if weights is None else f32(weights[i]) * tensors[name][row])
        sums.append(total / f32(divisor) if divisor != 1 else total)
    return JOIN[config["op"]](*sums)


def make(name, rows, dim, collisions, op, quotient=None, pool=None, spare=0, ids=None):
    draw = Draw(f"compo {name}")
    config = {"collisions": collisions, "op": op}
    config.update({"quotient": quotient} if quotient else {}, **({"pool": pool} if pool else {}))
    most = int(places(config, np.array([rows - 1]))[0][0]) + 1 + spare
    wide = dim // 3 if op == "concat" else dim
    return Case(name, "compo", rows, dim, {
        "q.weight": ("F32", draw.floats(most, wide)),
        "r.weight": ("F32", draw.floats(collisions, dim - wide if op == "concat" else dim)),
    }, config, ids=ids)


def cases():
    x = np.array([537])
    assert [int(v[0]) for v in places({"collisions": 12}, x)] == [44, 9]
    x = np.array([16777219])
    assert places({"collisions": 2, "quotient": "f32div"}, x)[0] == 8388610 and places({"collisions": 2}, x)[0] == 8388609
    for op in JOIN:
        for how in ("compose_first", "pool_first"):
            yield make(f"compo_{op}_{how}", 300, 18, 12, op, pool=how)
    yield make("compo_roomy", 50, 6, 8, "mult", "int", spare=3)
    yield make("compo_collisions_above_rows", 9, 4, 13, "add")
    yield make("compo_f32div", 301, 9, 7, "mult", "f32div")
    # Rounded quotients: near multiples of R, beyond the integers that a float32 holds.
    r, n = 4099, 2**24 + 3 * 4099
    ids = sorted({i for k in (1, 2, 3, 63, 1000, 4090, 4093, 4095) for i in range(k * r - 3, k * r + 3)}
                 | set(range(2**24 - 2, 2**24 + 4)) | {0, n - 1})
    x = np.array(ids)
    wrong = places({"collisions": r, "quotient": "f32div"}, x)[0] != x // r
    assert 0 < wrong.sum() < len(ids)
    yield make("compo_f32div_large", n, 1, r, "add", "f32div", ids=ids)
    yield make("compo_int_large", n, 1, r, "add", "int", ids=ids)
    yield join("compo_fields", [make("a", 40, 12, 5, "mult"), make("b", 30, 12, 6, "add"),
                                make("c", 75, 12, 7, "concat"), plain(20, 12)])
