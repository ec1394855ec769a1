#!/usr/bin/env python3
"""How many multipliers a warp of PublishedSearchKernel evaluates with corrections, of six: the trip count that
kernel_resources.py multiplies with. A model of quant/codec/int2_group/int2_lane.cuh in NumPy, K = 4 and 8, groups of 128:
bounds from min(t*t, level), the most promising first, two groups a warp that go on until neither has one left.

    bench/int2_rounds.py [--model DIR]     random groups; with a model, also its BF16 matrices of whole groups (needs NumPy)
"""
import argparse
import json
import os

import numpy as np

SIZE, KS = 128, (4, 8)


def float16(x):
    return x.astype(np.float16).astype(np.float32)


def rounds(weights):
    """[groups, 128] float32 -> evaluated multipliers of each group."""
    magnitudes = np.abs(weights)
    multipliers = np.arange(3, 9, dtype=np.float32) / 8
    scales = float16(multipliers[:, None] * magnitudes.max(1))  # [6, groups]
    errors = np.minimum(np.abs(magnitudes - scales[..., None]), magnitudes)  # [6, groups, 128]
    t = errors - float16(errors.mean(2))[..., None]
    squares = t * t
    level = squares.mean(2) * 3
    below = np.minimum(squares, level[..., None]).sum(2)
    largest = np.sort(np.abs(t), 2)[..., ::-1][..., : KS[-1]]
    scale = float16(largest[..., 0] / 7)[..., None]
    divisor = np.where(scale == 0, 1, scale)
    rest = largest - np.clip(np.rint(largest / divisor), -7, 7) * scale
    gain = np.cumsum(largest**2 - rest**2, 2)
    bounds = np.stack([below - k * level - below * 2.0**-18 for k in KS])  # [2, 6, groups]
    costs = np.stack([squares.sum(2) - gain[..., k - 1] for k in KS])
    groups = weights.shape[0]
    done = np.zeros((6, groups), bool)
    best = np.full((len(KS), groups), np.inf)
    count = np.zeros(groups, int)
    for _ in multipliers:
        open_ = np.where((bounds <= best[:, None]) & ~done, bounds, np.inf).min(0)  # [6, groups]
        left = np.isfinite(open_.min(0))
        next_ = open_.argmin(0)
        at = np.arange(groups)
        count += left
        done[next_[left], at[left]] = True
        best = np.where(left, np.minimum(best, costs[:, next_, at]), best)
    return count


def report(name, weights):
    count = rounds(weights[np.abs(weights).max(1) > 0])
    count = count[: len(count) // 2 * 2].reshape(-1, 2)
    print(f"{name:24s} a group {count.mean():.2f}, a warp {count.max(1).mean():.2f}")


def bf16_matrices(directory):
    for file in sorted(os.listdir(directory)):
        if not file.endswith(".safetensors"):
            continue
        with open(os.path.join(directory, file), "rb") as stream:
            size = int.from_bytes(stream.read(8), "little")
            header = json.loads(stream.read(size))
            for key, tensor in header.items():
                if key == "__metadata__" or tensor["dtype"] != "BF16" or len(tensor["shape"]) != 2 or ".layers." not in key:
                    continue
                if tensor["shape"][1] % SIZE == 0:
                    begin, end = tensor["data_offsets"]
                    stream.seek(8 + size + begin)
                    yield np.frombuffer(stream.read(min(end - begin, 1 << 22)), np.uint16)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model")
    args = parser.parse_args()
    random = np.random.default_rng(1)
    shape = (20000, SIZE)
    for name, weights in (("normal", random.normal(size=shape)), ("Laplace", random.laplace(size=shape)),
                          ("Student's t, 5", random.standard_t(5, size=shape)), ("uniform", random.uniform(-1, 1, size=shape))):
        report(name, (0.02 * weights).astype(np.float32))
    if args.model:
        words = np.concatenate(list(bf16_matrices(args.model))).astype(np.uint32) << 16
        report("the model's matrices", words.view(np.float32).reshape(-1, SIZE)[:100000])


if __name__ == "__main__":
    main()
