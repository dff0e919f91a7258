// FaultPolicy (weft.dev/v1): what is broken on purpose, for whom, and until when. An end is required and is
// never further away than a day from the policy's making, so that no experiment is forgotten: what is to last
// longer is made again by whoever wants it.
#include <fmt/format.h>

#include "control/duration.h"
#include "control/kinds.h"
#include "control/kinds_policy.h"
#include "control/kinds_refs.h"
#include "control/kinds_route.h"

namespace weft::control {
namespace {

constexpr Field kHeaderFields[] = {
    match_type_field(),
    match_name_field("Name of the header, any letter case."),
    match_value_field(1024),
};
const Schema kHeader{"a header match", "A header the request must have.", kHeaderFields};

constexpr Field kMatchFields[] = {
    {.name = "headers",
     .type = FieldType::kObjectList,
     .description = "Only requests that have all of these.",
     .max = 16,
     .object = &kHeader},
    {.name = "callers",
     .type = FieldType::kStringList,
     .description = "Only calls of one of these identities, as their certificates say.",
     .max = 64,
     .format = &kCaller},
};
const Schema kMatch{"match", "Whose requests; all that is set must hold.", kMatchFields};

constexpr Field percentage_field() {
  return {.name = "percentage",
          .type = FieldType::kDecimal,
          .description = "Share of the requests that match; drawn for each by itself.",
          .required = true,
          .min = 0,
          .max = 100,
          .unit = "%",
          .decimals = 4};
}

void delay_is_short(const Node& value, const Report& report) {
  kSomeTime[0].check(value, report);
  const auto time = parse_gateway_duration(value.text);
  if (time && *time > Duration::hours(1) && *time <= Duration::hours(24)) {
    report(value.at, "", fmt::format("{} is longer than an hour", value.text), "at most 1h");
  }
}
constexpr Rule kDelayRules[] = {{"Longer than 0s, at most 1h.", delay_is_short}};
constexpr Field required(Field field) {
  field.required = true;
  return field;
}
constexpr Field kDelayFields[] = {
    percentage_field(),
    required(duration_field("duration", "The request waits so long before it is sent.", nullptr,
                            kDelayRules)),
};
const Schema kDelay{"delay", "Requests that wait.", kDelayFields};

void one_way_to_fail(const Node& abort, const Report& report) {
  const Node* reset = abort.find("reset");
  const int ways = (abort.find("httpStatus") != nullptr) + (abort.find("grpcStatus") != nullptr) +
                   (reset && reset->number != 0);
  if (ways == 1) return;
  report(abort.at, "",
         fmt::format("{} of httpStatus, grpcStatus and reset: exactly one is needed",
                     ways == 0 ? "none" : "several"),
         "for example httpStatus: 503");
}
constexpr Rule kAbortRules[] = {
    {"Exactly one of httpStatus, grpcStatus and reset: true.", one_way_to_fail}};
constexpr Field kAbortFields[] = {
    percentage_field(),
    number_field("httpStatus", "The answer in place of the service's; for gRPC its counterpart.",
                 nullptr, 200, 599),
    {.name = "grpcStatus",
     .type = FieldType::kEnum,
     .description = "The same, as gRPC has it; for HTTP its counterpart.",
     .values = kGrpcFailures},
    {.name = "reset",
     .type = FieldType::kBoolean,
     .description = "The connection, of HTTP/2 the stream, is reset.",
     .default_value = "false"},
};
const Schema kAbort{"abort", "Requests that fail.", kAbortFields, kAbortRules};

bool is_time(std::string_view text) { return parse_rfc3339(text).has_value(); }
const Format kTime{"a time (RFC 3339)", "2026-12-01T10:00:00Z", is_time};

void it_ends(const Node& spec, const Report& report) {
  const Node* expires = spec.find("expires");
  const Node* duration = spec.find("duration");
  if (expires && duration) {
    report(duration->at, "duration", "beside expires: only one of the two", "keep one");
  } else if (!expires && !duration) {
    report(spec.at, "duration", "required, or expires in its place",
           "when does the experiment end? for example 15m, at most 24h");
  }
}
void something_breaks(const Node& spec, const Report& report) {
  if (spec.find("delay") || spec.find("abort")) return;
  report(spec.at, "", "breaks nothing", "set delay, abort or both");
}
constexpr Rule kSpecRules[] = {{"Exactly one of expires and duration.", it_ends},
                               {"At least one of delay and abort.", something_breaks}};
constexpr Field kSpecFields[] = {
    target_refs_field(),
    {.name = "expires",
     .type = FieldType::kString,
     .description = "Afterwards nothing is broken. At most 24 h after the policy was made: a "
                    "policy that lasts longer is not in force.",
     .format = &kTime,
     .unit = "RFC 3339"},
    duration_field("duration", "The same, counted from when the policy was made.", nullptr),
    {.name = "match",
     .type = FieldType::kObject,
     .description = "Whose requests; all that is set must hold. Left out: all.",
     .object = &kMatch},
    {.name = "delay",
     .type = FieldType::kObject,
     .description = "Requests that wait.",
     .object = &kDelay},
    {.name = "abort",
     .type = FieldType::kObject,
     .description = "Requests that fail, after their delay.",
     .object = &kAbort},
};
constexpr Schema kSpec{"a FaultPolicy's spec", "What is broken on purpose.", kSpecFields,
                       kSpecRules};
constexpr auto kDocumentFields =
    document_fields(kWeftVersion, "FaultPolicy", kNamedMetadata, kSpec);

uint32_t share_of(const Node& node) {
  return static_cast<uint32_t>(scaled_of(node, "percentage", 4));  // 100 % = 1 000 000
}

}  // namespace

const Schema kFaultPolicyDocument{"FaultPolicy",
                                  "What is broken on purpose, by the caller's sidecar: of calls to "
                                  "a Service by its name, or of what "
                                  "a route or one of its rules sends. The narrower target wins. "
                                  "Every fault is marked in telemetry.",
                                  kDocumentFields};

void read_fault_policy(const Node& document, std::string_view file, Object& object,
                       Problems& problems) {
  const Node& spec = *document.find("spec");
  FaultPolicySpec out{
      .targets = read_targets(spec), .fault = {}, .lasts = duration_of(spec, "duration")};
  out.fault.policy = fmt::format("{}/{}", object.meta.ns, object.meta.name);
  out.fault.expires = parse_rfc3339(spec.text_of("expires")).value_or(WallTime{});
  if (const Node* match = spec.find("match")) {
    RouteReading reading(file, object, problems);
    out.fault.headers = reading.strings(items_of(*match, "headers"), "spec.match.headers", true);
    out.fault.callers = texts_of(*match, "callers");
  }
  if (const Node* delay = spec.find("delay")) {
    out.fault.delay_share = share_of(*delay);
    out.fault.delay = duration_of(*delay, "duration");
  }
  if (const Node* abort = spec.find("abort")) {
    out.fault.abort_share = share_of(*abort);
    out.fault.abort_http_status = static_cast<int>(number_of(*abort, "httpStatus"));
    out.fault.abort_grpc_status = grpc_code(abort->text_of("grpcStatus"));
    out.fault.abort_reset = flag_of(*abort, "reset");
  }
  object.spec = std::move(out);
}

}  // namespace weft::control
