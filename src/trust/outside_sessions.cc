// Copies, because OpenSSL marks a session as not to be resumed when its connection ends without close_notify, which was
// a rule of TLS 1.0 and is not one any more.
#include "trust/outside_sessions.h"

#include <algorithm>
#include <utility>

namespace weft::trust {

void OutsideSessions::keep(const std::string& server, SSL_SESSION* session, WallTime ends) {
  const int version = SSL_SESSION_get_protocol_version(session);
  if (SSL_SESSION_is_resumable(session) != 1) return;
  Owned<SSL_SESSION> copy(SSL_SESSION_dup(session));
  if (!copy) return;
  const std::lock_guard lock(mutex_);
  if (given_up_.contains(server)) return;
  if (kept_.size() >= kMostServers && !kept_.contains(server)) {
    kept_.erase(std::ranges::min_element(
        kept_, {}, [](const auto& entry) { return entry.second.back().ends; }));
  }
  std::deque<Kept>& all = kept_[server];
  if (version < TLS1_3_VERSION) all.clear();
  all.push_back({std::move(copy), ends});
  if (all.size() > kMostOfServer) all.pop_front();
}

OutsideSessions::Kept OutsideSessions::take(const std::string& server, WallTime now) {
  const std::lock_guard lock(mutex_);
  const auto found = kept_.find(server);
  if (found == kept_.end()) return {};
  std::deque<Kept>& all = found->second;
  std::erase_if(all, [&](const Kept& one) { return one.ends <= now; });
  Kept newest;
  if (!all.empty()) {
    newest = std::move(all.back());
    all.pop_back();
    if (SSL_SESSION_get_protocol_version(newest.session.get()) < TLS1_3_VERSION) {
      Owned<SSL_SESSION> again(SSL_SESSION_dup(newest.session.get()));
      if (again) all.push_back({std::move(again), newest.ends});
    }
  }
  if (all.empty()) kept_.erase(found);
  return newest;
}

void OutsideSessions::forget(const std::string& server) {
  const std::lock_guard lock(mutex_);
  kept_.erase(server);
}

void OutsideSessions::give_up(const std::string& server) {
  const std::lock_guard lock(mutex_);
  kept_.erase(server);
  if (given_up_.size() >= kMostServers) given_up_.clear();  // they fail once more
  given_up_.insert(server);
}

}  // namespace weft::trust
