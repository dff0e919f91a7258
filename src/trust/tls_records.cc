// Why not OpenSSL's own record layer: it copies each byte twice on either side, takes 1 to 2 µs for a
// record however small, and its connection holds 20 KiB of handshake state and peer certificates that
// nobody asks for again. What is here is the small part of TLS that runs after the handshake, and it
// is strict: anything RFC 8446 does not name is answered with an alert and is final.
#include "trust/tls_records.h"

#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/hmac.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <string>
#include <utility>

#include "base/assert.h"

namespace weft::trust {
namespace {

// RFC 8446, section 5.5: AES-GCM is good for 2^24.5 full records under one key.
constexpr uint64_t kMostRecords = uint64_t{1} << 24;
// Records in a row without data: a peer that sends only those wants our time.
constexpr int kMostIdleRecords = 32;
constexpr size_t kMostHandshake = 16 * 1024;
constexpr size_t kMessageHead = 4;

constexpr uint8_t kNewSessionTicket = 4;
constexpr uint8_t kKeyUpdate = 24;

const EVP_CIPHER* aead_of(const SSL_CIPHER* cipher) {
  switch (SSL_CIPHER_get_cipher_nid(cipher)) {
    case NID_aes_256_gcm: return EVP_aes_256_gcm();
    case NID_aes_128_gcm: return EVP_aes_128_gcm();
    case NID_chacha20_poly1305: return EVP_chacha20_poly1305();
    default: return nullptr;
  }
}

// HKDF-Expand-Label (section 7.1) without a context, for no more than one block of the hash.
bool expand_label(const EVP_MD* hash, std::string_view secret, std::string_view label,
                  std::span<unsigned char> out) {
  std::array<unsigned char, 32> info{};
  const std::string_view prefix = "tls13 ";
  size_t size = 0;
  info[size++] = static_cast<unsigned char>(out.size() >> 8);
  info[size++] = static_cast<unsigned char>(out.size());
  info[size++] = static_cast<unsigned char>(prefix.size() + label.size());
  for (const std::string_view part : {prefix, label}) {
    std::memcpy(info.data() + size, part.data(), part.size());
    size += part.size();
  }
  info[size++] = 0;  // the context's length
  info[size++] = 1;  // HKDF's block number
  std::array<unsigned char, EVP_MAX_MD_SIZE> block;
  unsigned int got = 0;
  const bool done = HMAC(hash, secret.data(), static_cast<int>(secret.size()), info.data(), size,
                         block.data(), &got) != nullptr &&
                    got >= out.size();
  if (done) std::memcpy(out.data(), block.data(), out.size());
  OPENSSL_cleanse(block.data(), block.size());
  return done;
}

const unsigned char* bytes_of(std::string_view text) {
  return reinterpret_cast<const unsigned char*>(text.data());
}

}  // namespace

bool is_identity_alert(int alert) {
  switch (alert) {
    case SSL_AD_BAD_CERTIFICATE:
    case SSL_AD_UNSUPPORTED_CERTIFICATE:
    case SSL_AD_CERTIFICATE_REVOKED:
    case SSL_AD_CERTIFICATE_EXPIRED:
    case SSL_AD_CERTIFICATE_UNKNOWN:
    case SSL_AD_UNKNOWN_CA:
    case SSL_AD_ACCESS_DENIED:
    case SSL_AD_CERTIFICATE_REQUIRED:
    case SSL_AD_UNRECOGNIZED_NAME: return true;
    default: return false;
  }
}

TrafficSecret::~TrafficSecret() { OPENSSL_cleanse(bytes_, sizeof bytes_); }

bool TrafficSecret::set_hex(std::string_view hex) {
  std::string digits(hex);
  const bool done = OPENSSL_hexstr2buf_ex(bytes_, sizeof bytes_, &size_, digits.c_str(), '\0') == 1;
  OPENSSL_cleanse(digits.data(), digits.size());
  return done;
}

void TrafficSecret::set(std::string_view bytes) {
  WEFT_ASSERT(bytes.size() <= sizeof bytes_);
  std::memcpy(bytes_, bytes.data(), bytes.size());
  size_ = bytes.size();
}

std::optional<TrafficKey> TrafficKey::make(const SSL_CIPHER* cipher, std::string_view secret,
                                           bool sealing) {
  TrafficKey key;
  key.cipher_ = aead_of(cipher);
  key.hash_ = SSL_CIPHER_get_handshake_digest(cipher);
  if (key.cipher_ == nullptr || key.hash_ == nullptr) return std::nullopt;
  if (secret.size() != static_cast<size_t>(EVP_MD_get_size(key.hash_))) return std::nullopt;
  key.key_size_ = static_cast<size_t>(EVP_CIPHER_get_key_length(key.cipher_));
  key.sealing_ = sealing;
  key.secret_ = std::make_unique<TrafficSecret>();
  key.secret_->set(secret);
  key.context_.reset(EVP_CIPHER_CTX_new());
  if (!key.context_ || !key.derive()) return std::nullopt;
  return key;
}

bool TrafficKey::derive() {
  std::array<unsigned char, EVP_MAX_KEY_LENGTH> key;
  const bool done = expand_label(hash_, secret_->bytes(), "key", {key.data(), key_size_}) &&
                    expand_label(hash_, secret_->bytes(), "iv", iv_) &&
                    EVP_CipherInit_ex(context_.get(), cipher_, nullptr, key.data(), nullptr,
                                      sealing_ ? 1 : 0) == 1;
  OPENSSL_cleanse(key.data(), key.size());
  sequence_ = 0;
  return done;
}

bool TrafficKey::update() {
  std::array<unsigned char, EVP_MAX_MD_SIZE> next;
  const size_t size = secret_->bytes().size();
  if (!expand_label(hash_, secret_->bytes(), "traffic upd", {next.data(), size})) return false;
  secret_->set({reinterpret_cast<const char*>(next.data()), size});
  OPENSSL_cleanse(next.data(), next.size());
  return derive();
}

// Section 5.3: the record's number, padded on the left, over the iv.
void TrafficKey::next_nonce(unsigned char* nonce) {
  std::memcpy(nonce, iv_, sizeof iv_);
  for (int i = 0; i < 8; ++i) nonce[11 - i] ^= static_cast<unsigned char>(sequence_ >> (8 * i));
  ++sequence_;
}

bool TrafficKey::seal(ContentType type, std::string_view content, Buffer& output) {
  WEFT_ASSERT(sealing_ && content.size() <= kMostContent);
  const size_t sealed = content.size() + 1 + kTag;
  unsigned char nonce[sizeof iv_];
  next_nonce(nonce);
  auto* head = reinterpret_cast<unsigned char*>(output.prepare(kHead + sealed).data());
  head[0] = static_cast<unsigned char>(ContentType::kApplicationData);
  head[1] = 3;
  head[2] = 3;
  head[3] = static_cast<unsigned char>(sealed >> 8);
  head[4] = static_cast<unsigned char>(sealed);
  unsigned char* body = head + kHead;
  const auto inner_type = static_cast<unsigned char>(type);
  EVP_CIPHER_CTX* context = context_.get();
  int done = 0;
  if (EVP_EncryptInit_ex(context, nullptr, nullptr, nullptr, nonce) != 1 ||
      EVP_EncryptUpdate(context, nullptr, &done, head, kHead) != 1 ||
      (!content.empty() && EVP_EncryptUpdate(context, body, &done, bytes_of(content),
                                             static_cast<int>(content.size())) != 1) ||
      EVP_EncryptUpdate(context, body + content.size(), &done, &inner_type, 1) != 1 ||
      EVP_EncryptFinal_ex(context, body + content.size() + 1, &done) != 1 ||
      EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_GET_TAG, kTag, body + content.size() + 1) != 1) {
    return false;
  }
  output.commit(kHead + sealed);
  return true;
}

