#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The Python client's calls about several tables: checkpoints, and loads as one switch."""
import pathlib
import sys

import numpy as np

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from daemon import Daemon  # noqa: E402
from python_kit import embd  # noqa: E402
from training_kit import DIM, run, write  # noqa: E402


def refused(kind, words, function, *arguments, **more):
    try:
        function(*arguments, **more)
    except kind as error:
        assert words in str(error), error
    else:
        raise AssertionError(f"{kind.__name__} did not come")


def first(client, *tables):
    """The first number of each table."""
    return [float(rows.values[0, 0]) for rows in client.lookup([embd.Lookup(table, [1]) for table in tables]).results]


def test_groups(folder):
    for value in range(4):
        write(folder / f"f{value}", value)
    with Daemon(import_dir=folder) as daemon, embd.Client(daemon.address) as client:
        options = {"optimizer": "sgd", "learning_rate": 1.0}
        loaded = client.load_group({"a": "f1", "b": "f2"}, options=options)
        assert [table.name for table in loaded.tables] == ["a", "b"] and first(client, "a", "b") == [1, 2]
        client.load("r", "f3")
        refused(embd.AlreadyExists, "b", client.load_group, {"c": "f1", "b": "f3"})
        refused(embd.Error, "none", client.load_group, {"a": "f3", "b": "none"}, replace=True)
        assert first(client, "a", "b") == [1, 2] and len(client.tables()) == 3
        assert client.groups() == []
        saved = client.save_group("one")
        assert [table.table for table in saved.tables] == ["a", "b"] and saved.lsn > 0
        client.push([embd.Push(name, [1], np.ones((1, DIM), "f4")) for name in "ab"], trainer="job", sequence=1)
        client.save_group("two", ["b"])
        refused(embd.AlreadyExists, "two", client.save_group, "two")
        refused(embd.NotFound, "none", client.save_group, "three", ["none"])
        refused(embd.FailedPrecondition, "r", client.save_group, "three", ["r"])
        assert [(group.label, group.tables) for group in client.groups()] == [("one", ["a", "b"]), ("two", ["b"])]
        assert client.groups()[0].lsn == saved.lsn and not client.groups()[0].trouble
        assert first(client, "a", "b") == [0, 1]
        restored = client.restore_group("one")
        assert first(client, "a", "b") == [1, 2] and client.position("job") == 1
        assert {table.table: table.version for table in restored.tables} == {
            table.name: table.version for table in client.tables() if table.trainable}
        client.restore_group("two")
        assert first(client, "a", "b") == [1, 1]
        client.save_group("two", replace=True)
        assert client.groups()[1].tables == ["a", "b"]
        client.drop_group("one")
        refused(embd.NotFound, "one", client.drop_group, "one")
        refused(embd.NotFound, "one", client.restore_group, "one")
        assert [group.label for group in client.groups()] == ["two"]


if __name__ == "__main__":
    run(globals())
