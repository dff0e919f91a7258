// grpc_client.js TARGET CHECK...: plays checks against a weft.test.Echo with grpc-js, one line each: "ok NAME" or
// "FAILED NAME: why"; without names, all but `huge`. The twin of grpc_client.py.
'use strict';
const assert = require('node:assert/strict');
const http2 = require('node:http2');
const {grpc, service, health, bytes} = require('./grpc_app.js');

const TARGET = process.argv[2];
const OPTIONS = {'grpc.max_receive_message_length': -1, 'grpc.max_send_message_length': -1};
const Echo = grpc.makeClientConstructor(service, 'Echo');
const client = new Echo(TARGET, grpc.credentials.createInsecure(), OPTIONS);
const DATA = Buffer.from(Array.from({length: 256}, (_, i) => i));

const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
const within = (ms) => ({deadline: Date.now() + ms});

// {code, details, metadata, answer, head} of a unary call, whatever became of it.
function call(name, message, options = within(20000), metadata = new grpc.Metadata(), from = client) {
  return new Promise((resolve) => {
    const result = {};
    result.call = from[name](message, metadata, options, (error, answer) => { result.answer = answer; result.error = error; });
    result.call.on('metadata', (head) => { result.head = head; });
    result.call.on('status', (status) => setImmediate(() => resolve({...result, ...status})));
  });
}

// {messages, code, details} of a stream of answers.
function drained(stream) {
  return new Promise((resolve) => {
    const messages = [];
    stream.on('data', (message) => messages.push(message.length));
    stream.on('error', () => {});
    stream.on('status', (status) => setImmediate(() => resolve({messages, ...status})));
  });
}

const cancelledSoFar = async () => Number((await call('cancelled', bytes(''))).answer);
async function cancelledSoon(before) {
  for (let i = 0; i < 100; ++i) {
    if (await cancelledSoFar() > before) return;
    await sleep(50);
  }
  assert.fail('the server saw no cancellation');
}

