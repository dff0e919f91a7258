// One case of the intermediary suite, played on a mesh: a raw client in one instance, a raw backend
// behind another, two sidecars and their mutual TLS between them.
#pragma once

#include <string>
#include <vector>

#include "scenarios/mesh.h"
#include "scenarios/raw_peer.h"

namespace weft::scenarios {

enum class Split { kWhole, kOctets, kOctetASecond };

struct PlayedCase {
  std::vector<plain::Message> answers;  // final ones
  std::vector<int> interims;
  std::string raw;     // every octet the client got
  std::string tunnel;  // what came after a 101 or 2xx to CONNECT
  bool complete = true;
  bool closed = false;  // by Weft
  std::vector<Reached> reached;
  std::vector<bool> backend_closed;  // for each of `reached`
  bool garbage = false;
};

// The instances "client" and "backend" must be there, the latter's own app closed.
PlayedCase play_case(Mesh& mesh, SocketAddress service, const nlohmann::json& c, Split split);

// What is not as the case says; empty: passed.
std::vector<std::string> differences(const nlohmann::json& c, const PlayedCase& played);

}  // namespace weft::scenarios
