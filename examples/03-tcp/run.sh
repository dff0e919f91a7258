#!/usr/bin/env bash
# A real Redis behind plain TCP; its clients find it by name, over mutual TLS.
source "$(dirname "$0")/../lib.sh"
start_server

background redis weft run --service redis:6379/tcp -- \
  redis-server --port 6379 --save '' --protected-mode no --dir "$state"
eventually 30 serving redis

[ "$(weft run --service visitor -- redis-cli -h redis set colour indigo)" = OK ]
answer=$(weft run --service visitor -- redis-cli -h redis get colour)
echo "redis said: $answer"
[ "$answer" = indigo ]
