#!/usr/bin/env bash
# Installs what building and testing need, and nothing that is there already: Debian 12 packages (scripts/packages.txt) and
# LibTorch from its pinned wheels into ~/.cache/sub1quant (LIBTORCH_ROOT to put it elsewhere), shared by all builds.
# Needs the network only for what is missing. Root, or a user with sudo.
#   scripts/setup.sh --cuda          checks nvcc, and takes LibTorch with its CUDA libraries (2.5 GB to download)
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

if [ "${1:-}" = --cuda ]; then
  begin "checking nvcc"
  nvcc="$(command -v nvcc || echo /usr/local/cuda/bin/nvcc)"
  [ -x "$nvcc" ] || { echo "no nvcc: install the CUDA toolkit 13.0 or newer (https://developer.nvidia.com/cuda-downloads)" >&2; exit 1; }
  release="$("$nvcc" --version | sed -n 's/.*release \([0-9]*\)\..*/\1/p')"
  [ "${release:-0}" -ge 13 ] || { echo "$nvcc is of CUDA ${release:-unknown}, 13.0 or newer is needed" >&2; exit 1; }
  use_cuda_libtorch
fi

begin "checking Debian packages"
mapfile -t packages < <(grep -v '^#' "$root/scripts/packages.txt")
missing=()
for package in "${packages[@]}"; do
  [ "$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null)" = installed ] || missing+=("$package")
done
if [ ${#missing[@]} -gt 0 ]; then
  begin "installing ${#missing[@]} Debian packages: ${missing[*]}"
  as_root=()
  if [ "$(id -u)" -ne 0 ]; then
    command -v sudo >/dev/null || { echo "not root and no sudo: install these packages first: ${missing[*]}" >&2; exit 1; }
    as_root=(sudo)
  fi
  "${as_root[@]}" apt-get update -qq >&2
  "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >&2
fi

if [ ! -e "$LIBTORCH_ROOT/torch/lib/libtorch_cpu.so" ]; then
  begin "downloading LibTorch $libtorch_version ($libtorch_size) into $LIBTORCH_ROOT"
  mkdir -p "$(dirname "$LIBTORCH_ROOT")"
  # One pip command into an empty folder: a second --target run skips or deletes nvidia/. Renamed when whole.
  partial="$(mktemp -d "$LIBTORCH_ROOT.partial-XXXXXX")"
  trap 'rm -rf "$partial"' EXIT
  /usr/bin/python3 -m pip install --quiet --no-cache-dir --no-deps --no-compile --only-binary :all: --require-hashes \
    --target "$partial" "${libtorch_requirements[@]}" >&2
  chmod 755 "$partial"
  rm -rf "$LIBTORCH_ROOT"
  mv -T "$partial" "$LIBTORCH_ROOT"
fi
step="done"
