// Recommendations and prices over gRPC (grpc-js), with products asked from the catalog over HTTP.
'use strict';
const http = require('node:http');
const path = require('node:path');
const grpc = require('@grpc/grpc-js');
const loader = require('@grpc/proto-loader');

const PORT = Number(process.env.PORT || 50051);
const CATALOG = process.env.CATALOG_URL || 'http://catalog';
const DISCOUNT_FROM_CENTS = 5000;

const proto = grpc.loadPackageDefinition(
    loader.loadSync(path.join(__dirname, 'recommendations.proto'), {keepCase: true, defaults: true, arrays: true}));
const agent = new http.Agent({keepAlive: true, maxSockets: 32});

function products() {
  return new Promise((resolve, reject) => {
    http.get(`${CATALOG}/products`, {agent, timeout: 10000}, (response) => {
      let text = '';
      response.setEncoding('utf8');
      response.on('data', (part) => { text += part; });
      response.on('end', () => {
        if (response.statusCode !== 200) return reject(new Error(`catalog answered ${response.statusCode}`));
        try { resolve(JSON.parse(text).products); } catch (error) { reject(error); }
      });
      response.on('error', reject);
    }).on('timeout', function() { this.destroy(new Error('catalog took too long')); }).on('error', reject);
  });
}

async function price(call, callback) {
  try {
    const bySku = new Map((await products()).map((p) => [p.sku, p.cents]));
    let cents = 0;
    for (const line of call.request.lines) cents += (bySku.get(line.sku) || 0) * line.quantity;
    const discount = cents >= DISCOUNT_FROM_CENTS ? Math.floor(cents / 10) : 0;
    callback(null, {cents: cents - discount, discount_cents: discount});
  } catch (error) {
    callback({code: grpc.status.UNAVAILABLE, details: error.message});
  }
}

async function recommend(call) {
  try {
    const taken = new Set(call.request.in_cart);
    const rest = (await products()).filter((p) => !taken.has(p.sku)).sort((a, b) => a.cents - b.cents);
    for (const p of rest.slice(0, call.request.limit || 3)) call.write({sku: p.sku, name: p.name, cents: p.cents});
    call.end();
  } catch (error) {
    call.emit('error', {code: grpc.status.UNAVAILABLE, details: error.message});
  }
}

const server = new grpc.Server();
server.addService(proto.shop.v1.Recommendations.service, {Price: price, Recommend: recommend});
server.bindAsync(`0.0.0.0:${PORT}`, grpc.ServerCredentials.createInsecure(), (error) => {
  if (error) throw error;
});
