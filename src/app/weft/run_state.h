// The files of an instance: a directory of its own under STATE-DIR/instances. Those of the 20 instances
// that ended last are kept, so that their logs can be read: each start removes what is older. With the
// bounds of the logs (app/proxy/log_files.h) the state directory holds at most 64 MiB for each instance
// that lives and for each of those 20. Any number of starts may run at once.
#pragma once

#include <string>

#include "base/fd.h"
#include "base/result.h"

namespace weft::app {

struct InstanceDirectory {
  std::string path;
  Fd lock;  // held as long as the instance lives
};

// Makes STATE-DIR/instances and returns its path.
Result<std::string> make_instances_dir(const std::string& state_dir);
// Makes and locks the directory of one instance, and removes the oldest of those whose instance has
// ended, down to 20. kConflict: an instance of this name lives.
Result<InstanceDirectory> make_instance_dir(const std::string& instances_dir,
                                            const std::string& instance);

}  // namespace weft::app
