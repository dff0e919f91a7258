# Sourced by the examples' run.sh: a control plane in a folder of its own, and the end of everything that
# was started. With a server running already you would need none of this: see the READMEs.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[1]}")" && pwd)
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
export PATH="${WEFT_BIN:-$root/build/release/src/app}:$PATH:/usr/sbin:/sbin"
command -v weft >/dev/null || { echo "no weft in PATH: run \`make build\` first" >&2; exit 1; }

state=${WEFT_EXAMPLE_DIR:-$(mktemp -d)}
mkdir -p "$state"
export WEFT_SOCKET=$state/server.sock WEFT_STATE_DIR=$state/weft
started=()

finish() {
  local status=$? pid
  for ((i = ${#started[@]} - 1; i >= 0; i--)); do
    pid=${started[$i]}
    kill -TERM "$pid" 2>/dev/null || true
    wait "$pid" 2>/dev/null || true
  done
  [ "$status" = 0 ] || tail -n 5 "$state"/*.log 2>/dev/null || true
  [ -n "${WEFT_EXAMPLE_DIR:-}" ] || rm -rf "$state"
  exit "$status"
}
trap finish EXIT
trap 'exit 130' INT TERM

free_port() { python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'; }

# background NAME COMMAND...: in the background, output to NAME.log
background() {
  local name=$1
  shift
  "$@" >"$state/$name.log" 2>&1 </dev/null &
  started+=($!)
}

# eventually SECONDS COMMAND...: until it succeeds
eventually() {
  local end=$((SECONDS + $1))
  shift
  until "$@" >/dev/null 2>&1; do
    if [ "$SECONDS" -ge "$end" ]; then
      echo "did not happen: $*" >&2
      "$@" >&2
      return 1
    fi
    sleep 0.1
  done
}

# serving SERVICE [COUNT]: that many instances get traffic
serving() {
  [ "$(weft status -o json | python3 -c '
import json, sys
name = sys.argv[1] + ".default:"
print(sum(i["state"] == "serving" and any(s.startswith(name) for s in i["services"])
          for i in json.load(sys.stdin)["instances"]))' "$1")" -ge "${2:-1}" ]
}

start_server() {
  background server weft server --listen "0.0.0.0:$(free_port)" \
    --status "127.0.0.1:$(free_port)"
  eventually 20 weft status
}
