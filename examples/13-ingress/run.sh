#!/usr/bin/env bash
# From outside: HTTP is sent to HTTPS, HTTPS ends at the gateway, paths decide which service answers.
source "$(dirname "$0")/../lib.sh"
start_server

for name in web cart; do
  mkdir -p "$state/$name/cart"
  echo "$name answers" | tee "$state/$name/index.html" >"$state/$name/cart/items"
done
background web weft run --service web:80:8080/http -- python3 -m http.server 8080 --directory "$state/web"
background cart weft run --service cart:80:8081/http -- python3 -m http.server 8081 --directory "$state/cart"
plain=$(free_port) secure=$(free_port)
background edge weft gateway edge --address 127.0.0.1 --port "80=$plain" --port "443=$secure"

openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -keyout "$state/shop.key" \
  -out "$state/shop.pem" -subj "/CN=shop" -addext "subjectAltName=DNS:shop.example" 2>/dev/null
cat >"$state/certificate.yaml" <<YAML
apiVersion: v1
kind: Secret
metadata: {name: shop-certificate}
type: kubernetes.io/tls
data:
  tls.crt: $(base64 -w0 <"$state/shop.pem")
  tls.key: $(base64 -w0 <"$state/shop.key")
YAML
eventually 30 serving web
eventually 30 serving cart
weft apply -f "$state/certificate.yaml" -f "$here/gateway.yaml"

ask() {
  curl -sS --max-time 10 --cacert "$state/shop.pem" --connect-to "shop.example:80:127.0.0.1:$plain" \
    --connect-to "shop.example:443:127.0.0.1:$secure" "$@"
}
eventually 20 ask --fail https://shop.example/
echo "https://shop.example/           $(ask https://shop.example/)"
echo "https://shop.example/cart/items $(ask https://shop.example/cart/items)"
[ "$(ask https://shop.example/)" = "web answers" ]
[ "$(ask https://shop.example/cart/items)" = "cart answers" ]

location=$(ask -o /dev/null -w '%{http_code} %{redirect_url}' http://shop.example/cart/items)
echo "http://shop.example/cart/items  $location"
[ "$location" = "301 https://shop.example/cart/items" ]

# Which listener, which certificate, which rule: the gateway says it.
weft explain GET https://shop.example/cart/items --from edge >"$state/explained"
grep -E '^(listener|route|so)  ' "$state/explained"
grep -q 'Gateway default/edge listener https' "$state/explained"
grep -q '^so  *the request goes to cart-' "$state/explained"

# The key is nobody's to see.
weft get secret shop-certificate -o yaml | grep -q "(hidden)"
! weft get secret shop-certificate -o yaml | grep -q "$(base64 -w0 <"$state/shop.key")"
