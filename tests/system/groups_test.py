# SPDX-License-Identifier: Apache-2.0
"""Checkpoints of several tables: all or nothing, of one place of the log."""
import json
import pathlib
import re
import shutil
import subprocess
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import training_kit  # noqa: E402
from crash import judge, replay, rounds, state, tables as crash_tables  # noqa: E402
from crash.journal import read  # noqa: E402
from crash.saver import Saver  # noqa: E402
from crash.trainer import Trainer  # noqa: E402
from daemon import Daemon  # noqa: E402
from groups_kit import NAMES, checkpoints, push_all, rows, tensors, text, trained, values  # noqa: E402
from training_kit import Client, Code, DIM, ROWS, expect, flip, pb, wait_for, write  # noqa: E402


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
        assert groups[0].bytes == sum(t.bytes for t in saved.tables)
        assert abs(groups[0].time_us / 1e6 - time.time()) < 600
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


def test_counts_come_back(folder):
    with trained(folder, ["a"], "optimizer=sgd,count=pushes") as daemon:
        c = Client(daemon)
        push_all(c, 3, ["a"])
        before = c.counts(table="a").counts
        assert sum(before) == 6, before
        c.save_group(label="s")
        push_all(c, 2, ["a"])
        c.unload(table="a", forget=True)
        c.restore_group(label="s")
        assert c.counts(table="a").counts == before
        push_all(c, 1, ["a"])
        daemon.kill()
        daemon.start()
        assert sum(Client(daemon).counts(table="a").counts) == 8


def test_heals_what_is_damaged(folder):
    """Files of the tables' own that are gone: one that a group would have linked, and all that a table has."""
    with trained(folder) as daemon:
        c = Client(daemon)
        push_all(c, 2)
        before = rows(c)
        c.save_group(label="s")
        newest = training_kit.files(daemon, "b")
        newest[max(newest)].unlink()
        expect(c.save_group(label="t"), Code.DATA_LOSS, "/b/")
        assert checkpoints(daemon) == ["s"]
        assert not isinstance(c.save_group(label="t"), tuple)  # the next one is written anew
        for path in training_kit.files(daemon, "c").values():
            data = path.read_bytes()
            path.unlink()  # the checkpoint has the same file
            path.write_bytes(data)
            flip(path)
        daemon.kill()
        daemon.start()
        c = Client(daemon)
        assert c.info("c").state == pb.TABLE_STATE_DAMAGED
        expect(c.save_group(label="u"), Code.DATA_LOSS)  # rather than without it
        assert not isinstance(c.restore_group(label="t"), tuple)
        assert rows(c) == before and c.info("c").state == pb.TABLE_STATE_SERVING
        push_all(c)
        after = values(c)
        daemon.restart()
        assert values(Client(daemon)) == after


def test_limits(folder):
    with trained(folder, config="max_tables = 5\n") as daemon:
        c = Client(daemon)
        many = [f"t{i}" for i in range(6)]
        expect(c.save_group(label="x", tables=many), Code.RESOURCE_EXHAUSTED, "names 6 tables, max_tables is 5")
        expect(c.load_group(loads=[pb.LoadRequest(table=name, file="a.st") for name in many]),
               Code.RESOURCE_EXHAUSTED, "names 6 tables, max_tables is 5")
        lsn = c.list().lsn
        expect(c.load_group(loads=[pb.LoadRequest(table=name, file="a.st") for name in many[:3]]),
               Code.RESOURCE_EXHAUSTED, "max_tables")
        assert c.list().lsn == lsn and len(c.list().tables) == 3
        assert len(c.load_group(loads=[pb.LoadRequest(table=name, file="a.st") for name in many[:2]]).tables) == 2
    with trained(folder, config="max_tables = 100000\nmax_inflight_bytes = 1MiB\n") as daemon:
        c = Client(daemon)
        many = [f"t{i}" for i in range(5000)]
        for _ in range(3):  # nothing of it stays counted
            expect(c.save_group(label="x", tables=many), Code.RESOURCE_EXHAUSTED, "max_inflight_bytes")
            expect(c.load_group(loads=[pb.LoadRequest(table=name, file="a.st") for name in many]),
                   Code.RESOURCE_EXHAUSTED, "max_inflight_bytes")
        assert len(c.save_group(label="x", tables=NAMES).tables) == 3


