#!/usr/bin/env python3
"""B14: a cold job of one worker, from the start of the process to the perplexity, against the larger of two floors.

    bench/quant/eval/cold_job.py --model DIR --scorer build/cuda-release/bin/score_device_bench --windows 64 \
        --warm-seconds T       # what B10 says of as many windows

Floors: reading the tensors that scoring reads whole from the same cold file, and scoring with everything warm (B10). The
pages of the model are dropped from the page cache before each arm. Prints one JSON object.
"""
import argparse
import json
import os
import pathlib
import statistics
import struct
import subprocess
import time

parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
parser.add_argument("--model", required=True)
parser.add_argument("--scorer", required=True, help="score_device_bench")
parser.add_argument("--device", default="cuda:0")
parser.add_argument("--module", help="the device module, if not beside the scorer")
parser.add_argument("--windows", type=int, default=64)
parser.add_argument("--warm-seconds", type=float, required=True)
parser.add_argument("--rounds", type=int, default=3)
arguments = parser.parse_args()

files = sorted(pathlib.Path(arguments.model).glob("*.safetensors"))
LARGEST = 64 << 20


def drop():
    for path in files:
        with open(path, "rb") as file:
            os.fsync(file.fileno())
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def ranges(path):
    """Of the language model's tensors but embed_tokens_per_layer, whose rows are gathered."""
    with open(path, "rb") as file:
        size, = struct.unpack("<Q", file.read(8))
        header = json.loads(file.read(size))
    for name, tensor in header.items():
        other = name == "__metadata__" or "embed_tokens_per_layer" in name or "tower" in name or "embed_vision" in name
        if not other:
            begin, end = tensor["data_offsets"]
            yield 8 + size + begin, end - begin


def read_seconds():
    drop()
    start = time.perf_counter()
    for path in files:
        with open(path, "rb", buffering=0) as file:
            for begin, size in sorted(ranges(path)):
                for at in range(begin, begin + size, LARGEST):
                    os.pread(file.fileno(), min(LARGEST, begin + size - at), at)
    return time.perf_counter() - start


def job_seconds():
    drop()
    command = [arguments.scorer, "--model", arguments.model, "--device", arguments.device, "--windows", str(arguments.windows)]
    command += ["--module", arguments.module] if arguments.module else []
    start = time.perf_counter()
    subprocess.run(command + ["B14-once"], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return time.perf_counter() - start


ours, reads = [], []
for _ in range(arguments.rounds):
    ours.append(job_seconds())
    reads.append(read_seconds())
floor = max(statistics.median(reads), arguments.warm_seconds)
print(json.dumps({"name": "B14", "ratio": statistics.median(ours) / floor, "goal": 1.25, "better": "lower", "ours": statistics.median(ours),
                  "other": floor, "read": statistics.median(reads), "unit": "s", "repeats": arguments.rounds}))
