#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Turn protoc's descriptor set into C: the files for server reflection, and every name they define.

    embed_descriptors.py SET OUT.c

Reads the wire format itself, since the build has Python but perhaps not its protobuf package.
"""
import sys


def varint(data, at):
    value = shift = 0
    while True:
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
        shift += 7


def fields(data):
    """Yield (number, value) of a message; bytes for length-delimited fields, else int or None."""
    at = 0
    while at < len(data):
        tag, at = varint(data, at)
        number, wire_type = tag >> 3, tag & 7
        if wire_type == 0:
            value, at = varint(data, at)
        elif wire_type == 2:
            size, at = varint(data, at)
            value = data[at : at + size]
            if len(value) != size:
                raise ValueError("the descriptor set is cut short")
            at += size
        elif wire_type in (1, 5):
            value, at = None, at + (8 if wire_type == 1 else 4)
        else:
            raise ValueError(f"wire type {wire_type} in the descriptor set")
        yield number, value


def all_of(data, number):
    return [value for n, value in fields(data) if n == number]


def name_of(data):
    """Field 1 of every kind of descriptor."""
    return b"".join(all_of(data, 1)[-1:]).decode()


def join(scope, name):
    return f"{scope}.{name}" if scope else name


def enum_symbols(scope, enum):
    yield join(scope, name_of(enum)), "ENUM"
    for value in all_of(enum, 2):  # values are siblings of their enum, as in C++
        yield join(scope, name_of(value)), "VALUE"


def message_symbols(scope, message):
    full = join(scope, name_of(message))
    yield full, "MESSAGE"
    for number, kind in (2, "FIELD"), (8, "ONEOF"):
        for part in all_of(message, number):
            yield join(full, name_of(part)), kind
    for nested in all_of(message, 3):
        yield from message_symbols(full, nested)
    for enum in all_of(message, 4):
        yield from enum_symbols(full, enum)


def service_symbols(scope, service):
    full = join(scope, name_of(service))
    yield full, "SERVICE"
    for method in all_of(service, 2):
        yield join(full, name_of(method)), "METHOD"


def file_symbols(file):
    """Yield (full name, kind) of everything that a FileDescriptorProto defines."""
    package = b"".join(all_of(file, 2)[-1:]).decode()
    if package:
        yield package, "PACKAGE"
    for number, symbols in (4, message_symbols), (5, enum_symbols), (6, service_symbols):
        for part in all_of(file, number):
            yield from symbols(package, part)


def write_source(out, files):
    out.write("/* Made by tools/embed_descriptors.py from the .proto files. */\n")
    out.write('#include "proto/descriptors.h"\n')
    known = {}
    for index, file in enumerate(files):
        out.write(f"\nstatic const unsigned char file_{index}[] = {{")
        for at in range(0, len(file), 16):
            out.write("\n    " + " ".join(f"0x{byte:02x}," for byte in file[at : at + 16]))
        out.write("\n};\n")
        for name, kind in file_symbols(file):
            if known.setdefault(name, (kind, index)) != (kind, index) and kind != "PACKAGE":
                raise ValueError(f"{name} is defined twice")
    out.write("\nconst struct proto_file proto_files[] = {\n")
    for index, file in enumerate(files):
        out.write(f'    {{"{name_of(file)}", file_{index}, sizeof file_{index}}},\n')
    out.write("};\nconst size_t proto_file_count = sizeof proto_files / sizeof proto_files[0];\n")
    out.write("\nconst struct proto_symbol proto_symbols[] = {\n")
    for name, (kind, index) in sorted(known.items(), key=lambda item: item[0].encode()):
        out.write(f'    {{"{name}", PROTO_{kind}, &proto_files[{index}]}},\n')
    out.write("};\nconst size_t proto_symbol_count = sizeof proto_symbols / sizeof proto_symbols[0];\n")


def main():
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    with open(sys.argv[1], "rb") as source:
        files = all_of(source.read(), 1)
    with open(sys.argv[2], "w", encoding="utf-8") as out:
        write_source(out, files)


if __name__ == "__main__":
    main()
