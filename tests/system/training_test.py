#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Trainable tables through the deaths of their daemon: every method with every optimizer that it takes comes to the
same state, bit for bit, as under a daemon that nobody disturbs; and what a start does and says on the way."""
import os
import pathlib
import random
import re
import shutil
import signal
import socket
import sys
import time

import numpy as np

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import reference  # noqa: E402
import tablefile  # noqa: E402
from crash import state  # noqa: E402
from daemon import Daemon  # noqa: E402
from golden import integers, make  # noqa: E402
from training_kit import DIM, ROWS, Client, Code, expect, files, pb, run, wait_for, write  # noqa: E402

OPTIMIZERS = ("sgd", "adagrad", "rowwise_adagrad", "adam")
FULL_ONLY = ("adagrad", "adam")  # need float32 parameters


def variants(folder):
    """{name: (file with options, case)} of all methods with the optimizers that suit them."""
    out = {}
    for case in reference.small(each=4):
        path = folder / f"{case.name}.safetensors"
        path.write_bytes(case.bytes)
        if case.table.config.get("update") == "frozen" or (case.method == "alpt" and "middle" in case.table.config):
            continue  # these take no pushes
        narrow = case.method in ("fp16", "bf16", "int8", "int16", "alpt")
        for optimizer in OPTIMIZERS:
            if not (narrow and optimizer in FULL_ONLY):
                out[f"{case.name}-{optimizer}"] = f"{path},optimizer={optimizer},learning_rate=0.05", case
    return out


def pushes(tables, count):
    """The same pushes at every call: each table is in about every third of them."""
    draw, rng = random.Random(11), np.random.default_rng(11)
    names = sorted(tables)
    for sequence in range(1, count + 1):
        request = pb.PushRequest(trainer="t", sequence=sequence, missing=pb.PUSH_MISSING_SKIP)
        for name in draw.sample(names, len(names) // 3):
            case = tables[name][1]
            ids = [int(case.keys[i]) if case.keys is not None else i
                   for i in (draw.randrange(len(case.rows)) for _ in range(6))]
            request.pushes.add(table=name, ids=ids, gradients=rng.standard_normal(6 * case.dim))
        yield request


def everything(daemon, tables):
    """Versions, rows and saved tensors of all tables."""
    client, out = Client(daemon), {}
    for name, (_, case) in tables.items():
        ids = [int(k) for k in case.keys] if case.keys is not None else range(len(case.rows))
        found = client.lookup(lookups=[pb.TableLookup(table=name, ids=ids)]).results[0]
        saved = client.save(table=name).snapshot.version
        assert saved == found.version, name
        tensors = list(state.snapshot(daemon.folder / "data/tables" / name, 1, saved).values())
        assert tensors, name
        out[name] = found.version, np.array(found.values, "<f4").tobytes(), tensors[0]
    return out


def test_every_method_and_optimizer(folder):
    tables = variants(folder)
    served = {name: text for name, (text, _) in tables.items()}
    assert len(tables) > 50
    with Daemon(tables=served) as calm:
        client = Client(calm)
        for request in pushes(tables, 24):
            client.push_call(request, timeout=30)
        expected = everything(calm, tables)
    draw = random.Random(5)
    with Daemon(tables=served) as daemon:
        client = Client(daemon)
        for request in pushes(tables, 24):
            reply = client.push_call(request, timeout=30)
            assert not reply.duplicate
            for name in draw.sample(sorted(tables), 4):
                client.save(table=name)
            if request.sequence % 5 == 0:
                daemon.kill()
                daemon.start()
                client = Client(daemon)
                assert client.position(trainer="t").sequence == request.sequence
                again = client.push_call(request, timeout=30)
                assert again.duplicate and list(again.versions) == list(reply.versions)
        found = everything(daemon, tables)
    for name in tables:
        assert found[name] == expected[name], f"{name}: {found[name][0]} and {expected[name][0]}"
    assert sum(version for version, _, _ in expected.values()) == sum(
        len(request.pushes) for request in pushes(tables, 24))


def test_first_lives(folder):
    """What makes a table trainable, and where it goes on from."""
    write(folder / "plain", 1.0)
    write(folder / "own", 2.0, applied=7, optimizer='{"name":"adagrad","learning_rate":0.5,"clip_norm":3}')
    tables = {"plain": str(folder / "plain"), "own": str(folder / "own"),
              "over": f"{folder / 'own'},learning_rate=0.25,beta1=0.5,durability=interval"}
    with Daemon(tables=tables) as daemon:
        c = Client(daemon)
        assert not c.info("plain").trainable and c.describe(table="plain").optimizer == ""
        expect(c.push(pushes=[pb.TablePush(table="plain", ids=[1], gradients=[0] * DIM)]), Code.FAILED_PRECONDITION,
               "read-only")
        expect(c.save(table="plain"), Code.FAILED_PRECONDITION, "read-only")
        expect(c.restore(table="plain"), Code.FAILED_PRECONDITION, "read-only")
        own, over = c.info("own"), c.info("over")
        assert own.trainable and own.version == 7 and own.optimizer_bytes == 4 * ROWS * DIM
        assert own.snapshot_version == 7 and own.mapped_bytes == 0
        settings = c.settings("own")
        assert (settings["name"], settings["learning_rate"], settings["clip_norm"]) == ("adagrad", 0.5, 3)
        settings = c.settings("over")
        assert (settings["learning_rate"], settings["beta1"], settings["clip_norm"]) == (0.25, 0.5, 3)
        assert over.version == 7 and c.describe(table="over").durability == "interval"
        assert c.describe(table="own").durability == "always"
        assert c.ones("own") == 8 and c.ones("over", 2) == 9
        before = c.values("own"), c.values("over")
        assert c.settings("over")["step"] == 2 and c.describe(table="own").snapshots[-1].whole
        assert c.list().lsn == 6  # three loads, three pushes
        (folder / "own").unlink()  # it is not needed any more
        daemon.kill()
        daemon.start()
        c = Client(daemon)
        assert (c.values("own"), c.values("over")) == before
        assert c.settings("over")["step"] == 2 and c.info("own").generation == 1
        assert "cannot be read" in daemon.log_text()


def test_optimizers_that_do_not_suit(folder):
    tablefile.write(folder / "int8", make.table_bytes(integers.make("int8", 30, DIM, 8, True, "row")))
    write(folder / "own", 2.0, optimizer='{"name":"adagrad"}')
    write(folder / "plain", 2.0)
    for table, words in ((f"{folder / 'int8'},optimizer=adam", "table t: "),
                         (f"{folder / 'own'},optimizer=sgd", "reset_optimizer"),
                         (f"{folder / 'plain'},learning_rate=1", "optimizer"),
                         (f"{folder / 'plain'},optimizer=lamb", "optimizer"),
                         (f"{folder / 'plain'},optimizer=sgd,learning_rate=-1", "learning_rate"),
                         (f"{folder / 'plain'},optimizer=sgd,durability=never", "durability"),
                         (f"{folder / 'plain'},optimizer=sgd,momentum=1", "unknown option")):
        try:
            Daemon(tables={"t": table})
        except RuntimeError as error:
            assert words in str(error), error
        else:
            raise AssertionError(table)
    with Daemon(import_dir=folder) as daemon:  # and by a call: refused, with nothing left of it
        c = Client(daemon)
        load = lambda file, **options: c.load(  # noqa: E731
            table="t", file=file, options=[pb.TableOption(key=k, value=v) for k, v in options.items()])
        expect(load("own", optimizer="sgd"), Code.INVALID_ARGUMENT, "reset_optimizer")
        expect(load("int8", optimizer="adam"), Code.INVALID_ARGUMENT)
        assert not c.list().tables and not list((daemon.folder / "data/tables").glob("*/*"))
        assert load("own", optimizer="sgd", reset_optimizer="yes").table.optimizer_bytes == 0
        assert c.settings("t")["name"] == "sgd"


def logged_pushes(folder, count=300):
    """A data folder whose log has that many pushes after the last snapshot."""
    write(folder / "t", 0.0)
    daemon = Daemon(tables={"t": f"{folder / 't'},optimizer=adagrad", "u": f"{folder / 't'},optimizer=sgd"})
    c = Client(daemon)
    c.ones("t", count)
    c.ones("u")
    return daemon, c.values("t")


def test_replay_shows_and_ends_when_told(folder):
    """EMBD_FAILPOINTS slows the replay down, so that it can be looked at."""
    daemon, before = logged_pushes(folder, 200)
    with daemon:
        daemon.kill()
        manager = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        manager.bind(str(folder / "notify"))
        daemon.environment = dict(os.environ, EMBD_FAILPOINTS="replay.row=sleep:20",
                                  NOTIFY_SOCKET=str(folder / "notify"))
        daemon.spawn()
        address = lambda: re.findall(r"opening the tables http=(\S+)\n",  # noqa: E731
                                     daemon.log_text()[daemon.log_begin:])
        wait_for("the address", address)
        daemon.http_address = address()[0]
        said = []

        def look():
            status, text = daemon.http("/readyz")
            said.append(text)
            assert status == 503, text
            return "replaying the log: " in text and " 0 %" not in text
        wait_for("progress", look)
        assert daemon.http("/livez")[0] == 200 and "embd_ready 0" in daemon.http("/metrics")[1]
        wait_for("a line of progress", lambda: "info replaying the log: " in daemon.log_text())
        manager.settimeout(20)
        told = manager.recv(200).decode()  # so that it does not take the start for hung
        assert told.startswith("STATUS=replaying the log: ") and "\nEXTEND_TIMEOUT_USEC=" in told, told
        begin = time.monotonic()
        daemon.process.send_signal(signal.SIGHUP)  # is for later
        daemon.process.terminate()
        assert daemon.wait() == 0 and time.monotonic() - begin < 2
        assert "the start is given up" in daemon.log_text()
        daemon.environment = None
        daemon.start()  # nothing was lost by that
        assert Client(daemon).values("t") == before
        assert "log replayed" in daemon.log_text()


def test_replay_that_fails(folder):
    daemon, before = logged_pushes(folder, 20)
    with daemon:
        daemon.kill()
        for action in ("error", "full"):
            daemon.environment = dict(os.environ, EMBD_FAILPOINTS=f"replay.row={action}@7")
            try:
                daemon.start()
            except RuntimeError as error:
                assert "cannot start" in str(error) and "ended with 1" in str(error), error
            else:
                raise AssertionError("it started")
        daemon.environment = None
        daemon.start()
        assert Client(daemon).values("t") == before


def test_damaged_log(folder):
    """Trained tables are served as they were at their newest snapshot, and take no pushes."""
    daemon, _ = logged_pushes(folder, 5)
    with daemon:
        c = Client(daemon)
        saved = c.save(table="t").snapshot.version, c.values("t")[1]
        c.ones("t", 3)
        daemon.kill()
        log = daemon.folder / "data/log.db"
        log.write_bytes(b"no database at all, and longer than a header" * 100)
        (daemon.folder / "data/log.db-wal").unlink(missing_ok=True)
        daemon.start()
        c = Client(daemon)
        assert c.values("t") == saved and not c.info("t").trainable
        expect(c.push(pushes=[pb.TablePush(table="t", ids=[1], gradients=[0] * DIM)]), Code.UNAVAILABLE)
        expect(c.save(table="t"), Code.UNAVAILABLE, "log.db")
        assert daemon.http("/readyz")[0] == 503
        assert "read-only, since the log cannot be read" in daemon.log_text()


def test_log_of_an_older_copy(folder):
    """Snapshots know how far the log had come."""
    daemon, _ = logged_pushes(folder, 3)
    with daemon:
        daemon.stop()
        shutil.copytree(daemon.folder / "data", folder / "copy")
        daemon.start()
        c = Client(daemon)
        c.ones("t", 3)
        c.save(table="t")
        newest = c.values("t")
        daemon.stop()
        for name in ("log.db", "log.mark"):
            shutil.copy(folder / "copy" / name, daemon.folder / "data" / name)
        (daemon.folder / "data/log.db-wal").unlink(missing_ok=True)
        daemon.start()
        c = Client(daemon)
        assert c.values("t") == newest
        expect(c.push(pushes=[pb.TablePush(table="t", ids=[1], gradients=[0] * DIM)]), Code.UNAVAILABLE, "older copy")
        assert daemon.http("/readyz")[0] == 503


def test_snapshots_of_a_log_that_is_gone(folder):
    """A new log does not mix with what is left of an old one."""
    daemon, _ = logged_pushes(folder, 3)
    with daemon:
        Client(daemon).save(table="t")
        daemon.stop()
        for path in (daemon.folder / "data").glob("log.*"):
            path.unlink()
        try:
            daemon.start()
        except RuntimeError as error:
            assert "the log does not know" in str(error), error
        else:
            raise AssertionError("it started")
        kept = list(files(daemon, "t"))
        assert (1, 3, "b") in kept  # nothing was touched
        (daemon.folder / "data/tables/t").rename(folder / "moved")
        (daemon.folder / "data/tables/u").rename(folder / "moved too")
        daemon.start()
        assert Client(daemon).version("t") == 0


def main():
    run(globals())


if __name__ == "__main__":
    main()
