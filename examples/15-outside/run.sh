#!/usr/bin/env bash
# A server outside the mesh, spoken to over TLS that the sidecar makes: verified, or nothing is sent.
source "$(dirname "$0")/../lib.sh"
start_server

authority() { # NAME
  openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -keyout "$state/$1.key" \
    -out "$state/$1.pem" -subj "/CN=$1" 2>/dev/null
}
authority bank-ca
authority other-ca
openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout "$state/bank.key" -subj "/CN=bank" \
  -out "$state/bank.csr" 2>/dev/null
openssl x509 -req -in "$state/bank.csr" -CA "$state/bank-ca.pem" -CAkey "$state/bank-ca.key" -days 2 \
  -out "$state/bank.pem" -extfile <(echo "subjectAltName=DNS:api.bank.example") 2>/dev/null
port=$(free_port)
background bank python3 "$here/server.py" "$port" "$state/bank.pem" "$state/bank.key"

config_map() { # NAME: the authority the bank is verified by
  printf 'apiVersion: v1\nkind: ConfigMap\nmetadata: {name: bank-ca}\ndata:\n  ca.crt: |\n'
  sed 's/^/    /' "$state/$1.pem"
}
sed "s/8443/$port/" "$here/bank.yaml" >"$state/bank.yaml"
weft apply -f "$state/bank.yaml"

# The policy is there, what it refers to is not: nothing is sent.
weft apply -f "$here/tls.yaml"
background shop weft run --service shop --host-port "$port" -- bash -c "
  while sleep 0.1; do curl -s --max-time 5 -w '%{http_code}\n' http://bank/accounts >'$state/answer.new' || true
  mv '$state/answer.new' '$state/answer'; done"
gets() { grep -q "$1" "$state/answer"; }
eventually 30 gets '^503'
echo "no ConfigMap         $(head -n 1 "$state/answer")"
grep -q 'there is no ConfigMap' "$state/answer"

config_map bank-ca >"$state/ca.yaml"
weft apply -f "$state/ca.yaml"
eventually 10 gets '^200'
echo "verified             $(head -n 1 "$state/answer")"
grep -q 'the bank answers /accounts' "$state/answer"

config_map other-ca >"$state/ca.yaml"
weft apply -f "$state/ca.yaml"
eventually 10 gets '^503'
echo "another authority    $(head -n 1 "$state/answer")"

config_map bank-ca >"$state/ca.yaml"
sed 's/api.bank.example/other.bank.example/' "$here/tls.yaml" >"$state/tls.yaml"
weft apply -f "$state/ca.yaml" -f "$state/tls.yaml"
eventually 10 gets '^503'
echo "another name         $(head -n 1 "$state/answer")"

weft apply -f "$here/tls.yaml"
eventually 10 gets '^200'
weft explain GET http://bank/accounts --from shop >"$state/explained"
grep -q 'api.bank.example' "$state/explained"
grep -q 'ConfigMap bank-ca' "$state/explained"
echo "verified again       $(head -n 1 "$state/answer")"
