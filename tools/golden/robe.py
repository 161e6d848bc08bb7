# SPDX-License-Identifier: Apache-2.0
"""ROBE: blocks of a row lie at hashed places of one array. Numbers of `rand` by name: P, then coefficients."""
import numpy as np

from .case import Case, Draw, f32

EXAMPLE = (2038074743, 1042867437, 776235098, 1538469021, 33224412, 901337215, 1620035811, 415500127, 660214873)


def slots(config, ids, shape):
    """The id that is hashed, and the slot of its field."""
    if not config.get("use_slot", False):
        return ids, None
    fields = shape.fields or [shape.rows]  # without fields the table is one
    first = np.cumsum([0, *fields])
    field = np.searchsorted(first, ids, side="right") - 1
    slot = config.get("slot_of_field") or list(range(len(fields)))
    return ids - first[field], np.array([int(s) for s in slot], np.int64)[field]


def places(config, rand, size, dim, ids, shape):
    """Cells and signs [ids][dim]."""
    rand, block = [int(v) for v in rand], int(config["block"])
    column = np.arange(dim)
    c, o = column // block, column % block
    if config["variant"] == "uma":
        p, a, b, by_id = rand[:4]
        x = ids[:, None] + int(config.get("val_offset", 0))
        return (by_id * x + b * c + a) % p % (size - block + 1) + o, np.ones((len(ids), dim), np.int64)
    p, dh, ch, bh, ah, dg, cg, bg, ag = rand[:9]
    x, slot = slots(config, ids, shape)
    x, e = x[:, None], 0 if slot is None else slot[:, None]
    cell = (bh * x + dh + o + ch * c + ah * e) % p % size
    sign = 2 * ((bg * x + dg + cg * column + ag * e) % p % 2) - 1
    return cell, sign if config.get("signs", True) else np.ones_like(sign)


def lookup(config, tensors, ids, shape):
    cell, sign = places(config, tensors["rand"], len(tensors["array"]), shape.dim, ids, shape)
    return sign.astype(f32) * tensors["array"][cell]


def make(name, rows, dim, size, block, variant, p=EXAMPLE[0], fields=None, numbers=10, ids=None, **more):
    draw = Draw(f"robe {name}")
    rand = np.concatenate([[p], draw.integers(0, p, numbers - 1)])
    array = draw.floats(size)
    array[0] = 0.0  # a sign makes it -0
    return Case(name, "robe", rows, dim, {"array": ("F32", array), "rand": ("I64", rand)},
                {"variant": variant, "block": block, **more}, fields, ids)


def check():
    """The worked numbers: id 12345, four columns, a thousand cells."""
    x = np.array([12345])
    for variant, block, slot, cells in (("hetu", 4, None, [665, 666, 667, 668]), ("hetu", 2, None, [665, 666, 763, 764]),
                                        ("hetu", 1, None, [665, 763, 118, 216]), ("hetu", 2, 3, [901, 902, 999, 0]),
                                        ("uma", 1, None, [665, 763, 118, 216]), ("uma", 2, None, [691, 692, 801, 802]),
                                        ("uma", 4, None, [505, 506, 507, 508])):
        config = {"variant": variant, "block": block, "use_slot": slot is not None, "slot_of_field": [slot]}
        found, sign = places(config, EXAMPLE, 1000, 4, x, type("", (), {"fields": [20000]}))
        assert found[0].tolist() == cells, (config, found)
        if variant == "hetu" and slot is None:
            assert sign[0].tolist() == [1, -1, -1, -1]


def cases():
    check()
    fields = [20, 0, 25, 15]
    yield make("robe_hetu", 60, 12, 100, 12, "hetu")
    yield make("robe_hetu_blocks", 60, 12, 97, 4, "hetu")
    yield make("robe_hetu_cells", 60, 12, 250, 1, "hetu")
    yield make("robe_hetu_no_signs", 50, 12, 100, 3, "hetu", signs=False)
    yield make("robe_hetu_slots", 60, 12, 90, 6, "hetu", fields=fields, use_slot=True)
    yield make("robe_hetu_slots_named", 60, 12, 90, 4, "hetu", fields=fields, use_slot=True, slot_of_field=[7, 0, 1048575, 7])
    yield make("robe_hetu_slots_one", 40, 8, 50, 4, "hetu", use_slot=True, slot_of_field=[4])
    yield make("robe_hetu_fields_idle", 60, 12, 90, 4, "hetu", fields=fields, use_slot=False)
    yield make("robe_hetu_nine", 30, 8, 40, 4, "hetu", numbers=9)
    yield make("robe_hetu_small_prime", 101, 8, 97, 8, "hetu", p=101)  # blocks break at multiples of P
    yield make("robe_hetu_one_cell", 20, 4, 1, 2, "hetu")
    yield make("robe_hetu_all_cells", 50, 6, 53, 3, "hetu", p=53)
    far = [0, 1, 2**30, 2038074742, 1234567890]
    yield make("robe_hetu_far", 2038074743, 6, 500, 3, "hetu", ids=far)
    yield make("robe_uma", 60, 12, 100, 12, "uma")
    yield make("robe_uma_blocks", 60, 12, 97, 4, "uma", numbers=51)
    yield make("robe_uma_short", 60, 11, 97, 4, "uma")  # the last block has three cells
    yield make("robe_uma_longer_than_row", 40, 5, 97, 8, "uma")
    yield make("robe_uma_one_start", 20, 8, 4, 4, "uma", numbers=4)
    yield make("robe_uma_offset", 60, 12, 150, 4, "uma", val_offset=1000000)
    yield make("robe_uma_far", 2000000000, 6, 500, 3, "uma", val_offset=38074743, ids=[*far[:3], 1999999999])
    case = make("robe_keys", 60, 12, 90, 4, "hetu", fields=fields, use_slot=True)
    case.tensors["keys"] = ("I64", Draw("robe keys").shuffle(60) * 10**15 - 3 * 10**16)
    case.ids = [*map(int, case.tensors["keys"][1]), 5]
    yield case
