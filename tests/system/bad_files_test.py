# SPDX-License-Identifier: Apache-2.0
"""Bad table files handed to a running daemon: the seeds of the fuzzer, files that break a rule of their method, a good
file cut at every length of its header, and good files of every variant with one byte changed. Each Load gets a status and a sentence, or serves a table whose every row can be
looked up; the table beside them is never disturbed. (The sentences themselves are held in tests/unit/malformed_*.h.)"""
import os
import pathlib
import sys
import tempfile

import grpc
import numpy as np

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import bad_methods  # noqa: E402
import reference  # noqa: E402
import tablefile  # noqa: E402
from daemon import SANITIZED, SOURCE, Daemon, messages  # noqa: E402

REFUSED = {grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.DATA_LOSS, grpc.StatusCode.RESOURCE_EXHAUSTED}


def bad_files():
    """Name and bytes."""
    for path in sorted((SOURCE / "fuzz" / "table_file.in").iterdir()):
        yield f"seed {path.name}", path.read_bytes()
    for bad in bad_methods.cases():
        yield bad.label, bad.bytes
    yield from changed_values()
    cases = {case.name: case.bytes for case in reference.cases()}
    for name in ("full", "int8_u_row", "compo_fields", "keys"):
        good = cases[name]
        header = 8 + int.from_bytes(good[:8], "little")
        step = 17 if SANITIZED else 5
        for end in range(0, header, step):
            yield f"{name} cut to {end}", good[:end]
        yield f"{name} cut by one", good[:-1]
        yield f"{name} with one more", good + b"\0"
        for at in range(0, header, step):
            for flip in (1, 0x80):
                changed = bytearray(good)
                changed[at] ^= flip
                yield f"{name} byte {at} ^ {flip}", bytes(changed)


def changed_values():
    """What a table is made of with one byte changed: indices that lead elsewhere, numbers that are none."""
    rng = np.random.default_rng(17)
    for case in reference.cases():
        data = 8 + int.from_bytes(case.bytes[:8], "little")
        for _ in range(3 if SANITIZED else 12):
            if data < len(case.bytes):
                at, value = int(rng.integers(data, len(case.bytes))), int(rng.choice([0, 0x7F, 0x80, 0xFF]))
                yield f"{case.name} byte {at} = {value}", case.bytes[:at] + bytes([value]) + case.bytes[at + 1:]


def main():
    pb = messages("embd")
    refused = served = 0
    wrong = []
    with tempfile.TemporaryDirectory() as folder:
        good = tablefile.write(f"{folder}/good.safetensors", tablefile.table(
            "full", 3, 2, {"weight": ("F32", np.arange(6, dtype=np.float32).reshape(3, 2))}))
        with Daemon(tables={"good": good}, import_dir=folder) as daemon:
            channel = daemon.channel()
            load = daemon.unary("/embd.v1.Tables/Load", pb.LoadRequest, pb.LoadResponse, channel)
            unload = daemon.unary("/embd.v1.Tables/Unload", pb.UnloadRequest, pb.UnloadResponse, channel)
            lookup = daemon.unary("/embd.v1.Embedding/Lookup", pb.LookupRequest, pb.LookupResponse, channel)
            for name, data in bad_files():
                tablefile.write(f"{folder}/bad", data)
                try:
                    info = load(pb.LoadRequest(table="bad", file="bad"), timeout=20).table
                except grpc.RpcError as error:
                    refused += 1
                    if error.code() not in REFUSED or "bad: " not in error.details():
                        wrong.append(f"{name}: {error.code()} {error.details()}")
                    continue
                finally:
                    os.unlink(f"{folder}/bad")
                served += 1
                ids = list(range(min(info.rows, 2000)))
                try:
                    reply = lookup(pb.LookupRequest(lookups=[pb.TableLookup(table="bad", ids=ids)]), timeout=20)
                    assert len(reply.results[0].values) == len(ids) * info.dim
                except grpc.RpcError as error:
                    if error.code() != grpc.StatusCode.RESOURCE_EXHAUSTED:  # a reply that would be too large
                        wrong.append(f"{name}: served, and then {error.code()} {error.details()}")
                unload(pb.UnloadRequest(table="bad", forget=True), timeout=20)
                values = lookup(pb.LookupRequest(lookups=[pb.TableLookup(table="good", ids=[0, 1, 2])]),
                                timeout=20).results[0].values
                assert list(values) == [0, 1, 2, 3, 4, 5]
    print("\n".join(wrong))
    print(f"{refused} bad files refused, {served} that are still good served, {len(wrong)} answered otherwise")
    assert refused > 300
    sys.exit(bool(wrong))


if __name__ == "__main__":
    main()
