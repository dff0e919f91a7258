// grpc_streams.js TARGET N: N streams of weft.test.Echo/Bidi open at once, each heard once when it opens and once more
// when all are open. A channel is one connection, and a connection carries as many streams as the sidecar allows.
'use strict';
const {grpc, service, bytes} = require('../e2e/apps/grpc_app.js');

const [target, count] = [process.argv[2], Number(process.argv[3])];
const PER_CHANNEL = 100;
const Echo = grpc.makeClientConstructor(service, 'Echo');

async function main() {
  let heard = 0, all = () => {};
  const faults = {}, streams = [];
  const hear = (wanted) => new Promise((resolve) => { all = () => { if (heard >= wanted) resolve(true); }; all(); });
  const begin = Date.now();
  for (let i = 0; i < count; ++i) {
    if (i % PER_CHANNEL === 0) {
      streams.client = new Echo(target, grpc.credentials.createInsecure(), {'grpc.use_local_subchannel_pool': 1});
    }
    const stream = streams.client.bidi();
    stream.on('data', () => { ++heard; all(); });
    stream.on('error', (error) => { faults[`${error.code} ${error.details}`] = (faults[`${error.code} ${error.details}`] || 0) + 1; });
    stream.write(bytes(i));
    streams.push(stream);
    if (i % 200 === 0) await new Promise(setImmediate);
  }
  const limit = (ms) => new Promise((resolve) => setTimeout(resolve, ms, false));
  const opened = await Promise.race([hear(count), limit(90000)]);
  const open = heard, seconds = (Date.now() - begin) / 1000;
  for (const stream of streams) stream.write(bytes('again'));
  const again = opened && await Promise.race([hear(2 * count), limit(60000)]);
  console.log(JSON.stringify({open, again: again ? heard - open : 0, seconds, faults}));
  process.stdin.once('data', () => process.exit(0));
}
main();
