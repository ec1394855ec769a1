#!/usr/bin/env python3
"""B23: scoring a model on the CPU against Hugging Face transformers: same tokens, same threads, float32.

    make-model --out DIR --layers 8 --vocabulary 32768 --tokenizer tests/testdata/gemma4-tiny
    ~/.cache/sub1quant/torch-venv/bin/python bench/quant/eval/transformers_bench.py --model DIR \
        --scorer build/release/bin/score_bench --threads 2

Needs torch and transformers (scripts/test.sh oracle sets up such a venv). Rounds alternate between both; transformers
counts with its best batch size. Prints one JSON object: tokens per second of both and their ratio.
"""
import argparse
import json
import os
import random
import statistics
import subprocess
import time

parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
parser.add_argument("--model", required=True)
parser.add_argument("--scorer", required=True, help="score_bench")
parser.add_argument("--threads", type=int, default=1)
parser.add_argument("--windows", type=int, default=4)
parser.add_argument("--rounds", type=int, default=3)
parser.add_argument("--batches", type=int, nargs="+", default=[1, 2, 4])
arguments = parser.parse_args()

os.environ["OMP_NUM_THREADS"] = str(arguments.threads)
import torch  # noqa: E402
import transformers  # noqa: E402

WINDOW = 512
GOALS = {1: 1.12, 2: 1.3}

torch.set_num_threads(arguments.threads)
model = transformers.AutoModelForCausalLM.from_pretrained(arguments.model, dtype=torch.float32).eval()
vocabulary = model.get_input_embeddings().weight.shape[0]
generator = random.Random(1)
windows = torch.tensor([[generator.randrange(vocabulary) for _ in range(WINDOW)] for _ in range(arguments.windows)])


def transformers_seconds(batch):
    start = time.perf_counter()
    with torch.inference_mode():
        for first in range(0, len(windows), batch):
            ids = windows[first:first + batch]
            logits = model(input_ids=ids, use_cache=False).logits[:, :-1].float()
            torch.nn.functional.cross_entropy(logits.reshape(-1, vocabulary), ids[:, 1:].reshape(-1))
    return time.perf_counter() - start


def our_seconds():
    command = [arguments.scorer, "--model", arguments.model, "--windows", str(arguments.windows), "--repeats", "2",
               f"B22-{arguments.threads}"]
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)["ours"]


batches = {batch: [] for batch in arguments.batches if batch <= arguments.windows}
ours = []
for _ in range(arguments.rounds):
    for batch, seconds in batches.items():
        seconds.append(transformers_seconds(batch))
    ours.append(our_seconds())
tokens = arguments.windows * WINDOW
rates = {batch: tokens / statistics.median(seconds) for batch, seconds in batches.items()}
best = max(rates, key=rates.get)
rate = tokens / statistics.median(ours)
print(json.dumps({"name": f"B23-{arguments.threads}", "ratio": rate / rates[best], "goal": GOALS.get(arguments.threads, 1.12),
                  "better": "higher", "ours": rate, "other": rates[best], "batch": best, "unit": "tokens/s",
                  "transformers": transformers.__version__, "repeats": arguments.rounds}))
