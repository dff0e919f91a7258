// Questions and explanations as proto/explain.proto has them.
#pragma once

#include "proxy/explanation.h"

namespace weft::v1 {
class Explanation;
class Question;
}  // namespace weft::v1

namespace weft::proxy {

// Unknown kinds read as requests: the server is ours, and nothing but words depends on it.
Question decode_question(const v1::Question& message);
void encode_explanation(const Explanation& explanation, v1::Explanation& message);

}  // namespace weft::proxy
