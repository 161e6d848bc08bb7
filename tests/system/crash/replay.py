# SPDX-License-Identifier: Apache-2.0
"""The same pushes, undisturbed: a fresh daemon gets them in the order of the log, and must come to the same state."""
import pathlib
import shutil
import tempfile

from crash import state
from crash.judge import order
from crash.tables import pb, write
from daemon import Daemon


def replay(pushes, config, top, first_lsn):
    """The lookups and snapshots of a daemon of its own that got these pushes in their order, and what it said that it
    should not have said; `first_lsn` is None if the log had other changes between them."""
    folder = pathlib.Path(tempfile.mkdtemp(prefix="replay-", dir=top))
    wrong = []
    try:
        with Daemon(tables=write(folder), folder=folder, config=config, listen=f"unix:{folder}/socket") as daemon:
            channel = daemon.channel()
            sequence = order(pushes)
            call = channel.stream_stream("/embd.v1.Embedding/PushStream", None, pb.PushResponse.FromString)
            for push, reply in zip(sequence, call(iter([push.message for push in sequence]))):
                if reply.duplicate or (first_lsn is not None and reply.lsn != push.answers[0]["lsn"]):
                    wrong.append(f"replayed, {push} was answered lsn {reply.lsn} duplicate {reply.duplicate}")
            looked = state.lookups(channel)
            saved = state.snapshots(folder / "data", state.save_all(daemon))
        return looked, saved, wrong
    finally:
        shutil.rmtree(folder)


def compare(daemon, pushes, config, top, first_lsn):
    """Sentences about how the daemon's state differs from that of an undisturbed one."""
    looked, saved, wrong = replay(pushes, config, top, first_lsn)
    wrong += state.differences(looked, state.lookups(daemon.channel()), "lookups")
    ours = state.snapshots(daemon.folder / "data", state.save_all(daemon))
    return wrong + state.differences(saved, ours, "snapshots")
