// Decode everything, compare with what is stored, write once, then tell. The store is asked first: the
// compiler and the proxies never see what the disk did not take.
#include "control/object_catalog.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>

#include "control/kinds.h"

namespace weft::control {
namespace {

constexpr const char* kServicePool = "service";

std::string owner_of(const model::ServiceName& name) { return name.to_string(); }

// A random UUID (RFC 9562, version 4).
std::string make_uid(Random& random) {
  const uint64_t a = random.next();
  const uint64_t b = random.next();
  return fmt::format("{:08x}-{:04x}-4{:03x}-{:04x}-{:012x}", a >> 32, (a >> 16) & 0xffff, a & 0xfff,
                     0x8000 | ((b >> 48) & 0x3fff), b & 0xffffffffffff);
}

ObjectRow row_of(const Object& object) {
  return {.key = object.key(),
          .uid = object.meta.uid,
          .generation = object.meta.generation,
          .created = object.meta.created,
          .body = object.body};
}

// The same object in two places of one batch: neither order would be right.
void refuse_twins(const std::vector<DecodedObject>& batch, Problems& problems) {
  std::map<ObjectKey, const DecodedObject*> first;
  for (const DecodedObject& decoded : batch) {
    const auto [it, fresh] = first.try_emplace(decoded.object.key(), &decoded);
    if (fresh) continue;
    problems.push_back({decoded.file, decoded.at, "",
                        fmt::format("{} is there twice, first at {}:{}", it->first.to_string(),
                                    it->second->file, it->second->at.line),
                        "keep one of the two"});
  }
}

}  // namespace

ObjectCatalog::ObjectCatalog(Store& store, Compiler& compiler, const Clock& clock, Random& random,
                             VirtualRanges ranges)
    : store_(store),
      compiler_(compiler),
      clock_(clock),
      random_(random),
      ranges_(std::move(ranges)) {}

Result<void> ObjectCatalog::load() {
  auto rows = store_.objects();
  if (!rows) return std::unexpected(std::move(rows.error()));
  for (const ObjectRow& row : *rows) {
    Problems problems;
    auto decoded = decode_objects(row.key.to_string(), row.body, problems);
    if (!problems.empty() || decoded.size() != 1) {
      return fail(
          ErrorKind::kInvalid,
          fmt::format("a stored object is not valid for this version of Weft: {}",
                      problems.empty() ? row.key.to_string() : problems.front().to_string()));
    }
    Object& object = decoded.front().object;
    object.meta.uid = row.uid;
    object.meta.generation = row.generation;
    object.meta.created = row.created;
    compiler_.put(object);
  }
  auto implicit = store_.implicit_services();
  if (!implicit) return std::unexpected(std::move(implicit.error()));
  for (ImplicitServiceRow& row : *implicit) compiler_.put_implicit(row.name, std::move(row.ports));
  auto version = store_.version();
  if (!version) return std::unexpected(std::move(version.error()));
  version_ = *version;
  auto settled = settle();
  if (!settled) return std::unexpected(std::move(settled.error()));
  return {};
}

Result<void> ObjectCatalog::give(const std::vector<model::ServiceName>& names, Given& given) {
  for (const model::ServiceName& name : names) {
    auto number =
        store_.allocate(kServicePool, owner_of(name), kAddresses, clock_.wall_now(), kAddressHold);
    if (!number) return std::unexpected(std::move(number.error()));
    given.emplace_back(name, *number);
  }
  return {};
}

void ObjectCatalog::take_effect(const Given& given, Affected& touched) {
  for (const auto& [name, number] : given) {
    touched.merge(compiler_.set_address(name, ranges_.v4(number), ranges_.v6(number)));
  }
}

// Objects and the addresses of new Services: all of it or nothing.
Result<void> ObjectCatalog::store_batch(const std::vector<Object*>& changed, Given& given) {
  std::vector<ObjectRow> rows;
  std::vector<model::ServiceName> services;
  for (const Object* object : changed) {
    rows.push_back(row_of(*object));
    const auto* spec = std::get_if<ServiceSpec>(&object->spec);
    if (spec && !spec->headless) services.push_back(object->service_name());
  }
  return store_.transact([&]() -> Result<void> {
    auto version = store_.apply(rows, {});
    if (!version) return std::unexpected(std::move(version.error()));
    version_ = *version;
    return give(services, given);
  });
}

Result<ApplyOutcome> ObjectCatalog::apply(const std::vector<SourceText>& files, bool dry_run) {
  ApplyOutcome outcome;
  outcome.version = version_;
  Problems problems;
  std::vector<DecodedObject> batch;
  for (const SourceText& source : files) {
    auto decoded = decode_objects(source.file, source.text, problems);
    std::ranges::move(decoded, std::back_inserter(batch));
  }
  refuse_twins(batch, problems);
  for (const Problem& problem : problems) outcome.errors.push_back(problem.to_string());
  if (!outcome.errors.empty()) return outcome;

  std::vector<Object*> changed;
  for (DecodedObject& decoded : batch) {
    Object& object = decoded.object;
    const Object* before = compiler_.object(object.key());
    const bool same = before && before->body == object.body;
    outcome.rows.push_back({object.key(), !before ? "created" : same ? "unchanged" : "configured"});
    if (same) continue;
    object.meta.uid = before ? before->meta.uid : make_uid(random_);
    object.meta.generation = before ? before->meta.generation + 1 : 1;
    object.meta.created = before ? before->meta.created : clock_.wall_now();
    changed.push_back(&object);
  }
  if (dry_run || changed.empty()) return outcome;

  const uint64_t version_before = version_;
  Given given;
  if (auto stored = store_batch(changed, given); !stored) {
    version_ = version_before;
    return std::unexpected(std::move(stored.error()));
  }
  outcome.version = version_;
  Affected touched;
  for (const Object* object : changed) touched.merge(compiler_.put(*object));
  take_effect(given, touched);
  tidy(touched, outcome);
  for (const Object* object : changed) warn_of(*object, outcome);
  if (publish_) publish_(touched, version_);
  return outcome;
}

// What is not as it should be with an object just applied, each message once: a Gateway and its listeners mostly
// suffer from the same.
void ObjectCatalog::warn_of(const Object& object, ApplyOutcome& outcome) const {
  std::set<std::string> said;
  const auto look = [&](const std::string& part, const Condition& condition) {
    if (condition.ok || condition.type == "Conflicted" || !said.insert(condition.message).second) {
      return;
    }
    outcome.warnings.push_back(fmt::format("{}{}: {}: {}", object.key().to_string(), part,
                                           condition.reason, condition.message));
  };
  for (const Condition& one : compiler_.conditions(object)) look("", one);
  if (!std::holds_alternative<GatewaySpec>(object.spec) &&
      !std::holds_alternative<ListenerSetSpec>(object.spec)) {
    return;
  }
  for (const GatewayState::Listener& listener : compiler_.gateway_state(object).listeners) {
    for (const Condition& one : listener.conditions) look(", listener " + listener.name, one);
  }
}

Result<ApplyOutcome> ObjectCatalog::remove(const std::vector<ObjectKey>& keys) {
  ApplyOutcome outcome;
  for (const ObjectKey& key : keys) {
    if (!compiler_.object(key)) {
      return fail(ErrorKind::kNotFound, fmt::format("there is no {}", key.to_string()));
    }
    outcome.rows.push_back({key, "deleted"});
  }
  auto version = store_.apply({}, keys);
  if (!version) return std::unexpected(std::move(version.error()));
  version_ = outcome.version = *version;
  Affected touched;
  for (const ObjectKey& key : keys) touched.merge(compiler_.remove(key));
  tidy(touched, outcome);
  if (publish_) publish_(touched, version_);
  return outcome;
}

Result<Affected> ObjectCatalog::settle() {
  const std::vector<ImplicitServiceRow> implicit = compiler_.unrecorded_implicit();
  const std::vector<model::ServiceName> idle = compiler_.with_idle_address();
  const std::vector<model::ServiceName> wanting = compiler_.without_address();
  Affected touched;
  if (implicit.empty() && idle.empty() && wanting.empty()) return touched;
  Given given;
  auto done = store_.transact([&]() -> Result<void> {
    for (const ImplicitServiceRow& row : implicit) {
      if (auto put = store_.put_implicit_service(row); !put) return put;
    }
    for (const model::ServiceName& name : idle) {
      auto released = store_.release(kServicePool, owner_of(name), clock_.wall_now());
      if (!released) return released;
    }
    return give(wanting, given);
  });
  if (!done) return std::unexpected(std::move(done.error()));
  for (const ImplicitServiceRow& row : implicit)
    touched.merge(compiler_.put_implicit(row.name, row.ports));
  for (const model::ServiceName& name : idle) touched.merge(compiler_.clear_address(name));
  take_effect(given, touched);
  return touched;
}

// What follows a change that is stored already: a failure here is worth a warning, and the next
// settle() tries again.
void ObjectCatalog::tidy(Affected& touched, ApplyOutcome& outcome) {
  auto settled = settle();
  if (settled) {
    touched.merge(*settled);
  } else {
    outcome.warnings.push_back(settled.error().message());
  }
}

Result<Affected> ObjectCatalog::forget_implicit(const model::ServiceName& name) {
  if (compiler_.claimed(name)) {
    return fail(ErrorKind::kConflict,
                fmt::format("{} still has instances: stop them first", name.to_string()));
  }
  if (auto put = store_.put_implicit_service({name, {}}); !put) {
    return std::unexpected(std::move(put.error()));
  }
  Affected touched = compiler_.put_implicit(name, {});
  auto settled = settle();
  if (!settled) return settled;
  touched.merge(*settled);
  if (publish_) publish_(touched, version_);
  return touched;
}

}  // namespace weft::control
