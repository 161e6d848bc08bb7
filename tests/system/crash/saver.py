# SPDX-License-Identifier: Apache-2.0
"""Saves tables all the time. What Save has answered must be there after the next start."""
import random
import threading

import grpc

from crash.tables import tables
from daemon import CHANNEL, messages

admin = messages("embd")


class Saver:
    def __init__(self, seed=1, pause=0.005):
        self.random, self.pause = random.Random(seed), pause
        self.saved = {}     # table -> version that Save has answered last
        self.count = 0
        self.saves = {}     # table -> how often it was saved
        self.refusals, self.problems = [], []
        self.stop = threading.Event()
        self.names = [table.name for table in tables()]

    def start(self, address):
        self.stop.clear()
        self.refusals.clear()
        self.thread = threading.Thread(target=self.live, args=(address,), daemon=True)
        self.thread.start()

    def join(self):
        self.thread.join(60)
        if self.thread.is_alive():
            self.problems.append("Save was left without an answer")

    def live(self, address):
        channel = grpc.insecure_channel(address, CHANNEL)
        save = channel.unary_unary("/embd.v1.Tables/Save", admin.SaveRequest.SerializeToString,
                                   admin.SaveResponse.FromString)
        list_ = channel.unary_unary("/embd.v1.Tables/List", admin.ListRequest.SerializeToString,
                                    admin.ListResponse.FromString)
        try:
            for info in list_(admin.ListRequest(), timeout=20).tables:
                if info.state:
                    self.problems.append(f"{info.name} is damaged: {info.trouble}")
                elif info.snapshot_version < self.saved.get(info.name, 0):
                    self.problems.append(f"{info.name} was saved at version {self.saved[info.name]}, and its newest "
                                         f"snapshot is of {info.snapshot_version}")
            while not self.stop.wait(self.random.random() * 2 * self.pause):
                name = self.random.choice(self.names)
                try:
                    version = save(admin.SaveRequest(table=name), timeout=20).snapshot.version
                except grpc.RpcError as error:
                    self.refusals.append(error)
                    if error.code() == grpc.StatusCode.RESOURCE_EXHAUSTED:
                        continue
                    return
                self.saved[name], self.count = version, self.count + 1
                self.saves[name] = self.saves.get(name, 0) + 1
        except grpc.RpcError as error:
            self.refusals.append(error)
        finally:
            channel.close()
