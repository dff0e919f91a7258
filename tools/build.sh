#!/usr/bin/env bash
# Configures a preset once and builds targets of it:  tools/build.sh PRESET [TARGET...]
# Output stays short: ninja's progress on a terminal, one line and the errors otherwise.
set -euo pipefail
cd "$(dirname "$0")/.."
preset=$1
shift
if [ ! -f "build/$preset/build.ninja" ]; then
  mkdir -p build
  if ! cmake --preset "$preset" >"build/$preset.configure.log" 2>&1; then
    cat "build/$preset.configure.log" >&2
    exit 1
  fi
fi
begin=$SECONDS
if [ -t 1 ]; then
  ninja -C "build/$preset" -j "${JOBS:-$(nproc)}" "$@"
else
  echo "build: preset $preset ${*:-(everything)}"
  ninja --quiet -C "build/$preset" -j "${JOBS:-$(nproc)}" "$@"
fi
echo "build: preset $preset done in $((SECONDS - begin)) s"
