#!/usr/bin/env bash
# clang-format (.clang-format) and clang-tidy (.clang-tidy), without changing anything; no tracked file may hold a merge's
# conflict marks (scripts/test.sh looks for them too). Needs build/test configured.
#   scripts/lint.sh                  files that differ from the branch main, committed or not
#   scripts/lint.sh all              every file
#   scripts/lint.sh PATH…            files, and all files of folders
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"
cd "$root"

no_conflict_marks
begin "looking for clang-format and clang-tidy"
for tool in clang-format clang-tidy; do
  command -v "$tool" >/dev/null || { echo "$tool is missing: apt-get install $tool" >&2; exit 1; }
done
begin "choosing files"
case "${1:-}" in
  "") mapfile -t files < <({ git diff --name-only --diff-filter=d "$(git merge-base HEAD main 2>/dev/null || echo HEAD)"
                             git ls-files --others --exclude-standard; } | sort -u) ;;
  all) mapfile -t files < <(git ls-files) ;;
  *) mapfile -t files < <(git ls-files --cached --others --exclude-standard -- "$@") ;;
esac
sources=() units=()
for file in "${files[@]}"; do
  case "$file" in
    *.cc) sources+=("$file") units+=("$file") ;;
    *.h) sources+=("$file") ;;
  esac
done
[ ${#sources[@]} -gt 0 ] || { echo "no C++ files" >&2; exit 0; }

begin "checking the format of ${#sources[@]} files"
clang-format --dry-run --Werror "${sources[@]}"

database="$root/build/test"
[ -e "$database/compile_commands.json" ] || { echo "no $database/compile_commands.json: run scripts/test.sh first" >&2; exit 1; }
begin "running clang-tidy on ${#units[@]} files"
# Units that this configuration does not build have no command to check them with.
mapfile -t units < <(printf '%s\n' "${units[@]}" | while read -r unit; do
  if grep -q "\"file\": \"$root/$unit\"" "$database/compile_commands.json"; then echo "$unit"; fi
done)
# The commands are GCC's: clang does not know all of its warnings.
[ ${#units[@]} -eq 0 ] || printf '%s\0' "${units[@]}" |
  xargs -0 -n 1 -P "$(nproc)" clang-tidy -p "$database" --quiet --extra-arg=-Wno-unknown-warning-option \
      2> >(grep -v 'warnings generated' >&2 || true)
step="done"
