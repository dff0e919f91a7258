// The catalog: the one place where objects change. It decodes and checks a whole batch, writes it in one
// transaction, feeds the compiler and tells the server which services to publish. Nothing is applied
// unless everything is valid.
// Threading: the server's loop.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/random.h"
#include "base/result.h"
#include "control/compile.h"
#include "control/store.h"

namespace weft::control {

// A file as the user named it.
struct SourceText {
  std::string file;
  std::string text;
};

struct ApplyOutcome {
  struct Row {
    ObjectKey key;
    std::string action;  // created, configured, unchanged, deleted
  };
  std::vector<Row> rows;
  // Everything wrong, each as "FILE:LINE:COLUMN: PATH: what (hint)"; then nothing was applied.
  std::vector<std::string> errors;
  // Said, but not refused: a backend that does not exist yet and the like.
  std::vector<std::string> warnings;
  uint64_t version = 0;
};

// Where virtual addresses come from: the addresses of number n of the "service" pool.
struct VirtualRanges {
  std::function<IpAddress(uint32_t)> v4;
  std::function<IpAddress(uint32_t)> v6;
};

class ObjectCatalog {
 public:
  // Called after a change is stored and the compiler has it: publish these as one version.
  using Publish = std::function<void(const Affected& services, uint64_t version)>;

  ObjectCatalog(Store& store, Compiler& compiler, const Clock& clock, Random& random,
                VirtualRanges ranges);

  // Reads the store into the compiler: objects, implicit services and addresses. Once, at start.
  Result<void> load();
  void on_publish(Publish publish) { publish_ = std::move(publish); }

  // An error only when the store failed; what is wrong with the input is in `errors`.
  Result<ApplyOutcome> apply(const std::vector<SourceText>& files, bool dry_run);
  Result<ApplyOutcome> remove(const std::vector<ObjectKey>& keys);  // kNotFound: none is removed

  // After instances came or went: gives addresses to services that need one, records implicit services
  // and releases the addresses of services that are gone. Returns the services touched.
  Result<Affected> settle();
  // Forgets an implicit service without instances (kConflict while it has some).
  Result<Affected> forget_implicit(const model::ServiceName& name);

  uint64_t version() const { return version_; }
  Compiler& compiler() { return compiler_; }

  static constexpr uint32_t kAddresses = 65'000;  // of each pool
  static constexpr Duration kAddressHold = Duration::hours(24);

 private:
  // Numbers given in a transaction that is not committed yet.
  using Given = std::vector<std::pair<model::ServiceName, uint32_t>>;
  Result<void> give(const std::vector<model::ServiceName>& names, Given& given);
  void take_effect(const Given& given, Affected& touched);
  void tidy(Affected& touched, ApplyOutcome& outcome);
  void warn_of(const Object& object, ApplyOutcome& outcome) const;
  Result<void> store_batch(const std::vector<Object*>& changed, Given& given);

  Store& store_;
  Compiler& compiler_;
  const Clock& clock_;
  Random& random_;
  VirtualRanges ranges_;
  Publish publish_;
  uint64_t version_ = 0;
};

}  // namespace weft::control
