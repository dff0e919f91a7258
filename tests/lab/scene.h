// What scenes have in common: policies as an operator writes them, and the check of a picture.
#pragma once

#include <gtest/gtest.h>

#include <string>

#include "lab/figures.h"

namespace weft::lab {

// A BackendPolicy for the Service; `sections` are lines of its spec: "loadBalancing: {algorithm: Random}".
inline std::string backend_policy(const std::string& service, const std::string& sections) {
  return "apiVersion: weft.dev/v1\nkind: BackendPolicy\nmetadata: {name: " + service +
         "}\nspec:\n  targetRefs: [{group: \"\", kind: Service, name: " + service + "}]\n  " +
         sections + "\n";
}

inline const Pick kOk = [](const Sample& sample) { return sample.status == 200; };

inline void expect_picture(const std::string& name, const Picture& picture) {
  EXPECT_EQ(check_picture(name, picture), "");
}

}  // namespace weft::lab
