#!/usr/bin/env bash
# Live comparison with Hugging Face transformers and PyTorch in a virtual environment: scripts/test.sh oracle.
# Arguments: folder of our binaries, then arguments for compare.py.
set -euo pipefail
bin="$1"
shift
venv="${SUB1QUANT_ORACLE_VENV:-${XDG_CACHE_HOME:-$HOME/.cache}/sub1quant/oracle-venv}"
if [ ! -e "$venv/ready" ]; then
  echo "== installing torch and transformers into $venv" >&2
  /usr/bin/python3 -m venv "$venv" 2>/dev/null || python3 -m venv "$venv"
  "$venv/bin/pip" install --quiet --no-cache-dir torch transformers safetensors numpy
  touch "$venv/ready"
fi
exec "$venv/bin/python" "$(dirname "$0")/compare.py" "$bin" "$@"
