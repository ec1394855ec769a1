#!/usr/bin/env bash
# Live comparison with Hugging Face transformers and PyTorch: scripts/test.sh oracle.
# Arguments: folder of our binaries, then arguments for compare.py.
set -euo pipefail
here="$(dirname "${BASH_SOURCE[0]}")"
python="$("$here/../../scripts/torch-venv.sh")"
exec "$python" "$here/compare.py" "$@"
