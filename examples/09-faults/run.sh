#!/usr/bin/env bash
# A service that is slow and now and then broken, for those who ask for it, and for ten minutes.
source "$(dirname "$0")/../lib.sh"
start_server

background cart weft run --service cart:80:8080/http -- python3 "$here/cart.py"
eventually 30 serving cart
weft apply -f "$here/faults.yaml"

# 200 requests of the experiment, 200 of everybody else.
counts=$(weft run --service visitor -- python3 -c '
import http.client, time
def visit(fields):
    visitor, failed, start = http.client.HTTPConnection("cart", 80, timeout=10), 0, time.monotonic()
    for _ in range(200):
        visitor.request("GET", "/", headers=fields)
        answer = visitor.getresponse()
        failed += b"shaky-cart" in answer.read() and answer.status == 503
    return failed, int((time.monotonic() - start) * 1000 / 200)
print(*visit({"x-experiment": "shaky"}), *visit({}))')
read -r failed millis others others_millis <<<"$counts"
echo "experiment: $failed of 200 failed, $millis ms each; everybody else: $others failed, $others_millis ms"
# 99.9999 % of fair draws of a fifth lie within these bounds.
[ "$failed" -ge 15 ] && [ "$failed" -le 70 ]
[ "$millis" -ge 50 ] && [ "$others" = 0 ]

# Every one of them is marked in the access log of the sidecar that injected it.
marked() { grep -rh '"flags":"DI,FI"' "$state" --include=access.log | grep -c '"policy":"default/shaky-cart"'; }
all_marked() { [ "$(marked)" = "$failed" ]; }
eventually 10 all_marked
echo "marked in the log: $(marked)"
