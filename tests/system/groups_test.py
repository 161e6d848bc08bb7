# SPDX-License-Identifier: Apache-2.0
"""Checkpoints of several tables, and groups of loads: all or nothing, one switch, one place of the log."""
import json
import os
import pathlib
import shutil
import sys
import tempfile
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import training_kit  # noqa: E402
from daemon import Daemon  # noqa: E402
from training_kit import Client, Code, DIM, ROWS, expect, flip, pb, wait_for, write  # noqa: E402

NAMES = ["a", "b", "c"]


def trained(folder, names=NAMES, options="optimizer=adagrad,learning_rate=0.5", **more):
    """A daemon with some trainable tables."""
    for name in names:
        if not (folder / f"{name}.st").exists():
            write(folder / f"{name}.st")
    return Daemon(tables={name: f"{folder / name}.st,{options}" for name in names}, import_dir=folder, **more)


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


def test_saves_and_restores(folder):
    with trained(folder) as daemon:
        c = Client(daemon)
        push_all(c, 3)
        before = rows(c)
        saved = c.save_group(label="one")
        assert [(t.table, t.version) for t in saved.tables] == [(name, 3) for name in NAMES], saved
        assert saved.lsn == c.list().lsn and saved.us
        push_all(c, 2)
        assert rows(c) != before
        restored = c.restore_group(label="one")
        # 5 + 1 as for any replacement; the changes follow each other in the log.
        assert [(t.table, t.version) for t in restored.tables] == [(name, 6) for name in NAMES], restored
        assert restored.lsn == saved.lsn + 2 + 3
        assert rows(c) == before and [v for v, _ in values(c)] == [6, 6, 6]
        reply = push_all(c)
        assert list(reply.versions) == [7, 7, 7]
        after = rows(c)
        # The optimizer's state came back, too: the same push leads to the same rows again.
        assert c.restore_group(label="one").tables[0].version == 8
        push_all(c)
        assert rows(c) == after
        daemon.kill()
        daemon.start()
        c = Client(daemon)
        assert rows(c) == after
        groups = c.groups().groups
        assert [(g.label, g.lsn, list(g.tables), g.trouble) for g in groups] == [("one", saved.lsn, NAMES, "")]
        assert groups[0].bytes == sum(t.bytes for t in saved.tables) and abs(groups[0].time_us / 1e6 - time.time()) < 600
        c.drop_group(label="one")
        assert not c.groups().groups and checkpoints(daemon) == []
        expect(c.drop_group(label="one"), Code.NOT_FOUND, "no checkpoint \"one\"")
        expect(c.restore_group(label="one"), Code.NOT_FOUND, "no checkpoint \"one\"")


def test_the_folder(folder):
    with trained(folder) as daemon:
        c = Client(daemon)
        for sequence in (1, 2):
            c.push(trainer="t-1", sequence=sequence,
                   pushes=[pb.TablePush(table="a", ids=[1], gradients=[1.0] * DIM)])
        saved = c.save_group(label="x.y-Z_0", tables=["b", "a"])
        place = daemon.folder / "data/checkpoints/x.y-Z_0"
        assert (daemon.folder / "data/checkpoints").stat().st_mode & 0o777 == 0o700
        assert place.stat().st_mode & 0o777 == 0o700 and (place / "a").stat().st_mode & 0o777 == 0o700
        assert sorted(p.name for p in place.iterdir()) == ["a", "b", "checkpoint.json"]
        said = text(daemon, "x.y-Z_0")
        assert said["label"] == "x.y-Z_0" and said["lsn"] == saved.lsn
        assert said["positions"] == [{"trainer": "t-1", "sequence": 2}]
        for i, name in enumerate("ab"):
            table = said["tables"][i]
            assert (table["name"], table["version"], table["rows"], table["dim"], table["method"]) == \
                (name, 2 * (name == "a"), ROWS, DIM, "full"), table
            kept = {p.name: p for p in (place / name).iterdir()}
            assert table["file"] in kept and table["file"] == saved.tables[i].file
            assert sum(p.stat().st_size for p in kept.values()) == table["bytes"] == saved.tables[i].bytes
            for file, path in kept.items():  # links, as long as the daemon has them, too
                own = daemon.folder / "data/tables" / name / file
                assert own.samefile(path), file
        # The daemon goes on and drops the files from its own folders; the checkpoint keeps them.
        for _ in range(3):
            push_all(c, 2)
            assert not isinstance(c.save(table="a"), tuple)
        assert c.restore_group(label="x.y-Z_0").tables[0].table == "a"
        assert c.version("a") == 9 and c.version("b") == 7 and c.version("c") == 6


