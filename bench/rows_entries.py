# SPDX-License-Identifier: Apache-2.0
"""What bench/rows.sh measures: a table made by `embctl create`, what it stands beside, what is asked for, what limits it.

A new entry is a line here; a new peer is a function in rows_peers.py, or a kind of subject in rows.c and in PEERS."""
from dataclasses import dataclass

import numpy as np

DIM, ROWS_USUAL = 64, 1000000


@dataclass
class Entry:
    method: str
    options: str       # of embctl create
    touched: object    # bytes that a row reads: a number, or a function of settings and shapes
    peer: str          # a key of PEERS
    target: float      # how many times the peer's rows a second the issue asks for; 0: none is asked for
    kind: str = "table"  # copy: on huge pages
    same: bool = True  # whether the peer has to give the same rows

    @property
    def name(self):
        return f"{self.method} {self.options}".strip()

    @property
    def file(self):
        words = self.name
        for noise in "{frequency}", "--", "set ":
            words = words.replace(noise, "")
        return "-".join(words.replace("=", " ").split()) + ".safetensors"


# What the report calls a peer, and (worker, subject) of it: of {table}, the entry's own, {full}, and {shapes}, the sizes
# of the layers of a net.
PEERS = {
    "gather": ("bare gather, 4 KiB pages", "rows", "gather:{full}"),
    "gather-huge": ("bare gather, huge pages", "rows", "gather-huge:{full}"),
    "full": ("full", "rows", "table:{full}"),
    "torch": ("PyTorch", "torch", "{method}:{table}"),
    "faiss": ("faiss", "faiss", "codes:{table}"),
    "decoder": ("faiss's decoder alone", "faiss", "decode:{table}"),
    "sgemm": ("sgemm alone", "rows", "sgemm:{shapes}"),
}


def codes(c, shape):
    """The codes of a row and the vectors that they name."""
    width = next(shape[n] for n in ("codes", "codes.high") if n in shape)
    return width[1] * (2 if c.get("k", c.get("k_high")) > 256 and c["packing"] == "bytes" else 1) + 4 * DIM


def sparse(c, shape):
    """Two ends, and each entry with its column (of one byte); in coo form each with its row as well."""
    if c["form"] == "csr":
        return 16 + 5 * shape["csr.data"][0] / (shape["csr.indptr"][0] - 1)
    return 9 * shape["coo.data"][0] / ROWS_USUAL


def train(_, shape):
    """A slice of each core."""
    return sum(4 * shape[f"core.{t}"][1] for t in range(3))


def net(_, shape):
    """All of it, for a block of 96 rows at a time."""
    return sum(4 * int(np.prod(s)) for name, s in shape.items() if name.startswith("mlp.")) / 96


