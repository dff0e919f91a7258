#!/usr/bin/env bash
# Every third answer is a failure; with retries nobody sees one, but for requests that must not be repeated.
source "$(dirname "$0")/../lib.sh"
start_server

background stock weft run --service stock:80:8080/http -- python3 "$here/stock.py"
eventually 30 serving stock

# failures METHOD: of 90 requests
failures() {
  weft run --service visitor -- python3 -c '
import http.client, sys
visitor, failed = http.client.HTTPConnection("stock", 80, timeout=10), 0
for _ in range(90):
    visitor.request(sys.argv[1], "/", body=b"1 pear" if sys.argv[1] == "POST" else None)
    answer = visitor.getresponse()
    answer.read()
    failed += answer.status == 503
print(failed)' "$1"
}

before=$(failures GET)
weft apply -f "$here/retries.yaml"
get=$(failures GET)
post=$(failures POST)
echo "of 90 requests failed: $before without retries, $get with them; of POSTs $post"
[ "$before" = 30 ] && [ "$get" = 0 ] && [ "$post" = 30 ]
