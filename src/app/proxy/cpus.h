// How many CPUs this process may use, and how many workers that makes.
#pragma once

#include <cstddef>
#include <string>

namespace weft::app {

// The CPU time that cgroups allow, in CPUs: the least of the process's own group and those above it
// (cpu.max of version 2, cpu.cfs_quota_us of version 1). 0: no limit. `root` is put before every path.
double cpu_quota(const std::string& root = {});

// Of the CPUs the process may run on as many as the quota pays for, whole ones, at least one.
size_t usable_cpus();

// An instance with published doors is a gateway: what strangers bring may be as much as the machine can
// carry, so it has a worker for each CPU, up to four. A sidecar beside an app has one.
size_t default_workers(bool gateway, size_t cpus);

}  // namespace weft::app
