#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Snapshot files from outside: the program in doc/files.md reads them as the daemon does, and embctl's inspect and
verify tell what they are."""
import json
import os
import pathlib
import re
import shutil
import subprocess
import tempfile
import unittest

BUILD = pathlib.Path(os.environ.get("TOP_BUILDDIR", ".")).resolve()
SOURCE = pathlib.Path(os.environ.get("TOP_SRCDIR", ".")).resolve()
DRIVER = BUILD / "tests/system/snapshot_driver"


def example():
    """The program of doc/files.md, without the names of its files."""
    text = (SOURCE / "doc/files.md").read_text()
    lines = re.search(r"\n\n((?:    [^\n]*\n|\n)*    del data\[end:\]\n)", text).group(1)
    program = "\n".join(line[4:] for line in lines.split("\n"))
    program, count = re.subn(r'read\("[^"]*"\)', "read(whole)", program)
    program, more = re.subn(r"for path in \[[^]]*\]", "for path in chain", program)
    assert (count, more) == (1, 1), program
    return program


@unittest.skipUnless(DRIVER.exists(), "the driver is not built")
class Files(unittest.TestCase):
    def setUp(self):
        self.data = pathlib.Path(tempfile.mkdtemp(prefix="embd-files-"))
        self.drive("run", self.data, "6")
        self.files = sorted((self.data / "tables/T").iterdir())
        self.names = [path.name[41:] for path in self.files]

    def tearDown(self):
        shutil.rmtree(self.data)

    def drive(self, *arguments):
        subprocess.run([DRIVER, *map(str, arguments)], check=True, stdout=subprocess.DEVNULL)

    def embctl(self, *arguments):
        return subprocess.run([BUILD / "embctl", *map(str, arguments)], capture_output=True, text=True, check=False)

    def document(self, *arguments):
        done = self.embctl(*arguments, "--json")
        self.assertEqual((done.returncode, done.stderr), (0, ""), done)
        return json.loads(done.stdout)

    def test_the_example_reads_them(self):
        self.assertEqual(self.names, ["-a.safetensors", "-b.safetensors", "-a.blocks", "-b.blocks", "-a.blocks",
                                      "-b.blocks", "-a.blocks"])
        values = {"whole": self.files[0], "chain": [self.files[2], self.files[4], self.files[6]]}
        exec(example(), values)  # pylint: disable=exec-used
        self.drive("memory", self.data, self.data / "memory")
        self.assertEqual(bytes(values["data"]), (self.data / "memory").read_bytes())

    def test_embctl_tells_what_they_are(self):
        for place, path in enumerate(self.files):
            seen, verified = self.document("inspect", path), self.document("verify", path)
            self.assertIs(verified["good"], True)
            for told in (seen, verified):
                self.assertEqual((told["version"], told["generation"], told["lsn"]), (10 + place, 3, 100 + 2 * place))
                self.assertEqual(told["optimizer"]["step"], place)
                self.assertEqual(told["checksum"], seen["metadata"]["embd.checksum"])
            text = self.embctl("verify", path).stdout + self.embctl("inspect", path).stdout
            if path.suffix == ".safetensors":
                self.assertEqual(seen["method"], "full")
                continue
            before = self.document("inspect", self.files[place - 2])
            self.assertEqual((seen["base_version"], seen["base_checksum"]), (before["version"], before["checksum"]))
            self.assertEqual([tensor["name"] for tensor in seen["tensors"]], ["index", "data"])
            self.assertEqual(seen["tensors"][1]["shape"], [seen["blocks"], 512])
            self.assertIn(f"on top of version {8 + place}", text)
            self.assertIn("data ", text)

    def test_embctl_sees_damage(self):
        for path in (self.files[0], self.files[6]):
            good = path.read_bytes()
            for at, words in ((len(good) - 1, "checksum"), (good.index(b"embd.lsn") + 11, "embd.header")):
                bad = self.data / "bad"
                bad.write_bytes(good[:at] + bytes([good[at] ^ 1]) + good[at + 1:])
                done = self.embctl("verify", bad)
                self.assertEqual(done.returncode, 1)
                self.assertIn(words, done.stderr)
                self.assertTrue(done.stderr.startswith(f"embctl: {bad}: "), done.stderr)


if __name__ == "__main__":
    unittest.main()
