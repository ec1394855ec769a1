#!/usr/bin/env bash
# Builds preset `release` and measures: ratios of ours to a peer or a floor, arms interleaved in one run.
#   scripts/bench.sh [NAME…]     NAME as B1, B2 (all without a name)
#   scripts/bench.sh gpu         B5, B6, B7, B9 with preset cuda-release, on the first NVIDIA device
#   --json                       one JSON object a figure, nothing else on stdout
#   --record                     appends rows with machine and commit to bench/RESULTS.md
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

json=0 record=0 names=()
for argument in "$@"; do
  case "$argument" in
    --json) json=1 ;;
    --record) record=1 ;;
    -*) echo "bench.sh: unknown option $argument" >&2; exit 2 ;;
    *) names+=("$argument") ;;
  esac
done
if [ "${names[*]}" = gpu ]; then
  if [ ! -e /dev/nvidiactl ] && [ ! -e /dev/dxg ]; then
    echo "bench.sh gpu: there is no NVIDIA device on this machine (neither /dev/nvidiactl nor /dev/dxg): nothing was measured" >&2
    step="looking for a device"
    exit 3
  fi
  "$root/scripts/setup.sh"
  build_preset cuda-release
  begin "measuring on the device"
  results="$("$root/build/cuda-release/bin/gpu_bench" && "$root/bench/pytorch_search.py" --device cuda)"
else
  "$root/scripts/setup.sh"
  build_preset release
  begin "measuring"
  results="$("$root/build/release/bin/search_bench" "${names[@]}")"
fi
if [ "$json" = 1 ]; then
  echo "$results"
else
  echo "$results" | python3 -c '
import json, sys
for line in sys.stdin:
    r = json.loads(line)
    met = "reached" if r["ratio"] >= r["goal"] else "not reached"
    print("%-8s ratio %.4f (goal %.4f: %s)  ours %.4f, other %.4f %s, median of %d" % (
        r["name"], r["ratio"], r["goal"], met, r["ours"], r["other"], r["unit"], r["repeats"]))'
fi
if [ "$record" = 1 ]; then
  commit="$(git -C "$root" rev-parse --short=12 HEAD)"
  machine="$(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -n 1), $(nproc) cores"
  echo "$results" | python3 -c '
import json, sys
commit, machine = sys.argv[1:]
for line in sys.stdin:
    r = json.loads(line)
    print("| %s | %.4f | %.4f | %.4f | %.4f | %s | %s | %s |" % (
        r["name"], r["ratio"], r["goal"], r["ours"], r["other"], r["unit"], machine, commit))' "$commit" "$machine" >> "$root/bench/RESULTS.md"
fi
