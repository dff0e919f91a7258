// weft: one command, a table of verbs.
#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <span>
#include <string_view>
#include <vector>

#include "app/weft/verbs.h"
#include "base/text.h"

namespace {

using weft::app::VerbFn;

struct Verb {
  std::string_view name;
  VerbFn run;
};

constexpr Verb kVerbs[] = {
    {"server", weft::app::verb_server},       {"run", weft::app::verb_run},
    {"gateway", weft::app::verb_gateway},     {"hold", weft::app::verb_hold},
    {"apply", weft::app::verb_apply},         {"get", weft::app::verb_get},
    {"describe", weft::app::verb_describe},   {"explain", weft::app::verb_explain},
    {"delete", weft::app::verb_delete},       {"status", weft::app::verb_status},
    {"token", weft::app::verb_token},         {"upgrade", weft::app::verb_upgrade},
    {"reference", weft::app::verb_reference},
};

constexpr std::string_view kManual = R"(weft - a service mesh in three commands

  weft server                              on one machine: control plane and certificate authority
  weft run --service cart:8080 -- COMMAND  each program, unchanged, inside the mesh
  weft status                              what runs, who calls whom, and how that goes

VERBS
  server     run the control plane
  run        run a program inside the mesh
  gateway    let traffic from outside in, as a Gateway object says
  apply      create or change objects (Services, routes, policies, Gateways) from YAML or JSON
  get        list workloads, edges, certificates, tokens and any kind of object
  describe   all about one object or workload
  explain    what a sidecar would do with a request, and why
  delete     take objects away
  status     the mesh on one screen
  token      tokens with which other machines join
  upgrade    give running instances a new sidecar, without their programs noticing

weft VERB --help is the manual of a verb. weft --version says which Weft this is.

EXIT STATUS
  0 done   1 failed or refused   2 wrong usage   3 no server answers   4 not found   5 not allowed
  `weft run` ends with the program's own status; its manual lists the exceptions.
)";

int unknown_verb(std::string_view word) {
  std::vector<std::string_view> names;
  for (const Verb& verb : kVerbs) names.push_back(verb.name);
  const auto near = weft::nearest(word, names);
  fmt::print(stderr, "weft: there is no verb '{}'{}\nSee: weft --help\n", word,
             near ? fmt::format(": did you mean {}?", *near) : "");
  return weft::app::kExitUsage;
}

}  // namespace

int main(int argc, char** argv) {
  const std::span<char* const> args(argv, static_cast<size_t>(argc));
  const std::string_view word = args.size() > 1 ? args[1] : "";
  if (word.empty()) {
    std::fwrite(kManual.data(), 1, kManual.size(), stderr);
    return weft::app::kExitUsage;
  }
  if (word == "--help" || word == "-h" || word == "help") {
    std::fwrite(kManual.data(), 1, kManual.size(), stdout);
    return weft::app::kExitOk;
  }
  if (word == "--version" || word == "version") {
    fmt::print("weft {}\n", WEFT_VERSION);
    return weft::app::kExitOk;
  }
  const auto verb = std::ranges::find(kVerbs, word, &Verb::name);
  if (verb == std::end(kVerbs)) return unknown_verb(word);
  return verb->run(args.subspan(2));
}
