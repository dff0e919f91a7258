#!/usr/bin/env bash
# Every request is copied to a slow next version, a tenth to a sampler; the caller sees the present one, at once.
source "$(dirname "$0")/../lib.sh"
start_server

start() {
  background "$1" weft run --service "$1:80:8080/http" -- python3 "$here/note.py" "$1" "$state/seen.$1" "$2"
}
start orders 0
start orders-next 5
start sampler 0
for service in orders orders-next sampler; do eventually 30 serving "$service"; done
weft apply -f "$here/mirror.yaml"

read -r answers seconds <<<"$(weft run --service shop -- python3 -c '
import collections, http.client, time
shop, seen, start = http.client.HTTPConnection("orders", 80, timeout=10), collections.Counter(), time.monotonic()
for number in range(200):
    shop.request("POST", "/new", f"book-{number}")
    seen[shop.getresponse().read().decode().strip()] += 1
print("orders=%d" % seen["orders"] if len(seen) == 1 else seen, int(time.monotonic() - start), flush=True)
time.sleep(7)  # the sidecar goes with the program: the copies still wait for their answers')"
[ "$answers" = orders=200 ]
# One after the other through a version that takes five seconds would have been 1000 s.
[ "$seconds" -lt 60 ]

cmp <(sort "$state/seen.orders") <(sort "$state/seen.orders-next")
sampled=$(wc -l <"$state/seen.sampler")
echo "200 answers in $seconds s; copied: $(wc -l <"$state/seen.orders-next") to orders-next, $sampled to sampler"
# All but one in a million of fair draws lie within these bounds.
[ "$sampled" -ge 3 ] && [ "$sampled" -le 43 ]
