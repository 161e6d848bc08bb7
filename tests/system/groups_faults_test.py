# SPDX-License-Identifier: Apache-2.0
"""Groups when the daemon dies, calls fail or the disk is full: what was answered is there, and nothing is half made."""
import os
import pathlib
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import training_kit  # noqa: E402
from crash.failpoints import DEVELOPER  # noqa: E402
from daemon import Daemon  # noqa: E402
from groups_kit import NAMES, checkpoints, option, push_all, rows, trained  # noqa: E402
from training_kit import Client, Code, DIM, pb, write  # noqa: E402


# ---- Deaths and failures ----

POINTS = {"save": ("group.instant", "checkpoint.folder", "checkpoint.link", "checkpoint.text",
                   "checkpoint.aside.before", "checkpoint.rename.before", "checkpoint.sync.before", "checkpoint.sync.after", "group.written",
                   "checkpoint.remove", "snapshot.write.before", "snapshot.rename.before"),
          "restore": ("checkpoint.read", "group.open", "load.snapshot", "snapshot.rename.before", "log.begin.before",
                      "log.commit.before", "log.commit.after", "load.logged"),
          "load": ("load.snapshot", "log.begin.after", "log.commit.before", "log.commit.after", "load.logged"),
          "drop": ("checkpoint.drop.before", "checkpoint.drop.after", "checkpoint.remove")}
ONLY_KILL = ("checkpoint.sync.after", "group.written", "log.commit.after", "load.logged", "checkpoint.drop.after")
UNSURE = (Code.UNAVAILABLE, Code.RESOURCE_EXHAUSTED, Code.DATA_LOSS)


class Scene:
    """Tables of threes, of which a checkpoint was saved, that are sixes now."""

    def __init__(self, folder):
        for k in (3, 6, 9):
            write(folder / f"{k}.st", float(k))
        self.folder = folder
        self.daemon = Daemon(tables={name: f"{folder}/3.st,optimizer=sgd" for name in ("a", "b")}, import_dir=folder,
                             folder=folder, listen=f"unix:{folder}/socket")
        self.c = Client(self.daemon)
        assert not isinstance(self.c.save_group(label="s"), tuple)
        self.load("6.st")
        self.push()

    def push(self):
        reply = self.c.push(pushes=[pb.TablePush(table=name, ids=[0], gradients=[0.0] * DIM) for name in ("a", "b")])
        assert not isinstance(reply, tuple), reply

    def load(self, file):
        return self.c.load_group(loads=[pb.LoadRequest(table=name, file=file, replace=True,
                                                       options=option("optimizer", "sgd")) for name in ("a", "b")])

    def act(self, what):
        return {"save": lambda: self.c.save_group(label="s", replace=True), "restore": lambda:
                self.c.restore_group(label="s"), "load": lambda: self.load("9.st"),
                "drop": lambda: self.c.drop_group(label="s")}[what]()

    def start(self, **environment):
        self.daemon.environment = dict(os.environ, **environment)
        self.daemon.start()
        self.c = Client(self.daemon)

    def number(self):
        """What both tables hold."""
        seen = {value for row in rows(self.c, ["a", "b"]) for value in row}
        assert len(seen) == 1, f"a mix of {seen}"
        return seen.pop()

    def kept(self):
        """What the checkpoint holds, None if there is none; it is whole, and nothing else is there."""
        names = checkpoints(self.daemon)
        assert names in ([], ["s"]), names
        if not names:
            return None
        before = self.number()
        assert not isinstance(self.c.restore_group(label="s"), tuple)
        number = self.number()
        assert not isinstance(self.load(f"{int(before)}.st"), tuple)
        return number


def outcomes(what):
    """(tables, checkpoint) before and after."""
    return {"save": ((6, 3), (6, 6)), "restore": ((6, 3), (3, 3)), "load": ((6, 3), (9, 3)),
            "drop": ((6, 3), (6, None))}[what]


