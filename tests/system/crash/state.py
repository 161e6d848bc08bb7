# SPDX-License-Identifier: Apache-2.0
"""The state of a daemon's tables, to the last bit: by lookups of all rows, and by the snapshots in its folder, which are
read here with struct and json alone (a whole file, and the files of blocks that go on from it)."""
import json
import struct

from crash.tables import pb, tables
from daemon import messages

admin = messages("embd")

BLOCK = 512


def lookups(channel):
    """{table: (version, values)} of all rows."""
    call = channel.unary_unary("/embd.v1.Embedding/Lookup", pb.LookupRequest.SerializeToString,
                               pb.LookupResponse.FromString)
    request = pb.LookupRequest()
    names = []
    for table in tables():
        request.lookups.add(table=table.name, ids=table.ids.tobytes())
        names.append(table.name)
    reply = call(request, timeout=20)
    return {name: (result.version, result.values) for name, result in zip(names, reply.results)}


class File:
    """A safetensors file."""

    def __init__(self, path):
        data = path.read_bytes()
        n, = struct.unpack_from("<Q", data)
        self.header = json.loads(data[8:8 + n])
        self.metadata = self.header.pop("__metadata__")
        self.data = bytearray(data[8 + n:])

    def tensor(self, name):
        begin, end = self.header[name]["data_offsets"]
        return bytes(self.data[begin:end])


def snapshot(folder, generation, version):
    """{tensor: bytes} of the snapshots of a version, one for each lineage that has it."""
    out = {}
    for lineage in "ab":
        stem = f"{generation:020d}-{version:020d}-{lineage}"
        if (folder / f"{stem}.safetensors").exists() or (folder / f"{stem}.blocks").exists():
            file = chain(folder, generation, version, lineage)
            out[lineage] = {name: file.tensor(name) for name in file.header}
            if "touched" in out[lineage]:  # when that was is another time in each life: only whether
                out[lineage]["touched"] = bytes(byte >> 7 for byte in out[lineage]["touched"][7::8])
    return out


def chain(folder, generation, version, lineage):
    """The file of a whole snapshot with the blocks of all that follow it up to `version`."""
    blocks, at = [], version
    while True:
        stem = f"{generation:020d}-{at:020d}-{lineage}"
        if (folder / f"{stem}.safetensors").exists():
            break
        blocks.append(File(folder / f"{stem}.blocks"))
        at = int(blocks[-1].metadata["embd.blocks"])
    whole = File(folder / f"{stem}.safetensors")
    size = len(whole.data)
    for file in reversed(blocks):
        index = struct.unpack(f"<{len(file.tensor('index')) // 8}Q", file.tensor("index"))
        data = file.tensor("data")
        for place, block in enumerate(index):
            whole.data[block * BLOCK:block * BLOCK + BLOCK] = data[place * BLOCK:place * BLOCK + BLOCK]
        del whole.data[size:]
    return whole


def snapshots(data, saved):
    """{table: {tensor: bytes}} of what Save has written: `saved` is {table: (generation, version)}."""
    out = {}
    for name, (generation, version) in saved.items():
        found = list(snapshot(data / "tables" / name, generation, version).values())
        if not found:
            raise AssertionError(f"{name} was saved at version {version}, and there is no such file")
        if any(other != found[0] for other in found):
            raise AssertionError(f"{name}: the two snapshots of version {version} differ")
        out[name] = found[0]
    return out


def save_all(daemon):
    """Save every table; {table: (generation, version)}."""
    channel = daemon.channel()
    describe = channel.unary_unary("/embd.v1.Tables/Describe", admin.DescribeRequest.SerializeToString,
                                   admin.DescribeResponse.FromString)
    save = channel.unary_unary("/embd.v1.Tables/Save", admin.SaveRequest.SerializeToString,
                               admin.SaveResponse.FromString)
    out = {}
    for table in tables():
        reply = save(admin.SaveRequest(table=table.name), timeout=20)
        generation = describe(admin.DescribeRequest(table=table.name), timeout=20).table.generation
        out[table.name] = generation, reply.snapshot.version
    return out


def differences(one, other, what):
    """Sentences about two states of the same form."""
    wrong = []
    for name in sorted(set(one) | set(other)):
        if one.get(name) == other.get(name):
            continue
        sentence = f"{what} of {name} differ"
        if isinstance(one.get(name), tuple):
            sentence += f" (versions {one[name][0]} and {other.get(name, ('none',))[0]})"
        elif isinstance(one.get(name), dict):
            tensors = [t for t in one[name] if one[name][t] != other.get(name, {}).get(t)]
            sentence += f" in {', '.join(tensors)}"
        wrong.append(sentence)
    return wrong
