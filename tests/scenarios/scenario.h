// A text scenario: parsed steps and the state of playing them. The language is described in README.md
// beside the cases.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/result.h"
#include "scenarios/mesh.h"

namespace weft::scenarios {

struct Step {
  int line = 0;
  std::vector<std::string> words;  // before "=>"
  std::vector<std::string> expected;
  std::string block;  // of apply
};

// Quotes group words; "=>" splits a step; apply takes lines up to "end".
Result<std::vector<Step>> parse_scenario(const std::string& text);

class Player {
 public:
  explicit Player(uint64_t seed) : mesh_(seed) {}
  ~Player();

  // An error names the step's line and what was found instead.
  Result<void> play(const std::vector<Step>& steps);
  Mesh& mesh() { return mesh_; }

 private:
  struct Load;

  Result<void> step(const Step& step);
  Result<void> add_instance(const Step& step);
  Result<void> apply(const Step& step, bool refused);
  Result<void> call(const Step& step);
  Result<void> count(const Step& step);
  Result<void> converse(const Step& step, bool send);
  Result<void> resolve(const Step& step);
  Result<void> start_load(const Step& step);
  Result<void> end_load(const Step& step);
  Result<void> change_app(const Step& step);
  Result<void> edge(const Step& step);
  Result<void> metrics(const Step& step);
  Result<void> control(const Step& step);
  io::Task<void> run_load(std::shared_ptr<Load> load);

  Mesh mesh_;
  std::shared_ptr<Load> load_;
  io::TaskScope loads_;
};

}  // namespace weft::scenarios
