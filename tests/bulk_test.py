#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""embd_bulk.proto is embd.proto on the wire: the same messages, fields, numbers, enums and calls, with
`bytes` where embd.proto has a repeated fixed-size number.

The other way round too: a number stays a number only if it is small or `missing`.
"""
import os
import pathlib
import subprocess
import sys
import tempfile

sys.dont_write_bytecode = True
TOP = pathlib.Path(os.environ["TOP_SRCDIR"])
sys.path.insert(0, str(TOP / "tools"))
import embed_descriptors as descriptors  # noqa: E402

REPEATED = 3  # FieldDescriptorProto.Label
FLOAT, FIXED32, BYTES, SFIXED64 = 2, 7, 12, 16  # FieldDescriptorProto.Type
LARGE = FLOAT, FIXED32, SFIXED64


def read(name):
    """(messages, enums, methods) of a .proto file."""
    with tempfile.NamedTemporaryFile() as out:
        protoc = ["protoc", f"-I{TOP}/proto", f"--descriptor_set_out={out.name}", name]
        subprocess.run(protoc, check=True)
        (file,) = descriptors.all_of(out.read(), 1)
    messages, methods = {}, {}
    for message in descriptors.all_of(file, 4):
        fields = messages[descriptors.name_of(message)] = {}
        for field in map(dict, map(descriptors.fields, descriptors.all_of(message, 2))):
            kind = (field[1], field[4] == REPEATED, field[5], field.get(6))
            fields[field[3]] = kind
    for service in descriptors.all_of(file, 6):
        for method in descriptors.all_of(service, 2):
            methods[descriptors.name_of(service), descriptors.name_of(method)] = method
    return messages, set(descriptors.all_of(file, 5)), methods


def check(condition, text):
    if not condition:
        sys.exit(f"embd_bulk.proto: {text}")


def main():
    messages, enums, methods = read("embd.proto")
    bulk_messages, bulk_enums, bulk_methods = read("embd_bulk.proto")
    check(bulk_messages, "no messages")
    check(bulk_enums and bulk_enums <= enums, "an enum differs")
    check(bulk_methods and bulk_methods.items() <= methods.items(), "a call differs")
    as_bytes = 0
    for name, fields in bulk_messages.items():
        check(fields.keys() == messages[name].keys(), f"{name} has other numbers")
        for number, (field, repeated, kind, of) in fields.items():
            want = messages[name][number]
            if want[1] and want[2] in LARGE and field != b"missing":
                as_bytes += 1
                want = (want[0], False, BYTES, None)
            check((field, repeated, kind, of) == want, f"{name}.{field.decode()} differs")
    check(as_bytes >= 4, "no arrays as bytes")
    print(f"{len(bulk_messages)} messages, {as_bytes} arrays as bytes")


if __name__ == "__main__":
    main()
