// Parts of a Service's rules, from when they come until nobody names them. A part never changes and says nothing
// by itself, so keeping one costs its memory only; which go is asked when the control plane takes some back.
#include <algorithm>

#include "proxy/staging_change.h"
#include "xds/convert.h"

namespace weft::proxy {

using xds::ResourceType;

CompiledService::Parts Staging::parts_of(const std::string& service) const {
  auto name = model::ServiceName::parse(service);
  return [this, name = name ? *name : model::ServiceName()](uint64_t id) -> CompiledPartPtr {
    const auto part = parts_.find(xds::part_name(name, id));
    return part == parts_.end() ? nullptr : part->second.compiled;
  };
}

// Of the parts that a Service names, why the first that was refused was; "" = none was.
std::string Staging::refused_part_of(const model::Service& service) const {
  if (refused_parts_.empty()) return "";
  for (const model::ServicePort& port : service.ports) {
    for (const uint64_t id : port.parts) {
      const auto refused = refused_parts_.find(xds::part_name(service.name, id));
      if (refused != refused_parts_.end()) return refused->second;
    }
  }
  return "";
}

// Compiles what is staged and has all its parts now; returns what lacks some.
std::vector<model::ServiceName> Staging::assemble() {
  std::vector<model::ServiceName> lacking;
  for (Generation& generation : pending_) {
    if (!generation.complete) continue;
    std::erase_if(generation.changes, [&](Change& change) {
      if (!change.parted) return false;
      auto compiled = CompiledService::compile(*change.parted, parts_of(change.name));
      if (compiled) {
        change.service = std::move(*compiled);
        change.parted.reset();
        return false;
      }
      std::string why = compiled.error().message();
      if (compiled.error().kind() == ErrorKind::kNotFound) {
        why = refused_part_of(*change.parted);
        if (why.empty()) {
          lacking.push_back(change.parted->name);
          return false;
        }
      }
      for (Acknowledgement& update : generation.updates) {
        if (update.update != change.update) continue;
        update.rejections.push_back({change.name, why});
      }
      return true;
    });
  }
  return lacking;
}

void Staging::sweep_parts() {
  if (std::ranges::none_of(parts_, [](const auto& entry) { return entry.second.gone; })) return;
  std::set<std::string> named;
  const auto name_parts = [&](const model::Service& service) {
    for (const model::ServicePort& port : service.ports) {
      for (const uint64_t id : port.parts) named.insert(xds::part_name(service.name, id));
    }
  };
  for (const auto& [name, live] : snapshot_->services) name_parts(live.model());
  for (const Generation& generation : pending_) {
    for (const Change& change : generation.changes) {
      if (change.parted) name_parts(*change.parted);
      if (change.service) name_parts(change.service->service);
    }
  }
  std::erase_if(parts_, [&](const auto& entry) {
    if (!entry.second.gone || named.contains(entry.first)) return false;
    held_[index_of(ResourceType::kRules)].erase(entry.first);
    return true;
  });
}

void Staging::forget_parts(const std::string& service) {
  const auto of_it = [&](const auto& entry) {
    return xds::subscription_of(ResourceType::kRules, entry.first) == service;
  };
  std::erase_if(parts_, of_it);
  std::erase_if(refused_parts_, of_it);
  std::erase_if(held_[index_of(ResourceType::kRules)], of_it);
}

}  // namespace weft::proxy
