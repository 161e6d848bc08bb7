# SPDX-License-Identifier: Apache-2.0
"""What the tests of growing tables share: made, pushed to and read, by id and by file."""
import json
import pathlib
import struct

import numpy as np

import tablefile
from training_kit import CALLS, files, pb

CALLS["create"] = ("Tables/Create", pb.CreateRequest, pb.CreateResponse)
CALLS["explain"] = ("Tables/Explain", pb.ExplainRequest, pb.ExplainResponse)
DIM = 4
REFUSE, SKIP, ADMIT = range(3)


def options(**pairs):
    return [pb.TableOption(key=k, value=str(v)) for k, v in pairs.items()]


def create(c, name, rows, method="full", keys=(), optimizer="adagrad", settings=None, **more):
    made = c.create(table=name, method=method, rows=rows, dim=DIM, seed=7, ids=pb.TABLE_IDS_KEYS, keys=keys, grows=True,
                    settings=options(**(settings or {})),
                    options=options(optimizer=optimizer, learning_rate=0.1, **more))
    assert not isinstance(made, tuple), made
    return made


def push(c, name, ids, gradients=None, missing=ADMIT, **more):
    if gradients is None:
        gradients = np.ones((len(ids), DIM), "<f4")
    return c.push(missing=missing, pushes=[
        pb.TablePush(table=name, ids=ids, gradients=np.ravel(gradients).tolist())], **more)


def rows_of(c, name, ids):
    """{id: row as bytes} of the ids that are known."""
    reply = c.lookup(lookups=[pb.TableLookup(table=name, ids=ids)])
    assert not isinstance(reply, tuple), reply
    found, gone = reply.results[0], set(reply.results[0].missing)
    values = np.array(found.values, "<f4").reshape(len(ids), -1)
    return {key: values[i].tobytes() for i, key in enumerate(ids) if i not in gone}


def tensors(path):
    data = pathlib.Path(path).read_bytes()
    n, = struct.unpack_from("<Q", data)
    header = json.loads(data[8:8 + n])
    out = {}
    for key, t in header.items():
        if key != "__metadata__":
            begin, end = t["data_offsets"]
            out[key] = np.frombuffer(data[8 + n + begin:8 + n + end], tablefile.DTYPES[t["dtype"]]).reshape(t["shape"])
    return out


def known(c, name, among=range(-100, 2000)):
    return rows_of(c, name, list(among))


def metric(daemon, name, table):
    for line in daemon.http("/metrics")[1].splitlines():
        if line.startswith(f"embd_{name}{{") and f'table="{table}"' in line:
            return float(line.split()[-1])
    raise AssertionError(name)


def stream(c, name, steps, seed, first=1, span=60, trainer="t"):
    """Pushes of new and old ids; a trainer's, so that what was answered is known."""
    for step in range(first, first + steps):
        r = np.random.default_rng([seed, step])
        ids = [int(i) for i in r.integers(0, span, 12) + step * 3]
        reply = push(c, name, ids, r.normal(size=(12, DIM)).astype("<f4"), trainer=trainer, sequence=step)
        assert not isinstance(reply, tuple), reply


def tensors_of_now(c, daemon, name):
    """The bytes of the table as it is now: a new life of it, made of what it is, begins with a whole file."""
    restored = c.restore(table=name) if not isinstance(c.save(table=name), tuple) else None
    assert restored and not isinstance(restored, tuple), restored
    version, path = max((version, path) for (_, version, _), path in files(daemon, name).items()
                        if path.suffix == ".safetensors")
    assert version == restored.version
    return tensors(path)
