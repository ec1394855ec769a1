#!/usr/bin/env bash
# The main job on the model and text in tests/testdata: search, allocate, pack, score base and quantized, report.
# Further arguments go to `sub1quant run`.
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

"$root/scripts/setup.sh"
build_preset release
begin "running the demo job"
cd "$root"
"$root/build/release/bin/sub1quant" run --model "$root/tests/testdata/gemma4-tiny" \
  --corpus "$root/tests/testdata/wikitext-2/wiki.test.raw" --target-bpw 4.0 --state "$root/build/demo-state" \
  --out "$root/sub1quant-out/demo" --force "$@"
