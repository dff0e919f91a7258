// What the C library's resolver reads, as the app inside must see it: every host name question has to
// become a DNS question, because that is what the sidecar answers. Pure functions of file texts.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace weft::capture {

// /etc/nsswitch.conf (nsswitch.conf(5)) with "hosts: files dns" in place of its hosts line, when that
// names other sources (mdns4_minimal, resolve, myhostname, nis ...). Nothing when it is fine as it is;
// a file without a hosts line is (glibc then asks DNS and files).
std::optional<std::string> nsswitch_inside(std::string_view text);

// /etc/resolv.conf (resolv.conf(5)) with "nameserver 127.0.0.1" in place of its nameserver lines, when
// one has a scope ("fe80::1%eth0": that interface does not exist inside). Everything else (search,
// options ndots) is kept. Nothing when it is fine as it is: any nameserver is, the sidecar answers for
// all, and without one the C library asks 127.0.0.1, which is captured too.
std::optional<std::string> resolv_conf_inside(std::string_view text);

struct ResolvConf {
  std::vector<std::string> nameservers;  // as written, scope included; 127.0.0.1 when there is none
  std::vector<std::string> search;
};
// The host's resolvers and search list, for the sidecar.
ResolvConf parse_resolv_conf(std::string_view text);

}  // namespace weft::capture
