#!/usr/bin/env python3
"""Ours against programs of others, arms interleaved, medians; one JSON object a line, as every benchmark.

  B3   search of one matrix over the five published formats, against vectorised PyTorch with as many threads and its
       malloc tuned (bench/pytorch_search.py)
  B17  groupwise_int4 from file to file, against llama.cpp's Q4_0 of the same matrices: weights per processor second
       (user and system). Ours hashes every blob and ends when the blobs are on the disk; the digests of the tensors
       are known, as after a search. B17-first: every tensor is hashed, too.
  B20-pytorch, B21-pytorch  only by name: B20 and B21 of search_bench (int4, all integer widths, one thread) against
       PyTorch with one thread, its malloc tuned: a minute and several minutes

    peers.py --files-bench PROGRAM --search-bench PROGRAM --model DIR --scratch DIR [--python PYTHON]
             [--llama-quantize PROGRAM] [NAME…]
"""
import argparse
import json
import os
import resource
import statistics
import struct
import subprocess
import sys

TUNED_MALLOC = {"MALLOC_MMAP_THRESHOLD_": str(1 << 30), "MALLOC_TRIM_THRESHOLD_": str(1 << 34), "MALLOC_TOP_PAD_": str(1 << 28)}


def report(name, ours, other, unit, ratio, goal, repeats):
    print(json.dumps({"name": name, "ratio": ratio, "goal": goal, "better": "higher", "ours": ours, "other": other,
                      "unit": unit, "repeats": repeats}), flush=True)


def ours(args, name):
    command = [args.files_bench, "--model", args.model, "--scratch", os.path.join(args.scratch, "blobs"),
               "--threads", str(args.threads), "--repeats", "1", name]
    lines = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout.splitlines()
    return next(row for row in map(json.loads, lines) if row["name"].endswith("-ours"))


def pytorch_seconds(args, rows, cols, threads, formats):
    """Of one search in PyTorch."""
    script = os.path.join(os.path.dirname(os.path.abspath(__file__)), "pytorch_search.py")
    command = [args.python, script, "--rows", str(rows), "--cols", str(cols), "--threads", str(threads),
               "--formats", formats, "--repeat", "2"]
    seconds = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True,
                             env={**os.environ, **TUNED_MALLOC}).stdout.split()
    return float(seconds[-1])  # the first one also warms up


def pytorch(args):
    fast, slow = [], []
    for _ in range(args.repeats):
        row = ours(args, "B3-ours")
        fast.append(row["ours"])
        slow.append(pytorch_seconds(args, row["rows"], row["cols"], args.threads, "published"))
    a, b = statistics.median(fast), statistics.median(slow)
    report("B3", a, b, "s", b / a, 150, args.repeats)


def pytorch_integer(args, name, formats):
    """`name` of search_bench against the same in PyTorch, one thread each."""
    rows, cols = 12288, 1536  # as search_bench has them
    fast, slow = [], []
    for _ in range(args.repeats):
        line = subprocess.run([args.search_bench, name], check=True, stdout=subprocess.PIPE, text=True).stdout
        fast.append(json.loads(line)["ours"])
        slow.append(rows * cols / 1e9 / pytorch_seconds(args, rows, cols, 1, formats))
    a, b = statistics.median(fast), statistics.median(slow)
    report(name + "-pytorch", a, b, "Gweights/s", a / b, 100, args.repeats)


def gguf_string(text):
    return struct.pack("<Q", len(text)) + text.encode()


def write_gguf(model, path):
    """The matrices that sub1quant quantizes, as they are, under names that llama-quantize quantizes. Returns weights."""
    source = os.path.join(model, "model.safetensors")
    with open(source, "rb") as file:
        size = struct.unpack("<Q", file.read(8))[0]
        header = json.loads(file.read(size))
    header.pop("__metadata__", None)
    matrices = [t for key, t in header.items()
                if ".layers." in key and key.endswith(".weight") and len(t["shape"]) == 2 and t["dtype"] == "BF16"]
    metadata = [("general.architecture", 8, gguf_string("llama"))]
    for key, value in (("context_length", 512), ("embedding_length", 1536), ("block_count", 1),
                       ("feed_forward_length", 6144), ("attention.head_count", 8)):
        metadata.append(("llama." + key, 4, struct.pack("<I", value)))
    metadata.append(("llama.attention.layer_norm_rms_epsilon", 6, struct.pack("<f", 1e-6)))
    out = struct.pack("<4sIQQ", b"GGUF", 3, len(matrices), len(metadata))
    for key, kind, value in metadata:
        out += gguf_string(key) + struct.pack("<I", kind) + value
    offset = 0
    for i, tensor in enumerate(matrices):
        rows, cols = tensor["shape"]
        out += gguf_string(f"blk.0.matrix{i}.weight") + struct.pack("<IQQIQ", 2, cols, rows, 30, offset)  # 30: BF16
        offset += -(-2 * rows * cols // 32) * 32
    out += b"\0" * (-len(out) % 32)
    with open(source, "rb") as file, open(path, "wb") as gguf:
        gguf.write(out)
        for tensor in matrices:
            begin, end = tensor["data_offsets"]
            file.seek(8 + size + begin)
            gguf.write(file.read(end - begin))
            gguf.write(b"\0" * (-(end - begin) % 32))
    return sum(t["shape"][0] * t["shape"][1] for t in matrices)


def llama(args):
    gguf, out = os.path.join(args.scratch, "matrices.gguf"), os.path.join(args.scratch, "q4_0.gguf")
    weights = write_gguf(args.model, gguf)
    a, first, b = [], [], []
    for _ in range(args.repeats):
        row = ours(args, "B17-ours")
        a.append(row["ours"])
        first.append(row["first"])
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run([args.llama_quantize, "--pure", gguf, out, "q4_0", str(args.threads)], check=True,
                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        seconds = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        b.append(weights / 1e9 / seconds)
    os.remove(gguf)
    os.remove(out)
    a, first, b = statistics.median(a), statistics.median(first), statistics.median(b)
    report("B17", a, b, "Gweights per processor second", a / b, 4, args.repeats)
    report("B17-first", first, b, "Gweights per processor second", first / b, 4, args.repeats)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--files-bench")
    parser.add_argument("--search-bench")
    parser.add_argument("--model")
    parser.add_argument("--scratch", required=True)
    parser.add_argument("--python", default=sys.executable, help="one that has torch")
    parser.add_argument("--llama-quantize")
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("names", nargs="*", metavar="NAME")
    args = parser.parse_args()
    os.makedirs(args.scratch, exist_ok=True)
    if not args.names or "B3" in args.names:
        pytorch(args)
    if not args.names or "B17" in args.names:
        llama(args)
    if "B20-pytorch" in args.names:
        pytorch_integer(args, "B20", "int4")
    if "B21-pytorch" in args.names:
        pytorch_integer(args, "B21", "integer")


if __name__ == "__main__":
    main()
