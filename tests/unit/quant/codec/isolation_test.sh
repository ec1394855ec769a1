#!/bin/sh
# isolation_test.sh LIBRARY: no code that was compiled for a newer CPU may be shared with files compiled for any CPU. A
# weak symbol could be: the linker keeps one copy of it, whichever comes first. A pointer to the C++ library's personality
# routine is no code; instrumented objects have it.
set -eu
for object in implementation_avx2.cc.o implementation_avx512.cc.o; do
  symbols="$(ar p "$1" "$object" > "$object.tmp" && nm -C --defined-only "$object.tmp"; rm -f "$object.tmp")"
  echo "$symbols" | grep -q Implementation || { echo "$object: its implementation is not there"; exit 1; }
  if echo "$symbols" | grep ' [WVuTi] ' | grep -v ' V DW.ref.__gxx_personality_v0$'; then
    echo "$object: the symbols above can be taken for other files" >&2
    exit 1
  fi
done
