#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Files that break a rule of their method (bad_methods.py) are refused by verify with one line that names the tensor or
the setting; inspect shows what there is of them or refuses, too."""
import pathlib
import re
import subprocess
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import bad_methods  # noqa: E402
from daemon import program  # noqa: E402


def run(command, path):
    return subprocess.run([program("embctl"), command, path], capture_output=True, check=False, text=True)


def names_one(line, names):
    """A name stands alone; "field 2: cache.ids" wants the field first and then, somewhere, the name."""
    patterns = [re.escape(name).replace(r":\ ", r": .*?(?<![\w.])") for name in names]
    return any(re.search(rf"(?<![\w.]){pattern}(?!\w)", line) for pattern in patterns)


def judge(path, names):
    """What is wrong with the refusal, or None."""
    shown = run("inspect", path)
    if shown.returncode not in (0, 1):
        return f"inspect ended with {shown.returncode}: {shown.stderr}"
    done = run("verify", path)
    if done.returncode == 0:
        return "taken for good"
    line = done.stderr
    if done.returncode != 1 or done.stdout or line.count("\n") != 1 or not line.startswith("embctl: "):
        return f"verify ended with {done.returncode}: {line}"
    said = line.split(".safetensors", 1)[-1]
    return None if names_one(said, names) else f"names none of {names}: {line.strip()}"


def main():
    wrong, count = [], 0
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder) / "bad.safetensors"
        for bad in bad_methods.cases():
            path.write_bytes(bad.bytes)
            count += 1
            if why := judge(path, bad.names):
                wrong.append(f"{bad.label}: {why}")
    print("\n".join(wrong))
    print(f"{count} bad files, {len(wrong)} not refused as they should be")
    sys.exit(bool(wrong))


if __name__ == "__main__":
    main()
