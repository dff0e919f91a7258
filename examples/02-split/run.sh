#!/usr/bin/env bash
# Two versions behind one name; a route shares the requests 75 to 25.
source "$(dirname "$0")/../lib.sh"
start_server

for version in v1 v2; do
  background "$version" weft run --service greet:80:8080/http --label app=greet --label "version=$version" -- \
    python3 "$here/greet.py" "$version"
done
eventually 30 serving greet 2
weft apply -f "$here/split.yaml"

# One connection, 400 requests: the split counts requests, not connections.
counts=$(weft run --service visitor -- python3 -c '
import collections, http.client
visitor, seen = http.client.HTTPConnection("greet", 80, timeout=10), collections.Counter()
for _ in range(400):
    visitor.request("GET", "/")
    seen[visitor.getresponse().read().decode().split()[-1]] += 1
print(seen["v1"], seen["v2"])')
read -r v1 v2 <<<"$counts"
echo "v1 answered $v1, v2 answered $v2"
[ $((v1 + v2)) = 400 ]
# 99.9 % of fair draws lie within these bounds.
[ "$v2" -ge 72 ] && [ "$v2" -le 129 ]
