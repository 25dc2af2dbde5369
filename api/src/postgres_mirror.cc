// SPDX-License-Identifier: Apache-2.0
#ifdef CAIRN_HAVE_POSTGRES
#include "api/src/postgres_mirror.h"

#include <array>
#include <utility>

#include "api/src/mirror_source.h"
#include "api/src/postgres_finder.h"
#include "api/src/postgres_pull.h"
#include "api/src/postgres_remote.h"
#include "api/src/postgres_verify.h"
#include "engine/base/errors.h"
#include "engine/base/progress_meter.h"
#include "replication/journal.h"
#include "replication/postgres/read.h"
#include "replication/postgres/schema.h"

namespace cairn {
namespace {

using postgres::CellReader;

// Those that say something of a store.
constexpr std::array kTables = {
    &postgres::kExperiments, &postgres::kProgress,  &postgres::kEvaluations, &postgres::kResults, &postgres::kMetrics,
    &postgres::kRefs,        &postgres::kSnapshots, &postgres::kFiles,       &postgres::kTensors, &postgres::kLeftOut};

postgres::Address address_of(const MirrorPlace& place) { return {.text = Secret(place.url), .ca_file = place.ca_file}; }

Status count_rows(postgres::Connection& connection, const postgres::Uuid& store, MirrorStatus& status) {
  for (const postgres::Table* const table : kTables) {
    postgres::CellWriter values;
    values.uuid(store);
    CAIRN_TRY(const postgres::Rows rows,
              connection.query("SELECT count(*) FROM cairn." + std::string(table->name) + " WHERE store = $1", values));
    CellReader row = rows.row(0);
    status.rows[std::string(table->name)] = row.count();
    CAIRN_CHECK(row.check());
  }
  return {};
}

}  // namespace

Status check_postgres_place(const MirrorPlace& place) {
  if (!place.endpoint.empty() || !place.region.empty()) {
    return make_error(ErrorCode::invalid_argument, "a mirror in PostgreSQL has neither an endpoint nor a region");
  }
  return postgres::check_shown(place.url);
}

Result<std::unique_ptr<OpenedMirror>> open_postgres_mirror(StoreImpl& store, MirrorInfo info) {
  CAIRN_CHECK(check_postgres_place(info.place));
  CAIRN_TRY(auto stop, postgres::StopEvent::create());
  return std::unique_ptr<OpenedMirror>(std::make_unique<PostgresMirror>(store, std::move(info), std::move(stop)));
}

Result<std::unique_ptr<ResultFinder>> open_postgres_finder(const StoreImpl& store, const MirrorPlace& place) {
  CAIRN_CHECK(check_postgres_place(place));
  postgres::Address address = address_of(place);
  // Who asks for a result waits no longer than computing a small one takes.
  address.connect_timeout = std::chrono::milliseconds(1'000);
  address.statement_timeout = std::chrono::milliseconds(500);
  return std::unique_ptr<ResultFinder>(std::make_unique<PostgresFinder>(std::move(address), store.header().uuid));
}

PostgresMirror::PostgresMirror(StoreImpl& store, MirrorInfo info, std::unique_ptr<postgres::StopEvent> stop)
    : OpenedMirror(store, std::move(info)), address_(address_of(info_.place)), stop_(std::move(stop)) {}

std::unique_ptr<mirror::Remote> PostgresMirror::remote(mirror::Source& source, const MirroringOptions& options) {
  return std::make_unique<PostgresRemote>(source, store_, address_, *stop_, options.bytes_per_second);
}

Status PostgresMirror::add_stores(postgres::Connection& connection, MirrorStatus& status) {
  const mirror::Uuid& own = store_.header().uuid;
  CAIRN_TRY(const auto stores, postgres::read_stores(connection));
  for (const mirror::Uuid& uuid : stores) {
    MirroredStoreInfo& info = status.stores.emplace_back();
    info.id = mirror::hex(uuid);
    info.is_this = uuid == own;
    const auto visit = [&](CellReader& row) -> Status {
      const std::string name = row.text();
      const std::uint64_t version = row.count();
      CAIRN_CHECK(row.check());
      info.names.push_back(name + "@" + std::to_string(version));
      return {};
    };
    CAIRN_CHECK(postgres::read_columns(connection, postgres::kRefs, "name, version", uuid, {}, visit));
  }
  return postgres::read_rows<postgres::LeftOutRow>(connection, own, [&](const auto& row) -> Status {
    status.left_out.push_back(row.why);
    return {};
  });
}

Result<MirrorStatus> PostgresMirror::status() {
  MirrorStatus status;
  status.mirror = info_;
  for (const postgres::Table* const table : kTables) status.rows[std::string(table->name)] = 0;
  CAIRN_TRY(const auto connection, postgres::Connection::open(address_, stop_.get()));
  const Status schema = postgres::check_schema(*connection);
  mirror::Cursor end;
  // Where there is none, nobody has pushed yet.
  if (schema.ok()) {
    const auto& uuid = store_.header().uuid;
    CAIRN_TRY(const postgres::StorePlace place, postgres::read_place(*connection, uuid));
    end = place.cursor;
    CAIRN_CHECK(add_stores(*connection, status));
    CAIRN_CHECK(count_rows(*connection, uuid, status));
  } else if (schema.error().code != ErrorCode::not_found) {
    return schema.error();
  }
  status.behind_statements = status.left_out.size();
  store_.settle_puts();
  CAIRN_CHECK(count_behind(end, status));
  return status;
}

Result<MirrorPullReport> PostgresMirror::pull(const std::vector<std::string>& refs, const std::string& from,
                                              const Progress& progress) {
  ProgressMeter meter(progress, "pull", 0);
  PostgresPullOptions options;
  CAIRN_TRY(options.store, uuid_of(from));
  options.stop = stop_.get();
  options.clock.sleep = [this](std::chrono::milliseconds time) { return stop_->sleep(time); };
  const std::stop_callback stopping(progress.stop, [this] { stop_->stop(); });
  options.experiments = refs;
  options.progress = [&meter, told = std::uint64_t{0}](const PostgresPullReport& so_far) mutable {
    meter.add(so_far.rows - std::exchange(told, so_far.rows));
    return meter.check_stop();
  };
  auto pulled = pull_from_postgres(store_, address_, options);
  if (!pulled.ok()) CAIRN_CHECK(meter.check_stop());
  CAIRN_TRY(PostgresPullReport report, std::move(pulled));
  MirrorPullReport out{.rows = report.rows,
                       .experiments = report.experiments,
                       .evaluations = report.evaluations,
                       .results = report.results,
                       .metric_blocks = report.metric_blocks};
  out.conflicts = std::move(report.conflicts.names);
  out.conflict_count = report.conflicts.count;
  out.left_out = std::move(report.left_out.names);
  out.left_out_count = report.left_out.count;
  return out;
}

Result<MirrorVerifyReport> PostgresMirror::verify(bool, const Progress& progress) {
  ProgressMeter meter(progress, "verify", 0);
  const std::stop_callback stopping(progress.stop, [this] { stop_->stop(); });
  CAIRN_TRY(const auto connection, postgres::Connection::open(address_, stop_.get()));
  CAIRN_CHECK(postgres::check_schema(*connection));
  store_.settle_puts();
  MirrorSource source(store_);
  PostgresRows rows(store_);
  PostgresVerifyOptions options;
  options.progress = [&meter] { return meter.check_stop(); };
  CAIRN_TRY(const PostgresVerifyReport report, verify_in_postgres(source, rows, *connection, options));
  MirrorVerifyReport out;
  out.stores = 1;
  for (const PostgresVerifyReport::Table& table : report.tables) out.rows[table.name] = table.there;
  for (const PostgresVerifyReport::Difference& one : report.differences) {
    const char* how = one.kind == PostgresVerifyReport::Kind::missing ? " is not in the database"
                      : one.kind == PostgresVerifyReport::Kind::extra ? " is in the database alone"
                                                                      : " is another in the database";
    out.problems.push_back(one.table + " " + printable(one.key) + how);
  }
  if (report.has_more) out.problems.emplace_back("and there are more differences");
  if (report.is_behind && !out.problems.empty()) {
    out.problems.emplace_back("the store has said more since it was pushed: some of this may be that");
  }
  return out;
}

Result<MirrorGcReport> PostgresMirror::gc(const MirrorGcOptions&, const Progress&) {
  return has_no("packs to reclaim: its rows go when what they say does");
}

Result<RepairReport> PostgresMirror::repair(const Progress&) { return has_no("content to repair a store with"); }

Error PostgresMirror::has_no(const std::string& what) const {
  return make_error(ErrorCode::unsupported, "the mirror '" + info_.name + "' is a database, and has no " + what);
}

}  // namespace cairn
#endif
