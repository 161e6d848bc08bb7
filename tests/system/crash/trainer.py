# SPDX-License-Identifier: Apache-2.0
"""A trainer that pushes until its daemon dies, and goes on with the next daemon where the last one stopped: it asks for
its position, sends again what has no answer (which must be a duplicate up to that position, and applied after it),
and goes on. One life of the daemon is one call of live()."""
import collections
import threading
import time

import grpc

from crash.journal import Journal
from crash.tables import Pushes, pb
from daemon import CHANNEL

# What a caller may see when its daemon dies: the connection goes, in gRPC's various words.
GONE = {grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.CANCELLED, grpc.StatusCode.UNKNOWN, grpc.StatusCode.INTERNAL}
WINDOW = 8


class Wrong(Exception):
    """The daemon broke its promise."""


class Trainer:
    def __init__(self, name, folder, streams=False, seed=1):
        self.name, self.streams = name, streams
        self.journal = Journal(folder / f"{name}.journal")
        self.source = Pushes(name, seed)
        self.made = self.answered = 0
        self.waiting = collections.OrderedDict()  # sequence -> message: made, perhaps sent, and not answered
        self.problems = []     # sentences: promises that were broken
        self.refusals = []     # RpcError of calls that failed; whether they may is for the campaign to say
        self.patient = set()   # statuses after which the same push is sent again a little later
        self.stop = threading.Event()
        self.lives = self.resent = 0

    # ---- One life ----

    def start(self, address):
        self.stop.clear()
        self.refusals.clear()
        self.thread = threading.Thread(target=self.live, args=(address,), daemon=True)
        self.thread.start()

    def join(self, wait=60):
        self.thread.join(wait)
        if self.thread.is_alive():
            self.problems.append(f"{self.name} was left without an answer for {wait} s")

    def live(self, address):
        """Until stop is set and everything is answered, or a call fails."""
        channel = grpc.insecure_channel(address, CHANNEL)
        try:
            self.position(channel)
            self.lives += 1
            while not self.finished():
                try:
                    self.stream(channel) if self.streams else self.unary(channel)
                except grpc.RpcError as error:
                    if error.code() not in self.patient:
                        raise
                    self.refusals.append(error)
                    time.sleep(0.005)
        except grpc.RpcError as error:
            self.refusals.append(error)
        except Wrong as error:
            self.problems.append(f"{self.name}: {error}")
        finally:
            channel.close()
            self.journal.file.flush()

    def finished(self):
        return self.stop.is_set() and not self.waiting

    def position(self, channel):
        call = channel.unary_unary("/embd.v1.Embedding/Position", pb.PositionRequest.SerializeToString,
                                   pb.PositionResponse.FromString)
        position = call(pb.PositionRequest(trainer=self.name), timeout=20).sequence
        self.journal.write(position=position)
        if not self.answered <= position <= self.made:
            raise Wrong(f"stands at {position}; {self.answered} was answered and {self.made} sent")
        self.stood = position
        self.resent += len(self.waiting)

    # ---- Pushes ----

    def message(self, sequence):
        """That of a push that waits or is made now; None when no more are to be made."""
        if sequence > self.made:
            if self.stop.is_set():
                return None
            self.made += 1
            message = self.source.message(self.made)
            self.journal.push(self.made, message)
            self.waiting[self.made] = message
        return self.waiting[sequence]

    def take(self, sequence, response):
        self.journal.answer(sequence, response)
        if response.duplicate != (sequence <= self.stood):
            raise Wrong(f"push {sequence} was answered {'' if response.duplicate else 'not '}as a duplicate, and the "
                        f"position at the start was {self.stood}")
        del self.waiting[sequence]
        self.answered = sequence

    def unary(self, channel):
        call = channel.unary_unary("/embd.v1.Embedding/Push", None, pb.PushResponse.FromString)
        while True:
            sequence = self.answered + 1
            message = self.message(sequence)
            if not message:
                return
            self.take(sequence, call(message, timeout=20))

    def stream(self, channel):
        """Several in flight, answered in order."""
        room, over, making = threading.Semaphore(WINDOW), threading.Event(), threading.Lock()
        sent = collections.deque()

        def requests():  # in a thread of gRPC's
            sequence = self.answered
            while True:
                if not room.acquire(timeout=0.05) and not over.is_set():
                    continue
                with making:
                    sequence += 1
                    message = None if over.is_set() else self.message(sequence)
                    if not message:
                        return
                    sent.append(sequence)
                yield message

        call = channel.stream_stream("/embd.v1.Embedding/PushStream", None, pb.PushResponse.FromString)
        try:
            for response in call(requests(), timeout=60):
                self.take(sent.popleft(), response)
                room.release()
            if sent:
                raise Wrong(f"the stream ended well without answers to {list(sent)}")
        finally:
            with making:
                over.set()

    def close(self):
        self.journal.close()
