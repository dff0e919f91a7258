// Catalog, version 2: rewritten in JavaScript, with a word about each product. Answers the same paths as
// version 1, on the same port. LATENCY_MS makes every answer take that long.
'use strict';
const http = require('node:http');

const PORT = Number(process.env.PORT || 8080);
const LATENCY_MS = Number(process.env.LATENCY_MS || 0);
const PRODUCTS = [
  {sku: 'merino', name: 'Merino yarn', cents: 890, colour: '#c8553d', note: 'soft, from the high pastures'},
  {sku: 'linen', name: 'Linen ribbon', cents: 390, colour: '#d9c5a0', note: 'now a little cheaper'},
  {sku: 'indigo', name: 'Indigo cotton', cents: 650, colour: '#33508f', note: 'dyed twice'},
  {sku: 'silk', name: 'Silk thread', cents: 1290, colour: '#8e5a9e', note: 'forty turns to the inch'},
  {sku: 'shuttle', name: 'Loom shuttle', cents: 2350, colour: '#8a5a34', note: 'pear wood, oiled'},
  {sku: 'felt', name: 'Wool felt', cents: 540, colour: '#4f7d5c', note: 'two millimetres'},
];

function answer(response, status, body) {
  const data = JSON.stringify(body);
  response.writeHead(status, {'content-type': 'application/json', 'content-length': Buffer.byteLength(data)});
  response.end(data);
}

http.createServer((request, response) => {
  if (request.url === '/healthz') return answer(response, 200, {ok: true});
  const reply = () => {
    if (request.url === '/products') return answer(response, 200, {version: 'v2', products: PRODUCTS});
    const product = PRODUCTS.find((p) => `/products/${p.sku}` === request.url);
    if (product) return answer(response, 200, {version: 'v2', ...product});
    return answer(response, 404, {error: `nothing at ${request.url}`});
  };
  if (LATENCY_MS > 0) setTimeout(reply, LATENCY_MS);
  else reply();
}).listen(PORT, '0.0.0.0');
