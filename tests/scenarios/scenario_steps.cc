// What each step does. A step that expects something says what it found instead.
#include "base/text.h"
#include "io/event.h"
#include "scenarios/scenario.h"

namespace weft::scenarios {
namespace {

Result<void> mismatch(const std::string& found) {
  return fail(ErrorKind::kConflict, "found " + found);
}

Result<Duration> time_of(const std::string& text) {
  auto ns = parse_duration_ns(text);
  if (!ns) return std::unexpected(std::move(ns.error()));
  return Duration{*ns};
}

std::string describe(const CallResult& result) {
  return result.status == 0 ? "no answer: " + result.error
                            : std::to_string(result.status) + " \"" + result.body + "\"";
}

struct Target {
  std::string host;
  uint16_t port = 80;
  std::string path = "/";
};

Target target_of(std::string_view url) {
  Target target;
  if (url.starts_with("http://")) url.remove_prefix(7);
  size_t slash = url.find('/');
  if (slash != std::string_view::npos) target.path = url.substr(slash);
  std::string_view authority = url.substr(0, slash);
  if (auto parts = split_once(authority, ':')) {
    target.host = parts->first;
    target.port = parse_port(parts->second).value_or(0);
  } else {
    target.host = authority;
  }
  return target;
}

// FROM METHOD URL and what may follow.
struct CallSpec {
  std::string from;
  wire::RequestHead head;
  Target target;
  std::string body;
  int times = 1;
  Duration every = Duration::millis(10);
};

Result<CallSpec> call_spec(const Step& step) {
  const std::vector<std::string>& words = step.words;
  if (words.size() < 4) return fail(ErrorKind::kInvalid, "FROM METHOD URL are needed");
  CallSpec spec;
  spec.from = words[1];
  spec.target = target_of(words[3]);
  spec.head.method = words[2];
  spec.head.target = spec.target.path;
  spec.head.fields.add("Host", spec.target.host);
  for (size_t i = 4; i + 1 < words.size(); i += 2) {
    const std::string& value = words[i + 1];
    if (words[i] == "header") {
      auto pair = split_once(value, ':');
      if (!pair) return fail(ErrorKind::kInvalid, "header NAME:VALUE");
      spec.head.fields.add(pair->first, trim(pair->second));
    } else if (words[i] == "body") {
      spec.body = value;
    } else if (words[i] == "times") {
      spec.times = std::atoi(value.c_str());
    } else if (words[i] == "every") {
      auto every = time_of(value);
      if (!every) return std::unexpected(std::move(every.error()));
      spec.every = *every;
    } else {
      return fail(ErrorKind::kInvalid, "unknown word " + words[i]);
    }
  }
  return spec;
}

Result<void> behave(AppBehaviour& behaviour, const std::string& what, const std::string& value) {
  if (what == "says") {
    behaviour.says = value;
  } else if (what == "greets") {
    behaviour.greets = value;
  } else if (what == "status") {
    behaviour.status = std::atoi(value.c_str());
  } else if (what == "delay") {
    auto delay = time_of(value);
    if (!delay) return std::unexpected(std::move(delay.error()));
    behaviour.delay = *delay;
  } else {
    return fail(ErrorKind::kInvalid, "unknown word " + what);
  }
  return {};
}

Result<ServiceSpec> service_of(std::string_view text) {
  ServiceSpec service;
  if (auto parts = split_once(text, '/')) {
    auto protocol = model::parse_protocol(parts->second);
    if (!protocol) return fail(ErrorKind::kInvalid, "unknown protocol");
    service.protocol = *protocol;
    service.app_is_tcp = *protocol == model::Protocol::kTcp;
    text = parts->first;
  }
  std::vector<std::string_view> parts = split(text, ':');
  service.name = parts[0];
  if (parts.size() > 1) service.port = parse_port(parts[1]).value_or(0);
  service.app_port = parts.size() > 2 ? parse_port(parts[2]).value_or(0) : service.port;
  return service;
}

}  // namespace

struct Player::Load {
  CallSpec spec;
  bool stop = false;
  bool ended = false;
  int calls = 0;
  int failed = 0;
  std::string first_failure;
};

Player::~Player() { loads_.cancel_all(); }

Result<void> Player::step(const Step& step) {
  const std::string& verb = step.words[0];
  if (verb == "instance") return add_instance(step);
  if (verb == "apply") return apply(step, false);
  if (verb == "apply-refused") return apply(step, true);
  if (verb == "call") return call(step);
  if (verb == "count") return count(step);
  if (verb == "send") return converse(step, true);
  if (verb == "listen") return converse(step, false);
  if (verb == "resolve") return resolve(step);
  if (verb == "load") return start_load(step);
  if (verb == "loaded") return end_load(step);
  if (verb == "app") return change_app(step);
  if (verb == "edge") return edge(step);
  if (verb == "metrics") return metrics(step);
  return control(step);
}

Result<void> Player::control(const Step& step) {
  const std::string& verb = step.words[0];
  std::string name = step.words.size() > 1 ? step.words[1] : "";
  std::string other = step.words.size() > 2 ? step.words[2] : "";
  if (verb == "server") {
    if (!name.empty()) {
      auto life = time_of(other);
      if (!life || name != "svid-ttl") return fail(ErrorKind::kInvalid, "server [svid-ttl TIME]");
      mesh_.set_svid_life(*life);
    }
    mesh_.start_server();
  } else if (verb == "kill-server") {
    mesh_.kill_server();
  } else if (verb == "start-server") {
    mesh_.start_server();
  } else if (verb == "stop") {
    mesh_.stop(name);
  } else if (verb == "kill") {
    mesh_.kill(name);
  } else if (verb == "kill-sidecar") {
    mesh_.kill_sidecar(name);
  } else if (verb == "restart-sidecar") {
    mesh_.restart_sidecar(name);
  } else if (verb == "cut") {
    mesh_.world().partition(mesh_.world().node(name), mesh_.world().node(other));
  } else if (verb == "heal") {
    mesh_.world().heal(mesh_.world().node(name), mesh_.world().node(other));
  } else if (verb == "wait") {
    auto span = time_of(name);
    if (!span) return std::unexpected(std::move(span.error()));
    mesh_.world().run_for(*span);
  } else if (verb == "seen") {
    uint64_t seen = mesh_.instance(name).record.requests;
    if (std::to_string(seen) != step.expected.at(0)) return mismatch(std::to_string(seen));
  } else {
    return fail(ErrorKind::kInvalid, "unknown step " + verb);
  }
  return {};
}

Result<void> Player::add_instance(const Step& step) {
  InstanceSpec spec;
  spec.name = step.words.at(1);
  bool tcp = false;
  for (size_t i = 2; i + 1 < step.words.size(); i += 2) {
    const std::string& what = step.words[i];
    const std::string& value = step.words[i + 1];
    if (what == "namespace") {
      spec.ns = value;
    } else if (what == "service") {
      auto service = service_of(value);
      if (!service) return std::unexpected(std::move(service.error()));
      spec.services.push_back(*service);
    } else if (what == "zone") {
      spec.labels["topology.kubernetes.io/zone"] = value;
    } else if (what == "region") {
      spec.labels["topology.kubernetes.io/region"] = value;
    } else if (what == "app" && value == "tcp") {
      tcp = true;
    } else if (auto done = behave(spec.behaviour, what, value); !done) {
      return done;
    }
  }
  for (ServiceSpec& service : spec.services) service.app_is_tcp |= tcp;
  mesh_.add(std::move(spec));
  return {};
}

Result<void> Player::apply(const Step& step, bool refused) {
  CallResult result = mesh_.apply(step.block);
  mesh_.world().run_for(Duration::millis(100));  // to reach the proxies
  if (!refused) return result.status == 200 ? Result<void>() : mismatch(describe(result));
  bool as_said = result.status == 422 && result.body.find(step.words.at(1)) != std::string::npos;
  return as_said ? Result<void>() : mismatch(describe(result));
}

Result<void> Player::call(const Step& step) {
  auto spec = call_spec(step);
  if (!spec) return std::unexpected(std::move(spec.error()));
  for (int i = 0; i < spec->times; ++i) {
    CallResult result =
        mesh_.call(spec->from, spec->head, spec->target.host, spec->target.port, spec->body);
    bool good =
        std::to_string(result.status) == step.expected.at(0) &&
        (step.expected.size() < 2 || result.body.find(step.expected[1]) != std::string::npos);
    if (!good) return mismatch(describe(result) + " at call " + std::to_string(i + 1));
  }
  return {};
}

Result<void> Player::count(const Step& step) {
  auto spec = call_spec(step);
  if (!spec) return std::unexpected(std::move(spec.error()));
  std::map<std::string, int> found;
  for (int i = 0; i < spec->times; ++i) {
    CallResult result =
        mesh_.call(spec->from, spec->head, spec->target.host, spec->target.port, spec->body);
    ++found[result.status == 200 ? result.body : std::to_string(result.status)];
  }
  std::string text;
  for (const auto& [what, times] : found) text += what + "=" + std::to_string(times) + " ";
  for (const std::string& expected : step.expected) {
    auto pair = split_once(expected, '=');
    if (!pair || std::to_string(found[std::string(pair->first)]) != pair->second)
      return mismatch(text);
  }
  return {};
}

Result<void> Player::converse(const Step& step, bool send) {
  Target target = target_of(step.words.at(2));
  std::string text = send ? step.words.at(3) + "\n" : "";
  CallResult result = mesh_.converse(step.words.at(1), target.host, target.port, text);
  std::string found = result.status == 200 ? result.body : result.error;
  return found == step.expected.at(0) ? Result<void>() : mismatch("\"" + found + "\"");
}

Result<void> Player::resolve(const Step& step) {
  std::string found = mesh_.world().run(mesh_.resolve(step.words.at(1), step.words.at(2)));
  const std::string& expected = step.expected.at(0);
  bool good = found == expected || (expected == "vip" && found.starts_with("240.240.")) ||
              (expected == "mesh" && found.starts_with("240.241."));
  return good ? Result<void>() : mismatch(found);
}

Result<void> Player::start_load(const Step& step) {
  auto spec = call_spec(step);
  if (!spec) return std::unexpected(std::move(spec.error()));
  load_ = std::make_shared<Load>();
  load_->spec = std::move(*spec);
  loads_.spawn(run_load(load_));
  return {};
}

io::Task<void> Player::run_load(std::shared_ptr<Load> load) {
  io::Loop& loop = mesh_.instance(load->spec.from).app->loop();
  while (!load->stop) {
    const CallSpec& spec = load->spec;
    CallResult result = co_await mesh_.call_task(
        spec.from, spec.head, spec.target.host, spec.target.port, spec.body, Duration::seconds(20));
    ++load->calls;
    if (result.status != 200) {
      ++load->failed;
      if (load->first_failure.empty()) load->first_failure = describe(result);
    }
    co_await io::sleep_for(loop, spec.every);
  }
  load->ended = true;
}

Result<void> Player::end_load(const Step& step) {
  if (!load_) return fail(ErrorKind::kInvalid, "no load was started");
  load_->stop = true;
  std::shared_ptr<Load> load = load_;
  mesh_.world().run_until([load] { return load->ended; }, Duration::seconds(30));
  int most = std::atoi(step.expected.at(2).c_str());  // at most N failed
  if (load->calls < 10) return mismatch("only " + std::to_string(load->calls) + " calls were made");
  if (load->failed > most) {
    return mismatch(std::to_string(load->failed) + " of " + std::to_string(load->calls) +
                    " failed, first: " + load->first_failure);
  }
  return {};
}

Result<void> Player::change_app(const Step& step) {
  const std::string& name = step.words.at(1);
  const std::string& what = step.words.at(2);
  if (what == "closed") {
    mesh_.close_app(name);
    return {};
  }
  if (what == "open") {
    mesh_.open_app(name);
    return {};
  }
  return behave(mesh_.instance(name).behaviour, what, step.words.at(3));
}

Result<void> Player::edge(const Step& step) {
  const std::string& service = step.expected.at(0);
  const std::string& identity = step.expected.at(1);
  std::string found;
  for (const auto& edge : mesh_.instance(step.words.at(1)).worker->worker.edges.snapshot()) {
    if (edge.key.inbound || edge.key.service != service) continue;
    found += edge.key.destination + " ";
    if (edge.key.mtls && edge.key.destination.ends_with(identity) &&
        edge.requests + edge.connections > 0)
      return {};
  }
  return mismatch(found.empty() ? "no such edge" : found);
}

Result<void> Player::metrics(const Step& step) {
  std::string type;
  std::string text = mesh_.instance(step.words.at(1)).sidecar->metrics("", &type);
  return text.find(step.expected.at(0)) != std::string::npos ? Result<void>() : mismatch(text);
}

}  // namespace weft::scenarios
