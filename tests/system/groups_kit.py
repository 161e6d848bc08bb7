# SPDX-License-Identifier: Apache-2.0
"""Some trainable tables, and what is asked of groups of them."""
import json

from crash import state
from daemon import Daemon
from training_kit import DIM, ROWS, pb, write


NAMES = ["a", "b", "c"]


def trained(files, names=NAMES, options="optimizer=adagrad,learning_rate=0.5", **more):
    """A daemon with some trainable tables."""
    for name in names:
        if not (files / f"{name}.st").exists():
            write(files / f"{name}.st")
    return Daemon(tables={name: f"{files / name}.st,{options}" for name in names}, import_dir=files, **more)


def values(c, names=NAMES):
    """Versions and rows of several tables in one call."""
    reply = c.lookup(lookups=[pb.TableLookup(table=name, ids=range(ROWS)) for name in names])
    assert not isinstance(reply, tuple), reply
    return [(r.version, tuple(r.values)) for r in reply.results]


def rows(c, names=NAMES):
    return [value for _, value in values(c, names)]


def push_all(c, times=1, names=NAMES):
    for _ in range(times):
        reply = c.push(pushes=[pb.TablePush(table=name, ids=[1, 2 + i], gradients=[1.0] * (2 * DIM))
                               for i, name in enumerate(names)])
        assert not isinstance(reply, tuple), reply
    return reply


def checkpoints(daemon):
    folder = daemon.folder / "data/checkpoints"
    return sorted(path.name for path in folder.iterdir()) if folder.exists() else []


def text(daemon, label):
    return json.loads((daemon.folder / "data/checkpoints" / label / "checkpoint.json").read_text())




def tensors(place, name, said):
    """{tensor: bytes} of a table in a checkpoint's folder."""
    found = state.snapshot(place / name, said["generation"], said["version"])
    assert len(found) == 1, (name, said, found.keys())
    return next(iter(found.values()))



def loads(**files):
    return [pb.LoadRequest(table=name, file=file, replace=True) for name, file in files.items()]


def option(key, value):
    return [pb.TableOption(key=key, value=value)]
