# SPDX-License-Identifier: Apache-2.0
"""A daemon that dies again and again under four trainers and a saver, and what is made of it in the end. A round is one
life of the daemon: start, be asked, pushed to and saved, die."""
import collections
import os
import pathlib
import random
import shutil
import signal
import subprocess
import tempfile
import time

from crash import judge, replay, state
from crash.journal import read
from crash.operators import Operator
from crash.saver import Saver
from crash.tables import pb, write
from crash.trainer import Trainer
from daemon import SANITIZED, Daemon, messages
from powercut import PowerCut

tables_pb = messages("embd")
SHARED = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
SLOW = 10 if SANITIZED else 1

# Small enough that snapshots are written, folded and dropped, and the log is shortened, within a few rounds.
CONFIG = """
workers = 2
snapshot_interval = 1s
log_save_bytes = 64KiB
"""


def summary(count):
    return ", ".join(f"{count[key]:,} {what}" for key, what in (
        ("rounds", "rounds"), ("early", "of them died before they were ready"), ("pushes", "pushes"),
        ("resent", "sent again"), ("saves", "saves"), ("damaged", "damaged snapshots"), ("names", "names lost"),
        ("files", "files torn"), ("sectors", "sectors lost")) if count[key])


class Campaign:
    def __init__(self, seed=1, power=False, drop=None, trainers=4, operator=False):
        self.top = pathlib.Path(tempfile.mkdtemp(prefix="embd-crash-", dir=SHARED))
        self.random = random.Random(seed)
        self.folder = self.top / "daemon"
        self.folder.mkdir()
        interval = () if power else ("hash", "fp16")  # a death of the daemon costs these nothing either
        self.daemon = Daemon(tables=write(self.top, interval), folder=self.folder, config=CONFIG, start=False,
                             import_dir=self.top, listen=f"unix:{self.top}/socket")
        (self.folder / "data").mkdir(mode=0o750)
        self.power = PowerCut(self.folder / "data", drop) if power else None
        self.environment = {}
        self.trainers = [Trainer(f"trainer-{i}", self.top, streams=i % 2 == 1, seed=seed) for i in range(trainers)]
        self.saver = Saver(seed)
        self.operator = Operator(self.top, seed) if operator else None
        self.problems, self.count, self.damaged = [], collections.Counter(), {}
        self.first_lsn = None

    @property
    def actors(self):
        return self.trainers + [self.saver] + ([self.operator] if self.operator else [])

    # ---- Lives ----

    def spawn(self, **more):
        if self.daemon.process:
            (self.folder / "log").unlink(missing_ok=True)
        environment = dict(os.environ, **self.environment, **more)
        self.daemon.environment = self.power.environment(environment) if self.power else environment
        self.daemon.spawn()

    def start(self, **more):
        self.spawn(**more)
        self.daemon.await_ready()
        if self.first_lsn is None:
            self.first_lsn = self.lsn() + 1

    def lsn(self):
        """Where the log stands, also when tables are damaged."""
        channel = self.daemon.channel()
        lsn = channel.unary_unary("/embd.v1.Tables/List", tables_pb.ListRequest.SerializeToString,
                                  tables_pb.ListResponse.FromString)(tables_pb.ListRequest(), timeout=20).lsn
        channel.close()
        return lsn

    def push_for(self, seconds, until=lambda: False):
        """Let everybody work while the daemon lives, for so long at most, or `until` so. Whether it still lives."""
        for actor in self.actors:
            actor.start(self.daemon.address)
        return self.wait(seconds, until)

    def wait(self, seconds, until=None):
        """Whether the daemon still lives after so long."""
        deadline = time.monotonic() + seconds
        while True:
            left = deadline - time.monotonic()
            try:
                self.daemon.process.wait(max(0, min(left, 0.02) if until else left))
                return False
            except subprocess.TimeoutExpired:
                if left <= 0 or (until and until()):
                    return True

    def end(self, expected=()):
        """Kill it, and see what the others say. Refusals before that are to have one of the `expected` codes."""
        early = [error for actor in self.actors for error in actor.refusals]
        alive = self.daemon.process.poll() is None
        if alive:
            self.problems += [f"refused: {error.code().name} {error.details()}" for error in early
                              if error.code() not in expected]
        self.daemon.kill()
        for actor in self.actors:
            actor.join()
        self.after_death()

    def after_death(self):
        if self.daemon.process.returncode != -signal.SIGKILL:
            self.problems.append(f"embd ended with {self.daemon.process.returncode}:\n{self.daemon.log_text()[-3000:]}")
        if SANITIZED and "Sanitizer" in self.daemon.log_text():
            self.problems.append(self.daemon.log_text()[-6000:])
        for actor in self.actors:
            self.problems += actor.problems
            actor.problems.clear()
        if self.power:
            self.count += self.power.cut(self.random)

    def early_death(self, most):
        """Die while starting."""
        self.spawn()
        time.sleep(self.random.random() * most)
        self.daemon.process.kill()
        self.daemon.process.wait()
        self.daemon.log.close()
        self.count["early"] += b" ready " not in self.daemon.log_bytes()
        self.after_death()

    def round(self):
        self.count["rounds"] += 1
        if self.first_lsn and self.random.random() < 0.25:
            self.early_death(0.04 * SLOW)
            return
        try:
            self.start()
        except RuntimeError as error:
            self.problems.append(f"round {self.count['rounds']}: {error}")
            return
        # The daemon shortens its log and saves tables by itself only where it is left alone for a second.
        most = 1.6 if self.random.random() < 0.05 else 0.12 * SLOW
        if not self.push_for(self.random.random() * most):
            self.problems.append(f"embd died by itself:\n{self.daemon.log_text()[-3000:]}")
        self.end()

    # ---- Damage ----

    def damage(self):
        """Flip a bit in the newest snapshot of a table, if a second one is there that was not damaged lately."""
        name = self.random.choice(self.saver.names)
        folder = self.folder / "data/tables" / name
        files = sorted(path for path in folder.glob("*") if path.suffix in (".safetensors", ".blocks"))
        saves = self.saver.saves.get(name, 0)
        if saves < self.damaged.get(name, 0) + 3 or len({path.stem[-1] for path in files}) < 2:
            return
        self.damaged[name] = saves
        data = bytearray(files[-1].read_bytes())
        data[self.random.randrange(len(data))] ^= 1 << self.random.randrange(8)
        files[-1].write_bytes(data)
        self.count["damaged"] += 1
        self.saver.saved.pop(name, None)

    # ---- The end ----

    def finish(self):
        """Let the trainers get all their answers, and judge. The sentences about what is wrong."""
        if self.problems:
            return self.problems
        self.start()
        self.push_for(0.05 * SLOW)
        for actor in self.actors:
            actor.stop.set()
        for actor in self.actors:
            actor.join()
            self.problems += actor.problems + [f"refused: {error.code().name} {error.details()}"
                                               for error in actor.refusals]
        for trainer in self.trainers:
            trainer.close()
        pushes = read([trainer.journal.path for trainer in self.trainers])
        self.count["pushes"] = len(pushes)
        self.count["resent"] = sum(trainer.resent for trainer in self.trainers)
        self.count["saves"] = self.saver.count
        foreign = self.operator.count if self.operator else 0
        self.problems += judge.judge(pushes, self.positions(), self.first_lsn, self.lsn(), foreign)
        if not self.problems:
            self.problems += replay.compare(self.daemon, pushes, CONFIG, self.top,
                                            None if foreign else self.first_lsn)
        if not self.problems:
            before = state.lookups(self.daemon.channel())
            if self.daemon.stop() != 0:
                self.problems.append("embd did not stop well")
            self.start()
            self.problems += state.differences(before, state.lookups(self.daemon.channel()), "after a stop, lookups")
        self.daemon.stop()
        return self.problems

    def positions(self):
        call = self.daemon.channel().unary_unary("/embd.v1.Embedding/Position", pb.PositionRequest.SerializeToString,
                                                 pb.PositionResponse.FromString)
        return {trainer.name: call(pb.PositionRequest(trainer=trainer.name), timeout=20).sequence
                for trainer in self.trainers}

    def summary(self):
        return summary(self.count)

    def close(self, keep=False):
        if self.daemon.process and self.daemon.process.poll() is None:
            self.daemon.kill()
        if self.daemon.process:
            self.daemon.log.close()
        for trainer in self.trainers:
            trainer.close()
        if self.power:
            self.power.close()
        if not keep:
            shutil.rmtree(self.top, ignore_errors=True)

    def __enter__(self):
        return self

    def __exit__(self, kind, error, trace):
        self.close(keep=bool(error or self.problems) and "EMBD_KEEP" in os.environ)
