#!/usr/bin/env bash
# Builds preset `test` and runs every test that needs no GPU.
#   scripts/test.sh                  all
#   scripts/test.sh fast             without those that take minutes (ctest label slow)
#   scripts/test.sh oracle           compares live with a current transformers and torch, in a virtual environment (network)
# Further arguments go to ctest. Closing line: "N passed, N failed".
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

"$root/scripts/setup.sh"
build_preset test
if [ "${1:-}" = oracle ]; then
  shift
  exec "$root/tests/oracle/run.sh" "$root/build/test/bin" "$@"
fi
selection=()
if [ "${1:-}" = fast ]; then
  shift
  selection=(-LE slow)
fi
begin "testing"
log="$(mktemp)"
code=0
(cd "$root" && ctest --preset test -j "$(nproc)" "${selection[@]}" "$@") 2>&1 | tee "$log" || code=$?
total=$(sed -n 's/.*tests failed out of \([0-9]*\).*/\1/p' "$log" | tail -n 1)
failed=$(sed -n 's/.*, \([0-9]*\) tests* failed out of.*/\1/p' "$log" | tail -n 1)
rm -f "$log"
echo "$((${total:-0} - ${failed:-0})) passed, ${failed:-0} failed"
step="testing"
exit "$code"
