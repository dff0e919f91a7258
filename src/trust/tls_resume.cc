// The exporter (RFC 8446, section 7.5) gives both ends the same bytes without a message between them, so
// a connection carries no ticket, a server stores no certificate, and nothing depends on either clock.
// A key is used for as many connections as come within its life: it authenticates, the exchange in each
// connection keeps them apart. Costs about 250 bytes an entry.
#include "trust/tls_resume.h"

#include <openssl/crypto.h>

#include <array>
#include <utility>

namespace weft::trust {
namespace {

constexpr std::string_view kLabel = "EXPORTER-weft-resumption";

}  // namespace

ResumptionKeyPtr export_resumption_key(SSL* ssl, const PeerIdentity& peer, WallTime ends) {
  const SSL_CIPHER* cipher = SSL_get_current_cipher(ssl);
  const EVP_MD* hash = cipher != nullptr ? SSL_CIPHER_get_handshake_digest(cipher) : nullptr;
  if (hash == nullptr) return nullptr;
  std::array<unsigned char, ResumptionKey::kNameSize + EVP_MAX_MD_SIZE> bytes;
  const size_t secret_size = static_cast<size_t>(EVP_MD_get_size(hash));
  if (SSL_export_keying_material(ssl, bytes.data(), ResumptionKey::kNameSize + secret_size,
                                 kLabel.data(), kLabel.size(), nullptr, 0, 0) != 1) {
    return nullptr;
  }
  const std::string_view all(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  auto key = std::make_shared<ResumptionKey>();
  key->name = all.substr(0, ResumptionKey::kNameSize);
  key->secret.set(all.substr(ResumptionKey::kNameSize, secret_size));
  OPENSSL_cleanse(bytes.data(), bytes.size());
  key->cipher = cipher;
  key->peer = peer;
  key->ends = ends;
  return key;
}

Owned<SSL_SESSION> openssl_session(const ResumptionKey& key) {
  Owned<SSL_SESSION> session(SSL_SESSION_new());
  const std::string_view secret = key.secret.bytes();
  if (!session ||
      SSL_SESSION_set1_master_key(session.get(),
                                  reinterpret_cast<const unsigned char*>(secret.data()),
                                  secret.size()) != 1 ||
      SSL_SESSION_set_cipher(session.get(), key.cipher) != 1 ||
      SSL_SESSION_set_protocol_version(session.get(), TLS1_3_VERSION) != 1) {
    return nullptr;
  }
  return session;
}

void ResumptionCache::remember(std::string by, ResumptionKeyPtr key) {
  const std::lock_guard lock(mutex_);
  if (auto found = index_.find(by); found != index_.end()) drop(found->second);
  if (entries_.size() >= kMost) drop(entries_.begin());
  entries_.push_back({std::move(by), std::move(key)});
  index_.emplace(entries_.back().by, std::prev(entries_.end()));
}

ResumptionKeyPtr ResumptionCache::find(std::string_view by, WallTime now) {
  const std::lock_guard lock(mutex_);
  const auto found = index_.find(by);
  if (found == index_.end()) return nullptr;
  if (now < found->second->key->ends) return found->second->key;
  drop(found->second);
  return nullptr;
}

void ResumptionCache::forget(std::string_view by) {
  const std::lock_guard lock(mutex_);
  if (const auto found = index_.find(by); found != index_.end()) drop(found->second);
}

size_t ResumptionCache::size() const {
  const std::lock_guard lock(mutex_);
  return entries_.size();
}

void ResumptionCache::drop(std::list<Entry>::iterator entry) {
  index_.erase(entry->by);
  entries_.erase(entry);
}

}  // namespace weft::trust
