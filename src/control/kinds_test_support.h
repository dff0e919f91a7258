// What the tests of kinds share: the words a user reads for a file, and an object that must be right.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "control/kinds.h"

namespace weft::control {

inline std::vector<std::string> problems_of(std::string_view text) {
  Problems problems;
  const auto objects = decode_objects("f.yaml", text, problems);
  if (problems.empty()) EXPECT_FALSE(objects.empty());
  std::vector<std::string> out;
  for (const Problem& problem : problems) out.push_back(problem.to_string());
  return out;
}

inline Object decode_one(const std::string& text) {
  Problems problems;
  auto objects = decode_objects("f.yaml", text, problems);
  EXPECT_TRUE(problems.empty()) << problems.front().to_string();
  EXPECT_EQ(objects.size(), 1u);
  return objects.empty() ? Object{} : std::move(objects.front().object);
}

// A Service with its spec at line 5.
inline std::string service(const std::string& spec) {
  return "apiVersion: v1\nkind: Service\nmetadata: {name: cart}\nspec:\n" + spec;
}
// An HTTPRoute with its rules at line 7.
inline std::string route(const std::string& rules) {
  return "apiVersion: gateway.networking.k8s.io/v1\nkind: HTTPRoute\nmetadata: {name: r}\nspec:\n"
         "  parentRefs: [{kind: Service, name: cart}]\n  rules:\n" +
         rules;
}

struct WrongCase {
  std::string text;
  const char* problem;
};

}  // namespace weft::control
