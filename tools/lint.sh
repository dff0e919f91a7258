#!/usr/bin/env bash
# All checks that need no running program:  tools/lint.sh changed|all
#   changed: clang-format and clang-tidy only over C++ files that differ from WEFT_LINT_BASE, by default
#   the merge base with origin's main branch or, standing on it, the previous commit.
set -uo pipefail
cd "$(dirname "$0")/.."
scope=${1:-changed}
failed=0

python3 tools/lint_layers.py || failed=1
python3 tools/lint_proto.py || failed=1
python3 tools/lint_words.py || failed=1
python3 tools/lint_headers.py build/dev || failed=1

base_of_change() {
  if [ -n "${WEFT_LINT_BASE:-}" ]; then echo "$WEFT_LINT_BASE"; return; fi
  local head base
  head=$(git rev-parse HEAD) || return
  base=$(git merge-base HEAD origin/main 2>/dev/null || true)
  if [ -n "$base" ] && [ "$base" != "$head" ]; then echo "$base"; return; fi
  git rev-parse --verify --quiet HEAD~1 || true
}

if [ "$scope" = all ]; then
  mapfile -t files < <(git ls-files 'src/*.cc' 'tests/*.cc' 'src/*.h' 'tests/*.h')
else
  base=$(base_of_change)
  if [ -z "$base" ]; then
    echo "lint: no earlier commit here to compare with; clang-tidy has nothing to check (make lint-all checks all)"
    files=()
  else
    mapfile -t files < <({ git diff --name-only --diff-filter=d "$base" -- 'src/*.cc' 'tests/*.cc' 'src/*.h' 'tests/*.h'
                           git ls-files --others --exclude-standard -- 'src/*.cc' 'src/*.h'; } | sort -u)
  fi
fi

if [ "${#files[@]}" -gt 0 ]; then
  clang-format-19 --dry-run -Werror "${files[@]}" || { failed=1; echo "format: run make fmt"; }
  units=()
  for file in "${files[@]}"; do
    # Headers are checked through the files that include them; only what this build compiles can be checked.
    case "$file" in *.cc) if grep -qF "/$file\"" build/dev/compile_commands.json; then units+=("$file"); fi ;; esac
  done
  echo "tidy: ${#units[@]} of ${#files[@]} changed files"
  if [ "${#units[@]}" -gt 0 ]; then
    printf '%s\0' "${units[@]}" |
      xargs -0 -n 2 -P "$(nproc)" clang-tidy-19 -p build/dev --quiet --extra-arg=-Wno-unknown-warning-option \
        2> >(grep -vE 'warnings? (generated|treated)|^Suppressed|^Use -header-filter' >&2) || failed=1
  fi
fi
[ "$failed" = 0 ] && echo "lint: clean"
exit "$failed"