std::optional<size_t> TrafficKey::open(std::string_view record, std::span<char> room) {
  WEFT_ASSERT(!sealing_ && record.size() > kHead + kTag && room.size() >= record.size());
  const size_t size = record.size() - kHead - kTag;
  unsigned char nonce[sizeof iv_];
  next_nonce(nonce);
  const unsigned char* head = bytes_of(record);
  // OpenSSL takes the tag through a pointer it does not write to.
  auto* tag = const_cast<unsigned char*>(head + kHead + size);
  auto* into = reinterpret_cast<unsigned char*>(room.data());
  EVP_CIPHER_CTX* context = context_.get();
  int done = 0;
  if (EVP_DecryptInit_ex(context, nullptr, nullptr, nullptr, nonce) != 1 ||
      EVP_DecryptUpdate(context, nullptr, &done, head, kHead) != 1 ||
      EVP_DecryptUpdate(context, into, &done, head + kHead, static_cast<int>(size)) != 1 ||
      EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_SET_TAG, kTag, tag) != 1 ||
      EVP_DecryptFinal_ex(context, into + size, &done) != 1) {
    ERR_clear_error();
    return std::nullopt;
  }
  return size;
}

Result<std::unique_ptr<RecordLayer>> RecordLayer::make(const Start& start) {
  auto read = TrafficKey::make(start.cipher, start.read_secret, /*sealing=*/false);
  auto write = TrafficKey::make(start.cipher, start.write_secret, /*sealing=*/true);
  if (!read || !write) return openssl_failure("TLS traffic keys");
  return std::unique_ptr<RecordLayer>(
      new RecordLayer(start.server, std::move(*read), std::move(*write)));
}

