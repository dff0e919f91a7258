// A question about what this sidecar would do, and the answer: values only. docs/explain.md says what a person sees of it.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "wire/message.h"

namespace weft::proxy {

struct Question {
  enum Kind : uint8_t {
    kRequest,
    kConnection,  // opaque
    kService,     // what is in force for `host`, whatever is sent to it
  } kind = kRequest;
  std::string
      host;  // as the app would dial it: a name or an address; at a Gateway nothing depends on it
  uint16_t port = 0;
  wire::RequestHead head =
      {};            // kRequest; kConnection with TLS: the request in it, for who ends that TLS
  bool tls = false;  // kConnection: the app begins with a ClientHello
  std::string server_name;  // of it
};

struct Explanation {
  struct Value {
    std::string name, value;
    std::string origin;  // the object that says so; "": Weft's default
  };
  struct Step {
    std::string stage;   // "name", "route", "retries"
    std::string object;  // "HTTPRoute default/cart rule 0"; "": no object decided
    std::string says;
    std::vector<Value> values = {};
    std::vector<std::string> notes = {};
  };
  struct Endpoint {
    std::string service;  // "cart.default:80"
    std::string workload, address, identity, zone;
    bool candidate = false;
    std::string state;       // "ready", or why it is left out
    uint32_t active = 0;     // of this sidecar's exchanges with it
    uint32_t share_ppm = 0;  // of the requests, as far as weights alone decide
  };
  struct Outcome {
    std::string says;
    int status = 0;  // our own answer; 0: a backend answers
    std::string flags, location;
    std::string route;                   // "default/cart/0", as in the access log
    bool refused = false;                // the connection is refused or reset
    std::string target, authority;       // as the backend sees them
    std::vector<std::string> endpoints;  // one of these serves
  };

  std::vector<Step> steps;
  std::vector<Endpoint> endpoints;
  Outcome outcome;
  uint64_t generation = 0;  // of the snapshot

  Step& step(std::string stage, std::string object, std::string says) {
    steps.push_back({std::move(stage), std::move(object), std::move(says)});
    return steps.back();
  }
};

}  // namespace weft::proxy
