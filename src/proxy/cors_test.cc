// Expected values follow the Gateway API's text on HTTPCORSFilter and the Fetch standard, section 3.2.
#include "proxy/cors.h"

#include <gtest/gtest.h>

#include <map>

namespace weft::proxy {
namespace {

using Texts = std::map<std::string, std::string>;

Texts texts(const wire::Fields& fields) {
  Texts out;
  for (const auto& [name, value] : fields) {
    EXPECT_TRUE(out.emplace(name, value).second) << name << " twice";
  }
  return out;
}

wire::RequestHead preflight(const std::string& origin, const std::string& headers = "") {
  wire::RequestHead head;
  head.method = "OPTIONS";
  head.fields.add("Origin", origin);
  head.fields.add("Access-Control-Request-Method", "PUT");
  if (!headers.empty()) head.fields.add("Access-Control-Request-Headers", headers);
  return head;
}

TEST(Cors, APreflightIsOptionsWithOriginAndTheMethodToCome) {
  EXPECT_TRUE(is_preflight(preflight("https://a.example")));
  EXPECT_EQ(announced_method(preflight("https://a.example")), "PUT");
  wire::RequestHead head = preflight("https://a.example");
  head.method = "GET";
  EXPECT_FALSE(is_preflight(head));
  head = preflight("https://a.example");
  head.fields.remove("origin");
  EXPECT_FALSE(is_preflight(head));
  head = preflight("https://a.example");
  head.fields.remove("access-control-request-method");
  EXPECT_FALSE(is_preflight(head));
}

TEST(Cors, OriginsAreComparedBySchemeHostAndPort) {
  struct Row {
    const char* allowed;
    const char* origin;
    bool fits;
  };
  const Row rows[] = {
      {"https://shop.example", "https://shop.example", true},
      {"https://shop.example", "https://SHOP.example", true},
      {"https://shop.example", "https://shop.example:443", true},
      {"https://shop.example:443", "https://shop.example", true},
      {"https://shop.example", "https://shop.example:8443", false},
      {"https://shop.example", "http://shop.example", false},
      {"https://shop.example", "https://shop.example.evil", false},
      {"https://shop.example", "https://evilshop.example", false},
      {"http://shop.example:8080", "http://shop.example:8080", true},
      {"http://shop.example:8080", "http://shop.example", false},
      {"https://*.shop.example", "https://a.shop.example", true},
      {"https://*.shop.example", "https://a.b.shop.example", true},
      {"https://*.shop.example", "https://shop.example", false},
      {"https://*.shop.example", "https://.shop.example", false},
      {"https://*.shop.example", "https://evilshop.example", false},
      {"https://*", "https://anything.example", true},
      {"https://*", "http://anything.example", false},
      {"https://*:8443", "https://anything.example:8443", true},
      {"https://*:8443", "https://anything.example", false},
      {"*", "https://anything.example:1", true},
      {"*", "null", true},
      {"https://*", "null", false},
      {"*", "", false},
  };
  for (const Row& row : rows) {
    const model::Cors cors{.allow_origins = {row.allowed}};
    EXPECT_EQ(origin_allowed(cors, row.origin), row.fits) << row.allowed << " " << row.origin;
  }
  EXPECT_FALSE(origin_allowed({}, "https://a.example")) << "nothing is allowed by default";
}

TEST(Cors, APreflightIsAnsweredWithWhatIsAllowed) {
  const model::Cors cors{.allow_origins = {"https://a.example", "https://*.b.example"},
                         .allow_methods = {"GET", "PUT"},
                         .allow_headers = {"X-One", "X-Two"},
                         .expose_headers = {"X-Seen"},
                         .allow_credentials = true,
                         .max_age = Duration::seconds(600)};
  EXPECT_EQ(texts(preflight_answer(cors, preflight("https://x.b.example", "x-one"))),
            (Texts{{"access-control-allow-origin", "https://x.b.example"},
                   {"access-control-allow-credentials", "true"},
                   {"access-control-allow-methods", "GET, PUT"},
                   {"access-control-allow-headers", "X-One, X-Two"},
                   {"access-control-max-age", "600"},
                   {"vary", "Origin"}}));
  EXPECT_EQ(texts(preflight_answer(cors, preflight("https://c.example"))),
            (Texts{{"vary", "Origin"}}));
}

TEST(Cors, WildcardsAreSaidWithoutCredentialsAndSpelledOutWithThem) {
  model::Cors cors{.allow_origins = {"*"}, .allow_methods = {"*"}, .allow_headers = {"*"}};
  EXPECT_EQ(texts(preflight_answer(cors, preflight("https://a.example"))),
            (Texts{{"access-control-allow-origin", "*"},
                   {"access-control-allow-methods", "PUT"},
                   {"access-control-allow-headers", "*"},
                   {"access-control-max-age", "5"}}));
  // A browser never takes "*" for Authorization.
  EXPECT_EQ(texts(preflight_answer(
                cors, preflight("https://a.example", "authorization,x-a")))["access-control-allow-"
                                                                            "headers"],
            "authorization,x-a");
  cors.allow_credentials = true;
  EXPECT_EQ(texts(preflight_answer(cors, preflight("https://a.example"))),
            (Texts{{"access-control-allow-origin", "https://a.example"},
                   {"access-control-allow-credentials", "true"},
                   {"access-control-allow-methods", "PUT"},
                   {"access-control-max-age", "5"},
                   {"vary", "Origin"}}));
}

TEST(Cors, WhatIsNotConfiguredIsNotSaid) {
  EXPECT_EQ(texts(preflight_answer({.allow_origins = {"https://a.example"}},
                                   preflight("https://a.example", "x-a"))),
            (Texts{{"access-control-allow-origin", "https://a.example"},
                   {"access-control-max-age", "5"},
                   {"vary", "Origin"}}));
}

TEST(Cors, AnAnswerIsMarkedInPlaceOfWhatTheAppSays) {
  const model::Cors cors{.allow_origins = {"https://a.example"}, .expose_headers = {"X-B", "X-C"}};
  wire::Fields fields;
  fields.add("X-B", "1");
  fields.add("Access-Control-Allow-Origin", "*");
  fields.add("access-control-allow-credentials", "true");
  mark_answer(cors, "https://a.example", fields);
  EXPECT_EQ(texts(fields), (Texts{{"X-B", "1"},
                                  {"vary", "Origin"},
                                  {"access-control-allow-origin", "https://a.example"},
                                  {"access-control-expose-headers", "X-B, X-C"}}));
}

TEST(Cors, AnotherOriginGetsTheAnswerUnmarked) {
  const model::Cors cors{.allow_origins = {"https://a.example"}};
  for (const char* origin : {"https://b.example", ""}) {
    wire::Fields fields;
    fields.add("Access-Control-Allow-Origin", "*");
    fields.add("Vary", "Accept, origin");
    mark_answer(cors, origin, fields);
    EXPECT_EQ(texts(fields), (Texts{{"Vary", "Accept, origin"}})) << origin;
  }
}

TEST(Cors, AllHeadersAreExposedByNameWhereAStarMeansNothing) {
  model::Cors cors{.allow_origins = {"*"}, .expose_headers = {"*"}};
  wire::Fields fields;
  fields.add("X-B", "1");
  fields.add("x-b", "2");
  fields.add("Set-Cookie", "a=b");
  wire::Fields plain = fields;
  mark_answer(cors, "https://a.example", plain);
  EXPECT_EQ(plain.get("access-control-expose-headers"), "*");
  cors.allow_credentials = true;
  mark_answer(cors, "https://a.example", fields);
  EXPECT_EQ(fields.get("access-control-expose-headers"), "x-b, vary");
}

}  // namespace
}  // namespace weft::proxy
