// Records after the handshake: RFC 8448's bytes, OpenSSL as the other end, and peers that send what no
// peer should.
#include "trust/tls_records.h"

#include <gtest/gtest.h>
#include <openssl/err.h>

#include <string>
#include <vector>

#include "base/random.h"
#include "trust/tls_context.h"
#include "trust/tls_fixture.h"

namespace weft::trust {
namespace {

std::string from_hex(std::string_view hex) {
  std::string bytes;
  for (size_t i = 0; i + 1 < hex.size(); i += 2) {
    bytes += static_cast<char>(std::stoi(std::string(hex.substr(i, 2)), nullptr, 16));
  }
  return bytes;
}

// OpenSSL's table has no lookup without a connection.
struct Suites {
  Owned<SSL_CTX> context{SSL_CTX_new(TLS_method())};
  Owned<SSL> ssl{SSL_new(context.get())};
  const SSL_CIPHER* find(unsigned char low) {
    const unsigned char id[] = {0x13, low};
    return SSL_CIPHER_find(ssl.get(), id);
  }
  const SSL_CIPHER* aes_128() { return find(1); }
};

TEST(TlsRecordsTest, SealsAndOpensTheRecordOfRfc8448) {
  Suites suites;
  const std::string secret =
      from_hex("9e40646ce79a7f9dc05af8889bce6552875afa0b06df0087f792ebb7c17504a5");
  const std::string record = from_hex(
      "1703030043a23f7054b62c94d0affafe8228ba55cbefacea42f914aa66bcab3f2b9819a8a5b46b395bd54a9a2044"
      "1e2b62974e1f5a6292a2977014bd1e3deae63aeebb21694915e4");
  std::string content;
  for (char c = 0; c < 50; ++c) content += c;

  auto sealing = TrafficKey::make(suites.aes_128(), secret, true);
  ASSERT_TRUE(sealing);
  Buffer out;
  ASSERT_TRUE(sealing->seal(ContentType::kApplicationData, content, out));
  EXPECT_EQ(out.view(), record);
  EXPECT_EQ(sealing->sealed(), 1u);

  auto opening = TrafficKey::make(suites.aes_128(), secret, false);
  ASSERT_TRUE(opening);
  std::vector<char> room(record.size());
  const auto opened = opening->open(record, room);
  ASSERT_TRUE(opened);
  EXPECT_EQ(std::string_view(room.data(), *opened), content + '\x17');
}

TEST(TlsRecordsTest, SecretsOfAWrongSizeAreNone) {
  Suites suites;
  EXPECT_FALSE(TrafficKey::make(suites.aes_128(), std::string(48, 'x'), true));
  EXPECT_FALSE(TrafficKey::make(suites.aes_128(), "", true));
  TrafficSecret secret;
  EXPECT_FALSE(secret.set_hex("0g"));
  EXPECT_TRUE(secret.set_hex("00ff"));
  EXPECT_EQ(secret.bytes(), std::string_view("\0\xff", 2));
}

// A record layer of a client, and the key of a server that may send anything.
class TlsHostileRecordsTest : public testing::Test {
 protected:
  TlsHostileRecordsTest() { start(/*server=*/false); }
  void start(bool server) {
    const std::string theirs(32, 't'), ours(32, 'o');
    layer_ = std::move(*RecordLayer::make({.server = server,
                                           .cipher = suites_.aes_128(),
                                           .read_secret = theirs,
                                           .write_secret = ours}));
    peer_ = TrafficKey::make(suites_.aes_128(), theirs, true);
    hears_ = TrafficKey::make(suites_.aes_128(), ours, false);
    plaintext_ = Buffer();
    output_ = Buffer();
  }
  void seal(ContentType type, std::string_view content) {
    ASSERT_TRUE(peer_->seal(type, content, ciphertext_));
  }
  Result<void> receive() { return layer_->receive(ciphertext_, plaintext_, output_); }
  // The alert's number that was sent, -1 for none.
  int alert() {
    if (output_.empty()) return -1;
    std::vector<char> room(output_.size());
    const auto size = hears_->open(output_.view(), room);
    EXPECT_TRUE(size && *size == 3 && room[0] == 2 && room[2] == 21);
    return static_cast<unsigned char>(room[1]);
  }
  void expect_refused(int expected) {
    const auto outcome = receive();
    ASSERT_FALSE(outcome);
    EXPECT_EQ(outcome.error().kind(), ErrorKind::kProtocol);
    EXPECT_EQ(alert(), expected);
    EXPECT_TRUE(plaintext_.empty());
  }

