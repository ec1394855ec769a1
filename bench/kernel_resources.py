#!/usr/bin/env python3
"""What nvcc and ptxas make of the kernels: registers, shared memory, spills, machine instructions per weight.

Compiles every kernel source for every architecture of preset cuda-release, warnings as errors, and fails if a kernel
spills or exceeds its budget below (docs/cuda.md). No GPU needed; nothing is run. Instructions are counted where
there is an nvdisasm (of the CUDA toolkit; the PyPI package triton has one, too).

  bench/kernel_resources.py [--nvcc PATH] [--nvdisasm PATH] [--markdown]
"""
import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
ARCHITECTURES = (80, 89, 90)
FLAGS = ["-std=c++20", "-O3", "-I" + ROOT, "--fmad=false", "--ftz=false", "--prec-div=true", "--prec-sqrt=true",
         "--expt-relaxed-constexpr", "-diag-suppress=1675", "-Werror=all-warnings",
         "-Xcompiler=-Wall,-Wextra,-Werror,-ffp-contract=off"]

# Kernel: registers at group size (32, 64, 128, 256), or at any type, bytes of static shared memory. 128 registers leave
# room for four blocks of 128 threads on a multiprocessor, 168 for three; the kernels of scoring wait for memory and want
# more blocks: 48 leave room for ten.
BUDGET = {
    "Int4EncodeKernel": ((64, 64, 64, 64), 64),
    "PublishedSearchKernel": ((80, 80, 128, 168), 256),
    "Int2BinaryEncodeKernel": ((64, 64, 80, 128), 128),
    "Int2CorrectedEncodeKernel": ((80, 80, 128, 168), 512),
    "IntegerKernel": ((80, 80, 128, 128), 2304),
    "DecodeKernel": ((48, 48, 48, 48), 0),
    "RmsNormKernel": ((48,), 16),
    "AddRmsNormKernel": ((48,), 16),
    "GatedGeluKernel": ((48,), 0),
    "RopeKernel": ((48,), 0),
    "BeginLogSumsKernel": ((48,), 0),
    "FoldLogitsKernel": ((48,), 32),
    "LossesKernel": ((48,), 0),
}

# Times that the loops inside the loop over pairs of groups run, in the order in which they begin in the machine code of the
# usual path (Usually in quant/codec/half_warp.cuh), at group size 128. The template arguments say which kernel.
INNER_LOOPS = {
    # Multipliers that a warp evaluates, the most of its two groups (bench/int2_rounds.py).
    "PublishedSearchKernel<128, true>": (1.4,),
    "PublishedSearchKernel<128, false>": (),
    "IntegerKernel<128, false>": (3, 10 / 3),    # 16 factors at a time, four of them at a time: int4's 40
}
COUNTED_ARCHITECTURES = (89, 90)

# Pipes of a scheduler, after the throughput table of NVIDIA's programming guide: a multiprocessor issues for 128 lanes a
# clock, adds and multiplies as many float32, and does the rest of the arithmetic for 64 and shuffles for 32.
PIPES = (("float", r"FADD|FMUL|FFMA|IMAD", 1), ("shuffle", r"SHFL|REDUX|VOTE", 4),
         ("half rate", r"FMNMX|V?IMNMX|FSEL|SEL|FSETP|ISETP|PLOP3|LOP3|SHF|PRMT|IADD3|LEA|BREV|FLO|POPC|MUFU|[FI]2[FI]", 2))

# name, architecture, multiprocessors, GHz: for the estimate of a whole model (1.896 G weights).
DEVICES = (("L4", 89, 58, 2.04), ("H100 SXM", 90, 132, 1.755))
MODEL_WEIGHTS = 1.895694336e9


def kernel_sources():
    text = open(os.path.join(ROOT, "quant/device/cuda/sources.cmake")).read()
    return re.findall(r"\S+\.cu\b", text)


def demangle(names):
    out = subprocess.run(["c++filt"], input="\n".join(names), capture_output=True, text=True, check=True).stdout
    return out.splitlines()


