// The verbs of `weft`, one file each. main() finds the verb's row in its table and calls the function
// with the arguments after the verb; what it returns is the exit status.
#pragma once

#include <span>

namespace weft::app {

// Exit statuses shared by all verbs (`weft run` adds its own: see `weft run --help`).
enum ExitStatus : int {
  kExitOk = 0,
  kExitFailed = 1,       // the request was understood and refused, or something went wrong
  kExitUsage = 2,        // the command line is wrong
  kExitUnreachable = 3,  // no server at the socket, or it does not answer
  kExitNotFound = 4,     // the object named does not exist
  kExitDenied = 5,       // the server is there, but this user may not ask it
};

// Each prints its own manual for `--help` (to stdout, status 0).
using VerbFn = int (*)(std::span<char* const> args);

int verb_server(std::span<char* const> args);
int verb_run(std::span<char* const> args);
int verb_gateway(std::span<char* const> args);
int verb_hold(std::span<char* const> args);  // hidden: the program of a gateway's instance
int verb_apply(std::span<char* const> args);
int verb_get(std::span<char* const> args);
int verb_describe(std::span<char* const> args);
int verb_explain(std::span<char* const> args);
int verb_delete(std::span<char* const> args);
int verb_status(std::span<char* const> args);
int verb_token(std::span<char* const> args);
int verb_upgrade(std::span<char* const> args);
int verb_reference(std::span<char* const> args);  // hidden: writes docs/reference

}  // namespace weft::app
