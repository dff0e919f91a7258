// Explaining: which running sidecar answers a person's question, and the question and answer as the API shows them.
//
//   POST /v1/explain {"from": INSTANCE or SERVICE, "namespace", "kind": "request", "connection" or "service",
//                     "host", "port", "method", "target", "authority", "fields": [{"name", "value"}],
//                     "tls", "serverName"}
// "from" may be the name of a Gateway: those who serve it. Without "from" any instance of the namespace that can answer
// does, one that serves a Gateway only where there is no other: it answers for clients from outside.
// "method", "target", "authority" and "fields" of a "connection" with "tls" are the request in it.
// Threading: the server's loop.
#pragma once

#include <string>

#include "control/compile.h"
#include "control/discovery.h"
#include "control/questions.h"
#include "control/registry.h"
#include "control/yaml.h"

namespace weft::control {

class Explaining {
 public:
  // All outlive it.
  Explaining(Questions& questions, const Registry& registry, const Compiler& compiler,
             const Discovery& discovery)
      : questions_(questions), registry_(registry), compiler_(compiler), discovery_(discovery) {}

  // `body`: of the POST. The answer: the explanation, and who gave it. kInvalid: the body; kNotFound: there is no
  // such instance; kUnsupported: its sidecar is too old; kUnavailable, kTimeout: it does not answer.
  io::Task<Result<Node>> explain(std::string body) const;

 private:
  struct Chosen {
    std::string instance;
    size_t of = 1;  // so many could have been asked
  };
  Result<Chosen> choose(const std::string& from, const std::string& ns) const;
  bool serves_gateway(const InstanceRecord& record) const;
  Error unreachable(const InstanceRecord& record) const;

  Questions& questions_;
  const Registry& registry_;
  const Compiler& compiler_;
  const Discovery& discovery_;
};

}  // namespace weft::control