def short_name(demangled):
    name = re.sub(r"\(anonymous namespace\)::|sub1quant::|\bvoid |\((?:int|bool)\)", "", demangled)
    return name.split("(")[0].strip()


def compile_source(nvcc, source, folder):
    """[(architecture, kernel, registers, stack, spills, shared)] of one source."""
    gencode = [f"-gencode=arch=compute_{a},code=sm_{a}" for a in ARCHITECTURES]
    command = [nvcc, *FLAGS, *gencode, "-Xptxas=-v", "-c", os.path.join(ROOT, source),
               "-o", os.path.join(folder, "kernel.o")]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(f"{source} does not compile:\n{done.stdout}{done.stderr}")
    rows, mangled, architecture, frame = [], None, None, None
    for line in (done.stdout + done.stderr).splitlines():
        if entry := re.search(r"entry function '(\w+)' for 'sm_(\d+)'", line):
            mangled, architecture = entry.group(1), int(entry.group(2))
        elif "bytes stack frame" in line:
            frame = [int(n) for n in re.findall(r"(\d+) bytes", line)]
        elif used := re.search(r"Used (\d+) registers", line):
            shared = re.search(r"(\d+) bytes smem", line)
            rows.append([architecture, mangled, int(used.group(1)), frame[0], frame[1] + frame[2],
                         int(shared.group(1)) if shared else 0])
    for row, name in zip(rows, demangle([row[1] for row in rows])):
        row[1] = short_name(name)
    return rows


def over_budget(row):
    architecture, kernel, registers, stack, spills, shared = row
    most, most_shared = BUDGET[kernel.split("<")[0]]
    group_size = re.search(r"<(\d+)", kernel)
    most = most[(32, 64, 128, 256).index(int(group_size.group(1))) if group_size else 0]
    problems = []
    if spills or stack:
        problems.append(f"{spills} bytes of spills, {stack} bytes of stack")
    if registers > most:
        problems.append(f"{registers} registers, at most {most}")
    if shared > most_shared:
        problems.append(f"{shared} bytes of shared memory, at most {most_shared}")
    return [f"{kernel} on sm_{architecture}: {problem}" for problem in problems]


def usual_path(nvcc, nvdisasm, source, folder, architecture):
    """{kernel: lines of machine code} of one source, without what Usually says is unusual."""
    cubin = os.path.join(folder, "kernel.cubin")
    subprocess.run([nvcc, *FLAGS, "-DSUB1QUANT_USUAL_PATH", f"-arch=sm_{architecture}", "-cubin",
                    os.path.join(ROOT, source), "-o", cubin], check=True)
    text = subprocess.run([nvdisasm, "-c", cubin], capture_output=True, text=True, check=True).stdout
    bodies = re.findall(r"^\.text\.(\w+):\n(.*?)(?=^//-----|\Z)", text, re.S | re.M)
    return dict(zip((short_name(n) for n in demangle([b[0] for b in bodies])), (b[1] for b in bodies)))


def parse_body(body):
    """Instructions as (opcode, target label or None), the place of each label."""
    instructions, labels = [], {}
    for line in body.splitlines():
        if label := re.match(r"(\.L_\w+):", line):
            labels[label.group(1)] = len(instructions)
        elif code := re.match(r"\s+/\*[0-9a-f]{4,}\*/\s+(?:@!?U?P\w+\s+)?([A-Z][\w.]*)(.*)", line):
            target = re.search(r"`\((\.L_\w+)\)", code.group(2)) if code.group(1).startswith("BRA") else None
            instructions.append((code.group(1), target and target.group(1)))
    return instructions, labels


def loops_of(instructions, labels):
    """[begin, end] of every loop, outer ones first; the first is the one over pairs of groups if it is the longest."""
    loops = {}
    for place, (_, target) in enumerate(instructions):
        if target in labels and labels[target] <= place:
            loops[labels[target]] = max(place, loops.get(labels[target], 0))
    return sorted(([b, e] for b, e in loops.items()), key=lambda loop: (loop[0], -loop[1]))