def test_embctl(folder):
    write(folder / "9.st", 9.0)
    with trained(folder) as daemon:
        c = Client(daemon)
        push_all(c, 2)
        before = rows(c)

        def run(*arguments, status=0):
            done = subprocess.run([daemon.embctl, "--server", daemon.address, *arguments], capture_output=True,
                                  text=True)
            assert done.returncode == status, done
            return done.stderr if status else done.stdout

        assert run("checkpoints") == "there are no checkpoints\n"
        said = run("save", "--label", "one")
        assert re.search(r"\nb +2 +[\d.]+ KiB\n", said) and "one: saved 3 tables as of lsn 5, " in said, said
        assert "already" in run("save", "--label", "one", status=1)
        said = json.loads(run("--json", "save", "--label", "two", "b", "a"))
        assert (said["label"], said["lsn"], [t["table"] for t in said["tables"]]) == ("two", 5, ["a", "b"])
        said = run("checkpoints")
        assert re.search(r"\none +3 +[\d.]+ KiB +5 .*\ntwo +2 ", said), said
        said = json.loads(run("--json", "checkpoints"))["checkpoints"]
        assert [(g["label"], g["tables"], "trouble" in g) for g in said] == [("one", NAMES, False),
                                                                            ("two", ["a", "b"], False)]
        said = run("load", "--group", "--replace", "a=9.st,optimizer=sgd,learning_rate=0.5", "b=9.st", "--set",
                   "memory=copy")
        assert re.fullmatch(r"a: serving full, .* version 3\nb: serving full, .* version 3\n2 tables at once, lsn 7\n",
                            said), said
        assert c.settings("a")["learning_rate"] == 0.5
        said = json.loads(run("--json", "load", "--group", "d=9.st"))
        assert said["lsn"] == 8 and said["tables"][0]["table"] == "d"
        assert "is served already" in run("load", "--group", "e=9.st", "d=9.st", status=1)
        said = run("restore", "--label", "one")
        assert "one: restored 3 tables, which go on from these versions, lsn 11\n" in said, said
        assert rows(c) == before
        assert json.loads(run("--json", "restore", "--label", "one"))["tables"][2] == {
            "table": "c", "version": 4, "bytes": text(daemon, "one")["tables"][2]["bytes"],
            "file": text(daemon, "one")["tables"][2]["file"]}
        (daemon.folder / "data/checkpoints/two/checkpoint.json").write_text("{")
        assert "does not begin with its seal" in run("checkpoints")
        assert run("drop", "two") == "two: dropped\n"
        assert json.loads(run("--json", "drop", "one")) == {"label": "one"}
        assert "no checkpoint" in run("drop", "one", status=1)
        for arguments in (("save",), ("save", "a", "b"), ("save", "a", "--replace"), ("restore",), ("load", "a"),
                          ("restore", "a", "--label", "x"), ("restore", "--version", "1", "--label", "x"),
                          ("load", "--group", "a"), ("load", "--group", "a="), ("load", "--group", "=f"),
                          ("load", "--group", "a=f,b"), ("load", "--group"), ("drop",), ("checkpoints", "x")):
            run(*arguments, status=2)


# ---- One place of the log ----


def test_all_are_of_one_place_of_the_log(folder):
    """Four trainers push to all tables while groups are saved, and somebody saves tables by themselves, too. What a
    checkpoint holds is what a daemon has that got the pushes up to its lsn, and nothing else."""
    tables = crash_tables.write(folder)
    own = folder / "daemon"
    own.mkdir()
    trainers = [Trainer(f"trainer-{i}", folder, streams=i % 2 == 1) for i in range(4)]
    with Daemon(tables=tables, folder=own, config=rounds.CONFIG, listen=f"unix:{folder}/socket") as daemon:
        c = Client(daemon)
        first = c.list().lsn + 1
        for trainer in trainers:
            trainer.start(daemon.address)
        saver = Saver(pause=0.02)
        saver.start(daemon.address)
        lsns = []
        for i in range(12):
            wait_for("pushes", lambda: sum(trainer.answered for trainer in trainers) > 60 * i)
            reply = c.save_group(label=f"s{i % 5}", replace=True)
            assert not isinstance(reply, tuple), reply
            lsns.append(reply.lsn)
        assert lsns == sorted(lsns) and lsns[0] < lsns[-1]
        for actor in trainers + [saver]:
            actor.stop.set()
        for actor in trainers + [saver]:
            actor.join()
            assert not actor.problems and not actor.refusals, (actor.problems, actor.refusals)
        for trainer in trainers:
            trainer.close()
        pushes = read([trainer.journal.path for trainer in trainers])
        assert saver.count and lsns[-1] - first > 500
        for label, lsn in (("s2", lsns[7]), ("s1", lsns[11])):
            place, said = own / "data/checkpoints" / label, text(daemon, label)
            assert said["lsn"] == lsn
            some = {key: push for key, push in pushes.items() if push.answers and push.answers[0]["lsn"] <= lsn}
            admissions = crash_tables.Admissions()  # each of these is a row of the log more
            more = sum(admissions.admits(push.message) for push in judge.order(some))
            assert lsn == first + len(some) + more - 1
            looked, saved, wrong = replay.replay(some, rounds.CONFIG, folder, first)
            assert not wrong, wrong
            ours = {table["name"]: tensors(place, table["name"], table) for table in said["tables"]}
            assert state.differences(saved, ours, "checkpoint and replay") == []
            assert {table["name"]: table["version"] for table in said["tables"]} == \
                {name: version for name, (version, _) in looked.items()}
            stood = {}
            for push in some.values():
                stood[push.trainer] = max(stood.get(push.trainer, 0), push.sequence)
            assert {p["trainer"]: p["sequence"] for p in said["positions"]} == stood
            daemon.kill()
            daemon.start()
            c = Client(daemon)
            assert len(c.restore_group(label=label).tables) == len(said["tables"])
            now = state.lookups(daemon.channel())
            assert {name: row for name, (_, row) in now.items()} == {name: row for name, (_, row) in looked.items()}
            for trainer in trainers:  # they go on where they stood, whatever the tables do
                assert c.position(trainer=trainer.name).sequence == trainer.answered


if __name__ == "__main__":
    training_kit.run(globals())
