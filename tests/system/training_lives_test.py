#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Trained tables that are replaced, reloaded with other options, dropped from the configuration, unloaded and
forgotten: nothing is lost that nobody gave away."""
import os
import pathlib
import sys

import numpy as np

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from crash import state  # noqa: E402
from daemon import Daemon  # noqa: E402
from training_kit import (DIM, ROWS, Client, Code, both_lineages, expect, files, pb, run, served,  # noqa: E402
                          wait_for, write)


def test_replace(folder):
    write(folder / "new.st", 5.0, applied=20)
    write(folder / "old.st", 6.0)
    with served(folder) as daemon:
        c = Client(daemon)
        option = [pb.TableOption(key="optimizer", value="adam")]
        c.ones("t", 3)
        assert c.load(table="t", file="old.st", replace=True, options=option).table.version == 4
        assert c.values("t")[1] == np.full(ROWS * DIM, 6, "<f4").tobytes()
        assert c.load(table="t", file="new.st", replace=True, options=option).table.version == 21
        assert c.ones("t") == 22
        before = c.values("t")
        daemon.kill()
        daemon.start()  # the configuration was overridden by a call
        c = Client(daemon)
        assert c.values("t") == before and c.info("t").file.endswith("new.st")
        # Read-only from a call without an optimizer; versions go on.
        reply = c.load(table="t", file="old.st", replace=True)
        assert (reply.table.version, reply.table.trainable) == (23, False)
        daemon.restart()
        assert Client(daemon).version("t") == 23


def test_replacement_that_is_cut_off(folder):
    """The first snapshot of a content that the log does not know is no snapshot of the table."""
    write(folder / "new.st", 5.0)
    with served(folder) as daemon:
        c = Client(daemon)
        c.ones("t", 3)
        before = c.values("t")
        daemon.restart()
        for point in ("log.begin.before", "load.logged"):
            daemon.stop()
            daemon.environment = dict(os.environ, EMBD_FAILPOINTS=f"{point}=kill")
            daemon.start()
            c = Client(daemon)
            expect(c.load(table="t", file="new.st", replace=True,
                          options=[pb.TableOption(key="optimizer", value="sgd")]), Code.UNAVAILABLE)
            assert (1, 4, "a") in files(daemon, "t")
            daemon.close_channels()
            assert daemon.wait() == -9
            daemon.environment = None
            daemon.start()
            c = Client(daemon)
            if point == "load.logged":
                assert c.values("t") == (4, np.full(ROWS * DIM, 5, "<f4").tobytes())
            else:
                assert c.values("t") == before and (1, 4, "a") not in files(daemon, "t")


def test_file_that_changes(folder):
    with served(folder) as daemon:
        c = Client(daemon)
        c.ones("t", 2)
        before = c.values("t")
        write(folder / "t.st", 9.0, origin="another")
        daemon.hangup()
        wait_for("the refusal", lambda: "is not the file that the trained table was made from" in daemon.log_text())
        assert c.values("t") == before and c.ones("t") == 3
        before = c.values("t")
        daemon.stop()
        try:
            daemon.start()
        except RuntimeError as error:
            assert "replace=yes takes it and drops the training" in str(error), error
        else:
            raise AssertionError("it started")
        text = daemon.tables["t"]
        write(folder / "t.st")  # as it was
        daemon.start()
        assert Client(daemon).values("t") == before
        write(folder / "t.st", 9.0, origin="another")
        daemon.stop()
        daemon.tables["t"] = text + ",replace=yes"
        daemon.start()
        c = Client(daemon)
        assert c.values("t") == (4, np.full(ROWS * DIM, 9, "<f4").tobytes())
        c.ones("t")
        before = c.values("t")
        daemon.kill()
        daemon.start()  # replace=yes replaces it once
        assert Client(daemon).values("t") == before


def test_options_that_change(folder):
    write(folder / "t.st", optimizer='{"name":"adagrad","learning_rate":0.5}')
    file = str(folder / "t.st")
    config = lambda text: f'table t {{\n file = "{file}"\n{text}}}\n'  # noqa: E731
    with Daemon(config=config("")) as daemon:
        c = Client(daemon)
        c.ones("t")

        def reload(text, words):
            (daemon.folder / "embd.conf").write_text(config(text))
            begin = len(daemon.log_text())
            daemon.config = config(text)
            daemon.hangup()
            wait_for(words, lambda: words in daemon.log_text()[begin:])
        reload("learning_rate = 0.125\nepsilon = 0.5\ndurability = interval\n", "options of the table changed")
        settings = c.settings("t")
        assert (settings["learning_rate"], settings["epsilon"], settings["step"]) == (0.125, 0.5, 1)
        assert c.describe(table="t").durability == "interval" and c.info("t").version == 1
        c.ones("t", 3)
        before = c.values("t")
        daemon.kill()
        daemon.start()  # replays one push, the options, three pushes
        c = Client(daemon)
        assert c.values("t") == before and c.settings("t")["learning_rate"] == 0.125
        reload("", "options of the table changed")
        assert c.settings("t")["learning_rate"] == 0.5 and c.settings("t")["epsilon"] == 1e-8
        reload("optimizer = adam\n", "reset_optimizer=yes begins its state anew")
        assert c.settings("t")["name"] == "adagrad" and c.ones("t") == 5
        value = c.values("t")[1]
        reload("optimizer = adam\nreset_optimizer = yes\n", "restored")
        settings = c.settings("t")
        assert (settings["name"], settings["step"]) == ("adam", 0) and c.values("t") == (6, value)
        reload("optimizer = adam\n", "options of the table changed")  # the reset need not stay there
        c.ones("t", 2)
        before = c.values("t")
        daemon.kill()
        daemon.start()
        c = Client(daemon)
        assert c.values("t") == before and c.settings("t")["step"] == 2, c.settings("t")
        reload("optimizer = sgd\nreset_optimizer = yes\n", "restored")
        daemon.stop()
        daemon.config = config("learning_rate = 0.25\noptimizer = rowwise_adagrad\nreset_optimizer = yes\n")
        daemon.start()  # a reset at start
        c = Client(daemon)
        assert c.values("t") == (10, before[1]) and c.settings("t")["name"] == "rowwise_adagrad"


def test_options_that_go(folder):
    """Without an optimizer it would be read-only: not by accident."""
    with served(folder) as daemon:
        c = Client(daemon)
        c.ones("t")
        before = c.values("t")
        daemon.stop()
        text = daemon.tables["t"]
        daemon.tables["t"] = str(folder / "t.st")
        try:
            daemon.start()
        except RuntimeError as error:
            assert "read-only without an optimizer" in str(error), error
        else:
            raise AssertionError("it started")
        daemon.tables["t"] = text
        daemon.start()
        assert Client(daemon).values("t") == before


def test_unload(folder):
    with served(folder) as daemon:
        c = Client(daemon)
        option = [pb.TableOption(key="optimizer", value="sgd")]
        c.load(table="x", file="t.st", options=option)
        c.ones("x", 3)
        reply = c.unload(table="x")
        assert reply.version == 3 and c.info("x") is None
        kept = files(daemon, "x")
        assert {key[2] for key in kept if key[:2] == (1, 3)} == {"a", "b"}, kept
        for tensors in state.snapshot(daemon.folder / "data/tables/x", 1, 3).values():
            assert np.frombuffer(tensors["weight"], "<f4").any()
        daemon.restart()
        c = Client(daemon)
        assert c.info("x") is None and files(daemon, "x") == kept
        # Another life begins with the file; the first one's snapshots go when it has two.
        assert c.load(table="x", file="t.st", options=option).table.generation == 2
        assert c.version("x") == 0 and set(kept) < set(files(daemon, "x"))
        wait_for("the old ones to go", lambda: {key[0] for key in files(daemon, "x")} == {2})
        c.ones("x")
        assert c.unload(table="x", forget=True).version == 1
        assert not (daemon.folder / "data/tables/x").exists()
        assert c.load(table="x", file="t.st", options=option).table.generation == 3
        c.unload(table="x")
        c.unload(table="x", forget=True)  # also later
        assert not (daemon.folder / "data/tables/x").exists()


def test_unload_that_cannot_save(folder):
    """It stays, and takes pushes again."""
    with served(folder) as daemon:
        both_lineages(daemon)
        daemon.stop()
        daemon.environment = dict(os.environ, EMBD_FAILPOINTS="save.begin=full")
        daemon.start()
        c = Client(daemon)
        c.ones("t")
        expect(c.unload(table="t"), Code.RESOURCE_EXHAUSTED, "table t stays")
        assert c.ones("t") == 2
        before = c.values("t")
        daemon.stop()
        daemon.environment = None
        daemon.start()
        assert Client(daemon).values("t") == before
        assert Client(daemon).unload(table="t").version == 2


def test_dropped_from_the_configuration(folder):
    """At a reload and at a start: saved first."""
    for hangup in (True, False):
        with served(folder) as daemon:
            c = Client(daemon)
            c.ones("t", 2)
            if hangup:
                daemon.kill()
                daemon.config = f'table t {{\n file = "{folder / "t.st"}"\n optimizer = adagrad\n}}\n'
                daemon.tables = {}
                daemon.start()
                c = Client(daemon)
                (daemon.folder / "embd.conf").write_text("")
                daemon.hangup()
                wait_for("the reload", lambda: "reloaded loaded=0 unloaded=1 failed=0" in daemon.log_text())
            else:
                daemon.kill()
                daemon.tables = {}
                daemon.start()
                c = Client(daemon)
            assert c.info("t") is None
            assert {key[2] for key in files(daemon, "t") if key[1] == 2} == {"a", "b"}


def main():
    run(globals())


if __name__ == "__main__":
    main()
