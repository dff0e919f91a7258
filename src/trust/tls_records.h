// Internal to trust: the records of an established TLS 1.3 connection (RFC 8446, section 5), between
// buffers of ours: sealed straight into what will be sent, opened straight into what will be read.
// OpenSSL shakes hands and hands over its traffic secrets; its EVP does the arithmetic. After that a
// connection is two keys of about a kilobyte each. Threading: none; one connection's, as a session.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string_view>

#include "base/buffer.h"
#include "base/result.h"
#include "trust/openssl.h"

namespace weft::trust {

// Alerts by which a peer says that it does not accept who we are, or is not whom we asked for.
bool is_identity_alert(int alert);

// A traffic secret (RFC 8446, section 7.1), wiped when it goes.
class TrafficSecret {
 public:
  static constexpr size_t kMost = EVP_MAX_MD_SIZE;

  TrafficSecret() = default;
  TrafficSecret(const TrafficSecret&) = delete;
  TrafficSecret& operator=(const TrafficSecret&) = delete;
  ~TrafficSecret();

  // Of hexadecimal digits, as OpenSSL reports it; false when it is none.
  bool set_hex(std::string_view hex);
  void set(std::string_view bytes);
  std::string_view bytes() const { return {reinterpret_cast<const char*>(bytes_), size_}; }

 private:
  unsigned char bytes_[kMost];
  size_t size_ = 0;
};

enum class ContentType : uint8_t {
  kChangeCipherSpec = 20,
  kAlert = 21,
  kHandshake = 22,
  kApplicationData = 23,
};

// One direction of a connection: its secret, and the key and nonces derived from it.
class TrafficKey {
 public:
  static constexpr size_t kHead = 5;
  static constexpr size_t kTag = 16;
  static constexpr size_t kMostContent = 16 * 1024;
  static constexpr size_t kMostSealed = kMostContent + 256;

  static std::optional<TrafficKey> make(const SSL_CIPHER* cipher, std::string_view secret,
                                        bool sealing);

  // Appends one record; content up to kMostContent.
  [[nodiscard]] bool seal(ContentType type, std::string_view content, Buffer& output);
  // Opens a record with its head into `room` (as large as the record). The inner plaintext's size,
  // content type at its end and padding included; nothing when it was tampered with.
  std::optional<size_t> open(std::string_view record, std::span<char> room);
  // To the next generation of the secret (section 7.2).
  [[nodiscard]] bool update();
  // Records sealed since the last update.
  uint64_t sealed() const { return sequence_; }

 private:
  TrafficKey() = default;
  bool derive();
  void next_nonce(unsigned char* nonce);

  const EVP_MD* hash_ = nullptr;
  size_t key_size_ = 0;
  const EVP_CIPHER* cipher_ = nullptr;
  bool sealing_ = false;
  std::unique_ptr<TrafficSecret> secret_;
  Owned<EVP_CIPHER_CTX> context_;
  unsigned char iv_[12];
  uint64_t sequence_ = 0;
};

// Both directions, and what the peer may say besides data: alerts, key updates, tickets nobody uses.
class RecordLayer {
 public:
  struct Start {
    bool server;
    const SSL_CIPHER* cipher;
    std::string_view read_secret, write_secret;  // no record was protected with them yet
  };
  static Result<std::unique_ptr<RecordLayer>> make(const Start& start);

  // Takes all whole records from the front. Errors are final; `output` may hold an alert then.
  Result<void> receive(Buffer& ciphertext, Buffer& plaintext, Buffer& output);
  Result<void> send(std::string_view plaintext, Buffer& output);
  // close_notify.
  Result<void> close(Buffer& output);
  bool closed() const { return closed_; }
  bool peer_closed() const { return peer_closed_; }

 private:
  RecordLayer(bool server, TrafficKey read, TrafficKey write)
      : server_(server), read_(std::move(read)), write_(std::move(write)) {}
  Result<void> one(std::string_view record, Buffer& plaintext, Buffer& output);
  Result<void> on_alert(std::string_view content);
  Result<void> on_handshake(std::string_view content, Buffer& output);
  Result<void> on_message(uint8_t type, std::string_view body, bool last, Buffer& output);
  Result<void> update_ours(Buffer& output);
  std::unexpected<Error> refuse(int alert, std::string_view why, Buffer& output);

  const bool server_;
  bool closed_ = false;
  bool peer_closed_ = false;
  int idle_records_ = 0;  // in a row, that brought no data
  TrafficKey read_, write_;
  Buffer handshake_;  // a message of which only the beginning has come
};

}  // namespace weft::trust
