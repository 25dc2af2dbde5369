// SPDX-License-Identifier: Apache-2.0
#ifdef CAIRN_HAVE_POSTGRES
#include "api/src/postgres_push.h"

#include <algorithm>
#include <cstring>
#include <future>
#include <system_error>
#include <utility>

#include "api/src/postgres_forgotten.h"
#include "engine/base/errors.h"
#include "replication/postgres/read.h"
#include "replication/postgres/schema.h"

namespace cairn {
namespace {

using postgres::Batch;
using postgres::StorePlace;

Error other_history() {
  return make_error(ErrorCode::conflict,
                    "what the database has of this store is of another history: another copy of the store pushes to "
                    "the same place, or this store was brought back from an older copy of it. Give each a database of "
                    "its own");
}

Error pushed_by_another() {
  Error error = make_error(ErrorCode::conflict, "another program brings this store into the database at this time");
  error.retryable = true;
  return error;
}

// Of the session, until it ends: what a batch relies on is what this pusher wrote itself, which the cursor alone does
// not tell while it stands. Stores whose keys are equal only wait for each other.
Result<bool> lock_store(postgres::Connection& connection, const postgres::Uuid& store) {
  std::int64_t key = 0;
  std::memcpy(&key, store.data(), sizeof key);
  std::int64_t half = 0;
  std::memcpy(&half, store.data() + sizeof key, sizeof half);
  postgres::CellWriter values;
  values.int8(key ^ half);
  CAIRN_TRY(const postgres::Rows rows, connection.query("SELECT pg_try_advisory_lock($1)", values));
  postgres::CellReader row = rows.row(0);
  const bool is_locked = row.boolean();
  CAIRN_CHECK(row.check());
  return is_locked;
}

}  // namespace

PostgresPusher::PostgresPusher(mirror::Source& source, PostgresRows& rows, postgres::Address address,
                               PostgresPushOptions options)
    : source_(source), rows_(rows), address_(std::move(address)), options_(std::move(options)) {}

Result<PostgresPushReport> PostgresPusher::push() {
  PostgresPushReport report;
  std::optional<Retry> retry;
  while (true) {
    if (!retry) retry.emplace(options_.retry, options_.clock);
    const mirror::Cursor before = place_.cursor;
    Status pushed = push_once(report);
    // Also behind an error: nothing is under way when this returns.
    const Status landed = land(report);
    if (pushed.ok()) pushed = landed;
    if (pushed.ok()) return report;
    // What was under way may have to be read again.
    scanned_ = place_.cursor;
    // What got further begins to count anew.
    if (place_.cursor > before) retry.emplace(options_.retry, options_.clock);
    if (!retry->again(pushed.error())) return retry->last_error(pushed.error());
    if (options_.progress) CAIRN_CHECK(options_.progress(report));
  }
}

Status PostgresPusher::connect() {
  if (connection_ && !connection_->is_broken()) return {};
  CAIRN_TRY(connection_, postgres::Connection::open(address_, options_.stop));
  Status begun = begin_session();
  // The next attempt looks again.
  if (!begun.ok()) connection_.reset();
  return begun;
}

Status PostgresPusher::begin_session() {
  CAIRN_CHECK(postgres::require_schema(*connection_));
  CAIRN_TRY(const bool is_locked, lock_store(*connection_, source_.facts().uuid));
  return is_locked ? Status() : Status(pushed_by_another());
}

Status PostgresPusher::compare_history(const StorePlace& place) {
  if (place.cursor == mirror::Cursor()) return {};
  const auto here = source_.mark_at(place.cursor);
  if (!here.ok()) return here.error().code == ErrorCode::conflict ? other_history() : here.error();
  return !*here || !place.mark || **here == *place.mark ? Status() : Status(other_history());
}

Status PostgresPusher::push_once(PostgresPushReport& report) {
  CAIRN_CHECK(connect());
  const mirror::Cursor begin = place_.cursor;
  const auto uuid = source_.facts().uuid;
  CAIRN_TRY(const StorePlace place, read_place(*connection_, uuid));
  CAIRN_CHECK(compare_history(place));
  // Somebody else has written, or made the database anew.
  if (place != place_ || begin == mirror::Cursor()) scanned_ = place.cursor;
  place_ = place;
  report.left_out.clear();
  Batch batch(uuid, place_, place_);
  rows_.begin_batch();
  CAIRN_CHECK(add_left_out(batch, report));
  for (bool has_more = true; has_more;) {
    CAIRN_TRY(const mirror::Source::Changes changes, source_.changes(scanned_, options_.statement_bytes));
    // Before the others: what was said again since is among them. A push that was cut before it moved the cursor may
    // have written rows already.
    if (changes.has_gap || scanned_ == mirror::Cursor()) {
      // Reads with the connection that writes.
      const auto written = [&]() -> Status {
        CAIRN_CHECK(write_if_full(batch, report));
        return land(report);
      };
      CAIRN_CHECK(land(report));
      CAIRN_CHECK(add_forgotten_removals(source_, *connection_, batch, written));
    }
    CAIRN_CHECK(add_all(changes.statements, batch, report));
    if (!changes.statements.empty()) {
      CAIRN_TRY(const auto mark, source_.mark_at(changes.to));
      batch.set_to({.cursor = changes.to, .mark = mark});
    }
    // What says nothing is no reason to write.
    if (batch.rows() > 0 || batch.to() != batch.from()) CAIRN_CHECK(write(batch, report));
    has_more = changes.has_more && changes.to > scanned_;
    scanned_ = std::max(scanned_, changes.to);
  }
  report.to = scanned_;
  return {};
}

// What was left out before: it can be mirrored by now, or it is not said any more, or nothing is new about it.
Status PostgresPusher::add_left_out(Batch& batch, PostgresPushReport& report) {
  std::vector<postgres::LeftOutRow> rows;
  CAIRN_CHECK(postgres::read_rows<postgres::LeftOutRow>(*connection_, batch.store(), [&](const auto& row) -> Status {
    rows.push_back(row);
    return {};
  }));
  for (const postgres::LeftOutRow& row : rows) {
    CAIRN_TRY(const auto now, source_.current({.kind = row.kind, .removed = true, .key = row.statement_key}));
    CAIRN_CHECK(batch.remove(row.key));
    // Behind the removal: where it is left out again, that is what counts.
    if (now) CAIRN_CHECK(add(*now, batch, report));
    CAIRN_CHECK(write_if_full(batch, report));
  }
  return {};
}

Status PostgresPusher::add(const mirror::Statement& statement, Batch& batch, PostgresPushReport& report) {
  ++report.statements;
  Status said = rows_.add(statement, batch);
  if (said.ok()) return {};
  if (!is_unreadable(said.error())) return said;
  // It was replaced or removed since the log was looked at: that comes later in the log.
  CAIRN_TRY(const auto now, source_.current(statement));
  if (now != statement) return {};
  report.left_out.push_back(said.error().message);
  CAIRN_CHECK(remove(statement, batch));
  return batch.put(left_out_row(statement, said.error()));
}

// What it said before does not hold any more.
Status PostgresPusher::remove(const mirror::Statement& statement, Batch& batch) {
  const Status removed =
      rows_.add({.kind = statement.kind, .removed = true, .key = statement.key, .payload = {}}, batch);
  // What no row can have has none.
  return removed.ok() || is_unreadable(removed.error()) ? Status() : removed;
}

Status PostgresPusher::add_all(const std::vector<mirror::Statement>& statements, Batch& batch,
                               PostgresPushReport& report) {
  for (const mirror::Statement& statement : statements) {
    CAIRN_CHECK(add(statement, batch, report));
    CAIRN_CHECK(write_if_full(batch, report));
  }
  return {};
}

Status PostgresPusher::write_if_full(Batch& batch, PostgresPushReport& report) {
  return batch.bytes() >= options_.batch_bytes ? write(batch, report) : Status();
}

// The batch begins anew behind it.
Status PostgresPusher::write(Batch& batch, PostgresPushReport& report) {
  CAIRN_CHECK(land(report));
  const StorePlace behind = batch.to();
  sending_ = std::exchange(batch, Batch(batch.store(), behind, behind));
  const auto apply = [this] { return postgres::apply(*connection_, *sending_, options_.apply); };
  try {
    sent_ = std::async(std::launch::async, apply);
  } catch (const std::system_error&) {
    // The process may have no more threads.
    std::promise<Result<postgres::Applied>> here;
    here.set_value(apply());
    sent_ = here.get_future();
  }
  rows_.begin_batch();
  return {};
}

Status PostgresPusher::land(PostgresPushReport& report) {
  if (!sent_.valid()) return {};
  const Result<postgres::Applied> applied = sent_.get();
  const Batch sent = *std::exchange(sending_, std::nullopt);
  CAIRN_CHECK(applied);
  if (*applied == postgres::Applied::now) {
    report.rows += sent.rows();
    report.bytes += sent.bytes();
  }
  ++report.batches;
  place_ = sent.to();
  return options_.progress ? options_.progress(report) : Status();
}

}  // namespace cairn
#endif
