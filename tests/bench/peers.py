"""Configurations of the proxies Weft is compared with: one hop and the pair of sidecars, for haproxy, nginx
and Envoy. All get as many workers as the bench says, keep-alive, request ids, an access log and their own metrics; between
the two of a pair TLS 1.3, mutual, P-256 certificates, X25519, AES-256-GCM (Envoy's BoringSSL picks
AES-128-GCM and cannot be told otherwise), sessions resumed as each of them does by itself.

Each class writes its files into a folder and has `ports` and `commands`: one command for a hop, two
(far side, near side) for a pair."""

import json
import os

import steering
from weftlib import free_port

BODIES = {"/0": 0, "/1k": 1024, "/64k": 64 * 1024, "/10m": 10 * 1024 * 1024}


def nginx_frame(folder, servers, http="", connections=4000, workers=1):
    paths = "\n".join(f"  {kind}_temp_path {folder}/{kind};" for kind in
                      ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
    processes = "master_process off;" if workers == 1 else f"worker_processes {workers};"
    if workers > 1 and os.geteuid() == 0:
        processes += " user root;"  # the folder is not for others
    return f"""daemon off; {processes} pid {folder}/pid; error_log {folder}/error.log;
events {{ worker_connections {connections}; }}
http {{
{paths}
  keepalive_requests 100000000; keepalive_timeout 600; sendfile on;
{http}
{servers}
}}
"""


def write_origin(folder, port, rpc_port):
    """nginx as the app: /0, /1k, /64k, /10m over HTTP/1.1 at `port`, a gRPC answer to anything at `rpc_port`."""
    folder.mkdir()
    for path, size in BODIES.items():
        (folder / path[1:]).write_bytes(b"x" * size)
    (folder / "reply").write_bytes(b"\0" + (64).to_bytes(4, "big") + b"x" * 64)
    inline = "\n".join(f'    location = {path} {{ return 200 "{"x" * size}"; }}'
                       for path, size in BODIES.items() if size <= 1024)
    (folder / "nginx.conf").write_text(nginx_frame(folder, f"""  access_log off; default_type text/plain; root {folder};
  open_file_cache max=10;
  server {{ listen 127.0.0.1:{port} backlog=4096;
{inline}
  }}
  server {{ listen 127.0.0.1:{rpc_port} http2 backlog=4096; http2_max_requests 100000000;
    location / {{ error_page 405 =200 /reply; return 405; }}
    location = /reply {{ default_type application/grpc; add_trailer grpc-status 0; }}
  }}"""))
    return ["nginx", "-c", str(folder / "nginx.conf"), "-p", str(folder)]


HAPROXY = """global
    nbthread {workers}
    maxconn 8000
    log stdout format raw local0
    ssl-default-bind-ciphersuites TLS_AES_256_GCM_SHA384
    ssl-default-server-ciphersuites TLS_AES_256_GCM_SHA384
    ssl-default-bind-curves X25519
defaults
    mode http
    log global
    option httplog
    option http-keep-alive
    http-reuse always
    unique-id-format %{+X}o%ci:%cp_%fi:%fp_%Ts_%rt:%pid
    unique-id-header X-Request-Id
    timeout connect 5s
    timeout client 600s
    timeout server 600s
"""


class Haproxy:
    """kind: hop, h1 or h2 (what is spoken between the two)."""

    def __init__(self, folder, kind, origin, rpc, sink, certs, workers=1, services=0):
        folder.mkdir()
        front = {"http": "mode http", "rpc": "mode http", "tcp": "mode tcp\n    option tcplog",
                 steering.NAME: "mode http"}
        self.ports = {name: free_port() for name in front}
        origins = {"http": f"127.0.0.1:{origin}", "rpc": f"127.0.0.1:{rpc} proto h2", "tcp": f"127.0.0.1:{sink}",
                   steering.NAME: f"127.0.0.1:{origin}"}
        extra = "".join(f"backend extra{i}\n    server s 127.0.0.1:{origin}\n" for i in range(services))
        if kind == "hop":
            sections = {"hop": [(name, str(self.ports[name]), origins[name]) for name in front]}
        else:
            spoken = "http/1.1" if kind == "h1" else "h2"
            alpn = {"http": spoken, "rpc": "h2", "tcp": "tcp", steering.NAME: spoken}
            hops = {name: free_port() for name in front}
            base = f"ca-file {certs}/ca.pem crt {certs}/both.pem verify required ssl-min-ver TLSv1.3"
            out = {name: f"127.0.0.1:{hops[name]} ssl {base} verifyhost bench sni str(bench) "
                         f"alpn {alpn[name]}" for name in front}
            bind = {name: f"{hops[name]} ssl {base} alpn {alpn[name]}" for name in front}
            sections = {"far": [(name, bind[name], origins[name]) for name in front],
                        "near": [(name, str(self.ports[name]), out[name]) for name in front]}
        self.commands = []
        for side, entries in sections.items():
            text = HAPROXY.replace("{workers}", str(workers)) + extra
            for name, bound, server in entries:
                before, behind, words = self.steer(side) if name == steering.NAME else ("", "", "")
                text += (f"frontend {name}\n    {front[name]}\n    bind 127.0.0.1:{bound}\n{before}"
                         f"    default_backend b{name}\n"
                         f"backend b{name}\n    {front[name].split(chr(10))[0]}\n{behind}    server s {server} {words}\n")
            (folder / f"{side}.cfg").write_text(text)
            self.commands.append(["haproxy", "-db", "-f", str(folder / f"{side}.cfg")])

    @staticmethod
    def steer(side):
        if side == "near":
            return steering.haproxy_near()
        return (steering.haproxy_far() if side == "far" else ""), "", ""


class Nginx:
    """One hop over HTTP/1.1; HTTP/2 in front on a port of its own."""

    def __init__(self, folder, origin, workers=1, services=0):
        folder.mkdir()
        self.ports = {"http": free_port(), "h2": free_port()}
        extra = "".join(f"  upstream extra{i} {{ server 127.0.0.1:{origin}; }}\n"
                        f"  server {{ listen 127.0.0.1:{self.ports['http']}; server_name extra{i}; "
                        f"location / {{ proxy_pass http://extra{i}; }} }}\n" for i in range(services))
        names = "  server_names_hash_max_size 8192; variables_hash_max_size 4096;\n" if services else ""
        (folder / "nginx.conf").write_text(nginx_frame(folder, f"""  upstream origin {{ server 127.0.0.1:{origin}; keepalive 512; keepalive_requests 100000000; }}
  server {{ listen 127.0.0.1:{self.ports['http']} backlog=4096 default_server;
    listen 127.0.0.1:{self.ports['h2']} http2 backlog=4096; http2_max_requests 100000000;
    location / {{
      proxy_pass http://origin; proxy_http_version 1.1; proxy_set_header Connection "";
      proxy_set_header Host $host; proxy_set_header X-Request-Id $request_id; proxy_buffers 8 64k;
    }} }}
{extra}""", f"{names}  access_log {folder}/access.log combined buffer=64k flush=1s;", connections=8000, workers=workers))
        self.commands = [["nginx", "-c", str(folder / "nginx.conf"), "-p", str(folder)]]


def envoy_address(port):
    return {"socket_address": {"address": "127.0.0.1", "port_value": port}}


def envoy_type(name, **fields):
    return {"@type": f"type.googleapis.com/envoy.extensions.{name}", **fields}


class Envoy:
    """kind as for Haproxy."""

    def __init__(self, binary, folder, kind, origin, rpc, sink, certs, workers=1, services=0):
        folder.mkdir()
        self.folder, self.certs, self.workers = folder, certs, workers
        origins = {"http": origin, "rpc": rpc, "tcp": sink, steering.NAME: origin}
        self.ports = {name: free_port() for name in origins}
        extra = [self.cluster(f"extra{i}", origin, h2=False) for i in range(services)]
        self.commands = []
        if kind == "hop":
            self.write(binary, "hop", [(name, self.ports[name], origins[name], name == "rpc", False, False)
                                       for name in origins], extra)
            return
        hops = {name: free_port() for name in origins}
        h2 = {"http": kind == "h2", "rpc": True, "tcp": False, steering.NAME: kind == "h2"}
        self.write(binary, "far", [(n, hops[n], origins[n], n == "rpc", True, False) for n in origins], extra)
        self.write(binary, "near", [(n, self.ports[n], hops[n], h2[n], False, True) for n in origins], extra)

    def tls(self, side):
        file = "{}/{}".format
        common = {"tls_params": {"tls_minimum_protocol_version": "TLSv1_3", "ecdh_curves": ["X25519"],
                                  "tls_maximum_protocol_version": "TLSv1_3"},
                  "tls_certificates": [{"certificate_chain": {"filename": file(self.certs, "end.pem")},
                                        "private_key": {"filename": file(self.certs, "end.key")}}],
                  "validation_context": {"trusted_ca": {"filename": file(self.certs, "ca.pem")}}}
        name = f"transport_sockets.tls.v3.{side}TlsContext"
        if side == "Upstream":
            config = envoy_type(name, common_tls_context=common, sni="bench")
        else:
            common["alpn_protocols"] = ["h2", "http/1.1"]
            config = envoy_type(name, common_tls_context=common, require_client_certificate=True)
        return {"name": "envoy.transport_sockets.tls", "typed_config": config}

    def cluster(self, name, port, h2, tls=False):
        found = {"name": name, "type": "STATIC", "connect_timeout": "5s", "load_assignment": {
            "cluster_name": name,
            "endpoints": [{"lb_endpoints": [{"endpoint": {"address": envoy_address(port)}}]}]},
            "circuit_breakers": {"thresholds": [{"max_connections": 9000, "max_requests": 9000,
                                                 "max_pending_requests": 9000}]}}
        if h2:
            found["typed_extension_protocol_options"] = {
                "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": envoy_type(
                    "upstreams.http.v3.HttpProtocolOptions",
                    explicit_http_config={"http2_protocol_options": {}})}
        if tls:
            found["transport_socket"] = self.tls("Upstream")
            if name == steering.NAME:
                found.update(steering.envoy_cluster())
        return found

    def listener(self, side, name, port, tls):
        log = [{"name": "envoy.access_loggers.file", "typed_config": envoy_type(
            "access_loggers.file.v3.FileAccessLog", path=f"{self.folder}/access.log")}]
        if name == "tcp":
            network = {"name": "tcp", "typed_config": envoy_type(
                "filters.network.tcp_proxy.v3.TcpProxy", stat_prefix=name, cluster=name, access_log=log)}
        else:
            routes, filters = [{"match": {"prefix": "/"}, "route": {"cluster": name, "timeout": "0s"}}], []
            if name == steering.NAME and side == "near":
                routes, filters = steering.envoy_routes(name), [steering.envoy_fault(envoy_type)]
            elif name == steering.NAME and side == "far":
                filters = [steering.envoy_limit(envoy_type)]
            filters.append({"name": "router", "typed_config": envoy_type("filters.http.router.v3.Router")})
            network = {"name": "hcm", "typed_config": envoy_type(
                "filters.network.http_connection_manager.v3.HttpConnectionManager", stat_prefix=name,
                access_log=log, generate_request_id=True, http_filters=filters,
                route_config={"virtual_hosts": [{"name": "all", "domains": ["*"], "routes": routes}]})}
        chain = {"filters": [network]}
        if tls:
            chain["transport_socket"] = self.tls("Downstream")
        return {"name": name, "address": envoy_address(port), "filter_chains": [chain]}

    def write(self, binary, side, entries, extra):
        config = {"static_resources": {
            "listeners": [self.listener(side, name, port, tls_in) for name, port, _, _, tls_in, _ in entries],
            "clusters": [self.cluster(name, to, h2, tls_out) for name, _, to, h2, _, tls_out in entries] + extra}}
        file = self.folder / f"{side}.json"
        file.write_text(json.dumps(config))
        self.commands.append([str(binary), "-c", str(file), "--concurrency", str(self.workers), "--use-dynamic-base-id",
                              "--log-level", "error"])
