// The manual page of `weft run`.
#include "app/weft/run_options.h"

namespace weft::app {

std::string_view run_help() {
  return R"(weft run - run a program inside the mesh

  weft run --service NAME[:PORT[:APPPORT]][/PROTOCOL] [OPTION...] -- COMMAND [ARGUMENT...]

Runs COMMAND, unchanged, in a network namespace of its own whose only exit is its sidecar: what it
calls and who calls it travels over mutual TLS. No root is needed. The program starts when the sidecar
is ready; its input, output, terminal and exit status are the program's own.

Inside, services have names: cart, cart.NAMESPACE, cart.NAMESPACE.svc.mesh. Everything else is reached
as before, through the host. Only DNS leaves as datagrams (UDP).

WHO IT IS
  --service NAME[:PORT[:APPPORT]][/PROTOCOL]
      The service the program is part of. Callers dial PORT; the program listens on APPPORT (the
      same, if not given). PROTOCOL is http, h2c, grpc or tcp; without one, whoever speaks first
      decides. Repeat it for more ports. Without a PORT the program only calls out.
  --namespace NAMESPACE      default: default. Callers of one namespace may call each other.
  --label KEY=VALUE          for selectors of Service objects (repeat)
  --zone ZONE, --region REGION
      Where it is: callers choose instances of their own zone first, then of their region. Short
      for --label topology.kubernetes.io/zone=ZONE and .../region=REGION.
  --probe [APPPORT:]http:/PATH | [APPPORT:]grpc[:SERVICE] | [APPPORT:]tcp
      When the program may get traffic. Default: once its port accepts. An http probe passes on
      2xx and 3xx, a grpc probe on SERVING of the standard health service.

WHAT IT REACHES
  --host-port PORT           127.0.0.1:PORT of the host, at the same place inside (repeat)
  --publish [ADDRESS:]PORT[:APPPORT][/proxy-protocol]
      A plain door on the host to the program's APPPORT (default: that of the first --service),
      on loopback if no ADDRESS is given (repeat). With /proxy-protocol a load balancer stands before
      it: each connection must begin with a PROXY header (version 1 or 2), which says who the client
      is; one without is closed. Only then is such a header believed: let nobody else reach that port

THE SIDECAR
  --workers NUMBER           how many threads carry requests, 1 to 64. Default: 1; with --publish one for
                             each CPU that may be used (affinity, CPU quota of the cgroup), 4 at most

THE SERVER
  --server ADDRESS[:PORT]    where `weft server` is (port 7443), when it is on another machine
  --token TOKEN              joins this machine, once; later runs need none. `weft server` prints
                             the line to paste; `weft token create` makes more tokens
  --advertise ADDRESS        the address by which others reach this machine. Default: the one by
                             which it reaches the server. Ports: 20000-20999
  --wait TIME                how long to wait for the server and the sidecar; default 30s

WITHOUT NAMESPACES
  --explicit                 run the program in the host's network: nothing is captured, names are
                             not answered; it calls through local ports
  --upstream NAME:PORT[=LOCALPORT]
      With --explicit: 127.0.0.1:LOCALPORT (default PORT) leads to this service (repeat)

SIGNALS
  SIGTERM    The instance leaves the mesh, finishes what it has in hand (15 s at most), then the
             program gets the signal. A second SIGTERM is passed on at once. The sidecar stays until
             the program has ended.
  SIGINT and other signals of the terminal are the program's. Sent to weft run itself, SIGINT,
  SIGQUIT, SIGHUP, SIGUSR1 and SIGUSR2 are passed on.
  If weft run is killed, nothing of the instance is left.

`weft upgrade` gives a running instance a new sidecar; weft run itself stays the one that was started.

A program that goes into the background keeps its instance (and weft run) until its last process ends.

ENVIRONMENT
  WEFT_INSTANCE      set for the program: the instance's name
  WEFT_SOCKET        the server's socket on this machine
  WEFT_STATE_DIR     where Weft keeps its files; default /var/lib/weft as root, else
                     $XDG_STATE_HOME/weft, else ~/.local/state/weft. The logs of an instance are in
                     instances/INSTANCE there

LIMITS
  Without root a program cannot change its uid, and supplementary groups show as nobody's. Unix sockets
  reach what they reach outside, and a program run as root can write the host's files: run as a user
  what you do not trust.

EXIT STATUS
  that of the program; 128+N if signal N ended it
  2      the command line is wrong
  69     no server within --wait
  70     the sidecar could not start
  71     no namespaces here; the message says why
  77     the server refused: token, machine or service not allowed
  126    COMMAND cannot be executed
  127    COMMAND was not found

EXAMPLES
  weft run --service cart:80:8080/http -- python3 cart.py
  weft run --service visitor -- curl http://cart/
  weft run --service db:5432/tcp --host-port 9200 -- postgres -D data
  weft run --service shell -- bash -i
  weft run --server 192.0.2.10 --token weft1.... --service web:80:3000 -- node server.js
  weft run --explicit --upstream cart:80=9080 --service job -- ./job --cart 127.0.0.1:9080
)";
}

}  // namespace weft::app
