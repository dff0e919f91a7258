// upgrade_load.js HOST PACE: load of every kind that never repeats anything: what is lost is counted. PACE: milliseconds
// between two requests of one client, 0 = none. Prints "started" once each kind was answered. "end" on its input: what
// is under way ends, then a line of JSON: {KIND: {done, faults: [...]}}. One thing is sent again, and counted apart: an
// HTTP/2 request that node refuses by itself because GOAWAY came while it was queued (REFUSED_STREAM, RFC 9113 §8.7).
// HOST serves upgrade_peer.js as 80, 81 and 7000, and grpc_app.js as grpc:50051.
'use strict';
const http = require('http');
const http2 = require('http2');
const net = require('net');
const grpc = require('@grpc/grpc-js');

const host = process.argv[2];
const pace = Number(process.argv[3]);
const HTTP1 = 12, HTTP2_SESSIONS = 3, HTTP2_EACH = 4, UNARY = 4, STREAMS = 6, SHORT = 3;
const STREAM_MS = 1500, HELD_MS = 500, PATIENCE_MS = 20000;

let ending = false;
const found = {};
const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

// Runs `once` again and again; each is an exchange.
async function repeat(kind, once, own) {
  const row = found[kind] ||= {done: 0, refused: 0, faults: []};
  for (let i = 0; !ending; ++i) {
    try {
      let timer;
      const late = new Promise((_, no) => { timer = setTimeout(() => no(new Error('no answer')), PATIENCE_MS); });
      await Promise.race([once(`${kind} ${i} ${'x'.repeat(i % 200)}`, own), late]);
      clearTimeout(timer);
      ++row.done;
    } catch (error) {
      if (kind === 'http2' && /REFUSED_STREAM/.test(error.message)) { ++row.refused; --i; continue; }
      row.faults.push(`${(performance.now() / 1000).toFixed(2)} s: ${error.code || ''} ${error.message}`);
      await sleep(100);
    }
    if (pace) await sleep(pace);
  }
}

function same(got, wanted) {
  if (got !== wanted) throw new Error(`another answer: ${got.slice(0, 80)}`);
}

const agent = new http.Agent({keepAlive: true, maxSockets: HTTP1});
const overHttp1 = (text) => new Promise((yes, no) => {
  const request = http.request({host, port: 80, agent, method: 'POST', headers: {'content-length': text.length}}, (response) => {
    let body = '';
    response.on('data', (part) => { body += part; });
    response.on('error', no);
    response.on('end', () => response.statusCode === 200 ? yes(body) : no(new Error(`${response.statusCode} ${body}`)));
  });
  request.on('error', no);
  request.end(text);
}).then((body) => same(body, text));

// A session that was told to go is left for a new one, as every client does.
class Session {
  now() {
    if (!this.session || this.session.closed || this.session.destroyed || this.gone) {
      this.gone = false;
      const session = this.session = http2.connect(`http://${host}:81`);
      session.on('goaway', () => { if (this.session === session) this.gone = true; });
      session.on('error', () => {});
    }
    return this.session;
  }
}
const overHttp2 = (text, own) => new Promise((yes, no) => {
  const request = own.now().request({':method': 'POST', ':path': '/'});
  let body = '', status = 0;
  request.on('response', (head) => { status = head[':status']; });
  request.on('data', (part) => { body += part; });
  request.on('error', no);
  request.on('close', () => status === 200 ? yes(body) : no(new Error(`closed with ${request.rstCode}, status ${status} ${body}`)));
  request.end(text);
}).then((body) => same(body, text));

const raw = (bytes) => bytes;
const client = new grpc.Client('grpc:50051', grpc.credentials.createInsecure());
const overUnary = (text) => new Promise((yes, no) => {
  client.makeUnaryRequest('/weft.test.Echo/Unary', raw, raw, Buffer.from(text), (error, answer) => error ? no(error) : yes(String(answer)));
}).then((body) => same(body, text));
const overStream = (text) => new Promise((yes, no) => {
  const call = client.makeBidiStreamRequest('/weft.test.Echo/Bidi', raw, raw);
  let sent = 0, heard = 0;
  const timer = setInterval(() => { ++sent; call.write(Buffer.from(`${text} ${sent}`)); }, 50);
  setTimeout(() => { clearInterval(timer); call.end(); }, STREAM_MS);
  call.on('data', (message) => { if (String(message) === `${text} ${heard + 1}`) ++heard; });
  call.on('error', (error) => { clearInterval(timer); no(error); });
  call.on('end', () => heard === sent ? yes() : no(new Error(`${heard} of ${sent} heard`)));
});

const overTcp = (text) => new Promise((yes, no) => {
  const socket = net.connect({host, port: 7000, noDelay: true}, () => socket.end(text));
  let body = '';
  socket.on('data', (part) => { body += part; });
  socket.on('error', no);
  socket.on('close', () => yes(body));
}).then((body) => same(body, text));

// Lives until the end and says something now and then. Each word is an exchange.
function held() {
  const row = found.held ||= {done: 0, faults: []};
  return new Promise((over) => {
    const socket = net.connect({host, port: 7000, noDelay: true});
    let wanted = '', body = '', count = 0;
    const fault = (why) => { row.faults.push(`${(performance.now() / 1000).toFixed(2)} s: ${why}`); clearInterval(timer); over(); };
    const timer = setInterval(() => {
      if (body !== wanted) return;
      if (wanted) ++row.done;
      if (ending) { clearInterval(timer); socket.end(); return over(); }
      body = '';
      wanted = `held ${++count}\n`;
      socket.write(wanted);
    }, HELD_MS);
    socket.on('data', (part) => { body += part; });
    socket.on('error', (error) => fault(error.message));
    socket.on('end', () => { if (!ending) fault('the connection ended'); });
  });
}

async function main() {
  const running = [];
  const start = (count, kind, once, own = () => null) => { for (let i = 0; i < count; ++i) running.push(repeat(kind, once, own(i))); };
  const sessions = Array.from({length: HTTP2_SESSIONS}, () => new Session());
  start(HTTP1, 'http1', overHttp1);
  start(HTTP2_SESSIONS * HTTP2_EACH, 'http2', overHttp2, (i) => sessions[i % HTTP2_SESSIONS]);
  start(UNARY, 'unary', overUnary);
  start(STREAMS, 'stream', overStream);
  start(SHORT, 'tcp', overTcp);
  // One more every second, so that each sidecar has some.
  const more = setInterval(() => running.push(held()), 1000);
  running.push(held());
  while (Object.values(found).some((row) => row.done === 0)) await sleep(20);
  console.log('started');
  process.stdin.on('data', async () => {
    ending = true;
    clearInterval(more);
    await Promise.all(running);
    console.log(JSON.stringify(found));
    process.exit(0);
  });
}
main();