ENTRIES = [
    Entry("full", "", 256, "gather", 0.9),
    Entry("full", "", 256, "gather-huge", 0.9, kind="copy"),
    Entry("full", "", 256, "torch", 0),
    Entry("fp16", "", 128, "full", 0.9, same=False),
    Entry("bf16", "", 128, "full", 0.9, same=False),
    Entry("int8", "", 72, "full", 0.9, same=False),
    Entry("int8", "--set qparam=table", 64, "full", 0.9, same=False),
    Entry("int16", "", 136, "full", 0.9, same=False),
    Entry("alpt", "--set digit=8", 68, "full", 0.9, same=False),
    Entry("alpt", "--set digit=16", 132, "full", 0.9, same=False),
    Entry("compo", "--ratio 0.5", 512, "torch", 3),
    Entry("compo", "--ratio 0.1", 512, "torch", 3),
    Entry("compo", "--ratio 0.01", 512, "torch", 3),
    Entry("dpq", "--set parts=16 --set k=256", codes, "faiss", 3),
    Entry("dpq", "--set parts=16 --set k=256", codes, "decoder", 3),
    Entry("dpq", "--set parts=8 --set k=256", codes, "faiss", 3),
    Entry("dpq", "--set parts=8 --set k=256", codes, "decoder", 3),
    Entry("dpq", "--set parts=32 --set k=16 --set packing=bits", codes, "faiss", 3),
    Entry("dpq", "--set parts=32 --set k=16 --set packing=bits", codes, "decoder", 3),
    Entry("dpq", "--ratio 0.25", codes, "faiss", 3),
    Entry("dpq", "--ratio 0.25", codes, "decoder", 3),
    Entry("dpq", "--ratio 0.1", codes, "faiss", 3),
    Entry("dpq", "--ratio 0.1", codes, "decoder", 3),
    Entry("dpq", "--ratio 0.05", codes, "faiss", 3),
    Entry("dpq", "--ratio 0.05", codes, "decoder", 3),
    Entry("dpq", "--ratio 0.01", codes, "faiss", 3),
    Entry("dpq", "--ratio 0.01", codes, "decoder", 3),
    Entry("mgqe", "--set parts=16 --set k_high=256 --set k_low=64 --set packing=bytes", codes, "faiss", 3),
    Entry("mgqe", "--set parts=16 --set k_high=256 --set k_low=64 --set packing=bytes", codes, "decoder", 3),
    Entry("mgqe", "--ratio 0.25", codes, "faiss", 3, same=False),
    Entry("mgqe", "--ratio 0.25", codes, "decoder", 3, same=False),
    Entry("mgqe", "--ratio 0.1", codes, "faiss", 3, same=False),
    Entry("mgqe", "--ratio 0.1", codes, "decoder", 3, same=False),
    Entry("mgqe", "--ratio 0.05", codes, "faiss", 3, same=False),
    Entry("mgqe", "--ratio 0.05", codes, "decoder", 3, same=False),
    Entry("robe", "--ratio 0.5", 256, "full", 1 / 3, same=False),
    Entry("robe", "--ratio 0.1", 256, "full", 1 / 3, same=False),
    Entry("robe", "--ratio 0.01", 256, "full", 1 / 3, same=False),
    Entry("robe", "--ratio 0.1 --set block=8", 256, "full", 1 / 3, same=False),
    Entry("hash", "--ratio 0.1", 256, "full", 0, same=False),
    Entry("dedup", "--ratio 0.25", 260, "full", 0, same=False),
    Entry("adapt", "--ratio 0.25 --frequency {frequency}", 260, "full", 0, same=False),
    Entry("optembed", "--ratio 0.25", 260, "full", 0, same=False),
    Entry("deeplight", "--ratio 0.25", sparse, "full", 0, same=False),
    Entry("autosrh", "--ratio 0.1", sparse, "full", 0, same=False),
    Entry("pep", "--ratio 0.05", sparse, "full", 0, same=False),
    Entry("tt", "--set r=1,16,16,1", train, "torch", 40),
    Entry("tt", "--set r=1,32,32,1", train, "torch", 0),
    Entry("dhe", "--ratio 0.01", net, "sgemm", 0.7, same=False),
    Entry("dhe", "--ratio 0.05", net, "sgemm", 0.7, same=False),
    Entry("dhe", "--ratio 0.1", net, "sgemm", 0.7, same=False),
    Entry("mde", "--ratio 0.25", 64, "torch", 0),
    Entry("autodim", "--ratio 0.25", 64, "torch", 0),
]

# What the rows of a method cost that cannot be had for less here, and why a figure is below its target. Of memory, of
# instructions, of the interface. Read off profiles and off the loops; nothing here was counted by the processor.
LIMITS = {
    "tt": "Rank 16: the products of the first two cores' slices are kept, and a row's 1 KiB of them comes from the third-"
          "level cache, which takes more time than its multiply-adds. Rank 32: they would take more than 16 MiB; what ids of "
          "a batch share is made once, and the multiply-adds are the limit.",
    "dhe": "The matrix products run as fast as sgemm's; hashing, normalisation and mish are what is left, the more of the "
           "whole the narrower the net.",
    "mde autodim": "A narrow row from memory, and the writing of the wide one.",
    "full": "The lines that a core can wait for at a time: a row is four lines of memory. PyTorch asks for none ahead.",
    "fp16 bf16 int8 int16 alpt": "The same, for fewer lines; 256 bytes are written all the same.",
    "compo": "Rows of the larger table at large ratios; where both are in the caches, writing the rows.",
    "dpq mgqe": "A part is a load of its code, and a load and a store of its vector (vectors of one and two columns are "
                "gathered, sixteen and eight at a time). With few parts what is left is the line of codes that each row has "
                "at a random place, and the 256 bytes that it writes: faiss's decoder alone has its codes in order.",
    "robe": "Runs of cells begin at any address: a row of one run is five lines, of eight runs nine or more. Then two "
            "remainders a row and a sign for each column.",
    "hash dedup adapt": "As full, behind a map of the ids where there is one.",
    "optembed": "A bit and a count to find the row; zeros behind narrow rows.",
    "deeplight autosrh pep": "Each entry goes to a column of its own, a load and a store of four bytes; and where a row is in "
                             "memory is known only when its end is: one miss after the other.",
}
