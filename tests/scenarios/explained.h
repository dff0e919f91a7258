// What `POST /v1/explain` answers, in pieces that a test can compare.
#pragma once

#include <gtest/gtest.h>

#include <string>
#include <string_view>

#include "control/yaml.h"
#include "scenarios/mesh.h"

namespace weft::scenarios {

using control::Node;

inline Node explained(Mesh& mesh, const std::string& body) {
  const CallResult reply = mesh.api("POST", "/v1/explain", body);
  EXPECT_EQ(reply.status, 200) << reply.body << reply.error;
  control::Problems problems;
  auto documents = control::read_yaml("reply", reply.body, problems);
  EXPECT_TRUE(problems.empty());
  return documents.empty() ? Node::map() : documents.front();
}

inline std::string outcome(const Node& explanation, const char* name) {
  return std::string(explanation.find("outcome")->text_of(name));
}

// The sidecar's own answer; 0: an app answers.
inline int64_t status_of(const Node& explanation) {
  const Node* status = explanation.find_path({"outcome", "status"});
  return status ? status->number : 0;
}

// What the step of this stage says and notes, in one text.
inline std::string stage(const Node& explanation, std::string_view name) {
  std::string text;
  for (const Node& step : explanation.find("steps")->items) {
    if (step.text_of("stage") != name) continue;
    text += std::string(step.text_of("object")) + "|" + std::string(step.text_of("says"));
    if (const Node* notes = step.find("notes")) {
      for (const Node& note : notes->items) text += "|" + note.text;
    }
    if (const Node* values = step.find("values")) {
      for (const Node& value : values->items) {
        text += "|" + std::string(value.text_of("name")) + "=" +
                std::string(value.text_of("value")) + "@" + std::string(value.text_of("origin"));
      }
    }
  }
  return text;
}

}  // namespace weft::scenarios
