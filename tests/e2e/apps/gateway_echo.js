// A pod of the Gateway API's tests: answers HTTP/1.1, HTTP/2 and gRPC on the same ports (?delay=1s: after as long),
// writes down what comes, and makes the requests it is told to over a Unix socket.
// Arguments: WORKLOAD NAMESPACE SOCKET PORT...
// On the socket, JSON lines: {"calls": [{...}]} makes them at once and is answered with what came back, {"take": true}
// with what was written down since the last time, {"headers": {...}} sets fields of the answers to come.
"use strict";
const http = require("http"), http2 = require("http2"), net = require("net");

const [workload, namespace, socket, ...ports] = process.argv.slice(2);
let reached = [], extra = {};

const lists = (raw) => {
  const out = {};
  for (let i = 0; i < raw.length; i += 2) {
    const name = raw[i].toLowerCase();
    out[name] = name in out ? `${out[name]},${raw[i + 1]}` : String(raw[i + 1]);
  }
  return out;
};

function answer(request, response, protocol) {
  const raw = protocol === "HTTP/2.0" ? Object.entries(request.headers).flat() : request.rawHeaders;
  reached.push({workload, namespace, protocol, method: request.method, path: request.url,
                host: request.authority || request.headers.host, headers: lists(raw)});
  const delay = /[?&]delay=(\d+)s/.exec(request.url);
  request.resume();
  request.on("end", () => setTimeout(() => {
    if (response.destroyed || response.stream?.destroyed) return;
    for (const [name, value] of Object.entries(extra)) response.setHeader(name, value);
    if ((request.headers["content-type"] || "").startsWith("application/grpc")) {
      // Trailers alone: an answer without messages.
      response.setHeader("content-type", "application/grpc");
      response.setHeader("grpc-status", "0");
      response.end();
      return;
    }
    response.setHeader("content-length", "0");
    response.end();
  }, delay ? 1000 * Number(delay[1]) : 0));
}

const one = http.createServer({keepAliveTimeout: 600000}, (q, s) => answer(q, s, "HTTP/1.1"));
const two = http2.createServer((q, s) => answer(q, s, "HTTP/2.0"));
for (const port of ports) {
  net.createServer((connection) => {
    connection.on("error", () => {});
    connection.once("readable", () => {
      const first = connection.read();
      if (first === null) return;
      connection.unshift(first);
      (first.toString("latin1", 0, 3) === "PRI" ? two : one).emit("connection", connection);
    });
  }).listen(Number(port), "::");
}

function call({protocol, host, port, authority, method, path, headers}) {
  return new Promise((resolve) => {
    const start = process.hrtime.bigint();
    const done = (status, fields, more) => resolve({status, headers: fields, ...more,
                                                   elapsed_ms: Number(process.hrtime.bigint() - start) / 1e6});
    const failed = (error) => done(0, {}, {error: String(error)});
    if (protocol === "http/1.1") {
      const request = http.request({host, port, method, path, agent: false, setHost: false,
                                    headers: {Host: authority, ...headers}}, (response) => {
        done(response.statusCode, lists(response.rawHeaders));
        response.resume();
      });
      request.on("error", failed);
      request.end();
      return;
    }
    const session = http2.connect(`http://${net.isIPv6(host) ? `[${host}]` : host}:${port}`);
    session.on("error", failed);
    const grpc = protocol === "grpc";
    const stream = session.request({":method": method, ":path": path, ":authority": authority, ...headers,
                                    ...(grpc ? {"content-type": "application/grpc", te: "trailers"} : {})});
    let status = 0, fields = {}, trailers = {};
    stream.on("response", (all) => {
      status = all[":status"];
      fields = lists(Object.entries(all).flat());
    });
    stream.on("trailers", (all) => { trailers = all; });
    stream.on("error", failed);
    stream.on("close", () => {
      const code = trailers["grpc-status"] ?? fields["grpc-status"];
      done(status, fields, {grpc_status: code === undefined ? -1 : Number(code)});
      session.close();
    });
    stream.resume();
    stream.end(grpc ? Buffer.alloc(5) : undefined);
  });
}

net.createServer((connection) => {
  let text = "";
  connection.on("error", () => {});
  connection.on("data", async (piece) => {
    text += piece;
    const lines = text.split("\n");
    text = lines.pop();
    for (const line of lines) {
      const asked = JSON.parse(line);
      let said = {};
      if (asked.headers) extra = asked.headers;
      if (asked.take) {
        said = {reached};
        reached = [];
      }
      if (asked.calls) said = await Promise.all(asked.calls.map(call));
      connection.write(JSON.stringify(said) + "\n");
    }
  });
}).listen(socket);

