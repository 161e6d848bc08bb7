# SPDX-License-Identifier: Apache-2.0
"""Loads, saves, restores, replaces, unloads and forgets a table of its own, and a trainer, again and again, alone and as
a group, and saves all tables together, so that the daemon also dies in the midst of these. It only counts its calls that
the log may know."""
import itertools
import random
import threading

import grpc

from crash.saver import admin
from crash.tables import Pushes, pb
from daemon import CHANNEL

TABLE = "spare"


class Operator:
    def __init__(self, folder, seed=1):
        self.random, self.count, self.file = random.Random(seed), 0, "full.safetensors"
        self.refusals, self.problems = [], []
        self.looks = True  # reading checkpoints does not fail on purpose
        self.kept = {}  # label -> lsn of the checkpoint that was answered last, and not dropped
        self.cycle = self.steps()  # goes on from life to life
        self.stop = threading.Event()
        assert (folder / self.file).exists()

    def start(self, address):
        self.stop.clear()
        self.refusals.clear()
        self.thread = threading.Thread(target=self.live, args=(address,), daemon=True)
        self.thread.start()

    def join(self):
        self.thread.join(60)
        if self.thread.is_alive():
            self.problems.append("the operator was left without an answer")

    def live(self, address):
        channel = grpc.insecure_channel(address, CHANNEL)
        try:
            if self.looks:
                self.look(channel)
            for step in self.cycle:
                if self.stop.wait(self.random.random() * 0.01):
                    break
                try:
                    self.count += 1
                    step(channel)
                except grpc.RpcError as error:
                    if error.code() in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.CANCELLED):
                        return
        except grpc.RpcError:
            pass  # it died while it was asked
        finally:
            channel.close()

    def look(self, channel):
        """The checkpoints that were answered are there: those, or later ones of their labels."""
        groups = {group.label: group for group in self.call(channel, "Groups", admin.GroupsRequest()).groups}
        for label, lsn in self.kept.items():
            group = groups.get(label)
            if not group or group.trouble or group.lsn < lsn:
                self.problems.append(f"checkpoint {label} was saved at lsn {lsn}, and now there is {group or 'none'}")
        self.problems += [f"checkpoint {group.label}: {group.trouble}" for group in groups.values() if group.trouble]

    def steps(self):
        load = lambda replace: lambda channel: self.call(  # noqa: E731
            channel, "Load", admin.LoadRequest(table=TABLE, file=self.file, replace=replace,
                                               options=[admin.TableOption(key="optimizer", value="sgd")]))
        save = lambda channel: self.call(channel, "Save", admin.SaveRequest(table=TABLE))  # noqa: E731
        restore = lambda channel: self.call(channel, "Restore", admin.RestoreRequest(table=TABLE))  # noqa: E731
        unload = lambda forget: lambda channel: self.call(  # noqa: E731
            channel, "Unload", admin.UnloadRequest(table=TABLE, forget=forget))
        save_group = lambda label, *tables: lambda channel: self.save_group(channel, label, tables)  # noqa: E731
        restore_group = lambda channel: self.call(channel, "RestoreGroup",  # noqa: E731
                                                  admin.RestoreGroupRequest(label=TABLE))
        load_group = lambda channel: self.call(channel, "LoadGroup", admin.LoadGroupRequest(loads=[  # noqa: E731
            admin.LoadRequest(table=TABLE, file=self.file, replace=True,
                              options=[admin.TableOption(key="optimizer", value="sgd")])]))
        drop_group = lambda label: lambda channel: self.drop_group(channel, label)  # noqa: E731
        ways = [restore, load(True), save, restore_group, load_group]  # each in its turn, so that none is missed for long
        self.random.shuffle(ways)
        ways = itertools.cycle(ways)
        while True:
            yield load(False)
            yield self.push
            yield save
            yield self.push
            yield save_group(TABLE, TABLE)
            yield next(ways)
            yield self.push
            yield save_group("all")
            yield self.forget_trainer
            yield unload(self.random.random() < 0.7)
            yield restore_group
            yield self.push
            yield drop_group(self.random.choice((TABLE, "all")))
            yield unload(self.random.random() < 0.7)

    def call(self, channel, name, request):
        call = channel.unary_unary(f"/embd.v1.Tables/{name}", type(request).SerializeToString,
                                   getattr(admin, f"{name}Response").FromString)
        return call(request, timeout=20)

    def save_group(self, channel, label, tables):
        self.kept[label] = self.call(channel, "SaveGroup", admin.SaveGroupRequest(label=label, tables=tables,
                                                                                  replace=True)).lsn

    def drop_group(self, channel, label):
        self.kept.pop(label, None)
        self.call(channel, "DropGroup", admin.DropGroupRequest(label=label))

    def push(self, channel):
        request = pb.PushRequest.FromString(Pushes("operator").message(self.random.randrange(1000)))
        request.trainer, request.sequence = "operator", 0
        call = channel.unary_unary("/embd.v1.Embedding/Position", pb.PositionRequest.SerializeToString,
                                   pb.PositionResponse.FromString)
        request.sequence = call(pb.PositionRequest(trainer="operator"), timeout=20).sequence + 1
        del request.pushes[1:]
        push = request.pushes[0]
        push.Clear()
        push.table, push.ids = TABLE, self.random.randrange(300).to_bytes(8, "little")
        push.gradients = b"\0\0\x80\x3f" * 8
        request.ClearField("missing")
        channel.unary_unary("/embd.v1.Embedding/Push", pb.PushRequest.SerializeToString,
                            pb.PushResponse.FromString)(request, timeout=20)

    def forget_trainer(self, channel):
        channel.unary_unary("/embd.v1.Embedding/Forget", pb.ForgetRequest.SerializeToString,
                            pb.ForgetResponse.FromString)(pb.ForgetRequest(trainer="operator"), timeout=20)
