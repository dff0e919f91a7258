// grpc_app.js PORT [FILE]: the service weft.test.Echo in grpc-js; what its methods do stands in grpc_app.py. The health of the
// server and of weft.test.Echo is what FILE says at the time: "serving", "not serving" or "late" (an
// answer after 5 s); no other service is known, and each unary call is printed. Without FILE all is well.
// With files CERTIFICATE and KEY in the environment it speaks TLS.
'use strict';
const fs = require('fs');
const grpc = require('@grpc/grpc-js');

const raw = (bytes) => bytes;
const method = (service, name, requestStream, responseStream) => ({
  path: `/${service}/${name}`, requestStream, responseStream,
  requestSerialize: raw, requestDeserialize: raw, responseSerialize: raw, responseDeserialize: raw});
const echo = (name, requestStream, responseStream) => method('weft.test.Echo', name, requestStream, responseStream);
const bytes = (text) => Buffer.from(String(text));

let cancelled = 0;

function failure(code, details) {
  const metadata = new grpc.Metadata();
  metadata.set('why-bin', Buffer.from([0, 255]));
  return {code, details, metadata};
}

// Writes as fast as the other side takes it.
async function write(call, message) {
  if (call.write(message)) return;
  await new Promise((resolve) => {
    const go = () => { call.off('drain', go); call.off('cancelled', go); resolve(); };
    call.on('drain', go);
    call.on('cancelled', go);
  });
}

const handlers = {
  unary(call, callback) {
    const data = call.metadata.get('x-data-bin')[0] || bytes('none');
    const head = new grpc.Metadata(), trailers = new grpc.Metadata();
    if (process.argv[3]) console.log('unary');
    head.set('echo-data-bin', data);
    trailers.set('trail-data-bin', data);
    call.sendMetadata(head);
    callback(null, call.request, trailers);
  },
  clientStream(call, callback) {
    let count = 0, size = 0;
    call.on('data', (message) => { ++count; size += message.length; });
    call.on('end', () => callback(null, bytes(`${count} ${size}`)));
  },
  async serverStream(call) {
    const [count, size, code] = call.request.toString().split(' ').map(Number);
    const message = Buffer.alloc(size, 'x');
    for (let i = 0; i < count && !call.cancelled; ++i) await write(call, message);
    if (code) call.emit('error', failure(code, 'after the messages'));
    else call.end();
  },
  bidi(call) {
    call.on('data', (message) => {
      if (call.write(message)) return;
      call.pause();
      call.once('drain', () => call.resume());
    });
    call.on('end', () => call.end());
  },
  deadline(call, callback) {
    const at = call.getDeadline();
    const left = at === Infinity ? -1 : Math.round(Number(at instanceof Date ? at.getTime() : at) - Date.now());
    callback(null, bytes(left));
  },
  hang(call) { call.on('cancelled', () => { ++cancelled; }); },
  ticks(call) {
    const timer = setInterval(() => call.write(bytes('tick')), 20);
    call.on('cancelled', () => { clearInterval(timer); ++cancelled; });
  },
  fail(call, callback) {
    const text = call.request.toString();
    callback(failure(parseInt(text), text.slice(text.indexOf(' ') + 1)));
  },
  cancelled(call, callback) { callback(null, bytes(cancelled)); },
};

const service = {
  unary: echo('Unary', false, false), clientStream: echo('ClientStream', true, false),
  serverStream: echo('ServerStream', false, true), bidi: echo('Bidi', true, true),
  deadline: echo('Deadline', false, false), hang: echo('Hang', false, false), ticks: echo('Ticks', false, true),
  fail: echo('Fail', false, false), cancelled: echo('Cancelled', false, false),
};
const serving = Buffer.from([8, 1]), notServing = Buffer.from([8, 2]);  // HealthCheckResponse{status}
function check(call, callback) {
  if (!process.argv[3]) return callback(null, serving);
  const name = call.request.toString().slice(2);  // HealthCheckRequest{service}
  if (!['', 'weft.test.Echo'].includes(name)) return callback(failure(grpc.status.NOT_FOUND, `no service ${name}`));
  const word = fs.readFileSync(process.argv[3], 'utf8').trim();
  const answer = () => callback(null, word === 'not serving' ? notServing : serving);
  word === 'late' ? setTimeout(answer, 5000) : answer();
}
const health = {
  check: method('grpc.health.v1.Health', 'Check', false, false),
  watch: method('grpc.health.v1.Health', 'Watch', false, true),
};

module.exports = {grpc, service, health, bytes};

if (require.main === module) {
  const server = new grpc.Server({'grpc.max_receive_message_length': -1, 'grpc.max_send_message_length': -1});
  server.addService(service, handlers);
  server.addService(health, {check, watch: (call) => { call.write(serving); }});
  const {CERTIFICATE, KEY} = process.env;
  const credentials = CERTIFICATE
    ? grpc.ServerCredentials.createSsl(null, [{cert_chain: fs.readFileSync(CERTIFICATE), private_key: fs.readFileSync(KEY)}])
    : grpc.ServerCredentials.createInsecure();
  server.bindAsync(`0.0.0.0:${process.argv[2]}`, credentials, (error) => {
    if (error) throw error;
  });
}
