// The shop's front: one page with products, the visitor's cart and recommendations. Plain node:http, and
// grpc-js for the one service that speaks gRPC.
//
//   GET  /            the page                POST /cart        sku=SKU (a form) → back to the page
//   GET  /api/page    the same as JSON        POST /cart/empty
//   GET  /healthz
'use strict';
const http = require('node:http');
const path = require('node:path');
const crypto = require('node:crypto');
const grpc = require('@grpc/grpc-js');
const loader = require('@grpc/proto-loader');
const {render} = require('./page');

const PORT = Number(process.env.PORT || 8080);
const CATALOG = process.env.CATALOG_URL || 'http://catalog';
const CART = process.env.CART_URL || 'http://cart';
const RECOMMENDATIONS = process.env.RECOMMENDATIONS || 'recommendations:50051';

const agent = new http.Agent({keepAlive: true, maxSockets: 64});
const proto = grpc.loadPackageDefinition(loader.loadSync(
    path.join(__dirname, '../recommendations/recommendations.proto'), {keepCase: true, defaults: true, arrays: true}));
const recommendations =
    new proto.shop.v1.Recommendations(RECOMMENDATIONS, grpc.credentials.createInsecure());

function call(method, url, body) {
  const data = body === undefined ? undefined : JSON.stringify(body);
  const headers = data ? {'content-type': 'application/json', 'content-length': Buffer.byteLength(data)} : {};
  return new Promise((resolve, reject) => {
    const request = http.request(url, {method, agent, headers, timeout: 10000}, (response) => {
      let text = '';
      response.setEncoding('utf8');
      response.on('data', (part) => { text += part; });
      response.on('error', reject);
      response.on('end', () => {
        if (response.statusCode !== 200) return reject(new Error(`${url} answered ${response.statusCode}: ${text.trim()}`));
        try { resolve(JSON.parse(text)); } catch (error) { reject(error); }
      });
    });
    request.on('timeout', () => request.destroy(new Error(`${url} took too long`)));
    request.on('error', (error) => reject(new Error(`${url}: ${error.message}`)));
    request.end(data);
  });
}

const deadline = () => ({deadline: Date.now() + 10000});

function priceOf(items) {
  const lines = Object.entries(items).map(([sku, quantity]) => ({sku, quantity}));
  return new Promise((resolve, reject) => recommendations.Price(
      {lines}, deadline(), (error, reply) => (error ? reject(error) : resolve(reply))));
}

function recommendFor(items) {
  return new Promise((resolve, reject) => {
    const found = [];
    const stream = recommendations.Recommend({in_cart: Object.keys(items), limit: 3}, deadline());
    stream.on('data', (product) => found.push(product));
    stream.on('end', () => resolve(found));
    stream.on('error', reject);
  });
}

async function pageData(session) {
  const [catalog, cart] = await Promise.all([call('GET', `${CATALOG}/products`), call('GET', `${CART}/carts/${session}`)]);
  const [price, recommended] = await Promise.all([priceOf(cart.items), recommendFor(cart.items)]);
  return {catalog_version: catalog.version, products: catalog.products, items: cart.items, price, recommended};
}

function sessionOf(request) {
  const found = /(?:^|;\s*)session=([a-z0-9]{1,64})/.exec(request.headers.cookie || '');
  return found ? found[1] : crypto.randomBytes(8).toString('hex');
}

function readBody(request) {
  return new Promise((resolve, reject) => {
    let text = '';
    request.setEncoding('utf8');
    request.on('data', (part) => {
      text += part;
      if (text.length > 10000) request.destroy(new Error('too large'));
    });
    request.on('end', () => resolve(text));
    request.on('error', reject);
  });
}

function send(response, status, type, text, more = {}) {
  response.writeHead(status, {'content-type': type, 'content-length': Buffer.byteLength(text), ...more});
  response.end(text);
}

async function handle(request, response) {
  const session = sessionOf(request);
  const cookie = {'set-cookie': `session=${session}; Path=/; HttpOnly; SameSite=Lax`};
  const what = `${request.method} ${request.url}`;
  if (what === 'GET /healthz') return send(response, 200, 'text/plain', 'ok\n');
  if (what === 'GET /') return send(response, 200, 'text/html; charset=utf-8', render(await pageData(session)), cookie);
  if (what === 'GET /api/page') return send(response, 200, 'application/json', JSON.stringify(await pageData(session)), cookie);
  if (what === 'POST /cart') {
    const sku = new URLSearchParams(await readBody(request)).get('sku') || '';
    await call('POST', `${CART}/carts/${session}/items`, {sku, quantity: 1});
    return send(response, 303, 'text/plain', 'added\n', {...cookie, location: '/'});
  }
  if (what === 'POST /cart/empty') {
    await readBody(request);
    await call('DELETE', `${CART}/carts/${session}`);
    return send(response, 303, 'text/plain', 'emptied\n', {...cookie, location: '/'});
  }
  return send(response, 404, 'text/plain', 'nothing here\n');
}

http.createServer((request, response) => {
  handle(request, response).catch((error) => {
    if (response.headersSent) return response.destroy();
    send(response, 502, 'text/plain', `the shop is not itself: ${error.message}\n`);
  });
}).listen(PORT, '0.0.0.0');
