#!/usr/bin/env bash
# Builds preset `test` and runs every test that needs no GPU.
#   scripts/test.sh                  all
#   scripts/test.sh fast             without those that take minutes (ctest label slow)
#   scripts/test.sh asan             all, under AddressSanitizer and UndefinedBehaviorSanitizer (preset asan)
#   scripts/test.sh tsan             those that need no LibTorch, under ThreadSanitizer (preset tsan)
#   scripts/test.sh oracle           compares live with a current transformers and torch, in a virtual environment (network)
# Further arguments go to ctest. Closing line: "N passed, N failed".
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

preset=test
case "${1:-}" in
  asan | tsan) preset="$1" && shift ;;
esac
no_conflict_marks
"$root/scripts/setup.sh"
build_preset "$preset"
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
# A sanitizer's report is a file: of any process, also of a worker whose stderr and exit code nobody looks at.
reports="$root/build/$preset/sanitizer-report"
rm -f "$reports".*
(cd "$root" && ctest --preset "$preset" -j "$(nproc)" "${selection[@]}" "$@") 2>&1 | tee "$log" || code=$?
total=$(sed -n 's/.*tests failed out of \([0-9]*\).*/\1/p' "$log" | tail -n 1)
failed=$(sed -n 's/.*, \([0-9]*\) tests* failed out of.*/\1/p' "$log" | tail -n 1)
rm -f "$log"
echo "$((${total:-0} - ${failed:-0})) passed, ${failed:-0} failed"
step="testing"
if compgen -G "$reports.*" >/dev/null; then
  cat "$reports".*
  echo "the sanitizer reports above: $reports.*"
  code=1
fi
exit "$code"