def test_labels_and_names(folder):
    write(folder / "r.st")
    with trained(folder, config="max_checkpoints = 2\n") as daemon:
        c = Client(daemon)
        for label in ("", "../x", ".", "..", ".x", "a/b", "x" * 129, "ä", "a b"):
            expect(c.save_group(label=label), Code.INVALID_ARGUMENT, "no label")
            expect(c.restore_group(label=label), Code.INVALID_ARGUMENT, "no label")
            expect(c.drop_group(label=label), Code.INVALID_ARGUMENT, "no label")
        expect(c.save_group(label="x", tables=["a", "b", "a"]), Code.INVALID_ARGUMENT, "table a is named twice")
        expect(c.save_group(label="x", tables=["a", "zz"]), Code.NOT_FOUND, "no such table: \"zz\"")
        expect(c.save_group(label="x", tables=["../a"]), Code.NOT_FOUND, "no such table")
        c.load(table="r", file="r.st")
        expect(c.save_group(label="x", tables=["a", "r"]), Code.FAILED_PRECONDITION, "table r is read-only")
        c.load(table="checkpoint.json", file="r.st", options=[pb.TableOption(key="optimizer", value="sgd")])
        expect(c.save_group(label="x"), Code.FAILED_PRECONDITION, "table checkpoint.json cannot")
        c.unload(table="checkpoint.json", forget=True)
        assert checkpoints(daemon) == []
        assert len(c.save_group(label="x" * 128).tables) == 3
        assert len(c.save_group(label="y").tables) == 3
        expect(c.save_group(label="y"), Code.ALREADY_EXISTS, "a checkpoint \"y\" already")
        expect(c.save_group(label="z"), Code.RESOURCE_EXHAUSTED, "max_checkpoints, which is 2")
        push_all(c)
        assert c.save_group(label="y", tables=["a"], replace=True).tables[0].version == 1
        assert checkpoints(daemon) == ["x" * 128, "y"] and len(text(daemon, "y")["tables"]) == 1
        c.drop_group(label="y")
        assert c.save_group(label="z", replace=True).tables[2].version == 1
        assert checkpoints(daemon) == ["x" * 128, "z"]
        c.unload(table="a")
        c.unload(table="b")
        c.unload(table="c")
        expect(c.save_group(label="w"), Code.FAILED_PRECONDITION, "no table can be trained")


def test_restores_what_is_gone(folder):
    """Tables that were unloaded, forgotten, or replaced by something quite different."""
    names = NAMES + ["d"]
    with trained(folder, names) as daemon:
        c = Client(daemon)
        push_all(c, 4, names)
        before = values(c, names)
        c.save_group(label="s")
        push_all(c, 3, names)
        c.unload(table="a")
        c.unload(table="b", forget=True)
        write(folder / "other.st", 7.0, rows=5, dim=8)
        assert c.load(table="c", file="other.st", replace=True).table.dim == 8  # read-only now
        write(folder / "sgd.st", 9.0)
        assert c.load(table="d", file="sgd.st", replace=True,
                      options=[pb.TableOption(key="optimizer", value="sgd")]).table.version == 8
        reply = c.restore_group(label="s")
        # a and b begin another life at the version that was saved; c and d go on.
        assert [t.version for t in reply.tables] == [4, 4, 9, 9], reply
        assert rows(c, names) == [value for _, value in before]
        assert c.info("a").generation == 2 and c.info("b").generation == 2 and c.info("c").generation == 1
        assert "adagrad" in c.describe(table="d").optimizer
        push_all(c, 1, names)
        after = values(c, names)
        daemon.kill()
        daemon.start()
        assert values(Client(daemon), names) == after
        daemon.restart()
        assert values(Client(daemon), names) == after


def test_damage(folder):
    with trained(folder) as daemon:
        c = Client(daemon)
        push_all(c, 2)
        c.save_group(label="s")
        push_all(c)
        before = values(c)
        place = daemon.folder / "data/checkpoints/s"
        file = next((place / "b").iterdir())
        kept = daemon.folder / "kept"
        shutil.copytree(place, kept)

        def refused(code, words):
            expect(c.restore_group(label="s"), code, words)
            assert values(c) == before
            push = c.push(pushes=[pb.TablePush(table=name, ids=[], gradients=[]) for name in NAMES])
            assert not isinstance(push, tuple), push  # the tables take pushes again
            before[:] = values(c)
            for name in NAMES:  # nothing is left of it
                wait_for("tidy folders", lambda: not any(
                    p.name.endswith(".tmp") for p in (daemon.folder / "data/tables" / name).iterdir()))

        def again():
            shutil.rmtree(place)
            shutil.copytree(kept, place)

        again()
        flip(file)
        refused(Code.DATA_LOSS, file.name)
        again()
        file.unlink()
        refused(Code.DATA_LOSS, file.name)
        again()
        shutil.copy(next((place / "a").iterdir()), file)  # a good file, but not this one
        refused(Code.DATA_LOSS, file.name)
        again()
        shutil.rmtree(place / "c")
        refused(Code.DATA_LOSS, "/s/c/")
        again()
        json_file = place / "checkpoint.json"
        json_file.write_text(json_file.read_text().replace("0.5", "0.7"))
        refused(Code.DATA_LOSS, "checkpoint.json: does not fit its seal")
        assert "does not fit its seal" in c.groups().groups[0].trouble
        for junk in ("", "{}", "x" * 100, json_file.read_text()[:200]):
            json_file.write_text(junk)
            refused(Code.DATA_LOSS, "checkpoint.json: does not")
        json_file.unlink()
        refused(Code.DATA_LOSS, "checkpoint.json")
        again()
        assert [t.version for t in c.restore_group(label="s").tables] == [before[0][0] + 1] * 3
        # A damaged checkpoint can be dropped and replaced.
        (place / "checkpoint.json").write_text("x")
        assert not isinstance(c.save_group(label="s", replace=True), tuple)
        (place / "checkpoint.json").unlink()
        assert not isinstance(c.drop_group(label="s"), tuple)


def main():
    training_kit.run(globals())


if __name__ == "__main__":
    main()
