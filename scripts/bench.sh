#!/usr/bin/env bash
# Builds preset `release` and measures: ratios of ours to a peer or a floor, arms interleaved in one run.
#   scripts/bench.sh [GROUP|NAME…]   without one: quick
#     quick   B1 B1-int4 B1-avx2 B2 B20 B21   search of one matrix in memory
#     files   B4 B4-cold B8          search and pack from file to file; B4 and B8 have a second row with every tensor hashed
#     peers   B3 B17                 PyTorch and llama.cpp do the same work (both are installed into ~/.cache/sub1quant)
#     scoring B22-1 B22-2            perplexity on the CPU against its matrix multiplies alone
#     by name only: B20-pytorch B21-pytorch (the integer formats; minutes), B23-1 B23-2 (perplexity against transformers),
#             B24 B24-layers (memory of scoring in bfloat16; with --memory 3GiB)
#     gpu     B5-B7 B9-B14           preset cuda-release with LibTorch's CUDA libraries (2.5 GB), on the first NVIDIA device; not
#                                    with other names. B6 and B11 need a python3 with PyTorch for CUDA (B11: and transformers),
#                                    B12 LLAMA_PERPLEXITY=PROGRAM and LLAMA_GGUF=FILE of the model in BF16
#   --model DIR                      the model of `files`, `peers`, `scoring` and `gpu`, in one model.safetensors (default: made of random
#                                    weights, 8 layers of E2B's shapes, in the scratch directory)
#   --scratch DIR                    a directory on the disk to measure (default: a temporary one)
#   --json                           one JSON object a figure, nothing else on stdout
#   --record                         adds rows with machine and commit to the table of bench/RESULTS.md
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

json=0 record=0 model="" scratch="" names=()
while [ $# -gt 0 ]; do
  case "$1" in
    --json) json=1 ;;
    --record) record=1 ;;
    --model) model="$2"; shift ;;
    --scratch) scratch="$2"; shift ;;
    quick) names+=(B1 B1-int4 B1-avx2 B2 B20 B21) ;;
    files) names+=(B4 B4-cold B8) ;;
    peers) names+=(B3 B17) ;;
    scoring) names+=(B22-1 B22-2) ;;
    -*) echo "bench.sh: unknown option $1" >&2; exit 2 ;;
    gpu | B1 | B1-int4 | B1-avx2 | B2 | B20 | B21 | B4 | B4-cold | B8 | B3 | B17 | B22-1 | B22-2 | B20-pytorch | B21-pytorch | B23-1 | \
      B23-2 | B24 | B24-layers) names+=("$1") ;;
    *) echo "bench.sh: unknown name $1; the first lines of this file list them" >&2; exit 2 ;;
  esac
  shift
