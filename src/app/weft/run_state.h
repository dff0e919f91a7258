// The files of an instance: a directory of its own under STATE-DIR/instances, kept for a while after the
// instance has ended so that its logs can be read.
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
// ended, down to 20.
Result<InstanceDirectory> make_instance_dir(const std::string& instances_dir,
                                            const std::string& instance);

}  // namespace weft::app