std::unexpected<Error> RecordLayer::refuse(int alert, std::string_view why, Buffer& output) {
  const char content[] = {2 /* fatal */, static_cast<char>(alert)};
  // An alert that cannot be sealed is not sent; the connection ends all the same.
  if (!closed_) closed_ = write_.seal(ContentType::kAlert, {content, sizeof content}, output);
  return fail(ErrorKind::kProtocol, "TLS: " + std::string(why),
              server_ ? ErrorSource::kDownstream : ErrorSource::kUpstream);
}

Result<void> RecordLayer::receive(Buffer& ciphertext, Buffer& plaintext, Buffer& output) {
  // Room for all records at hand, so that the buffer does not grow with each.
  plaintext.prepare(ciphertext.size());
  while (!peer_closed_ && ciphertext.size() >= TrafficKey::kHead) {
    const unsigned char* head = bytes_of(ciphertext.view());
    const size_t size = static_cast<size_t>(head[3]) << 8 | head[4];
    if (head[0] != static_cast<uint8_t>(ContentType::kApplicationData)) {
      return refuse(SSL_AD_UNEXPECTED_MESSAGE, "a record that is not encrypted", output);
    }
    if (size > TrafficKey::kMostSealed) {
      return refuse(SSL_AD_RECORD_OVERFLOW, "a record is too long", output);
    }
    if (size <= TrafficKey::kTag) {
      return refuse(SSL_AD_DECODE_ERROR, "a record is too short", output);
    }
    if (ciphertext.size() < TrafficKey::kHead + size) break;
    const std::string_view record = ciphertext.view().substr(0, TrafficKey::kHead + size);
    if (auto done = one(record, plaintext, output); !done) return done;
    ciphertext.consume(record.size());
  }
  if (peer_closed_) ciphertext.clear();  // nothing may follow close_notify
  plaintext.release_if_empty();
  return {};
}

Result<void> RecordLayer::one(std::string_view record, Buffer& plaintext, Buffer& output) {
  const std::span<char> room = plaintext.prepare(record.size());
  const std::optional<size_t> opened = read_.open(record, room);
  if (!opened) {
    return refuse(SSL_AD_BAD_RECORD_MAC, "a record was damaged or forged on its way", output);
  }
  // Section 5.4: zeros behind the content type are padding.
  size_t size = *opened;
  while (size > 0 && room[size - 1] == 0) --size;
  if (size == 0) return refuse(SSL_AD_UNEXPECTED_MESSAGE, "a record without a type", output);
  const auto type = static_cast<ContentType>(room[--size]);
  if (size > TrafficKey::kMostContent) {
    return refuse(SSL_AD_RECORD_OVERFLOW, "a record is too long", output);
  }
  const bool data = type == ContentType::kApplicationData && size > 0;
  idle_records_ = data ? 0 : idle_records_ + 1;
  if (idle_records_ > kMostIdleRecords) {
    return refuse(SSL_AD_UNEXPECTED_MESSAGE, "too many records without data", output);
  }
  if (type != ContentType::kHandshake && !handshake_.empty()) {
    return refuse(SSL_AD_UNEXPECTED_MESSAGE, "a message is interrupted", output);
  }
  switch (type) {
    case ContentType::kApplicationData: plaintext.commit(size); return {};
    case ContentType::kAlert:
      if (size != 2) return refuse(SSL_AD_DECODE_ERROR, "an alert of a wrong size", output);
      return on_alert({room.data(), size});
    case ContentType::kHandshake:
      if (size == 0) return refuse(SSL_AD_UNEXPECTED_MESSAGE, "an empty message", output);
      return on_handshake({room.data(), size}, output);
    default: return refuse(SSL_AD_UNEXPECTED_MESSAGE, "a record of an unknown type", output);
  }
}

