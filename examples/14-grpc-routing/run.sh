#!/usr/bin/env bash
# Methods and metadata decide which version of a gRPC service is called.
source "$(dirname "$0")/../lib.sh"
python=/usr/bin/python3
"$python" -c 'import grpc' 2>/dev/null || { echo "needs python3-grpcio" >&2; exit 1; }
start_server

for version in v1 v2; do
  background "$version" weft run --service cart:50051/grpc --label app=cart --label "version=$version" -- \
    "$python" "$here/cart.py" "$version"
done
eventually 30 serving cart 2
weft apply -f "$here/routing.yaml"

# answers WANTED METHOD [TENANT]
answers() {
  local wanted=$1 got
  shift
  got=$(weft run --service shop -- "$python" "$here/call.py" "$@")
  echo "$*: $got"
  [ "$got" = "$wanted" ]
}
answers "v2 /shop.Cart/Add" /shop.Cart/Add
answers "v1 /shop.Cart/List" /shop.Cart/List
answers "v2 /shop.Cart/List" /shop.Cart/List beta
answers UNIMPLEMENTED /shop.Other/List
