// upgrade_peer.js HTTP H2C ECHO: HTTP/1.1, HTTP/2 and bytes, each on a port of its own; all say what they were told.
'use strict';
const [http1, http2, echo] = process.argv.slice(2).map(Number);

const answer = (request, response) => {
  const parts = [];
  request.on('data', (part) => parts.push(part));
  request.on('end', () => response.end(Buffer.concat(parts)));
};
const server = require('http').createServer({keepAliveTimeout: 600000}, answer);
server.listen(http1, '0.0.0.0');
require('http2').createServer(answer).listen(http2, '0.0.0.0');
require('net').createServer({noDelay: true}, (socket) => {
  socket.on('error', () => {});
  socket.pipe(socket);
}).listen(echo, '0.0.0.0');
