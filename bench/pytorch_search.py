#!/usr/bin/env python3
"""The other arm of B3, and with --device cuda of B6: the search of one bfloat16 matrix over the five published formats
in plain vectorised PyTorch, tensor at a time, as one would first write it (docs/formats.md). With --formats int4 or
integer that of B20-pytorch and B21-pytorch: the scales of int4, of all six widths. Needs torch only. Tune malloc from
outside (MALLOC_MMAP_THRESHOLD_, MALLOC_TRIM_THRESHOLD_): untuned, page faults of fresh temporaries dominate.

    pytorch_search.py --rows 12288 --cols 1536 --threads 2 --repeat 1

Prints the seconds of each repeat, one a line, and the mean squared errors on stderr.
"""
import argparse
import sys
import time

import torch

MULTIPLIERS = (0.375, 0.5, 0.625, 0.75, 0.875, 1.0)
# bits: factors from, to, how many
GRIDS = {2: (0.25, 1.30, 40), 3: (0.40, 1.20, 40), 4: (0.50, 1.15, 40), 5: (0.75, 1.06, 20), 6: (0.75, 1.06, 20),
         8: (0.90, 1.02, 12)}


def half(x):
    return x.to(torch.float16).to(torch.float32)


def groupwise_int4(x):
    absmax = x.abs().amax(dim=2)
    scale = half(torch.where(absmax > 0, absmax / 7, torch.ones_like(absmax))).unsqueeze(2)
    return torch.round(x / scale).clamp(-7, 7) * scale


def base_and_sign(x, multiplier, absmax):
    """What is left of the weights after the base {-1, 0, 1} * s, and after the sign residual too."""
    s = half(absmax * multiplier).unsqueeze(2)
    e = x - torch.round(x / s).clamp(-1, 1) * s
    r = half(e.abs().mean(dim=2)).unsqueeze(2)
    return e, e - torch.where(e >= 0, r, -r)


def outliers(t, k):
    """What is left after the k largest errors are stored in four bits each."""
    top, index = torch.topk(t.abs(), k, dim=2)
    scale = half(top[:, :, :1] / 7)
    safe = torch.where(scale > 0, scale, torch.ones_like(scale))
    code = torch.round(torch.gather(t, 2, index) / safe).clamp(-7, 7)
    return t.scatter_add(2, index, -code * scale)


def int2_errors(x, k):
    """Squared errors per group of (base, base + sign, base + sign + k outliers), each at the multiplier that is best
    for the last of them."""
    absmax = x.abs().amax(dim=2)
    absmax = torch.where(absmax > 0, absmax, torch.ones_like(absmax))
    best = None
    for multiplier in MULTIPLIERS:
        e, t = base_and_sign(x, multiplier, absmax)
        last = outliers(t, k) if k else t
        found = [e.pow(2).sum(dim=2), t.pow(2).sum(dim=2), last.pow(2).sum(dim=2)]
        if best is None:
            best = found
            continue
        better = found[2] < best[2]
        best = [torch.where(better, new, old) for new, old in zip(found, best)]
    return best


def integer_errors(x, bits):
    """Squared error per group at the best of the scales of int{bits}."""
    low, high, count = GRIDS[bits]
    n = 2 ** (bits - 1)
    absmax = x.abs().amax(dim=2)
    best = torch.full_like(absmax, float("inf"))
    for j in range(count):
        scale = half((low + j * (high - low) / (count - 1)) * absmax / n).unsqueeze(2)
        for s in (scale, -scale):
            q = torch.round(x * (1 / s)).clamp(-n, n - 1)
            best = torch.minimum(best, (x - q * s).pow(2).sum(dim=2))
    return best


def search_integer(weight, group, widths):
    rows, cols = weight.shape
    x = weight.to(torch.float32).reshape(rows, cols // group, group)
    return {f"int{bits}": integer_errors(x, bits).sum().item() / weight.numel() for bits in widths}


def search(weight, group):
    rows, cols = weight.shape
    x = weight.to(torch.float32).reshape(rows, cols // group, group)
    scale = 1.0 / weight.numel()
    plain = int2_errors(x, 0)
    return {
        "int2_base": plain[0].sum().item() * scale,
        "int2_binary_residual": plain[1].sum().item() * scale,
        "int2_error_budget_k4": int2_errors(x, 4)[2].sum().item() * scale,
        "int2_error_budget_k8": int2_errors(x, 8)[2].sum().item() * scale,
        "groupwise_int4": (groupwise_int4(x) - x).pow(2).mean().item(),
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=12288)
    parser.add_argument("--cols", type=int, default=1536, help="a multiple of the group")
    parser.add_argument("--group", type=int, default=128)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--repeat", type=int, default=1)
    parser.add_argument("--device", default="cpu", help="cpu, cuda")
    parser.add_argument("--formats", default="published", choices=("published", "int4", "integer"))
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    generator = torch.Generator().manual_seed(0)
    weight = (torch.randn(args.rows, args.cols, generator=generator) * 0.02).to(torch.bfloat16).to(args.device)
    with torch.no_grad():
        for _ in range(args.repeat):
            start = time.perf_counter()
            if args.formats == "published":
                errors = search(weight, args.group)
            else:
                errors = search_integer(weight, args.group, (4,) if args.formats == "int4" else GRIDS)
            print(time.perf_counter() - start, flush=True)
    print(errors, file=sys.stderr)


if __name__ == "__main__":
    main()
