# SPDX-License-Identifier: Apache-2.0
"""Small tables of all methods, with the optimizers that they take, and random pushes to them."""
import functools
import pathlib
import random
import subprocess
import tempfile

import numpy as np

import reference
import tablefile
from daemon import messages, program
from golden import alpt, compo, integers, sparse

pb = messages("embd_bulk")
f32 = np.float32
DIM = 8


class Table:
    """`options` are those of --table; `ids` are what may be asked for."""

    def __init__(self, name, method, rows, tensors, options, config=None, ids=None):
        self.name, self.rows, self.options = name, rows, options
        if ids is not None:
            tensors = dict(tensors, keys=("I64", ids))
        self.ids = np.arange(rows, dtype="<i8") if ids is None else np.asarray(ids, "<i8")
        self.bytes = tablefile.table(method, rows, DIM, tensors, config)


# Those that embctl begins: method, rows, optimizer, settings. Small, since a push of dhe changes all of it.
BEGUN = [("tt", 300, "adam", "r=1,3,4,1"), ("dhe", 300, "adagrad", "k=16", "width=12"),
         ("robe", 400, "rowwise_adagrad", "block=4"), ("dedup", 320, "adagrad", "bx=4"),
         ("mgqe", 300, "adagrad", "parts=4", "k_high=16", "k_low=4"), ("dpq", 300, "adam", "parts=4", "k=16"),
         ("adapt", 300, "rowwise_adagrad"), ("mde", 300, "adam", "dims=3"), ("autodim", 300, "adagrad", "dims=4"),
         ("optembed", 300, "rowwise_adagrad"), ("autosrh", 300, "adam"), ("pep", 300, "sgd")]


@functools.cache
def begun(method, rows, *settings):
    """The bytes of a table of random parameters, the same each time."""
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder) / "t.safetensors"
        command = [program("embctl"), "create", "-o", path, "--method", method, "--rows", str(rows), "--dim", str(DIM),
                   "--seed", "7"]
        for setting in settings:
            command += ["--set", setting]
        if not settings:
            command += ["--ratio", "0.5"]
        subprocess.run(command, check=True, capture_output=True)
        return path.read_bytes()


class Begun(Table):
    def __init__(self, method, rows, optimizer, *settings):
        self.name, self.rows, self.options = method, rows, f"optimizer={optimizer}"
        self.ids = np.arange(rows, dtype="<i8")
        self.bytes = begun(method, rows, *settings)


def tables():
    rng = np.random.default_rng(3623)
    normal = lambda *shape: rng.standard_normal(shape).astype(f32)  # noqa: E731
    keys = rng.permutation(10**12 + np.arange(150) * 977)
    out = [
        Table("full", "full", 300, {"weight": ("F32", normal(300, DIM))}, "optimizer=adam,learning_rate=0.01"),
        Table("keys", "full", 150, {"weight": ("F32", normal(150, DIM))}, "optimizer=rowwise_adagrad,count=pushes",
              ids=keys),
        Table("fp16", "fp16", 200, {"weight": ("F16", normal(200, DIM).astype("<f2"))},
              "optimizer=sgd,learning_rate=0.1"),
        Table("bf16", "bf16", 200, {"weight": ("BF16", reference.to_bf16(normal(200, DIM)))},
              "optimizer=sgd,learning_rate=0.1"),
        Table("hash", "hash", 500, {"table": ("F32", normal(40, DIM))}, "optimizer=adagrad"),
    ]
    for digit, signed, qparam in ((8, True, "row"), (16, False, "table")):
        case = integers.make(f"crash {digit}", 200, DIM, digit, signed, qparam, 0.0005, 0.0)
        out.append(Table(case.method, case.method, 200, case.tensors, "optimizer=sgd,learning_rate=0.1", case.config))
    for op, pool, options in (("mult", "compose_first", "optimizer=adam"), ("add", "pool_first", "optimizer=adagrad,count=pushes")):
        case = compo.make(f"crash {op}", 400, DIM, 20, op, pool=pool)
        out.append(Table(f"compo_{op}", "compo", 400, case.tensors, options, case.config))
    for form, options in (("csr", "optimizer=rowwise_adagrad"), ("coo", "optimizer=adam")):  # some rows have no entry
        case = sparse.make("deeplight", f"crash {form}", 300, DIM, form)
        out.append(Table(f"deeplight_{form}", "deeplight", 300, case.tensors, options, case.config))
    case = alpt.make("crash", 200, DIM, 8, scale_lr=0.01)
    out.append(Table("alpt", "alpt", 200, case.tensors, "optimizer=sgd,learning_rate=0.1", case.config))
    return out + [Begun(*row) for row in BEGUN]


def write(folder, interval=()):
    """Write the files; what Daemon takes as `tables`. Those named in `interval` are answered before they are synced."""
    out = {}
    for table in tables():
        path = folder / f"{table.name}.safetensors"
        tablefile.write(path, table.bytes)
        out[table.name] = f"{path},{table.options}" + (",durability=interval" if table.name in interval else "")
    return out


class Pushes:
    """The pushes of one trainer: the n-th is the same whenever it is asked for."""

    def __init__(self, trainer, seed=1, most_ids=12):
        self.trainer, self.seed, self.most_ids = trainer, seed, most_ids
        self.tables = tables()

    def message(self, sequence):
        draw = random.Random(f"{self.seed}/{self.trainer}/{sequence}")
        request = pb.PushRequest(trainer=self.trainer, sequence=sequence)
        if draw.random() < 0.2:
            request.learning_rate = draw.choice((0.0, 0.001, 0.05, 0.5))
        if draw.random() < 0.3:
            request.missing = pb.PUSH_MISSING_SKIP
        for _ in range(draw.choice((1, 1, 1, 2, 3))):
            self.add(request, draw.choice(self.tables), draw)
        return request.SerializeToString()

    def add(self, request, table, draw):
        n = draw.randint(1, self.most_ids)
        near = draw.randrange(len(table.ids))  # some rows are pushed often, some together
        ids = [int(table.ids[(near + draw.randrange(16)) % len(table.ids)]) if draw.random() < 0.5
               else int(draw.choice(table.ids)) for _ in range(n)]
        if request.missing == pb.PUSH_MISSING_SKIP and draw.random() < 0.5:
            ids[draw.randrange(n)] = -draw.randint(1, 1000)
        push = request.pushes.add(table=table.name, ids=np.array(ids, "<i8").tobytes())
        rows = n
        if draw.random() < 0.3:
            push.pooling = draw.choice((pb.POOLING_SUM, pb.POOLING_MEAN))
            bags = draw.randint(1, 4)
            push.offsets = np.array([0] + sorted(draw.randint(0, n) for _ in range(bags - 1)) + [n], "<u4").tobytes()
            rows = bags
            if push.pooling == pb.POOLING_SUM and draw.random() < 0.5:
                push.weights = np.array([draw.uniform(-1, 2) for _ in range(n)], "<f4").tobytes()
        gradient = np.array([draw.gauss(0, 0.3) for _ in range(rows * DIM)], f32)
        way = draw.random()
        if way < 0.15:
            push.format, push.packed = pb.VECTOR_FORMAT_F16, gradient.astype("<f2").tobytes()
        elif way < 0.3:
            push.format, push.packed = pb.VECTOR_FORMAT_BF16, reference.to_bf16(gradient).tobytes()
        else:
            push.gradients = gradient.astype("<f4").tobytes()
