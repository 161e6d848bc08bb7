# SPDX-License-Identifier: Apache-2.0
"""Lookups of every method are equal, bit for bit where the method allows, whoever asks: a stock Python client built from embd.proto,
one built from embd_bulk.proto, Node's gRPC, and embctl, all against files that Python wrote and rows that
NumPy computed. `equal_test.py python PROTO ADDRESS` is one such client, in a process of its own, since the two
.proto files define the same names."""
import base64
import io
import json
import os
import pathlib
import subprocess
import sys
import tempfile

import numpy as np

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))
import equal_calls  # noqa: E402
import reference  # noqa: E402
import tablefile  # noqa: E402
from daemon import SANITIZED  # noqa: E402

PROTO = HERE.parent.parent / "proto"
ADDRESS_OPTIONS = [("grpc.max_receive_message_length", 64 << 20)]

# Under sanitizers some of each method: what they look for is in the code, not in the numbers.
CASES = [c for c in reference.cases() if c in reference.small(each=3)] if SANITIZED else reference.cases()


def check(call, dim, rows, value, missing, who):
    assert (dim, rows) == (call.case.dim, call.rows), f"{who}: {call}: shape [{rows},{dim}]"
    assert list(missing) == call.missing, f"{who}: {call}: missing {list(missing)}"
    assert call.agrees(value), f"{who}: {call}: values differ"


def python_client(proto, address):
    import grpc
    bulk = proto == "embd_bulk"
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run(["protoc", f"-I{PROTO}", f"--python_out={folder}", f"{proto}.proto"], check=True)
        sys.path.insert(0, folder)
        pb = __import__(f"{proto}_pb2")
    pack = lambda values, dtype: np.array(values, dtype).tobytes() if bulk else values
    channel = grpc.insecure_channel(address, ADDRESS_OPTIONS)
    lookup = channel.unary_unary("/embd.v1.Embedding/Lookup", pb.LookupRequest.SerializeToString,
                                 pb.LookupResponse.FromString)
    calls = equal_calls.calls(CASES)
    one = lambda c: pb.TableLookup(table=c.case.name, ids=pack(c.ids, "<i8"), pooling=c.pooling,
                                   offsets=pack(c.offsets, "<u4"), weights=pack(c.weights, "<f4"))
    value = lambda r, fmt: (r.packed if fmt else r.values if bulk
                            else np.array(r.values, "<f4").tobytes())
    for fmt in range(4):
        group = [c for c in calls if c.fmt == fmt]
        for c in group:
            r = lookup(pb.LookupRequest(lookups=[one(c)], format=fmt), timeout=20).results[0]
            check(c, r.dim, r.rows, value(r, fmt), r.missing, proto)
        together = lookup(pb.LookupRequest(lookups=map(one, group), format=fmt), timeout=20)
        for c, r in zip(group, together.results, strict=True):
            check(c, r.dim, r.rows, value(r, fmt), r.missing, proto + ", all tables in one call")


def node_modules():
    """The folder of the Node client's packages, installed below the build folder when missing."""
    folder = pathlib.Path(os.environ["TOP_BUILDDIR"]) / "tests" / "node"
    if not (folder / "node_modules" / "@grpc" / "grpc-js").is_dir():
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "package.json").write_text((HERE / "node" / "package.json").read_text())
        subprocess.run(["npm", "install", "--silent", "--no-audit", "--no-fund", "--no-package-lock"],
                       cwd=folder, check=True, stdout=subprocess.DEVNULL)
    return folder / "node_modules"


def node_client(address):
    calls = equal_calls.calls(CASES)
    asked = [{"lookups": [{"table": c.case.name, "ids": [str(i) for i in c.ids], "pooling": c.pooling,
                           "offsets": c.offsets, "weights": c.weights}], "format": c.fmt} for c in calls]
    answer = subprocess.run(["node", HERE / "node" / "client.js", PROTO / "embd.proto", address],
                            input=json.dumps(asked).encode(), stdout=subprocess.PIPE, check=True,
                            env={**os.environ, "NODE_PATH": str(node_modules())})
    for c, a in zip(calls, json.loads(answer.stdout), strict=True):
        assert a["status"] == 0, f"node: {c}: {a}"
        r = a["results"][0]
        check(c, r["dim"], r["rows"], base64.b64decode(r["values"]), r["missing"], "node")


def embctl_client(embctl, address):
    calls = equal_calls.calls(CASES)
    formats = ["f32", "f16", "bf16", "int8"]
    with tempfile.TemporaryDirectory() as folder:
        for number, c in enumerate(calls):
            if number % 11:
                continue  # a process a call: some, in which every kind comes
            command = [embctl, "--server", address, "lookup", c.case.name, "--ids", "-", "-o", "-",
                       "--format", formats[c.fmt]]
            for name, values, dtype in (("offsets", c.offsets, "<u4"), ("weights", c.weights, "<f4")):
                if values:
                    path = f"{folder}/{name}.npy"
                    np.save(path, np.array(values, dtype))
                    command += [f"--{name}", path]
            if c.pooling:
                command += ["--pooling", ["sum", "mean"][c.pooling - 1]]
            ids = io.BytesIO()
            np.save(ids, np.array(c.ids, "<i8"))
            answer = subprocess.run(command, input=ids.getvalue(), capture_output=True, check=False)
            assert answer.returncode == 0, f"embctl: {c}: {answer.stderr.decode()}"
            array = np.load(io.BytesIO(answer.stdout))
            assert array.shape[0] == c.rows, f"embctl: {c}: shape {array.shape}"
            assert c.agrees(array.tobytes()), f"embctl: {c}: values differ"


def main():
    from daemon import Daemon
    with tempfile.TemporaryDirectory() as folder:
        tables = {c.name: tablefile.write(f"{folder}/{c.name}.safetensors", c.bytes)
                  for c in CASES}
        for memory in ("map", "copy"):
            with Daemon(tables={name: f"{path},memory={memory}" for name, path in tables.items()}) as daemon:
                for proto in ("embd", "embd_bulk") if memory == "map" else ("embd_bulk",):
                    subprocess.run([sys.executable, __file__, "python", proto, daemon.address], check=True)
                if memory == "map":
                    node_client(daemon.address)
                    embctl_client(daemon.embctl, daemon.address)
    print(f"{len(equal_calls.calls(CASES))} lookups of {len(tables)} tables are equal everywhere")


if __name__ == "__main__":
    if sys.argv[1:2] == ["python"]:
        python_client(*sys.argv[2:])
    else:
        main()
