"""What the integration tests share: where the binaries are, temporary directories, running and reading results.

Run by ctest as `python3 X_test.py BIN_DIR [unittest arguments]`; needs Debian's python3 and python3-numpy only.
"""
import json
import os
import pathlib
import re
import shutil
import struct
import subprocess
import sys
import tempfile
import unittest

import numpy

ROOT = pathlib.Path(__file__).resolve().parents[2]
TESTDATA = ROOT / "tests" / "testdata"
TINY = TESTDATA / "gemma4-tiny"
CORPUS = TESTDATA / "wikitext-2" / "wiki.test.raw"
BIN = None


def main():
    global BIN
    BIN = pathlib.Path(sys.argv.pop(1)).resolve()
    unittest.main()


def golden(name):
    return json.loads((TESTDATA / "gemma4-tiny-golden" / name).read_text())


def write_safetensors(path, tensors):
    """tensors: name → (dtype name, shape, bytes), written in this order."""
    header, offset = {}, 0
    for name, (dtype, shape, data) in tensors.items():
        header[name] = {"dtype": dtype, "shape": list(shape), "data_offsets": [offset, offset + len(data)]}
        offset += len(data)
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        for _, (_, _, data) in tensors.items():
            file.write(data)


def read_safetensors(path):
    """name → (dtype name, shape, bytes), in header order."""
    data = pathlib.Path(path).read_bytes()
    size = struct.unpack("<Q", data[:8])[0]
    header = json.loads(data[8:8 + size])
    base = 8 + size
    return {name: (entry["dtype"], entry["shape"], data[base + entry["data_offsets"][0]:base + entry["data_offsets"][1]])
            for name, entry in header.items() if name != "__metadata__"}


def bf16(array):
    """float32 array → bytes of its bfloat16 rounding (nearest, ties to even)."""
    bits = numpy.ascontiguousarray(array, dtype=numpy.float32).view(numpy.uint32).astype(numpy.uint64)
    return ((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16).astype("<u2").tobytes()


class Case(unittest.TestCase):
    def setUp(self):
        self.directory = pathlib.Path(tempfile.mkdtemp(prefix="sub1quant test "))  # a space on purpose
        self.addCleanup(shutil.rmtree, self.directory, ignore_errors=True)
        self.environment = dict(os.environ, XDG_STATE_HOME=str(self.directory / "state"), NO_COLOR="1")
        self.environment.pop("SUB1QUANT_SERVER", None)

    def command(self, *arguments):
        return [str(BIN / "sub1quant"), *map(str, arguments)]

    def sub1quant(self, *arguments, code=0, environment=None, timeout=300):
        """Runs the client, checks its exit code, returns the finished process."""
        done = subprocess.run(self.command(*arguments), capture_output=True, text=True, timeout=timeout, cwd=self.directory,
                              env={**self.environment, **(environment or {})})
        self.assertEqual(done.returncode, code, f"{arguments}\n--- stdout\n{done.stdout}\n--- stderr\n{done.stderr}")
        return done

    def refused(self, *arguments, code=2, words=(), environment=None):
        """Runs the client and checks that it says one clear line: no stack trace, the given words in it, no key twice."""
        done = self.sub1quant(*arguments, code=code, environment=environment)
        lines = [line for line in done.stderr.splitlines() if "error:" in line]
        self.assertEqual(len(lines), 1, done.stderr)
        for word in words:
            self.assertIn(word, lines[0])
        for key in set(re.findall(r"[\w.]+\.weight\b", lines[0])):
            self.assertEqual(len(re.findall(rf"(?<![\w.]){re.escape(key)}\b", lines[0])), 1, lines[0])
        return done

    def tree(self, directory):
        """relative path → bytes of every file below."""
        base = pathlib.Path(directory)
        return {str(path.relative_to(base)): path.read_bytes() for path in sorted(base.rglob("*")) if path.is_file()}

    def artifact_bytes(self, out):
        """The part of an output directory that two runs must have in common to the byte."""
        return {path: data for path, data in self.tree(out).items() if path.startswith("artifact/") or path == "checkpoint.pt"}
