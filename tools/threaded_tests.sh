#!/usr/bin/env bash
# Names the test programs that `make tsan` runs: those whose sources or whose module's sources use
# threads (std::thread, atomics, post_remote), and of these only what the tsan build can make.
set -euo pipefail
cd "$(dirname "$0")/.."
for module in src/*/; do
  name=$(basename "$module")
  ls "$module"*_test.cc >/dev/null 2>&1 || continue
  if grep -lqE 'std::(jthread|thread|atomic|mutex)|post_remote|pthread_' "$module"*.cc "$module"*.h 2>/dev/null; then
    echo "${name}_test"
  fi
done
echo weft_sidecar_test  # src/app/proxy: two sidecars of two workers each
