#!/usr/bin/env python3
"""B12: tokens per second of scoring against llama.cpp's llama-perplexity on the same device, BF16.

    bench/quant/eval/llama_bench.py --model DIR --scorer build/cuda-release/bin/score_device_bench --windows 64 \
        --llama-perplexity PATH --gguf MODEL-BF16.gguf --text tests/testdata/wikitext-2/wiki.test.raw

The GGUF must hold the same model in BF16 (llama.cpp's convert_hf_to_gguf.py --outtype bf16), llama-perplexity be built
with CUDA. Rounds alternate. Prints one JSON object.
"""
import argparse
import json
import re
import statistics
import subprocess

parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
parser.add_argument("--model", required=True)
parser.add_argument("--scorer", required=True, help="score_device_bench")
parser.add_argument("--device", default="cuda:0")
parser.add_argument("--windows", type=int, default=64)
parser.add_argument("--llama-perplexity", required=True)
parser.add_argument("--gguf", required=True)
parser.add_argument("--text", required=True)
parser.add_argument("--rounds", type=int, default=3)
arguments = parser.parse_args()

WINDOW = 512


def llama_rate():
    command = [arguments.llama_perplexity, "-m", arguments.gguf, "-f", arguments.text, "-c", str(WINDOW), "-b", "4096", "-ub", "4096",
               "-ngl", "999", "--chunks", str(arguments.windows)]
    run = subprocess.run(command, check=True, capture_output=True, text=True)
    # "prompt eval time = 1234.56 ms / 32768 tokens (0.04 ms per token, 26543.21 tokens per second)"
    return float(re.search(r"prompt eval time.*?([0-9.]+) tokens per second", run.stdout + run.stderr).group(1))


def our_rate():
    command = [arguments.scorer, "--model", arguments.model, "--device", arguments.device, "--windows", str(arguments.windows), "--repeats",
               "2", "B10"]
    seconds = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout)["ours"]
    return arguments.windows * WINDOW / seconds


ours, other = [], []
for _ in range(arguments.rounds):
    ours.append(our_rate())
    other.append(llama_rate())
rate, llama = statistics.median(ours), statistics.median(other)
print(json.dumps({"name": "B12", "ratio": rate / llama, "goal": 1.2, "better": "higher", "ours": rate, "other": llama, "unit": "tokens/s",
                  "repeats": arguments.rounds}))