  Suites suites_;
  std::unique_ptr<RecordLayer> layer_;
  std::optional<TrafficKey> peer_, hears_;
  Buffer ciphertext_, plaintext_, output_;
};

TEST_F(TlsHostileRecordsTest, ADamagedRecordIsRefused) {
  seal(ContentType::kApplicationData, "x");
  std::string bytes = ciphertext_.to_string();
  bytes[6] ^= 1;
  ciphertext_ = Buffer(bytes);
  expect_refused(SSL_AD_BAD_RECORD_MAC);
}

TEST_F(TlsHostileRecordsTest, ADamagedHeadIsRefused) {
  seal(ContentType::kApplicationData, "x");
  std::string bytes = ciphertext_.to_string();
  bytes[1] = 4;  // the version: not looked at, but authenticated
  ciphertext_ = Buffer(bytes);
  expect_refused(SSL_AD_BAD_RECORD_MAC);
}

TEST_F(TlsHostileRecordsTest, ARepeatedRecordIsRefused) {
  seal(ContentType::kApplicationData, "x");
  const Buffer copy = ciphertext_.clone();
  ASSERT_TRUE(receive());
  plaintext_.clear();
  ciphertext_.append(copy.view());
  expect_refused(SSL_AD_BAD_RECORD_MAC);
}

TEST_F(TlsHostileRecordsTest, PlainRecordsAreRefused) {
  for (const char type : {20, 21, 22, 0}) {
    start(false);
    ciphertext_ = Buffer(std::string{type, 3, 3, 0, 2, 1, 0});
    expect_refused(SSL_AD_UNEXPECTED_MESSAGE);
  }
}

TEST_F(TlsHostileRecordsTest, SizesOutsideTheBoundsAreRefusedBeforeAnythingIsBuffered) {
  ciphertext_ = Buffer(std::string("\x17\x03\x03\x41\x01", 5));  // 2^14 + 257
  expect_refused(SSL_AD_RECORD_OVERFLOW);
  start(false);
  ciphertext_ = Buffer(std::string("\x17\x03\x03\0\x10", 5));  // a tag alone
  expect_refused(SSL_AD_DECODE_ERROR);
}

TEST_F(TlsHostileRecordsTest, UnknownAndMissingInnerTypesAreRefused) {
  for (const int type : {0, 20, 24, 255}) {
    start(false);
    ciphertext_.clear();
    seal(static_cast<ContentType>(type), "");
    expect_refused(SSL_AD_UNEXPECTED_MESSAGE);
  }
}

TEST_F(TlsHostileRecordsTest, RecordsWithoutDataMayComeButNotForever) {
  for (int round = 0; round < 3; ++round) {
    for (int i = 0; i < 32; ++i) seal(ContentType::kApplicationData, "");
    seal(ContentType::kApplicationData, "x");
    ASSERT_TRUE(receive()) << round;
  }
  plaintext_.clear();
  for (int i = 0; i < 33; ++i) seal(ContentType::kApplicationData, "");
  expect_refused(SSL_AD_UNEXPECTED_MESSAGE);
}

TEST_F(TlsHostileRecordsTest, MessagesThatDoNotBelongHereAreRefused) {
  struct Case {
    const char* what;
    std::string bytes;
    int alert;
    bool server;
  };
  const Case cases[] = {
      {"a hello", std::string("\x01\0\0\0", 4), SSL_AD_UNEXPECTED_MESSAGE, false},
      {"a request for a certificate", std::string("\x0d\0\0\0", 4), SSL_AD_UNEXPECTED_MESSAGE,
       false},
      {"a ticket for a server", std::string("\x04\0\0\0", 4), SSL_AD_UNEXPECTED_MESSAGE, true},
      {"an update of two bytes", std::string("\x18\0\0\2\0\0", 6), SSL_AD_DECODE_ERROR, false},
      {"an update of a third kind", std::string("\x18\0\0\1\2", 5), SSL_AD_ILLEGAL_PARAMETER,
       false},
      {"an update and more", std::string("\x18\0\0\1\0\x04", 6), SSL_AD_UNEXPECTED_MESSAGE, false},
      {"a message of 16 KiB and a byte", std::string("\x04\0\x40\x01", 4), SSL_AD_ILLEGAL_PARAMETER,
       false},
      {"nothing", "", SSL_AD_UNEXPECTED_MESSAGE, false},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.what);
    start(c.server);
    ciphertext_.clear();
    seal(ContentType::kHandshake, c.bytes);
    expect_refused(c.alert);
  }
}

TEST_F(TlsHostileRecordsTest, AMessageInPiecesIsOneUnlessDataComesBetween) {
  seal(ContentType::kHandshake, std::string("\x04\0\0\3ab", 6));
  seal(ContentType::kHandshake, "c");
  seal(ContentType::kApplicationData, "x");
  ASSERT_TRUE(receive());
  EXPECT_EQ(plaintext_.view(), "x");
  plaintext_.clear();
  seal(ContentType::kHandshake, std::string("\x04\0\0\3ab", 6));
  seal(ContentType::kApplicationData, "x");
  expect_refused(SSL_AD_UNEXPECTED_MESSAGE);
}

TEST_F(TlsHostileRecordsTest, AnUpdateThatIsAskedForIsMade) {
  seal(ContentType::kHandshake, std::string("\x18\0\0\1\1", 5));
  ASSERT_TRUE(peer_->update());
  seal(ContentType::kApplicationData, "under the new key");
  ASSERT_TRUE(receive());
  EXPECT_EQ(plaintext_.view(), "under the new key");

  std::vector<char> room(64);
  const auto size = hears_->open(output_.view(), room);
  ASSERT_TRUE(size);
  EXPECT_EQ(std::string_view(room.data(), *size), std::string_view("\x18\0\0\1\0\x16", 6));
  output_.clear();
  ASSERT_TRUE(hears_->update());
  ASSERT_TRUE(layer_->send("answer", output_));
  EXPECT_EQ(hears_->open(output_.view(), room), 7u);
}

TEST_F(TlsHostileRecordsTest, NothingCountsBehindAClose) {
  seal(ContentType::kApplicationData, "last");
  seal(ContentType::kAlert, std::string("\1\0", 2));
  seal(ContentType::kApplicationData, "too late");
  ciphertext_.append("garbage");
  ASSERT_TRUE(receive());
  EXPECT_TRUE(layer_->peer_closed());
  EXPECT_EQ(plaintext_.view(), "last");
  EXPECT_TRUE(ciphertext_.empty());
}

TEST_F(TlsHostileRecordsTest, AnAlertOfThePeerIsAnErrorAndIsNotAnswered) {
  seal(ContentType::kAlert, std::string("\2\60", 2));  // unknown_ca
  auto outcome = receive();
  ASSERT_FALSE(outcome);
  EXPECT_EQ(outcome.error().kind(), ErrorKind::kUnauthenticated);
  EXPECT_EQ(outcome.error().retry(), Retry::kYes);
  EXPECT_EQ(outcome.error().source(), ErrorSource::kUpstream);
  EXPECT_EQ(alert(), -1);
  start(false);
  ciphertext_.clear();
  seal(ContentType::kAlert, "\2");
  expect_refused(SSL_AD_DECODE_ERROR);
}

// OpenSSL's own client or server, between memory buffers, with a session of ours at the other end.
class Openssl {
 public:
  Openssl(bool server, const Mesh& mesh, const SvidPtr& svid, const char* suite)
      : context_(SSL_CTX_new(server ? TLS_server_method() : TLS_client_method())) {
    SSL_CTX* context = context_.get();
    SSL_CTX_use_certificate(context, svid->impl().chain[0].get());
    SSL_CTX_add1_chain_cert(context, svid->impl().chain[1].get());
    SSL_CTX_use_PrivateKey(context, svid->key().impl()->key.get());
    SSL_CTX_set_ciphersuites(context, suite);
    SSL_CTX_set_session_id_context(context, reinterpret_cast<const unsigned char*>("x"), 1);
    for (const auto& root : mesh.ca.bundle().roots_der) {
      X509_STORE_add_cert(SSL_CTX_get_cert_store(context), parse_certificate(root)->get());
    }
    // Times are the fixture's: the session of ours is the one under test.
    SSL_CTX_set_cert_verify_callback(context, [](X509_STORE_CTX*, void*) { return 1; }, nullptr);
    SSL_CTX_set_verify(context, SSL_VERIFY_PEER, nullptr);
    ssl_.reset(SSL_new(context));
    in_ = BIO_new(BIO_s_mem());
    out_ = BIO_new(BIO_s_mem());
    SSL_set_bio(ssl_.get(), in_, out_);
    server ? SSL_set_accept_state(ssl_.get()) : SSL_set_connect_state(ssl_.get());
  }

