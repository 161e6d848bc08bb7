# SPDX-License-Identifier: Apache-2.0
"""Each request of request_cases.py gets its status and sentence, and the daemon goes on; then every prefix of a
good request, and a good request with each byte changed, get some answer and harm nothing."""
import os
import pathlib
import sys
import tempfile

import grpc
import numpy as np

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import request_cases as rc  # noqa: E402
import tablefile  # noqa: E402
from daemon import Daemon  # noqa: E402

CONFIG = """
max_ids = 1000
max_reply_bytes = 64KiB
max_request_bytes = 1MiB
max_wait = 50ms
"""


def files(folder):
    weight = lambda rows, dim: {"weight": ("F32", np.arange(rows * dim, dtype=np.float32).reshape(rows, dim))}
    keys = dict(weight(10, 4), keys=("I64", np.arange(100, 110)))
    made = {"t": tablefile.table("full", 10, 4, weight(10, 4)),
            "k": tablefile.table("full", 10, 4, keys),
            "h": tablefile.table("full", 10, 4, weight(10, 4), ids="hash"),
            "wide": tablefile.table("full", 2, 1000, weight(2, 1000))}
    paths = {name: tablefile.write(f"{folder}/{name}.safetensors", data) for name, data in made.items()}
    os.symlink("/etc/passwd", f"{folder}/link")
    os.mkfifo(f"{folder}/fifo")
    tablefile.write(f"{folder}/text", b"not a table\n")
    return paths


def main():
    wrong = []
    with tempfile.TemporaryDirectory() as folder:
        with Daemon(tables=files(folder), import_dir=folder, config=CONFIG) as daemon:
            channel = daemon.channel()

            def send(path, message):
                """Status and sentence of any message at any path."""
                try:
                    channel.unary_unary(path)(message, timeout=20)
                    return rc.OK, ""
                except grpc.RpcError as error:
                    return error.code().value[0], error.details()

            good = rc.lookup(rc.part(), rc.part("k", rc.ids(100, 5), 1, rc.u32(0, 1, 2), rc.f32(1, 2)))
            assert send(rc.LOOKUP, good) == (rc.OK, "")
            for name, path, message, status, words in rc.CASES:
                got, text = send(path, message)
                if got != status or words not in (text or ""):
                    wrong.append(f"{name}: status {got} instead of {status}, {text!r} without {words!r}")
                if send(rc.LOOKUP, good)[0] != rc.OK:
                    wrong.append(f"{name}: a good lookup fails afterwards")
            statuses = set()
            for end in range(len(good)):
                statuses.add(send(rc.LOOKUP, good[:end])[0])
            for at in range(len(good)):
                for flip in (1, 0x80, 0xFF):
                    changed = bytearray(good)
                    changed[at] ^= flip
                    statuses.add(send(rc.LOOKUP, bytes(changed))[0])
            strange = statuses - {rc.OK, rc.INVALID, rc.NOT_FOUND, rc.EXHAUSTED, rc.RANGE, rc.INTERNAL,
                                  rc.UNAVAILABLE}
            if strange:
                wrong.append(f"unexpected statuses: {strange}")
            assert send(rc.LOOKUP, good) == (rc.OK, "")
    print("\n".join(wrong))
    print(f"{len(rc.CASES)} bad requests, {len(wrong)} answered otherwise than they should be")
    sys.exit(bool(wrong))


if __name__ == "__main__":
    main()
