#!/usr/bin/env bash
# Three instances with baskets in their memory: a client with a cookie stays with one of them.
source "$(dirname "$0")/../lib.sh"
start_server

for name in one two three; do
  background "$name" weft run --service basket:80:8080/http -- python3 "$here/basket.py" "$name"
done
eventually 30 serving basket 3
weft apply -f "$here/sticky.yaml"

# Ten clients with a cookie jar each: every client sees one instance, all clients together see several.
seen=$(weft run --service visitor -- python3 -c '
import http.cookiejar, urllib.request
homes = set()
for _ in range(10):
    client = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(http.cookiejar.CookieJar()))
    visits = {client.open("http://basket/", timeout=10).read().decode().strip() for _ in range(20)}
    assert len(visits) == 1, visits
    homes |= visits
print(len(homes))')
echo "10 clients, 20 visits each: everybody stayed at home; homes: $seen"
[ "$seen" -ge 2 ]
