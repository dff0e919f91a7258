// Field by field; nothing is decided here.
#include "proxy/explain_codec.h"

#include "explain.pb.h"

namespace weft::proxy {

Question decode_question(const v1::Question& message) {
  Question question;
  switch (message.kind()) {
    case v1::Question::CONNECTION: question.kind = Question::kConnection; break;
    case v1::Question::SERVICE: question.kind = Question::kService; break;
    default: question.kind = Question::kRequest; break;
  }
  question.host = message.host();
  question.port = static_cast<uint16_t>(message.port());
  question.head.method = message.method();
  question.head.target = message.target();
  question.head.authority = message.authority();
  question.head.scheme = "http";
  for (const v1::QuestionField& field : message.fields()) {
    question.head.fields.add(field.name(), field.value());
  }
  question.tls = message.tls();
  question.server_name = message.server_name();
  return question;
}

void encode_explanation(const Explanation& explanation, v1::Explanation& message) {
  for (const Explanation::Step& step : explanation.steps) {
    v1::ExplainedStep& out = *message.add_steps();
    out.set_stage(step.stage);
    out.set_object(step.object);
    out.set_says(step.says);
    for (const Explanation::Value& value : step.values) {
      v1::ExplainedValue& one = *out.add_values();
      one.set_name(value.name);
      one.set_value(value.value);
      one.set_origin(value.origin);
    }
    for (const std::string& note : step.notes) out.add_notes(note);
  }
  for (const Explanation::Endpoint& endpoint : explanation.endpoints) {
    v1::ExplainedEndpoint& out = *message.add_endpoints();
    out.set_service(endpoint.service);
    out.set_workload(endpoint.workload);
    out.set_address(endpoint.address);
    out.set_identity(endpoint.identity);
    out.set_zone(endpoint.zone);
    out.set_candidate(endpoint.candidate);
    out.set_state(endpoint.state);
    out.set_active(endpoint.active);
    out.set_share_ppm(endpoint.share_ppm);
  }
  const Explanation::Outcome& outcome = explanation.outcome;
  v1::ExplainedOutcome& out = *message.mutable_outcome();
  out.set_says(outcome.says);
  out.set_status(static_cast<uint32_t>(outcome.status));
  out.set_flags(outcome.flags);
  out.set_location(outcome.location);
  out.set_route(outcome.route);
  out.set_refused(outcome.refused);
  out.set_target(outcome.target);
  out.set_authority(outcome.authority);
  for (const std::string& workload : outcome.endpoints) out.add_endpoints(workload);
  message.set_generation(explanation.generation);
}

}  // namespace weft::proxy
