#!/usr/bin/env bash
# Makes a virtual environment with a current torch and transformers, once, and prints its python: the other arm of live
# comparisons (scripts/test.sh oracle, scripts/bench.sh peers). SUB1QUANT_TORCH_VENV to put it elsewhere. Needs the network.
set -euo pipefail
venv="${SUB1QUANT_TORCH_VENV:-${XDG_CACHE_HOME:-$HOME/.cache}/sub1quant/torch-venv}"
if [ ! -e "$venv/ready" ]; then
  echo "== installing torch and transformers into $venv" >&2
  /usr/bin/python3 -m venv "$venv" 2>/dev/null || python3 -m venv "$venv"
  "$venv/bin/pip" install --quiet --no-cache-dir torch transformers safetensors numpy >&2
  touch "$venv/ready"
fi
echo "$venv/bin/python"