  SSL* ssl() { return ssl_.get(); }
  // Lets both talk until neither has anything to say; collects what was read.
  void talk(TlsSession& session, Result<void>& outcome) {
    EXPECT_TRUE(session.start());
    while (true) {
      char room[20'000];
      ERR_clear_error();
      for (int got = 0; (got = SSL_read(ssl(), room, sizeof room)) > 0;) heard.append(room, got);
      closed = (SSL_get_shutdown(ssl()) & SSL_RECEIVED_SHUTDOWN) != 0;
      const int sent = BIO_read(out_, room, sizeof room);
      if (sent > 0) {
        ciphertext_.append({room, static_cast<size_t>(sent)});
        if (auto done = session.receive(ciphertext_); !done) outcome = done;
      }
      const Buffer answer = std::move(session.output());
      if (!answer.empty()) BIO_write(in_, answer.data(), static_cast<int>(answer.size()));
      if (sent <= 0 && answer.empty()) return;
    }
  }
  std::string heard;
  bool closed = false;

 private:
  Owned<SSL_CTX> context_;
  Owned<SSL> ssl_;
  BIO *in_, *out_;
  Buffer ciphertext_;
};

TEST(TlsRecordsTest, OpensslIsUnderstoodAndUnderstands) {
  Mesh mesh;
  TlsServerConfig server_config = mesh.server();
  TlsClientConfig client_config = mesh.client();
  server_config.alpn = client_config.alpn = {};
  const auto server_context = *make_server_context(server_config);
  const auto client_context = *make_client_context(client_config);
  SeededRandom random(1);
  std::string data(300'000, '\0');
  for (char& c : data) c = static_cast<char>(random.next());

  for (const bool theirs_serves : {false, true}) {
    for (const char* suite :
         {"TLS_AES_256_GCM_SHA384", "TLS_AES_128_GCM_SHA256", "TLS_CHACHA20_POLY1305_SHA256"}) {
      SCOPED_TRACE(std::string(suite) + (theirs_serves ? " server" : " client"));
      Openssl theirs(theirs_serves, mesh, mesh.svid(theirs_serves ? kCart : kWeb), suite);
      auto ours = theirs_serves ? make_client_session(client_context, "", kCart, kNow)
                                : make_server_session(server_context, kNow);
      Result<void> outcome;
      theirs.talk(*ours, outcome);
      ASSERT_TRUE(outcome) << outcome.error().message();
      ASSERT_TRUE(ours->established());
      ASSERT_STREQ(SSL_get_cipher_name(theirs.ssl()), suite);

      auto both_ways = [&](size_t size) {
        const std::string_view part = std::string_view(data).substr(0, size);
        theirs.heard.clear();
        ASSERT_TRUE(ours->send(part));
        ASSERT_EQ(SSL_write(theirs.ssl(), part.data(), static_cast<int>(size)),
                  static_cast<int>(size));
        theirs.talk(*ours, outcome);
        ASSERT_TRUE(outcome) << outcome.error().message();
        EXPECT_TRUE(theirs.heard == part);
        EXPECT_TRUE(ours->plaintext().view() == part);
        ours->plaintext().clear();
      };
      both_ways(1);
      both_ways(data.size());
      SSL_key_update(theirs.ssl(), SSL_KEY_UPDATE_REQUESTED);
      both_ways(data.size());
      both_ways(17);
      SSL_set_block_padding(theirs.ssl(), 512);
      both_ways(1000);

      ours->close();
      theirs.talk(*ours, outcome);
      EXPECT_TRUE(theirs.closed);
      EXPECT_FALSE(ours->peer_closed());
      SSL_shutdown(theirs.ssl());
      theirs.talk(*ours, outcome);
      EXPECT_TRUE(ours->peer_closed());
    }
  }
}

}  // namespace
}  // namespace weft::trust
