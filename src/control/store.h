// The store: one SQLite file that holds everything the control plane must not forget. WAL,
// synchronous=FULL, STRICT tables, schema versions by user_version. A write is one transaction: when a
// call returns success it survives kill -9 and power loss; when it returns an error nothing of it
// happened. Reads see the last commit.
//
// Errors: kIo with SQLite's words, the file and what to do (disk full, read-only, not a database, made
// by a newer Weft); kConflict / kNotFound / kLimit where stated.
// Threading: one thread. Calls block on the disk (one fsync a write); the control plane writes rarely.
// Times are the caller's (wall clock): the store reads no clock.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/result.h"
#include "base/time.h"
#include "control/object.h"

namespace weft::control {

struct StoreOptions {
  std::string path;
  // SQLite VFS to use; empty = the default. A simulated disk registers its own.
  std::string vfs;
};

// One stored object; `body` as in Object::body.
struct ObjectRow {
  ObjectKey key;
  std::string uid;
  int64_t generation = 0;
  WallTime created{};
  std::string body;
};

// The right to join: only the hash of its secret is kept.
struct TokenRow {
  std::string id;             // short, shown to users
  std::string secret_sha256;  // 32 bytes
  std::string ns;             // namespace it allows ("" = any)
  std::string service;        // service it allows ("" = any)
  WallTime created{};
  WallTime expires{};
  std::string used_by;  // machine id; "" = unused
};

struct MachineRow {
  std::string id;
  std::string name;   // as it called itself
  std::string token;  // id of the token it joined with
  std::string ns;     // what the token allowed
  std::string service;
  WallTime joined{};
  bool revoked = false;
};

// A registered instance: enough to give its lease a full term after a restart.
struct InstanceRow {
  std::string id;           // "cart-7f3a9c"
  std::string machine;      // "" = the server's own host
  uint32_t mesh_index = 0;  // from allocate("instance", id)
  WallTime registered{};
  std::string registration;  // opaque: a serialized weft.v1.RegisterRequest
  std::string address;       // opaque: where it is reached, as the registry writes it
};

// A number out of a pool (a service's virtual address, an instance's mesh address).
struct AllocationRow {
  uint32_t index = 0;
  std::string owner;
  std::optional<WallTime> released;
};

// A port of a service that exists because a workload claimed it, no Service object needed.
struct ImplicitPort {
  uint16_t port = 0;
  model::Protocol protocol = model::Protocol::kAuto;
  friend auto operator<=>(const ImplicitPort&, const ImplicitPort&) = default;
};
struct ImplicitServiceRow {
  model::ServiceName name;
  std::vector<ImplicitPort> ports;
};

class Store {
 public:
  static Result<std::unique_ptr<Store>> open(const StoreOptions& options);
  ~Store();
  Store(const Store&) = delete;
  Store& operator=(const Store&) = delete;

  // Runs `work` as one transaction: committed when it returns success, else rolled back. All calls
  // below may be made inside (they join); nesting joins the outer one.
  Result<void> transact(const std::function<Result<void>()>& work);

  // --- objects ---
  Result<std::vector<ObjectRow>> objects() const;
  // Writes and deletes as one transaction; deletes of what is absent are fine. Returns the new version
  // of the whole configuration (counts applies, from 1).
  Result<uint64_t> apply(std::span<const ObjectRow> puts, std::span<const ObjectKey> deletes);
  Result<uint64_t> version() const;

  // --- numbered addresses ---
  // The number `owner` holds, or a new one in [1, limit]. An owner that comes back gets the number it
  // had. A number released less than `hold` ago is never given to another owner; kLimit when none is
  // free.
  Result<uint32_t> allocate(std::string_view pool, std::string_view owner, uint32_t limit,
                            WallTime now, Duration hold);
  Result<void> release(std::string_view pool, std::string_view owner, WallTime now);
  Result<std::vector<AllocationRow>> allocations(std::string_view pool) const;

  // --- registry ---
  Result<void> put_instance(const InstanceRow& row);
  Result<void> remove_instance(std::string_view id);
  Result<std::vector<InstanceRow>> instances() const;
  // Replaces the ports; no ports removes the row.
  Result<void> put_implicit_service(const ImplicitServiceRow& row);
  Result<std::vector<ImplicitServiceRow>> implicit_services() const;

  // --- joining ---
  Result<void> add_token(const TokenRow& row);
  Result<std::vector<TokenRow>> tokens() const;
  Result<void> remove_token(std::string_view id);  // kNotFound
  // Marks the unused, unexpired token with this hash as used by `machine` and adds the machine, as one
  // transaction. kUnauthenticated names what is wrong (unknown, expired, used already).
  Result<TokenRow> join(std::string_view secret_sha256, MachineRow machine, WallTime now);
  Result<std::vector<MachineRow>> machines() const;
  Result<std::optional<MachineRow>> machine(std::string_view id) const;
  Result<void> revoke_machine(std::string_view id);  // kNotFound

  // --- single values: trust domain, ULA, CA certificates and keys (PEM) ---
  Result<std::optional<std::string>> meta(std::string_view key) const;
  // All at once.
  Result<void> set_meta(const std::map<std::string, std::string>& values);

  // PRAGMA integrity_check; the text of the first finding as kIo.
  Result<void> check_integrity() const;

  struct Impl;

 private:
  explicit Store(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace weft::control
