// Everything an instance started, found and ended: "nothing is left" must hold even when the keeper or
// the process inside is killed. Whoever calls is a child subreaper (prctl(2)), so every orphan of the
// instance is a descendant of the caller.
#pragma once

#include <sys/types.h>

#include <span>
#include <vector>

#include "base/result.h"

namespace weft::capture {

// All processes below `root`, nearest first; those below one of `spare` and these themselves left
// out. Zombies are not listed.
std::vector<pid_t> descendants(pid_t root, std::span<const pid_t> spare = {});

// Kills all descendants of the calling process but `spare` and its own, again and again until none is
// left, and reaps those that were its children. A process that forks faster than it is found is first
// stopped, so the loop ends.
void kill_descendants(std::span<const pid_t> spare = {});

// The network namespace a socket was made in, by its inode number. Without root it must be one this
// user made.
Result<ino_t> network_namespace_of(int socket);

// Kills every process that lives in the network namespace and all below it, again and again until none
// is left or a second has passed: what the sidecar does when the keeper ended without a word, for the
// process inside may have been killed with it. Does nothing for the caller's own namespace.
void kill_processes_in(ino_t network_namespace);

// Stopped by a signal (job control), not ended.
bool is_stopped(pid_t pid);

}  // namespace weft::capture
