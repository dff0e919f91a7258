// How `weft run` comes by its instance: the server's socket on its own host, or a machine credential,
// joined for with a token the first time. Waits for a server that is not there yet.
#pragma once

#include <string>

#include "app/weft/run_options.h"
#include "base/result.h"
#include "trust/svid.h"
#include "xds/registration.h"

namespace weft::app {

struct RegistrationPlaces {
  std::string server_socket;
  std::string state_dir;  // keeps the machine's credential, 0600
};

// Blocks for at most options.wait (an answer under way is let finish). Kinds of error: kUnavailable (no
// server; the text says how to start one), kDenied (the server refused), others.
Result<xds::Registered> register_with_server(const RunOptions& options,
                                             const RegistrationPlaces& places,
                                             const trust::PrivateKey& key, uint16_t inbound_port);

}  // namespace weft::app
