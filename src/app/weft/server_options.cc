// A plain loop over the arguments: every option takes one value, as "--option value" or
// "--option=value".
#include "app/weft/server_options.h"

#include <fmt/format.h>
#include <pwd.h>

#include "base/text.h"
#include "model/identity.h"

namespace weft::app {
namespace {

constexpr std::string_view kManual = R"(weft server - the control plane of a mesh

USAGE
  weft server [OPTIONS]

  Makes a trust domain at the first start and keeps it: a certificate authority, the objects applied
  with `weft apply`, the registry of instances. Runs in the foreground until SIGTERM or Ctrl-C.
  Sidecars keep working while it is away; only new instances need it.

OPTIONS
  --state-dir DIR          where everything is kept (default: $WEFT_STATE_DIR, /var/lib/weft as
                           root, else $XDG_STATE_HOME/weft or ~/.local/state/weft). Holds the root
                           key: back it up, and let nobody else read it.
  --socket PATH            the API's Unix socket (default: $WEFT_SOCKET, /run/weft/server.sock as
                           root, else $XDG_RUNTIME_DIR/weft/server.sock)
  --listen ADDRESS[:PORT]  discovery and joining, TLS (default 0.0.0.0:7443)
  --status ADDRESS[:PORT]  the read-only status page (default 127.0.0.1:7480)
  --advertise ADDRESS[:PORT]
                           where other machines reach this host (default: its first address that is
                           not loopback)
  --trust-domain NAME      at the first start only (default weft.local)
  --svid-ttl TIME          how long a workload's certificate lives, 10s to 24h (default 1h); it is
                           renewed at half life
  --machine-ttl TIME       how long a joined machine may be off or idle before it needs a new token,
                           10s to 336h (default 336h = 14 days); its credential is renewed at half
                           life while anything runs there
  --allow USER             lets this user register and administer, besides root and the server's own
                           user. May be repeated.
  -h, --help               this text

FILES
  STATE-DIR/weft.db        objects, registry, keys (mode 0600)
  STATE-DIR/server.log     what the server has to say, rotated

EXIT STATUS
  0  stopped by a signal
  1  could not start: the reason is on stderr
  2  the command line is wrong

EXAMPLE
  weft server &
  weft run --service web:8080 -- node server.js
)";

Result<SocketAddress> address_of(std::string_view option, std::string_view text, uint16_t port) {
  if (auto whole = SocketAddress::parse(text)) return whole;
  if (auto ip = IpAddress::parse(text)) return SocketAddress{*ip, port};
  return fail(ErrorKind::kInvalid,
              fmt::format("{} {}: give an IP address and a port, e.g. 192.0.2.7:{}", option, text,
                          port == 0 ? 7443 : port));
}

Result<void> read_one(ServerArguments& out, std::string_view option, const std::string& value) {
  if (option == "--state-dir") {
    out.state_dir = value;
  } else if (option == "--socket") {
    out.socket = value;
  } else if (option == "--listen" || option == "--status") {
    auto& into = option == "--listen" ? out.listen : out.status;
    auto address = address_of(option, value, into.port);
    if (!address) return std::unexpected(address.error());
    into = *address;
  } else if (option == "--advertise") {
    auto address = address_of(option, value, 0);
    if (!address) return std::unexpected(address.error());
    if (address->ip.is_unspecified()) {
      return fail(ErrorKind::kInvalid, "--advertise: name an address that others can dial");
    }
    out.advertise = *address;
  } else if (option == "--trust-domain") {
    if (auto id = model::SpiffeId::for_server(value); !id) {
      return std::unexpected(std::move(id.error()).context("--trust-domain"));
    }
    out.trust_domain = value;
  } else if (option == "--svid-ttl") {
    auto life = parse_duration_ns(value);
    if (!life || *life < Duration::seconds(10).ns || *life > Duration::hours(24).ns) {
      return fail(ErrorKind::kInvalid, fmt::format("--svid-ttl {}: give 10s to 24h", value));
    }
    out.svid_life = Duration{*life};
  } else if (option == "--machine-ttl") {
    auto life = parse_duration_ns(value);
    if (!life || *life < Duration::seconds(10).ns || *life > Duration::hours(24 * 14).ns) {
      return fail(ErrorKind::kInvalid, fmt::format("--machine-ttl {}: give 10s to 336h", value));
    }
    out.machine_life = Duration{*life};
  } else if (option == "--allow") {
    const passwd* user = getpwnam(value.c_str());
    if (user == nullptr)
      return fail(ErrorKind::kInvalid, fmt::format("--allow: no user {}", value));
    out.allowed_uids.insert(static_cast<int>(user->pw_uid));
  } else {
    return fail(ErrorKind::kInvalid, fmt::format("unknown option {}", option));
  }
  return {};
}

}  // namespace

std::string_view server_manual() { return kManual; }

Result<ServerArguments> read_server_arguments(std::span<char* const> args,
                                              const Environment& environment) {
  ServerArguments out;
  for (size_t i = 0; i < args.size(); ++i) {
    std::string_view option = args[i];
    if (option == "-h" || option == "--help") {
      out.help = true;
      return out;
    }
    if (!option.starts_with("--")) {
      return fail(ErrorKind::kInvalid, fmt::format("unexpected argument '{}'", option));
    }
    std::string value;
    if (auto parts = split_once(option, '=')) {
      value = parts->second;
      option = parts->first;
    } else if (i + 1 < args.size()) {
      value = args[++i];
    }
    if (value.empty()) return fail(ErrorKind::kInvalid, fmt::format("{} needs a value", option));
    if (auto ok = read_one(out, option, value); !ok) return std::unexpected(ok.error());
  }
  if (out.socket.empty()) {
    // A state directory of its own means a server of its own.
    out.socket = out.state_dir.empty() || !environment.weft_socket.empty()
                     ? server_socket(environment)
                     : out.state_dir + "/server.sock";
  }
  if (out.state_dir.empty()) out.state_dir = state_dir(environment);
  return out;
}

}  // namespace weft::app
