// WebSockets over HTTP/2 (RFC 8441), both ends, on Node's own http2:
//   server PORT           announces extended CONNECT and echoes messages; /closed is refused
//   client HOST:PORT      opens one, says hello, closes; prints a line for each thing that holds
'use strict';
const http2 = require('http2');

// One frame (RFC 6455 section 5.2) of less than 126 octets.
function frame(opcode, text, mask) {
  const payload = Buffer.from(text);
  const head = Buffer.from([0x80 | opcode, (mask ? 0x80 : 0) | payload.length]);
  if (!mask) return Buffer.concat([head, payload]);
  const key = Buffer.from([1, 2, 3, 4]);
  return Buffer.concat([head, key, payload.map((octet, i) => octet ^ key[i % 4])]);
}

// Calls each(opcode, text) for every whole frame that has come.
function reader(each) {
  let bytes = Buffer.alloc(0);
  return (piece) => {
    bytes = Buffer.concat([bytes, piece]);
    while (bytes.length >= 2) {
      const size = bytes[1] & 0x7f, masked = bytes[1] & 0x80, begin = masked ? 6 : 2;
      if (bytes.length < begin + size) return;
      let payload = bytes.subarray(begin, begin + size);
      if (masked) payload = payload.map((octet, i) => octet ^ bytes[2 + i % 4]);
      each(bytes[0] & 15, Buffer.from(payload).toString('latin1'));
      bytes = bytes.subarray(begin + size);
    }
  };
}

function serve(port) {
  const server = http2.createServer({settings: {enableConnectProtocol: true}});
  server.on('stream', (stream, head) => {
    stream.on('error', () => {});
    if (head[':method'] !== 'CONNECT') return stream.respond({':status': 200}, {endStream: true});
    if (head[':path'] === '/closed') return stream.respond({':status': 403, 'x-why': 'closed'}, {endStream: true});
    console.log('opened', head[':protocol'], head['sec-websocket-key'] === undefined);
    const protocol = head['sec-websocket-protocol'];
    stream.respond({':status': 200, ...(protocol && {'sec-websocket-protocol': protocol})});
    stream.on('data', reader((opcode, text) => {
      stream.write(frame(opcode, Buffer.from(text, 'latin1'), false));
      if (opcode === 8) stream.end();
    }));
    stream.on('end', () => { console.log('ended'); stream.end(); });
  });
  server.listen(port);
}

function call(target) {
  const session = http2.connect(`http://${target}`);
  session.on('remoteSettings', (settings) => {
    console.log('announced', settings.enableConnectProtocol);
    const stream = session.request({':method': 'CONNECT', ':protocol': 'websocket', ':scheme': 'http', ':path': '/room',
                                    ':authority': target, 'sec-websocket-version': '13',
                                    'sec-websocket-protocol': 'shop.v1'});
    stream.on('response', (head) => {
      console.log(head[':status'], head['sec-websocket-protocol'], head['sec-websocket-accept'] === undefined);
      stream.write(frame(1, 'hello', true));
    });
    stream.on('data', reader((opcode, text) => {
      console.log(opcode, JSON.stringify(text));
      if (opcode === 1) stream.write(frame(8, Buffer.from([0x0f, 0xa1]), true));
      if (opcode === 8) stream.end();
    }));
    stream.on('end', () => { console.log('ended'); session.close(); });
    stream.on('error', (error) => { console.log('failed', error.message); session.destroy(); });
  });
}

if (process.argv[2] === 'server') serve(Number(process.argv[3])); else call(process.argv[3]);
