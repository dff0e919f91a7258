#!/usr/bin/env bash
# TLS that belongs to the programs: carried unopened, steered by the server name.
source "$(dirname "$0")/../lib.sh"
start_server

for colour in red blue; do
  openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -keyout "$state/$colour.key" \
    -out "$state/$colour.pem" -subj "/CN=$colour" -addext "subjectAltName=DNS:$colour.example" 2>/dev/null
  background "$colour" weft run --service "$colour:443:8443/tcp" -- \
    openssl s_server -accept 8443 -key "$state/$colour.key" -cert "$state/$colour.pem" -rev -quiet
done
eventually 30 serving red
eventually 30 serving blue
weft apply -f "$here/colours.yaml"

# The certificate that comes is the program's own, and nobody else's is accepted.
ask() {
  weft run --service visitor -- sh -c "printf 'olleh\n' | timeout 10 openssl s_client -connect colours:443 \
    -servername $1.example -CAfile $state/$2.pem -verify_return_error -verify_hostname $2.example -quiet 2>/dev/null" || true
}
answer=$(ask red red)
echo "red.example says $answer"
[ "$answer" = hello ]
answer=$(ask blue blue)
echo "blue.example says $answer"
[ "$answer" = hello ]

# A name that no route has is refused in TLS's own words.
refusal=$(weft run --service visitor -- sh -c "timeout 10 openssl s_client -connect colours:443 -servername green.test \
  </dev/null 2>&1" || true)
grep -o "unrecognized name" <<<"$refusal" | head -n 1
grep -q "unrecognized name" <<<"$refusal"
