# SPDX-License-Identifier: Apache-2.0
"""Power cuts. A process runs with tests/preload/powercut.so in front of it, which keeps what was synced; it is killed,
and then PowerCut.cut() makes of its folder what the disk would hold: what was synced, and of the rest a random part.

    with PowerCut(folder) as power:
        process = subprocess.Popen(…, env=power.environment())
        …; process.kill(); process.wait()
        power.cut(random.Random(seed))

The folder should be on a tmpfs, where a cut costs little and inode numbers are not used twice."""
import os
import pathlib
import shutil
import stat
import tempfile

import numpy

SECTOR = 512


def library(name):
    """A library of tests/preload, for LD_PRELOAD."""
    path = pathlib.Path(os.environ.get("TOP_BUILDDIR", ".")).resolve() / "tests/preload/.libs" / f"{name}.so"
    if not path.exists():
        raise RuntimeError(f"{path} is not built")
    return str(path)


class Disk:
    """The folders and files below `root`, by inode."""

    def __init__(self, root):
        self.root = os.stat(root).st_ino
        self.folders, self.files = {}, {}  # inode -> {name: inode}, inode -> path
        for path, names, files in os.walk(root):
            inode = os.stat(path).st_ino
            entries = self.folders.setdefault(inode, {})
            for name in names + files:
                status = os.lstat(os.path.join(path, name))
                entries[name] = status.st_ino
                if stat.S_ISREG(status.st_mode):
                    self.files[status.st_ino] = os.path.join(path, name)


class PowerCut:
    def __init__(self, folder, drop=None):
        self.folder, self.drop = pathlib.Path(folder).resolve(), drop
        self.shadow = pathlib.Path(tempfile.mkdtemp(prefix="shadow-", dir=self.folder.parent))
        self.begin()

    def begin(self):
        """All that is in the folder now is on disk."""
        shutil.rmtree(self.shadow, ignore_errors=True)
        self.shadow.mkdir()
        self.start = Disk(self.folder)

    def environment(self, base=None):
        env = dict(os.environ if base is None else base)
        env.update(LD_PRELOAD=library("powercut"), EMBD_POWERCUT_ROOT=str(self.folder),
                   EMBD_POWERCUT_SHADOW=str(self.shadow), EMBD_POWERCUT_SLOW="1000")
        if self.drop:
            env["EMBD_POWERCUT_DROP"] = self.drop
        return env

    def cut(self, random):
        """Make the folder what the disk would hold, and begin anew. Returns a count of what was not synced."""
        live = Disk(self.folder)
        folders, lost = self.folders(random)
        kept = {int(path.name[5:]): path for path in self.shadow.glob("kept-*")}
        shadows = {int(path.name[6:]): path for path in self.shadow.glob("inode-*")}
        new = pathlib.Path(tempfile.mkdtemp(prefix="disk-", dir=self.folder.parent))
        count = {"names": lost, "sectors": 0, "files": 0}

        def build(inode, to):
            for name, child in folders.get(inode, {}).items():
                if child in folders:
                    (to / name).mkdir()
                    build(child, to / name)
                    continue
                path = live.files.get(child) or kept.get(child)
                if path is None:
                    raise RuntimeError(f"{name} (inode {child}) was on disk and cannot be found")
                if child not in shadows and child not in self.start.files:
                    raise RuntimeError(f"{name} (inode {child}) was made behind the library's back")
                now = pathlib.Path(path).read_bytes()
                content = now
                if child in shadows:
                    content = torn(shadows[child].read_bytes(), now, random, count)
                (to / name).write_bytes(content)
                os.chmod(to / name, os.stat(path).st_mode & 0o7777)
            os.chmod(to, 0o700)

        build(self.start.root, new)
        os.chmod(new, self.folder.stat().st_mode & 0o7777)
        shutil.rmtree(self.folder)
        new.rename(self.folder)
        self.begin()
        return count

    def folders(self, random):
        """What the folders hold: all that was synced, and of the later changes none, the first ones, or any."""
        folders = {inode: dict(entries) for inode, entries in self.start.folders.items()}
        waiting = []
        events = self.shadow / "folders"
        for line in events.read_text().splitlines() if events.exists() else []:
            what, folder, inode, name = line.split(" ", 3)
            event = Event(what, int(folder), int(inode), name)
            if what == "folder":
                folders.setdefault(event.inode, {})
            if what == "sync":
                for other in waiting:
                    if event.folder in other.concerns:
                        other.apply(folders)
                waiting = [other for other in waiting if event.folder not in other.concerns]
            else:
                waiting.append(event)
        way = random.randrange(4)
        taken = waiting
        if way == 0:
            taken = []
        elif way == 1:
            taken = waiting[:random.randint(0, len(waiting))]
        elif way == 2:
            taken = [event for event in waiting if random.random() < 0.5]
        for event in taken:
            event.apply(folders)
        return folders, len(waiting) - len(taken)

    def close(self):
        shutil.rmtree(self.shadow, ignore_errors=True)

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.close()


class Event:
    """A change of a folder."""

    def __init__(self, what, folder, inode, name):
        self.what, self.folder, self.inode, self.name = what, folder, inode, name
        self.concerns, self.old = {folder}, None
        if what == "rename":
            self.name, old_folder, old_name = name.split("/")
            self.old = int(old_folder), old_name
            self.concerns.add(int(old_folder))

    def apply(self, folders):
        if self.folder not in folders:
            return  # the folder itself is lost
        if self.what == "remove":
            folders[self.folder].pop(self.name, None)
            return
        if self.old and self.old[0] in folders:
            folders[self.old[0]].pop(self.old[1], None)
        folders[self.folder][self.name] = self.inode


def torn(synced, now, random, count):
    """The content of a file between its last sync and now: any size between the two, and of the sectors that differ
    none, all or any."""
    if synced == now:
        return now
    count["files"] += 1
    way = random.randrange(4)
    if way == 0:
        return synced
    if way == 1:
        return now
    small, large = sorted((len(synced), len(now)))
    size = random.choice((len(synced), len(now), random.randint(small, large)))
    sectors = (size + SECTOR - 1) // SECTOR
    old, new = (numpy.frombuffer(data[:sectors * SECTOR].ljust(sectors * SECTOR, b"\0"), numpy.uint8)
                .reshape(sectors, SECTOR) for data in (synced, now))
    differ = (old != new).any(axis=1)
    part = random.random() if way == 2 else 0.5
    take = differ & (numpy.array([random.random() for _ in range(sectors)]) < part)
    count["sectors"] += int(differ.sum() - take.sum())
    return numpy.where(take[:, None], new, old).tobytes()[:size]
