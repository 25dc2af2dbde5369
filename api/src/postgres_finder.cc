// SPDX-License-Identifier: Apache-2.0
#ifdef CAIRN_HAVE_POSTGRES
#include "api/src/postgres_finder.h"

#include <utility>

#include "api/src/postgres_result.h"
#include "engine/base/errors.h"
#include "engine/results/entry_key.h"
#include "replication/postgres/read.h"
#include "replication/postgres/schema.h"

namespace cairn {

PostgresFinder::PostgresFinder(postgres::Address address, const postgres::Uuid& except)
    : address_(std::move(address)), except_(except) {}

std::unique_ptr<postgres::Connection> PostgresFinder::take_idle() {
  const std::lock_guard lock(mutex_);
  if (idle_.empty()) return nullptr;
  auto connection = std::move(idle_.back());
  idle_.pop_back();
  return connection;
}

Result<std::unique_ptr<postgres::Connection>> PostgresFinder::connect() {
  CAIRN_TRY(auto connection, postgres::Connection::open(address_));
  CAIRN_CHECK(postgres::check_schema(*connection));
  return connection;
}

Result<std::optional<ResultEnvelope>> PostgresFinder::find(std::string_view name_space, std::string_view key,
                                                           std::uint64_t now_ns) {
  const std::string entry_key = EntryKey(EntrySpace::results).text(name_space).rest(key).bytes();
  const postgres::EntryId id = postgres::entry_id(entry_key);
  auto connection = take_idle();
  bool is_new = !connection;
  while (true) {
    if (!connection) {
      CAIRN_TRY(connection, connect());
    }
    const auto found = postgres::find_result(*connection, id, except_);
    // The server may have ended what lay idle.
    if (!found.ok() && connection->is_broken() && !std::exchange(is_new, true)) {
      connection.reset();
      continue;
    }
    if (!connection->is_broken()) {
      const std::lock_guard lock(mutex_);
      idle_.push_back(std::move(connection));
    }
    if (!found.ok()) return found.error();
    if (!*found) return std::optional<ResultEnvelope>();
    const postgres::ResultRow& row = (*found)->row;
    if (row.name_space != name_space || row.name != key) {
      return make_error(ErrorCode::corruption, "a row of PostgreSQL has the id of another result");
    }
    CAIRN_TRY(auto envelope, envelope_of(row, (*found)->left_ns, now_ns));
    return std::optional(std::move(envelope));
  }
}

}  // namespace cairn
#endif