def test_deaths(folder):
    """The daemon dies at each point: all of it has happened, or nothing."""
    if not DEVELOPER:
        return
    scene = Scene(folder)
    with scene.daemon:
        for what, points in POINTS.items():
            for point in points:
                for at in (1, 2):
                    scene.daemon.stop()
                    scene.start(EMBD_FAILPOINTS=f"{point}=kill@{at}", EMBD_FAILPOINT_LOG=str(folder / "note"))
                    (folder / "note").unlink(missing_ok=True)
                    answered = not isinstance(scene.act(what), tuple)
                    if (folder / "note").exists():
                        assert not answered
                        scene.daemon.process.wait(20)
                        scene.daemon.log.close()
                        scene.daemon.close_channels()
                    else:
                        assert answered and at == 2, (what, point, at)
                        scene.daemon.stop()
                    scene.start()
                    is_now = scene.number(), scene.kept()
                    before, after = outcomes(what)
                    assert is_now == after if answered else is_now in (before, after), (what, point, at, is_now)
                    scene.push()
                    if not isinstance(scene.c.save_group(label="keep"), tuple):
                        scene.c.drop_group(label="keep")
                    reset(scene)


def reset(scene):
    """Sixes, and a checkpoint of threes."""
    assert not isinstance(scene.load("3.st"), tuple)
    assert not isinstance(scene.c.save_group(label="s", replace=True), tuple)
    assert not isinstance(scene.load("6.st"), tuple)
    scene.push()


def test_failures(folder):
    """Something fails at each point, or the disk is full: nothing has changed, and the next try succeeds."""
    if not DEVELOPER:
        return
    scene = Scene(folder)
    with scene.daemon:
        for what, points in POINTS.items():
            for point in points:
                for action in () if point in ONLY_KILL else ("error", "full"):
                    scene.daemon.stop()
                    scene.start(EMBD_FAILPOINTS=f"{point}={action}@1")
                    reply = scene.act(what)
                    if isinstance(reply, tuple):
                        full = action == "full" and point not in ("checkpoint.read", "group.open")
                        assert reply[0] == Code.RESOURCE_EXHAUSTED if full else reply[0] in UNSURE, (point, reply)
                        if point.startswith("log.") and action == "error":  # the log is in trouble until a restart
                            scene.daemon.stop()
                            scene.start()
                            assert scene.number() in (6, outcomes(what)[1][0])
                        else:
                            assert scene.number() == 6
                            assert what == "drop" or scene.kept() == 3, (what, point, action)
                        if what == "drop" and point == "checkpoint.remove":  # it has lost its name already
                            scene.daemon.stop()
                            scene.start()
                            assert checkpoints(scene.daemon) == []
                        else:
                            assert not isinstance(scene.act(what), tuple), (what, point, action)
                    else:
                        assert point == "checkpoint.remove", (what, point, action)
                    scene.daemon.stop()
                    scene.start()
                    assert (scene.number(), scene.kept()) == outcomes(what)[1], (what, point, action)
                    reset(scene)


def test_another_file_system(folder):
    """Where files cannot be linked they are copied."""
    shared = pathlib.Path("/dev/shm")
    if not os.access(shared, os.W_OK) or shared.stat().st_dev == folder.stat().st_dev:
        return
    with tempfile.TemporaryDirectory(dir=shared) as other, trained(folder, folder=folder) as daemon:
        (folder / "data/checkpoints").symlink_to(other)
        c = Client(daemon)
        push_all(c, 2)
        before = rows(c)
        assert not isinstance(c.save_group(label="s"), tuple)
        assert sorted(p.name for p in (pathlib.Path(other) / "s").iterdir()) == NAMES + ["checkpoint.json"]
        file = next((pathlib.Path(other) / "s/a").iterdir())
        assert file.stat().st_nlink == 1
        push_all(c)
        assert not isinstance(c.restore_group(label="s"), tuple)
        assert rows(c) == before
        assert not isinstance(c.drop_group(label="s"), tuple) and not any(pathlib.Path(other).iterdir())


if __name__ == "__main__":
    training_kit.run(globals())
