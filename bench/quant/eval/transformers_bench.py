#!/usr/bin/env python3
"""Scoring a model against Hugging Face transformers: same tokens.

    make-model --out DIR --layers 8 --vocabulary 32768 --tokenizer tests/testdata/gemma4-tiny
    ~/.cache/sub1quant/torch-venv/bin/python bench/quant/eval/transformers_bench.py --model DIR \
        --scorer build/release/bin/score_bench --threads 2                                            # B23
    python3 bench/quant/eval/transformers_bench.py --model DIR --device cuda:0 --windows 64 \
        --scorer build/cuda-release/bin/score_device_bench [--compile]                                # B11

B23: float32 on the CPU with the same threads. B11: bfloat16 on a device, against the best batch size, batch 1 and, with
--compile, torch.compile. Needs torch and transformers (scripts/test.sh oracle sets up such a venv, for the CPU). Rounds
alternate between all arms. Prints JSON objects: tokens per second of both and their ratio.
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
parser.add_argument("--scorer", required=True, help="score_bench, or score_device_bench")
parser.add_argument("--device", default="cpu")
parser.add_argument("--threads", type=int, default=1)
parser.add_argument("--windows", type=int, default=4)
parser.add_argument("--rounds", type=int, default=3)
parser.add_argument("--batches", type=int, nargs="+", help="default: 1 2 4, on a device up to 32")
parser.add_argument("--compile", action="store_true", help="also torch.compile, at the largest batch size")
arguments = parser.parse_args()

os.environ["OMP_NUM_THREADS"] = str(arguments.threads)
import torch  # noqa: E402
import transformers  # noqa: E402

WINDOW = 512
CPU_GOALS = {1: 1.12, 2: 1.3}
on_device = arguments.device != "cpu"

torch.set_num_threads(arguments.threads)
model = transformers.AutoModelForCausalLM.from_pretrained(
    arguments.model, dtype=torch.bfloat16 if on_device else torch.float32).eval().to(arguments.device)
vocabulary = model.get_input_embeddings().weight.shape[0]
generator = random.Random(1)
windows = torch.tensor([[generator.randrange(vocabulary) for _ in range(WINDOW)] for _ in range(arguments.windows)])


def wait():
    if on_device:
        torch.cuda.synchronize(arguments.device)


def transformers_seconds(forward, batch):
    wait()
    start = time.perf_counter()
    with torch.inference_mode():
        for first in range(0, len(windows), batch):
            ids = windows[first:first + batch].to(arguments.device)
            logits = forward(input_ids=ids, use_cache=False).logits[:, :-1].float()
            torch.nn.functional.cross_entropy(logits.reshape(-1, vocabulary), ids[:, 1:].reshape(-1))
    wait()
    return time.perf_counter() - start


def our_seconds():
    command = [arguments.scorer, "--model", arguments.model, "--windows", str(arguments.windows), "--repeats", "2"]
    command += ["--device", arguments.device, "B10"] if on_device else [f"B22-{arguments.threads}"]
    return json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout)["ours"]


sizes = arguments.batches or ([1, 2, 4, 8, 16, 32] if on_device else [1, 2, 4])
arms = {batch: [] for batch in sizes if batch <= arguments.windows}
forwards = {batch: model for batch in arms}
if arguments.compile:
    arms["compiled"], forwards["compiled"] = [], torch.compile(model)
ours = []
for round_ in range(arguments.rounds + (1 if on_device else 0)):
    for arm, seconds in list(arms.items()):
        try:
            seconds.append(transformers_seconds(forwards[arm], max(s for s in arms if s != "compiled") if arm == "compiled" else arm))
        except torch.cuda.OutOfMemoryError:  # its logits are whole
            del arms[arm]
            torch.cuda.empty_cache()
    ours.append(our_seconds())
if on_device:  # the first round warms
    arms, ours = {arm: seconds[1:] for arm, seconds in arms.items()}, ours[1:]
tokens = arguments.windows * WINDOW
rates = {arm: tokens / statistics.median(seconds) for arm, seconds in arms.items()}
best = max((arm for arm in rates if arm != "compiled"), key=rates.get)
rate = tokens / statistics.median(ours)


def show(name, arm, goal):
    print(json.dumps({"name": name, "ratio": rate / rates[arm], "goal": goal, "better": "higher", "ours": rate, "other": rates[arm],
                      "batch": arm, "unit": "tokens/s", "transformers": transformers.__version__, "repeats": arguments.rounds}))


if not on_device:
    show(f"B23-{arguments.threads}", best, CPU_GOALS.get(arguments.threads, 1.12))
else:
    show("B11", best, 1.7)
    show("B11-batch1", 1, 3.0)
    if "compiled" in rates:
        show("B11-compiled", "compiled", 1.2)
