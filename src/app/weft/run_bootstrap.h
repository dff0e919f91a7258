// What the sidecar of an instance is given: the bootstrap message and the memory that holds its
// credential.
#pragma once

#include <string>

#include "app/weft/run_doors.h"
#include "app/weft/run_options.h"
#include "base/fd.h"
#include "base/result.h"
#include "xds/registration.h"

namespace weft::app {

// A serialized weft.v1.Bootstrap. The listeners of `doors` go beside it, in that order.
std::string make_bootstrap(const RunOptions& options, const xds::Registered& registered,
                           const RunDoors& doors, const std::string& instance_dir, bool restarted);

// A memfd with an 8-byte little-endian length and a serialized weft.v1.SvidMemory. It outlives any
// sidecar, is never on disk, and the sidecar writes it anew at each rotation.
Result<Fd> make_svid_memory(const xds::Registered& registered);

}  // namespace weft::app
