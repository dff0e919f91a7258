#!/usr/bin/env bash
# Testers get the new version, of all others five in a hundred; a weight of 0 takes it back.
source "$(dirname "$0")/../lib.sh"
start_server

for version in v1 v2; do
  background "$version" weft run --service greet:80:8080/http --label app=greet --label "version=$version" -- \
    python3 "$here/../02-split/greet.py" "$version"
done
eventually 30 serving greet 2
weft apply -f "$here/canary.yaml"

# ask COUNT [HEADER VALUE]: how often v1 and v2 answered, and how often an answer said x-version: canary
ask() {
  weft run --service visitor -- python3 -c '
import collections, http.client, sys
visitor, seen = http.client.HTTPConnection("greet", 80, timeout=10), collections.Counter()
for _ in range(int(sys.argv[1])):
    visitor.request("GET", "/", headers=dict([sys.argv[2:4]]) if len(sys.argv) > 2 else {})
    answer = visitor.getresponse()
    seen[answer.read().decode().split()[-1]] += 1
    seen["marked"] += answer.headers.get("x-version") == "canary"
print(seen["v1"], seen["v2"], seen["marked"])' "$@"
}

[ "$(ask 20 x-canary yes)" = "0 20 0" ]
read -r v1 v2 marked <<<"$(ask 400)"
echo "v1 answered $v1, v2 answered $v2"
# Turns are taken by weight, not drawn.
[ "$v1" = 380 ] && [ "$v2" = 20 ] && [ "$marked" = 20 ]

sed 's/weight: 5$/weight: 0/' "$here/canary.yaml" | weft apply -f -
taken_back() { [ "$(ask 50)" = "50 0 0" ]; }
eventually 20 taken_back
[ "$(ask 5 x-canary yes)" = "0 5 0" ]
echo "taken back: only testers see v2"
