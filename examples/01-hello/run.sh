#!/usr/bin/env bash
# Two programs that know nothing of Weft talk over mutual TLS.
source "$(dirname "$0")/../lib.sh"
start_server

echo "hello from inside" >"$state/hello.txt"
background hello weft run --service hello:80:8000/http -- python3 -m http.server 8000 --directory "$state"
eventually 30 serving hello

answer=$(weft run --service visitor -- curl -sS --max-time 10 http://hello/hello.txt)
echo "curl got: $answer"
[ "$answer" = "hello from inside" ]

edge_is_mtls() {
  weft status -o json | python3 -c '
import json, sys
edges = [e for e in json.load(sys.stdin)["edges"]
         if e["source"].endswith("/sa/visitor") and e["destination"].endswith("/sa/hello")]
for e in edges: print(e["source"], "→", e["destination"], "mTLS" if e["mtls"] else "PLAIN")
sys.exit(0 if edges and all(e["mtls"] for e in edges) else 1)'
}
eventually 20 edge_is_mtls
edge_is_mtls
