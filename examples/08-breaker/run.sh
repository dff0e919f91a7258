#!/usr/bin/env bash
# Twelve requests at once to a service that may have four of them: the others are refused at once.
source "$(dirname "$0")/../lib.sh"
start_server

background report weft run --service report:80:8080/http -- python3 "$here/report.py"
eventually 30 serving report
weft apply -f "$here/breaker.yaml"

counts=$(weft run --service visitor -- python3 "$here/visitor.py")
read -r answered refused last <<<"$counts"
echo "of 12 requests at once: $answered answered, $refused refused; one later: $last"
[ "$answered" -ge 4 ] && [ "$refused" -ge 1 ] && [ $((answered + refused)) = 12 ] && [ "$last" = 200 ]