def count_per_pair(body, trips):
    """Instructions that a warp issues for two groups: {pipe or "other": count}."""
    instructions, labels = parse_body(body)
    loops = loops_of(instructions, labels)
    main = max(loops, key=lambda loop: loop[1] - loop[0])
    inner = [loop for loop in loops if loop is not main and main[0] <= loop[0] and loop[1] <= main[1]]
    if len(inner) != len(trips):
        sys.exit(f"the code has {len(inner)} loops inside the main one, the table names {len(trips)}: {inner}")
    counts = dict.fromkeys([pipe for pipe, _, _ in PIPES] + ["other"], 0.0)
    for place in range(main[0], main[1] + 1):
        opcode = instructions[place][0]
        times = 1
        for (begin, end), count in zip(inner, trips):
            times *= count if begin <= place <= end else 1
        counts[next((pipe for pipe, opcodes, _ in PIPES if re.match(opcodes, opcode)), "other")] += times
    return counts


def milliseconds(counts, multiprocessors, gigahertz):
    """Of the whole model: everything overlaps and the busiest pipe decides, or nothing does."""
    busy = [slots * counts[pipe] for pipe, _, slots in PIPES]
    issued = sum(counts.values())
    per_slot = MODEL_WEIGHTS / 256 / (multiprocessors * 4 * gigahertz * 1e6)
    return max(issued, *busy) * per_slot, (sum(busy) + counts["other"]) * per_slot


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--nvcc", default=shutil.which("nvcc") or "/usr/local/cuda/bin/nvcc")
    parser.add_argument("--nvdisasm", default=shutil.which("nvdisasm"))
    parser.add_argument("--markdown", action="store_true", help="tables as in bench/RESULTS.md")
    arguments = parser.parse_args()
    rows, counts, problems = [], [], []
    with tempfile.TemporaryDirectory() as folder:
        for source in kernel_sources():
            rows += compile_source(arguments.nvcc, source, folder)
            wanted = [k for k in INNER_LOOPS if k.split("<")[0] + "(" in open(os.path.join(ROOT, source)).read()]
            for architecture in COUNTED_ARCHITECTURES if wanted and arguments.nvdisasm else ():
                bodies = usual_path(arguments.nvcc, arguments.nvdisasm, source, folder, architecture)
                for kernel in wanted:
                    counts.append((kernel, architecture, count_per_pair(bodies[kernel], INNER_LOOPS[kernel])))
    for row in rows:
        problems += over_budget(row)
    if not rows or (arguments.nvdisasm and len(counts) != len(INNER_LOOPS) * len(COUNTED_ARCHITECTURES)):
        sys.exit("some kernels are missing from nvcc's output")
    if arguments.markdown:
        print_tables(rows, counts)
    else:
        print(f"{len(rows)} kernels for {len(ARCHITECTURES)} architectures, {len(problems)} over budget")
    for problem in problems:
        print(problem, file=sys.stderr)
    sys.exit(1 if problems else 0)


def print_tables(rows, counts):
    print("| kernel | registers sm_80 / sm_89 / sm_90 | shared memory | spills |\n|---|---|---|---|")
    for kernel in sorted({row[1] for row in rows}):
        mine = sorted(row for row in rows if row[1] == kernel)
        registers = " / ".join(str(row[2]) for row in mine)
        print(f"| `{kernel}` | {registers} | {max(row[5] for row in mine)} | {sum(row[4] for row in mine)} |")
    if not counts:
        return
    print("\n| kernel | device | " + " | ".join(pipe for pipe, _, _ in PIPES) +
          " | other | warp instructions per 256 weights | estimate |\n|" + "---|" * (len(PIPES) + 5))
    for kernel, architecture, count in counts:
        for name, of, multiprocessors, gigahertz in DEVICES:
            if of != architecture:
                continue
            low, high = milliseconds(count, multiprocessors, gigahertz)
            cells = " | ".join(f"{n:.0f}" for n in count.values())
            print(f"| `{kernel}` | {name} | {cells} | {sum(count.values()):.0f} | {low:.0f}–{high:.0f} ms |")


if __name__ == "__main__":
    main()
