// The store's tables of addresses, instances, tokens and machines. Numbers are handed out upwards from
// the last one given, so a released address rests as long as the pool allows, and longer than `hold` in
// any case.
#include <fmt/format.h>

#include "control/store_impl.h"

namespace weft::control {
namespace {

TokenRow token_of(const SqliteQuery& q) {
  return {.id = q.text(0),
          .secret_sha256 = q.text(1),
          .ns = q.text(2),
          .service = q.text(3),
          .created = wall_time(q.integer(4)),
          .expires = wall_time(q.integer(5)),
          .used_by = q.text(6)};
}

MachineRow machine_of(const SqliteQuery& q) {
  return {.id = q.text(0),
          .name = q.text(1),
          .token = q.text(2),
          .ns = q.text(3),
          .service = q.text(4),
          .joined = wall_time(q.integer(5)),
          .revoked = q.integer(6) != 0};
}

// Collects every row of `query` through `read`.
template <typename Row, typename Read>
Result<std::vector<Row>> collect(SqliteQuery query, Read read) {
  std::vector<Row> rows;
  while (true) {
    auto row = query.step();
    if (!row) return std::unexpected(std::move(row.error()));
    if (!*row) return rows;
    rows.push_back(read(query));
  }
}

// The first integer of the first row; nothing when there is no row or it is NULL.
Result<std::optional<int64_t>> single(SqliteQuery& query) {
  auto row = query.step();
  if (!row) return std::unexpected(std::move(row.error()));
  if (!*row || query.null(0)) return std::optional<int64_t>();
  return std::optional<int64_t>(query.integer(0));
}

// A free number: the one after the last given, or after wrapping the lowest that is free.
Result<uint32_t> free_number(Store::Impl& impl, std::string_view pool, uint32_t limit) {
  const std::string cursor_key = fmt::format("cursor.{}", pool);
  SqliteQuery cursor_query = impl.query("SELECT CAST(value AS INTEGER) FROM meta WHERE key=?");
  auto cursor = single(cursor_query.bind(cursor_key));
  if (!cursor) return std::unexpected(std::move(cursor.error()));
  const int64_t last = cursor->value_or(0);
  // The first number above `?2` (then above 0) that no row holds.
  constexpr const char* kGap =
      "SELECT MIN(n) FROM (SELECT ?2+1 AS n UNION ALL "
      "SELECT number+1 FROM allocations WHERE pool=?1 AND number>?2) "
      "WHERE n<=?3 AND NOT EXISTS(SELECT 1 FROM allocations WHERE pool=?1 AND number=n)";
  for (const int64_t from : {last, int64_t{0}}) {
    SqliteQuery gap_query = impl.query(kGap);
    auto found = single(gap_query.bind(pool).bind(from).bind(static_cast<int64_t>(limit)));
    if (!found) return std::unexpected(std::move(found.error()));
    if (!*found) continue;
    auto moved = impl.query("INSERT OR REPLACE INTO meta VALUES(?,?)")
                     .bind(cursor_key)
                     .bind_blob(std::to_string(**found))
                     .finish();
    if (!moved) return std::unexpected(std::move(moved.error()));
    return static_cast<uint32_t>(**found);
  }
  return fail(ErrorKind::kLimit,
              fmt::format("all {} addresses of the pool '{}' are taken or were in "
                          "use less than a day ago",
                          limit, pool));
}

Result<uint32_t> allocate_new(Store::Impl& impl, std::string_view pool, std::string_view owner,
                              uint32_t limit, WallTime now, Duration hold) {
  auto swept =
      impl.query("DELETE FROM allocations WHERE pool=? AND released IS NOT NULL AND released<=?")
          .bind(pool)
          .bind((now - hold).unix_ns)
          .finish();
  if (!swept) return std::unexpected(std::move(swept.error()));
  auto number = free_number(impl, pool, limit);
  if (!number) return number;
  auto taken = impl.query("INSERT INTO allocations VALUES(?,?,?,NULL)")
                   .bind(pool)
                   .bind(static_cast<int64_t>(*number))
                   .bind(owner)
                   .finish();
  if (!taken) return std::unexpected(std::move(taken.error()));
  return number;
}

}  // namespace

Result<uint32_t> Store::allocate(std::string_view pool, std::string_view owner, uint32_t limit,
                                 WallTime now, Duration hold) {
  uint32_t number = 0;
  auto done = transact([&]() -> Result<void> {
    SqliteQuery held_query =
        impl_->query("SELECT number FROM allocations WHERE pool=? AND owner=?");
    auto held = single(held_query.bind(pool).bind(owner));
    if (!held) return std::unexpected(std::move(held.error()));
    if (*held) {
      number = static_cast<uint32_t>(**held);
      return impl_->query("UPDATE allocations SET released=NULL WHERE pool=? AND owner=?")
          .bind(pool)
          .bind(owner)
          .finish();
    }
    auto fresh = allocate_new(*impl_, pool, owner, limit, now, hold);
    if (!fresh) return std::unexpected(std::move(fresh.error()));
    number = *fresh;
    return {};
  });
  if (!done) return std::unexpected(std::move(done.error()));
  return number;
}

Result<void> Store::release(std::string_view pool, std::string_view owner, WallTime now) {
  return impl_
      ->query("UPDATE allocations SET released=? WHERE pool=? AND owner=? AND released IS NULL")
      .bind(now.unix_ns)
      .bind(pool)
      .bind(owner)
      .finish();
}

Result<std::vector<AllocationRow>> Store::allocations(std::string_view pool) const {
  SqliteQuery query =
      impl_->query("SELECT number, owner, released FROM allocations WHERE pool=? ORDER BY number");
  query.bind(pool);
  return collect<AllocationRow>(std::move(query), [](const SqliteQuery& q) {
    AllocationRow row{.index = static_cast<uint32_t>(q.integer(0)), .owner = q.text(1)};
    if (!q.null(2)) row.released = wall_time(q.integer(2));
    return row;
  });
}

Result<void> Store::put_instance(const InstanceRow& row) {
  return impl_->query("INSERT OR REPLACE INTO instances VALUES(?,?,?,?,?,?)")
      .bind(row.id)
      .bind(row.machine)
      .bind(static_cast<int64_t>(row.mesh_index))
      .bind(row.registered.unix_ns)
      .bind_blob(row.registration)
      .bind(row.address)
      .finish();
}

Result<void> Store::remove_instance(std::string_view id) {
  return impl_->query("DELETE FROM instances WHERE id=?").bind(id).finish();
}

Result<std::vector<InstanceRow>> Store::instances() const {
  return collect<InstanceRow>(
      impl_->query(
          "SELECT id, machine, mesh_index, registered, registration, address FROM instances "
          "ORDER BY id"),
      [](const SqliteQuery& q) {
        return InstanceRow{.id = q.text(0),
                           .machine = q.text(1),
                           .mesh_index = static_cast<uint32_t>(q.integer(2)),
                           .registered = wall_time(q.integer(3)),
                           .registration = q.text(4),
                           .address = q.text(5)};
      });
}

Result<void> Store::put_implicit_service(const ImplicitServiceRow& row) {
  return transact([&]() -> Result<void> {
    auto done = impl_->query("DELETE FROM implicit_ports WHERE ns=? AND name=?")
                    .bind(row.name.ns)
                    .bind(row.name.name)
                    .finish();
    for (const ImplicitPort& port : row.ports) {
      if (!done) return done;
      done = impl_->query("INSERT INTO implicit_ports VALUES(?,?,?,?)")
                 .bind(row.name.ns)
                 .bind(row.name.name)
                 .bind(static_cast<int64_t>(port.port))
                 .bind(model::to_string(port.protocol))
                 .finish();
    }
    return done;
  });
}

Result<std::vector<ImplicitServiceRow>> Store::implicit_services() const {
  std::vector<ImplicitServiceRow> rows;
  SqliteQuery query =
      impl_->query("SELECT ns, name, port, protocol FROM implicit_ports ORDER BY ns, name, port");
  while (true) {
    auto row = query.step();
    if (!row) return std::unexpected(std::move(row.error()));
    if (!*row) return rows;
    const model::ServiceName name{query.text(0), query.text(1)};
    if (rows.empty() || rows.back().name != name) rows.push_back({.name = name});
    rows.back().ports.push_back(
        {static_cast<uint16_t>(query.integer(2)),
         model::parse_protocol(query.text(3)).value_or(model::Protocol::kAuto)});
  }
}

Result<void> Store::add_token(const TokenRow& row) {
  return impl_->query("INSERT INTO tokens VALUES(?,?,?,?,?,?,?)")
      .bind(row.id)
      .bind_blob(row.secret_sha256)
      .bind(row.ns)
      .bind(row.service)
      .bind(row.created.unix_ns)
      .bind(row.expires.unix_ns)
      .bind(row.used_by)
      .finish();
}

Result<std::vector<TokenRow>> Store::tokens() const {
  return collect<TokenRow>(
      impl_->query("SELECT id, secret_sha256, ns, service, created, expires, used_by FROM tokens "
                   "ORDER BY created, id"),
      token_of);
}

Result<void> Store::remove_token(std::string_view id) {
  auto done = impl_->query("DELETE FROM tokens WHERE id=?").bind(id).finish();
  if (!done) return done;
  if (impl_->database->changes() == 0)
    return fail(ErrorKind::kNotFound, fmt::format("no token '{}'", id));
  return {};
}

Result<TokenRow> Store::join(std::string_view secret_sha256, MachineRow machine, WallTime now) {
  TokenRow token;
  auto done = transact([&]() -> Result<void> {
    SqliteQuery query = impl_->query(
        "SELECT id, secret_sha256, ns, service, created, expires, used_by FROM tokens "
        "WHERE secret_sha256=?");
    auto row = query.bind_blob(secret_sha256).step();
    if (!row) return std::unexpected(std::move(row.error()));
    if (!*row) {
      return fail(ErrorKind::kUnauthenticated,
                  "unknown token: was it copied whole, and is this the server that made it?");
    }
    token = token_of(query);
    if (token.expires <= now) {
      return fail(
          ErrorKind::kUnauthenticated,
          fmt::format("the token {} has expired: make another with `weft token create`", token.id));
    }
    if (!token.used_by.empty()) {
      return fail(ErrorKind::kUnauthenticated,
                  fmt::format("the token {} was used before: a token joins one machine once; make "
                              "another with `weft token create`",
                              token.id));
    }
    auto used = impl_->query("UPDATE tokens SET used_by=? WHERE id=?")
                    .bind(machine.id)
                    .bind(token.id)
                    .finish();
    if (!used) return used;
    return impl_->query("INSERT INTO machines VALUES(?,?,?,?,?,?,0)")
        .bind(machine.id)
        .bind(machine.name)
        .bind(token.id)
        .bind(token.ns)
        .bind(token.service)
        .bind(now.unix_ns)
        .finish();
  });
  if (!done) return std::unexpected(std::move(done.error()));
  token.used_by = machine.id;
  return token;
}

Result<std::vector<MachineRow>> Store::machines() const {
  return collect<MachineRow>(
      impl_->query(
          "SELECT id, name, token, ns, service, joined, revoked FROM machines ORDER BY id"),
      machine_of);
}

Result<std::optional<MachineRow>> Store::machine(std::string_view id) const {
  SqliteQuery query =
      impl_->query("SELECT id, name, token, ns, service, joined, revoked FROM machines WHERE id=?");
  auto row = query.bind(id).step();
  if (!row) return std::unexpected(std::move(row.error()));
  if (!*row) return std::optional<MachineRow>();
  return std::optional<MachineRow>(machine_of(query));
}

Result<void> Store::revoke_machine(std::string_view id) {
  auto done = impl_->query("UPDATE machines SET revoked=1 WHERE id=?").bind(id).finish();
  if (!done) return done;
  if (impl_->database->changes() == 0) {
    return fail(ErrorKind::kNotFound, fmt::format("no machine '{}'", id));
  }
  return {};
}

}  // namespace weft::control
