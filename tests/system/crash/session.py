# SPDX-License-Identifier: Apache-2.0
"""One session with a daemon, always the same: start, load, push, save, so that the log is shortened, and stop. One system
call or allocation of it fails; what may come of that is checked here, and then what a daemon without faults makes of
what is left."""
import errno
import pathlib
import shutil
import tempfile

import grpc

from crash import state
from crash.rounds import CONFIG, SHARED
from crash.saver import admin
from crash.tables import Pushes, pb, write
from daemon import Daemon
from faults import FILES, Faults

PUSHES = 24
RETRIES = 40  # of a push that was refused for want of room, until it must be taken
REFUSED = {grpc.StatusCode.RESOURCE_EXHAUSTED, grpc.StatusCode.UNAVAILABLE}


class Variant:
    """How calls fail."""

    def __init__(self, kind, error, ever=False):
        self.kind, self.error, self.ever = kind, error, ever

    def __str__(self):
        return f"{self.kind} {errno.errorcode[self.error]}{' for ever' if self.ever else ''}"


VARIANTS = [Variant("write", errno.EIO), Variant("write", errno.ENOSPC), Variant("write", errno.ENOSPC, True),
            Variant("write", errno.EIO, True), Variant("sync", errno.EIO), Variant("sync", errno.EIO, True),
            Variant("rename", errno.EIO), Variant("rename", errno.ENOSPC), Variant("open", errno.EMFILE),
            Variant("open", errno.EIO), Variant("size", errno.ENOSPC), Variant("size", errno.EIO),
            Variant("unlink", errno.EIO), Variant("map", errno.ENOMEM), Variant("map", errno.ENOMEM, True),
            Variant("memory", errno.ENOMEM), Variant("memory", errno.ENOMEM, True)]


class Wrong(Exception):
    pass