const checks = {
  async unary() {
    for (const message of [bytes('hello'), bytes(''), Buffer.alloc(1000000, 'x')]) {
      const metadata = new grpc.Metadata();
      metadata.set('x-data-bin', DATA);
      const done = await call('unary', message, within(20000), metadata);
      assert.equal(done.code, 0, done.details);
      assert.ok(done.answer.equals(message));
      assert.deepEqual(done.head.get('echo-data-bin'), [DATA]);
      assert.deepEqual(done.metadata.get('trail-data-bin'), [DATA]);
    }
  },
  async client_stream() {
    const answer = await new Promise((resolve, reject) => {
      const stream = client.clientStream(within(20000), (error, message) => error ? reject(error) : resolve(message));
      for (let i = 0; i < 200; ++i) stream.write(Buffer.alloc(10000, 'x'));
      stream.end();
    });
    assert.equal(answer.toString(), '200 2000000');
  },
  async server_stream() {
    const done = await drained(client.serverStream(bytes('200 10000'), within(20000)));
    assert.equal(done.code, 0, done.details);
    assert.deepEqual(done.messages, Array(200).fill(10000));
  },
  async bidi() {
    const stream = client.bidi(within(20000));
    let next = 0;
    stream.on('data', (message) => {
      assert.equal(message.toString(), String(next));
      if (++next < 100) stream.write(bytes(next)); else stream.end();
    });
    const status = new Promise((resolve) => stream.on('status', resolve));
    stream.write(bytes(0));
    assert.equal((await status).code, 0);
    assert.equal(next, 100);
  },
  async deadline_reaches_the_server() {
    const left = Number((await call('deadline', bytes(''), within(8000))).answer);
    assert.ok(left > 4000 && left <= 8000, String(left));
    assert.equal((await call('deadline', bytes(''), {})).answer.toString(), '-1');
  },
  async deadline_ends_a_call() {
    const before = await cancelledSoFar();
    assert.equal((await call('hang', bytes(''), within(600))).code, 4);
    await cancelledSoon(before);
  },
  async cancel_a_stream() {
    const before = await cancelledSoFar();
    const stream = client.ticks(bytes(''));
    stream.on('error', () => {});
    let seen = 0;
    await new Promise((resolve) => stream.on('data', () => { if (++seen === 3) resolve(); }));
    stream.cancel();
    await cancelledSoon(before);
  },
  async cancel_a_call() {
    const before = await cancelledSoFar();
    const running = client.hang(bytes(''), () => {});
    await sleep(200);
    running.cancel();
    await cancelledSoon(before);
  },
  async every_status() {
    const text = 'naïve 100% ✓\nline';
    for (let code = 1; code <= 16; ++code) {
      const done = await call('fail', bytes(`${code} ${text}`));
      assert.equal(done.code, code);
      assert.equal(done.details, text);
      assert.deepEqual(done.metadata.get('why-bin'), [Buffer.from([0, 255])]);
    }
  },
  async status_after_messages() {
    const done = await drained(client.serverStream(bytes('3 10 9'), within(10000)));
    assert.deepEqual([done.messages.length, done.code, done.details], [3, 9, 'after the messages']);
  },
  // A status without a message stays one HEADERS frame that ends the stream.
  async trailers_only() {
    const session = http2.connect(`http://${TARGET}`);
    const stream = session.request({':method': 'POST', ':path': '/weft.test.Echo/Fail', 'content-type': 'application/grpc',
                                    te: 'trailers'});
    stream.end(Buffer.concat([Buffer.from([0, 0, 0, 0, 6]), bytes('5 gone')]));
    const [fields, flags] = await new Promise((resolve, reject) => {
      stream.on('response', (fields, flags) => resolve([fields, flags]));
      stream.on('error', reject);
    });
    assert.deepEqual([fields[':status'], fields['grpc-status'], fields['grpc-message']], [200, '5', 'gone']);
    assert.equal(flags & 1, 1);
    stream.close();
    session.close();
  },
  async unknown_method() {
    const Odd = grpc.makeClientConstructor({nothing: {...service.unary, path: '/weft.test.Echo/Nothing'}}, 'Odd');
    const odd = new Odd(TARGET, grpc.credentials.createInsecure());
    assert.equal((await call('nothing', bytes(''), within(10000), new grpc.Metadata(), odd)).code, 12);
    odd.close();
  },
  async health() {
    const Health = grpc.makeClientConstructor(health, 'Health');
    const checker = new Health(TARGET, grpc.credentials.createInsecure());
    const done = await call('check', bytes(''), within(10000), new grpc.Metadata(), checker);
    assert.deepEqual(done.answer, Buffer.from([8, 1]));
    const watch = checker.watch(bytes(''));
    watch.on('error', () => {});
    assert.deepEqual(await new Promise((resolve) => watch.on('data', resolve)), Buffer.from([8, 1]));
    watch.cancel();
    checker.close();
  },
  async many_at_once() {
    const all = await Promise.all(Array.from({length: 1000}, (_, i) => call('unary', bytes(i), within(30000))));
    all.forEach((done, i) => assert.equal(String(done.answer), String(i), done.details));
  },
  async slow_readers_do_not_hold_up_others() {
    const slow = Array.from({length: 30}, () => client.serverStream(bytes('100 100000'), within(30000)));
    for (const stream of slow) {
      stream.on('error', () => {});
      await new Promise((resolve) => stream.once('data', () => { stream.pause(); resolve(); }));
    }
    await sleep(500);  // windows fill: this is what is tested
    const done = await call('unary', Buffer.alloc(200000, 'x'), within(10000));
    assert.equal(done.code, 0, done.details);
    for (const stream of slow.slice(5)) stream.cancel();
    for (const stream of slow.slice(0, 5)) {
      const rest = drained(stream);
      stream.resume();
      assert.equal((await rest).messages.length, 99);
    }
  },
  // 64 MiB in one message, both ways.
  async huge() {
    const done = await call('unary', Buffer.alloc(64 << 20, 'x'), within(60000));
    assert.equal(done.code, 0, done.details);
    assert.equal(done.answer.length, 64 << 20);
  },
};

async function main() {
  const names = process.argv.slice(3);
  for (const name of names.length ? names : Object.keys(checks).filter((name) => name !== 'huge')) {
    try {
      await checks[name]();
      console.log(`ok ${name}`);
    } catch (error) {
      console.log(`FAILED ${name}: ${String(error.message).slice(0, 500)} ${String(error.stack).split('\n').slice(1, 4)}`);
    }
  }
  process.exit(0);
}
main();