done
[ ${#names[@]} -gt 0 ] || names=(B1 B1-int4 B1-avx2 B2 B20 B21)
if [[ " ${names[*]} " = *" gpu "* ]] && [ ${#names[@]} -gt 1 ]; then
  echo "bench.sh: gpu goes alone" >&2
  exit 2
fi

cache="${XDG_CACHE_HOME:-$HOME/.cache}/sub1quant"
bin="$root/build/release/bin"

# chosen NAME…: those of them that were asked for.
chosen() {
  local name
  for name in "$@"; do
    [[ " ${names[*]} " != *" $name "* ]] || echo "$name"
  done
}

# prepare_files BIN: the scratch directory, removed at the end if it is ours; a model, if there is none.
prepare_files() {
  if [ -z "$scratch" ]; then
    scratch="$(mktemp -d "${TMPDIR:-/tmp}/sub1quant-bench-XXXXXX")"
    trap 'code=$?; rm -rf "$scratch"; [ $code -eq 0 ] || echo "bench.sh: failed while $step (exit $code)" >&2' EXIT
  fi
  [ -z "$model" ] || return 0
  begin "making a model"
  model="$scratch/model"
  "$1/make-model" --layers 8 --out "$model" --tokenizer "$root/tests/testdata/gemma4-tiny" >&2
}

llama_version=0.3.36
llama_quantize() {
  local place="$cache/llama-cpp-python-$llama_version"
  if [ ! -x "$place/build/bin/llama-quantize" ]; then
    begin "building llama-quantize for the other arm of B17"
    mkdir -p "$place"
    (cd "$place" &&
      pip download --quiet --no-deps --no-binary llama-cpp-python "llama-cpp-python==$llama_version" &&
      tar xzf "llama_cpp_python-$llama_version.tar.gz" &&
      cmake -S "llama_cpp_python-$llama_version/vendor/llama.cpp" -B build -G Ninja -DCMAKE_BUILD_TYPE=Release \
        -DBUILD_SHARED_LIBS=OFF -DGGML_OPENMP=OFF -DLLAMA_CURL=OFF -DLLAMA_OPENSSL=OFF -DLLAMA_BUILD_TESTS=OFF \
        -DLLAMA_BUILD_EXAMPLES=OFF -DLLAMA_BUILD_SERVER=OFF &&
      cmake --build build --target llama-quantize) >&2
  fi
  echo "$place/build/bin/llama-quantize"
}

# One function per program: prints its JSON lines, nothing if none of its names is wanted.
run_search() {
  mapfile -t mine < <(chosen B1 B1-int4 B1-avx2 B2 B20 B21)
  [ ${#mine[@]} -eq 0 ] || "$bin/search_bench" "${mine[@]}"
}

run_files() {
  mapfile -t mine < <(chosen B4 B4-cold B8)
  [ ${#mine[@]} -eq 0 ] || "$bin/files_bench" --model "$model" --scratch "$scratch/blobs" "${mine[@]}"
}

run_scoring() {
  mapfile -t mine < <(chosen B22-1 B22-2)
  [ ${#mine[@]} -eq 0 ] || "$bin/score_bench" --model "$model" "${mine[@]}"
  [ -z "$(chosen B24)" ] || "$bin/score_bench" --model "$model" --dtype bfloat16 B24
  [ -z "$(chosen B24-layers)" ] || "$bin/score_bench" --model "$model" --dtype bfloat16 --memory 3GiB B24
  local threads
  for threads in 1 2; do
    [ -n "$(chosen "B23-$threads")" ] || continue
    python="$("$root/scripts/torch-venv.sh")"
    "$python" "$root/bench/quant/eval/transformers_bench.py" --model "$model" --scorer "$bin/score_bench" --threads "$threads"
  done
}

run_peers() {
  mapfile -t mine < <(chosen B3 B17 B20-pytorch B21-pytorch)
  [ ${#mine[@]} -gt 0 ] || return 0
  local options=()
  if [ -n "$(chosen B3 B20-pytorch B21-pytorch)" ]; then
    python="$("$root/scripts/torch-venv.sh")"
    options+=(--python "$python")
  fi
  if [ -n "$(chosen B17)" ]; then
    quantize="$(llama_quantize)"
    options+=(--llama-quantize "$quantize")
  fi
  python3 "$root/bench/peers.py" --files-bench "$bin/files_bench" --search-bench "$bin/search_bench" --model "$model" --scratch "$scratch/peers" "${options[@]}" "${mine[@]}"
}

cuda_bin="$root/build/cuda-release/bin"
prepare_gpu() {
  if [ ! -e /dev/nvidiactl ] && [ ! -e /dev/dxg ]; then
    echo "bench.sh gpu: there is no NVIDIA device on this machine (no /dev/nvidiactl, no /dev/dxg): nothing is measured" >&2
    exit 3
  fi
  use_cuda_libtorch  # before: setup.sh takes the folder that it is given
  "$root/scripts/setup.sh" --cuda
  build_preset cuda-release
  prepare_files "$cuda_bin"
}

# The kernels on a device beside its own copies, and PyTorch's search on it. 12288 x 1536 weights, as gpu_bench has them.
run_gpu() {
  local figures
  figures="$("$cuda_bin/gpu_bench")"
  echo "$figures"
  run_gpu_scoring
  if ! python3 -c 'import sys, torch; sys.exit(not torch.cuda.is_available())' 2>/dev/null; then
    echo "bench.sh gpu: python3 has no PyTorch with CUDA: no B6, no B11" >&2
    return 0
  fi
  python3 "$root/bench/pytorch_search.py" --device cuda --rows 12288 --cols 1536 --repeat 6 2>/dev/null | python3 -c '
import json, statistics, sys
ours = [json.loads(line) for line in sys.argv[1].splitlines()]
ours = next(figure["ours"] for figure in ours if figure["name"] == "B5")
other = statistics.median([1e3 * float(line) for line in sys.stdin][1:])
print(json.dumps({"name": "B6", "better": "higher", "ratio": other / ours, "goal": 80, "ours": ours, "other": other, "unit": "ms", "repeats": 5}))' "$figures"
  if ! python3 -c 'import transformers' 2>/dev/null; then
    echo "bench.sh gpu: python3 has no transformers: no B11" >&2
    return 0
  fi
  python3 "$root/bench/quant/eval/transformers_bench.py" --model "$model" --device cuda:0 --windows "$gpu_windows" \
    --scorer "$cuda_bin/score_device_bench" --compile
}

# Perplexity on the device beside its products alone, llama.cpp, a cold start.
gpu_windows=64
run_gpu_scoring() {
  local figures bench="$root/bench/quant/eval" arms=(--model "$model" --scorer "$cuda_bin/score_device_bench" --windows "$gpu_windows")
  figures="$("$cuda_bin/score_device_bench" --model "$model" --windows "$gpu_windows" B10 B13)"
  echo "$figures"
  if [ -n "${LLAMA_PERPLEXITY:-}" ] && [ -n "${LLAMA_GGUF:-}" ]; then
    python3 "$bench/llama_bench.py" "${arms[@]}" --llama-perplexity "$LLAMA_PERPLEXITY" --gguf "$LLAMA_GGUF" \
      --text "$root/tests/testdata/wikitext-2/wiki.test.raw"
  else
    echo "bench.sh gpu: no B12: LLAMA_PERPLEXITY (llama.cpp's program, built with CUDA) and LLAMA_GGUF (the model in BF16) are not set" >&2
  fi
  python3 "$bench/cold_job.py" "${arms[@]}" --warm-seconds "$(python3 -c '
import json, sys
print(next(figure["ours"] for figure in map(json.loads, sys.argv[1].splitlines()) if figure["name"] == "B10"))' "$figures")"
}

if [ "${names[*]}" = gpu ]; then
  step="looking for a device"
  prepare_gpu
  begin "measuring on the device"
  results="$(run_gpu)"
else
  "$root/scripts/setup.sh"
  build_preset release
  [ -z "$(chosen B3 B4 B4-cold B8 B17 B20-pytorch B21-pytorch B22-1 B22-2 B23-1 B23-2 B24 B24-layers)" ] || prepare_files "$bin"
  begin "measuring"
  results="$(run_search; run_files; run_scoring; run_peers)"
fi
if [ "$json" = 1 ]; then
  echo "$results"
else
  echo "$results" | python3 -c '
import json, sys
for line in sys.stdin:
    r = json.loads(line)
    met = r["ratio"] >= r["goal"] if r["better"] == "higher" else r["ratio"] <= r["goal"]
    print("%-8s ratio %.4f (goal %.4f: %s)  ours %.4f, other %.4f %s, median of %d" % (
        r["name"], r["ratio"], r["goal"], "reached" if met else "not reached", r["ours"], r["other"], r["unit"], r["repeats"]))'
fi
if [ "$record" = 1 ]; then
  commit="$(git -C "$root" rev-parse --short=12 HEAD)"
  machine="$(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -n 1), $(nproc) cores"
  [ "${names[*]}" != gpu ] || machine="$(nvidia-smi --query-gpu=name --format=csv,noheader -i 0)"
  echo "$results" | python3 "$root/bench/record.py" --commit "$commit" --machine "$machine" ${model:+--model "$model"} \
    "$root/bench/RESULTS.md"
fi
