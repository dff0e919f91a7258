#!/usr/bin/env bash
# Callers stay in their zone, as long as somebody is there.
source "$(dirname "$0")/../lib.sh"
start_server

for instance in a1 a2 b1 b2; do
  zone=${instance%?}
  background "$instance" weft run --service greet:80:8080/http --zone "$zone" -- python3 "$here/greet.py" "$zone"
  [ "$zone" = a ] && zone_a+=("${started[-1]}")
done
eventually 30 serving greet 4

visit() {
  weft run --service visitor --zone a -- python3 -c '
import collections, http.client
visitor, seen = http.client.HTTPConnection("greet", 80, timeout=10), collections.Counter()
for _ in range(200):
    visitor.request("GET", "/")
    answer = visitor.getresponse()
    seen[answer.read().decode().split()[-1] if answer.status == 200 else "failed"] += 1
print(seen["a"], seen["b"], seen["failed"])'
}

read -r a b failed <<<"$(visit)"
echo "from zone a: $a answered in zone a, $b in zone b, $failed failed"
[ "$a $b $failed" = "200 0 0" ]

weft apply -f "$here/everywhere.yaml"
read -r a b failed <<<"$(visit)"
echo "everywhere:  $a answered in zone a, $b in zone b, $failed failed"
[ "$a" -ge 99 ] && [ "$b" -ge 99 ] && [ "$failed" = 0 ]

kill -TERM "${zone_a[@]}"
only_b() { serving greet 2 && ! serving greet 3; }
eventually 20 only_b
read -r a b failed <<<"$(visit)"
echo "zone a lost: $a answered in zone a, $b in zone b, $failed failed"
[ "$a $b $failed" = "0 200 0" ]
