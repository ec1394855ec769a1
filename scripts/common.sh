# Sourced by the other scripts: where things are, how failures are told.
set -euo pipefail

root="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"
libtorch_version=2.11.0
libtorch_cache="${XDG_CACHE_HOME:-$HOME/.cache}/sub1quant/libtorch-$libtorch_version"
libtorch_size="544 MB"
libtorch_requirements=(-r "$root/scripts/requirements-libtorch.txt")
libtorch_given="${LIBTORCH_ROOT:-}"
export LIBTORCH_ROOT="${LIBTORCH_ROOT:-$libtorch_cache-cpu}"

# The same wheels and those that libtorch_cuda needs, in a folder of their own.
use_cuda_libtorch() {
  libtorch_size="3 GB"
  libtorch_requirements+=(-r "$root/scripts/requirements-libtorch-cuda.txt")
  export LIBTORCH_ROOT="${libtorch_given:-$libtorch_cache-cuda}"
}

step="starting"
trap 'code=$?; [ $code -eq 0 ] || echo "$(basename "$0"): failed while $step (exit $code)" >&2' EXIT

begin() {
  step="$1"
  echo "== $1" >&2
}

# build_preset NAME: configures and builds build/NAME.
build_preset() {
  begin "configuring preset $1"
  (cd "$root" && cmake --preset "$1" -DLIBTORCH_ROOT="$LIBTORCH_ROOT" >"${TMPDIR:-/tmp}/sub1quant-configure-$$.log" 2>&1) || {
    cat "${TMPDIR:-/tmp}/sub1quant-configure-$$.log" >&2
    return 1
  }
  rm -f "${TMPDIR:-/tmp}/sub1quant-configure-$$.log"
  begin "building preset $1"
  cmake --build "$root/build/$1" >&2
}

# The marks of a merge that nobody finished, in any tracked file.
no_conflict_marks() {
  begin "looking for a merge's conflict marks"
  git -C "$root" rev-parse --git-dir >/dev/null 2>&1 || return 0
  ! git -C "$root" grep -nIE '^(<<<<<<<|>>>>>>>|[|]{7}) |^=======$' >&2
}