class Session:
    """`expected[p]` are the lookups after p pushes, or None in the session that finds them out."""

    def __init__(self, expected=None, faults=True):
        self.top = pathlib.Path(tempfile.mkdtemp(prefix="embd-session-", dir=SHARED))
        self.expected = expected
        self.source = Pushes("trainer", seed=9)
        self.faults = Faults(self.top / "data") if faults else None
        self.daemon = Daemon(tables=write(self.top), folder=self.top, config=CONFIG, import_dir=self.top,
                             listen=f"unix:{self.top}/socket", start=False,
                             environment=self.faults and self.faults.environment())
        self.answered = self.sent = 0
        self.loaded, self.details = False, ""

    # ---- Calls ----

    def call(self, service, name, request, response, raw=False):
        """The response, or the status; a call that is cut off is made again on a new connection by the caller."""
        try:
            channel = self.daemon.channel()
            return channel.unary_unary(f"/embd.v1.{service}/{name}", None if raw else type(request).SerializeToString,
                                       response.FromString)(request, timeout=20)
        except grpc.RpcError as error:
            if error.code() == grpc.StatusCode.DEADLINE_EXCEEDED:
                raise Wrong(f"{name} was not answered") from None
            self.details = error.details()
            return error.code()
        finally:
            self.daemon.close_channels()

    def lookups(self):
        channel = self.daemon.channel()
        try:
            return state.lookups(channel)
        except grpc.RpcError as error:
            self.details = error.details()
            return error.code()
        finally:
            self.daemon.close_channels()

    def push(self):
        """Whether the next push was answered well."""
        sequence = self.answered + 1
        self.sent = max(self.sent, sequence)
        reply = self.call("Embedding", "Push", self.source.message(sequence), pb.PushResponse, raw=True)
        if isinstance(reply, pb.PushResponse):
            self.answered = sequence
            return True
        if reply not in REFUSED and not self.cut_off():
            raise Wrong(f"push {sequence} was refused with {reply.name}: {self.details}")
        self.alive()
        self.refused = reply
        return False

    def cut_off(self):
        """Whether the last call was ended in the midst of it: where HTTP/2 itself finds no memory for an answer."""
        return "RST_STREAM" in self.details

    def alive(self):
        if self.daemon.process.poll() is not None:
            raise Wrong(f"embd ended with {self.daemon.process.returncode}:\n{self.daemon.log_text()[-2000:]}")

    def see(self, sure):
        """Lookups show some number of pushes, all that were answered and none that was not sent. Unless `sure`, they may
        fail for want of memory."""
        seen = self.lookups()
        if not isinstance(seen, dict):
            if sure or seen not in REFUSED and not self.cut_off():
                raise Wrong(f"a lookup was refused with {seen.name}: {self.details}")
            return
        if self.expected is not None and seen not in self.expected[self.answered:self.sent + 1]:
            raise Wrong(f"lookups are not those after {self.answered} to {self.sent} pushes")

    # ---- The session ----

    def run(self, variant, at):
        """Whether the fault came up."""
        files = variant.kind in FILES
        self.faults.arm(variant.kind, at, variant.error, variant.ever)
        try:
            self.daemon.start()
        except RuntimeError as error:
            # A configuration that cannot be read for want of memory ends it with 2.
            if self.daemon.process.returncode not in ((1, 2) if variant.kind == "memory" else (1,)):
                raise Wrong(f"at the start: {error}") from None
            self.daemon.log.close()
            return self.end()
        self.load()
        for n in range(1, PUSHES + 1):
            if not self.push() and not self.again(variant):
                break
            self.see(sure=files)
            if n % 6 == 0:
                self.save()
        self.see(sure=files)
        if self.daemon.stop() not in (0, 1):
            raise Wrong(f"embd ended with {self.daemon.process.returncode}:\n{self.daemon.log_text()[-2000:]}")
        return self.end()

    def load(self):
        reply = self.call("Tables", "Load", admin.LoadRequest(
            table="spare", file="full.safetensors", options=[admin.TableOption(key="optimizer", value="sgd")]),
            admin.LoadResponse)
        self.loaded = isinstance(reply, admin.LoadResponse)

    def save(self):
        for info in state.tables():
            self.call("Tables", "Save", admin.SaveRequest(table=info.name), admin.SaveResponse)

    def again(self, variant):
        """After a refusal: want of room or memory passes by itself, but where a write or sync of the log failed, or SQLite
        found no memory, nothing is answered well any more. Whether the push was taken after all."""
        self.see(sure=variant.kind in FILES)
        if variant.ever:
            for _ in range(3):
                self.push()
            self.faults.disarm()
        for _ in range(RETRIES if variant.error in (errno.ENOSPC, errno.ENOMEM) else 3):
            if self.push():
                return True
        lasting = self.refused == grpc.StatusCode.UNAVAILABLE and (
            variant.error not in (errno.ENOSPC, errno.ENOMEM) or
            variant.error == errno.ENOMEM and "until a restart" in self.details)
        if not lasting:
            raise Wrong(f"push {self.answered + 1} is still refused with {self.refused.name} when nothing fails any "
                        f"more: {self.details}")
        if self.daemon.http("/readyz")[0] == 200:
            raise Wrong("pushes are refused and /readyz says that all is well")
        return False

    def end(self):
        """The next start recovers: all that was answered, at most what was sent, and pushes go on."""
        failed = 0
        if self.faults:
            failed, self.calls = self.faults.failed, self.faults.counts()
            self.faults.disarm()
        self.daemon.start()
        position = self.call("Embedding", "Position", pb.PositionRequest(trainer="trainer"), pb.PositionResponse)
        if not isinstance(position, pb.PositionResponse):
            raise Wrong(f"after a restart Position is refused with {position.name}: {self.details}")
        if not self.answered <= position.sequence <= self.sent:
            raise Wrong(f"the trainer stands at {position.sequence}; {self.answered} was answered, {self.sent} sent")
        self.answered = self.sent = position.sequence
        self.see(sure=True)
        tables = self.call("Tables", "List", admin.ListRequest(), admin.ListResponse).tables
        if self.loaded and "spare" not in [info.name for info in tables]:
            raise Wrong("a table that was loaded is not there after a restart")
        damaged = [info.name for info in tables if info.state]
        if damaged:
            raise Wrong(f"{', '.join(damaged)} is damaged after a restart")
        for _ in range(2):
            if not self.push():
                raise Wrong(f"after a restart a push is refused with {self.refused.name}")
            self.see(sure=True)
        self.daemon.kill()
        return bool(failed)

    def close(self):
        if self.daemon.process and self.daemon.process.poll() is None:
            self.daemon.kill()
        if self.daemon.process:
            self.daemon.log.close()
        if self.faults:
            self.faults.close()
        shutil.rmtree(self.top, ignore_errors=True)

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.close()


def expected():
    """The lookups after 0, 1, 2, … pushes."""
    with Session(faults=False) as session:
        session.daemon.start()
        out = [session.lookups()]
        for _ in range(PUSHES + 3):
            assert session.push()
            out.append(session.lookups())
        return out