Result<void> RecordLayer::on_alert(std::string_view content) {
  const int alert = static_cast<unsigned char>(content[1]);
  if (alert == SSL_AD_CLOSE_NOTIFY) {
    peer_closed_ = true;
    return {};
  }
  if (alert == SSL_AD_USER_CANCELLED) return {};  // close_notify follows
  const bool identity = is_identity_alert(alert);
  // Until a server has verified us it passes nothing on, so a refusal means nothing was processed.
  return fail(identity ? ErrorKind::kUnauthenticated : ErrorKind::kProtocol,
              std::string("TLS: the peer says: ") + SSL_alert_desc_string_long(alert),
              server_ ? ErrorSource::kDownstream : ErrorSource::kUpstream,
              identity && !server_ ? Retry::kYes : Retry::kNo);
}

Result<void> RecordLayer::on_handshake(std::string_view content, Buffer& output) {
  handshake_.append(content);
  while (handshake_.size() >= kMessageHead) {
    const unsigned char* head = bytes_of(handshake_.view());
    const size_t size =
        static_cast<size_t>(head[1]) << 16 | static_cast<size_t>(head[2]) << 8 | head[3];
    if (size > kMostHandshake) {
      return refuse(SSL_AD_ILLEGAL_PARAMETER, "a message is too long", output);
    }
    if (handshake_.size() < kMessageHead + size) return {};
    const bool last = handshake_.size() == kMessageHead + size;
    const std::string_view body = handshake_.view().substr(kMessageHead, size);
    if (auto done = on_message(head[0], body, last, output); !done) return done;
    handshake_.consume(kMessageHead + size);
  }
  handshake_.release_if_empty();
  return {};
}

Result<void> RecordLayer::on_message(uint8_t type, std::string_view body, bool last,
                                     Buffer& output) {
  if (type == kNewSessionTicket && !server_) return {};  // of no use to us
  if (type != kKeyUpdate || !last) {
    return refuse(SSL_AD_UNEXPECTED_MESSAGE, "a message that does not belong here", output);
  }
  if (body.size() != 1) return refuse(SSL_AD_DECODE_ERROR, "a key update of a wrong size", output);
  if (body[0] != 0 && body[0] != 1) {
    return refuse(SSL_AD_ILLEGAL_PARAMETER, "a key update asks for an unknown thing", output);
  }
  if (!read_.update()) return openssl_failure("TLS key update");
  return body[0] == 1 && !closed_ ? update_ours(output) : Result<void>{};
}

// Section 4.6.3: the message goes under the old key, everything after it under the next.
Result<void> RecordLayer::update_ours(Buffer& output) {
  static constexpr char kMessage[] = {kKeyUpdate, 0, 0, 1, 0 /* ours alone */};
  if (!write_.seal(ContentType::kHandshake, {kMessage, sizeof kMessage}, output) ||
      !write_.update()) {
    return openssl_failure("TLS key update");
  }
  return {};
}

Result<void> RecordLayer::send(std::string_view plaintext, Buffer& output) {
  constexpr size_t kAround = TrafficKey::kHead + TrafficKey::kTag + 1;
  const size_t records = 1 + plaintext.size() / TrafficKey::kMostContent;
  output.prepare(plaintext.size() + kAround * records);
  while (!plaintext.empty()) {
    if (write_.sealed() >= kMostRecords) {
      if (auto done = update_ours(output); !done) return done;
    }
    const std::string_view piece = plaintext.substr(0, TrafficKey::kMostContent);
    if (!write_.seal(ContentType::kApplicationData, piece, output)) {
      return openssl_failure("TLS encryption");
    }
    plaintext.remove_prefix(piece.size());
  }
  return {};
}

Result<void> RecordLayer::close(Buffer& output) {
  static constexpr char kCloseNotify[] = {1 /* warning */, SSL_AD_CLOSE_NOTIFY};
  if (closed_) return {};
  closed_ = true;
  if (!write_.seal(ContentType::kAlert, {kCloseNotify, sizeof kCloseNotify}, output)) {
    return openssl_failure("TLS close");
  }
  return {};
}

}  // namespace weft::trust
