# SPDX-License-Identifier: Apache-2.0
"""OptEmbed: a row may be pruned, and of the others the first columns count, as many as the field keeps."""
import numpy as np

from .case import Case, Draw, f32, join, plain
from .codes import bitmap, flagged


def lookup(config, tensors, ids, shape):
    out, emb = np.zeros((len(ids), shape.dim), f32), tensors["emb"]
    if config["form"] == "compact":
        kept = flagged(tensors["kept"], np.arange(8 * len(tensors["kept"])))
        rank = np.cumsum(kept) - kept
        mine = kept[ids]
        out[mine, :emb.shape[1]] = emb[rank[ids[mine]]]
        return out
    row = tensors["remap"][ids]
    field = np.searchsorted(np.cumsum(shape.fields), ids, side="right") if shape.fields else np.zeros(len(ids), int)
    width = tensors["candidate"][field] + 1
    out[row >= 0] = emb[row[row >= 0]]
    out[np.arange(shape.dim)[None] >= width[:, None]] = 0
    return out


def keep(draw, rows, share=0.6):
    return draw.floats(rows, low=0) < share


def remap(name, fields, dim, candidate, shared=False, rows=None):
    draw = Draw(f"optembed {name}")
    rows = sum(fields) if fields else rows
    kept = keep(draw, rows)
    places = np.where(kept, np.cumsum(kept) - 1, -1)
    count = int(kept.sum())
    if shared:
        count = 3
        places = np.where(kept, places % 3, -1)
    return Case(name, "optembed", rows, dim, {
        "emb": ("F32", draw.floats(count, dim)), "remap": ("I32", places), "candidate": ("I32", candidate)},
        {"form": "remap"}, fields)


def compact(name, rows, width, dim, share=0.6):
    draw = Draw(f"optembed {name}")
    kept = keep(draw, rows, share)
    return Case(name, "optembed", rows, dim, {
        "kept": ("U8", bitmap(kept)), "emb": ("F32", draw.floats(int(kept.sum()), width))}, {"form": "compact"})


def cases():
    yield remap("optembed_remap", [20, 0, 30, 13], 12, [3, 0, 11, 0])
    yield remap("optembed_remap_one", None, 9, [4], rows=40)
    yield remap("optembed_remap_shared", [15, 16], 6, [5, 1], shared=True)
    yield compact("optembed_compact", 61, 5, 12)
    yield compact("optembed_compact_full_width", 40, 8, 8)
    yield compact("optembed_compact_all_pruned", 17, 3, 8, share=-1)
    yield compact("optembed_compact_all_kept", 24, 3, 8, share=2)
    yield compact("optembed_compact_long", 1300, 1, 2)
    yield join("optembed_fields", [compact("a", 20, 3, 10), compact("b", 31, 10, 10), plain(6, 10),
                                   compact("c", 0, 2, 10), compact("d", 9, 1, 10, share=-1)])
    case = remap("optembed_keys", [10, 15], 7, [2, 4])
    case.tensors["keys"] = ("I64", Draw("optembed keys").shuffle(25) * 3)
    case.tensors["default"] = ("F32", Draw("optembed default").floats(7))
    case.ids = list(range(-1, 76))
    yield case
