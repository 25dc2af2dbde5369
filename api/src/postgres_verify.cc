// SPDX-License-Identifier: Apache-2.0
#ifdef CAIRN_HAVE_POSTGRES
#include "api/src/postgres_verify.h"

#include <algorithm>
#include <set>
#include <unordered_set>
#include <utility>

#include "api/src/postgres_digest.h"
#include "engine/base/errors.h"
#include "replication/postgres/read.h"
#include "replication/postgres/schema.h"

namespace cairn {
namespace {

using postgres::Batch;
using postgres::Table;

constexpr std::size_t kStatementBytes = std::size_t{4} << 20;

// Several names may say these, which are there once.
bool is_shared(const Table& table) {
  return &table == &postgres::kSnapshots || &table == &postgres::kFiles || &table == &postgres::kTensors;
}

// The rows that a store says now, group by group.
class SaidRows {
 public:
  SaidRows(mirror::Source& source, PostgresRows& rows, const PostgresVerifyOptions& options)
      : source_(source), rows_(rows), options_(options) {}

  using Visit = std::function<Status(const Table& table, const std::string& key, std::string_view rows)>;
  Status for_each(const Visit& visit) {
    seen_.clear();
    mirror::Cursor at;
    for (bool has_more = true; has_more;) {
      CAIRN_TRY(const auto changes, source_.changes(at, kStatementBytes));
      Batch batch(source_.facts().uuid, {}, {});
      rows_.begin_batch();
      for (const mirror::Statement& statement : changes.statements) {
        CAIRN_CHECK(add(statement, batch));
        if (batch.bytes() < options_.batch_bytes) continue;
        CAIRN_CHECK(visit_all(batch, visit));
        batch = Batch(source_.facts().uuid, {}, {});
        rows_.begin_batch();
      }
      CAIRN_CHECK(visit_all(batch, visit));
      if (options_.progress) CAIRN_CHECK(options_.progress());
      has_more = changes.has_more && changes.to > at;
      at = std::max(at, changes.to);
    }
    return {};
  }

 private:
  Status add(const mirror::Statement& statement, Batch& batch) {
    if (statement.removed) return {};
    Status said = rows_.add(statement, batch);
    if (said.ok() || !is_unreadable(said.error())) return said;
    CAIRN_TRY(const auto now, source_.current(statement));
    return now == statement ? batch.put(left_out_row(statement, said.error())) : Status();
  }
  Status visit_all(const Batch& batch, const Visit& visit) {
    return batch.for_each([&](const Table& table, const std::string& key, std::string_view rows) -> Status {
      if (rows.empty()) return {};
      if (is_shared(table) && !seen_.emplace(std::string(table.name) + key).second) return {};
      return visit(table, key, rows);
    });
  }

  mirror::Source& source_;
  PostgresRows& rows_;
  const PostgresVerifyOptions& options_;
  std::unordered_set<std::string> seen_;
};

class Verification {
 public:
  Verification(mirror::Source& source, PostgresRows& rows, postgres::Connection& connection,
               const PostgresVerifyOptions& options)
      : said_(source, rows, options), store_(source.facts().uuid), connection_(connection), options_(options) {}

  Result<PostgresVerifyReport> run() {
    for (const Table* const table : Batch::tables()) {
      CAIRN_TRY(DigestedTable digested, DigestedTable::of(connection_, *table));
      Compared& one = compared_.try_emplace(table, *table, std::move(digested)).first->second;
      CAIRN_TRY(one.there, one.digested.read_buckets(connection_, store_));
      if (options_.progress) CAIRN_CHECK(options_.progress());
    }
    CAIRN_CHECK(said_.for_each([&](const Table& table, const std::string& key, std::string_view rows) -> Status {
      Compared& one = compared_.at(&table);
      CAIRN_TRY(const RowsDigest digest, one.digested.digest_of(rows));
      one.here[DigestedTable::bucket_of(key)] += digest;
      return {};
    }));
    bool any = false;
    for (const Table* const table : Batch::tables()) {
      Compared& one = compared_.at(table);
      PostgresVerifyReport::Table& counts = report_.tables.emplace_back();
      counts.name = table->name;
      for (const auto& [bucket, digest] : one.here) counts.here += digest.rows;
      for (const auto& [bucket, digest] : one.there) counts.there += digest.rows;
      choose_buckets(one);
      counts.differs = !one.chosen.empty();
      any = any || counts.differs;
      if (!counts.differs) CAIRN_CHECK(look_at_json(one, counts));
    }
    if (any) CAIRN_CHECK(name_differences());
    return std::move(report_);
  }

 private:
  struct Compared {
    Compared(const Table& of, DigestedTable how) : table(of), digested(std::move(how)) {}
    const Table& table;
    DigestedTable digested;
    DigestedTable::Buckets here = {}, there = {};
    std::set<std::size_t> chosen = {};  // buckets that differ and are looked into
    DigestedTable::Groups groups = {};  // that the store says in them
  };

  void choose_buckets(Compared& one) {
    std::set<std::size_t> all;
    for (const auto& [bucket, digest] : one.here) all.insert(bucket);
    for (const auto& [bucket, digest] : one.there) all.insert(bucket);
    for (const std::size_t bucket : all) {
      const RowsDigest& here = one.here[bucket];
      const RowsDigest& there = one.there[bucket];
      if (here == there) continue;
      looked_at_ += here.rows + there.rows;
      // One bucket of each table at least.
      if (looked_at_ > options_.rows_max && !one.chosen.empty()) {
        report_.has_more = true;
        return;
      }
      one.chosen.insert(bucket);
    }
  }

  void add(const Compared& one, const std::string& key, PostgresVerifyReport::Kind kind) {
    if (report_.differences.size() >= options_.differences_max) {
      report_.has_more = true;
      return;
    }
    report_.differences.push_back({.table = std::string(one.table.name), .key = key, .kind = kind});
  }

  Status look_at_json(const Compared& one, PostgresVerifyReport::Table& counts) {
    CAIRN_TRY(const auto wrong, one.digested.read_wrong_json(connection_, store_, options_.differences_max + 1));
    counts.differs = !wrong.empty();
    for (const std::string& name : wrong) add(one, name, PostgresVerifyReport::Kind::different);
    return {};
  }

  Status name_differences() {
    CAIRN_CHECK(said_.for_each([&](const Table& table, const std::string& key, std::string_view rows) -> Status {
      Compared& one = compared_.at(&table);
      if (!one.chosen.contains(DigestedTable::bucket_of(key))) return {};
      CAIRN_TRY(const RowsDigest digest, one.digested.digest_of(rows));
      one.groups[key] = {.digest = digest, .name = one.digested.name_of(rows)};
      return {};
    }));
    for (const Table* const table : Batch::tables()) {
      const Compared& one = compared_.at(table);
      if (one.chosen.empty()) continue;
      CAIRN_TRY(const auto there,
                one.digested.read_groups(connection_, store_, {one.chosen.begin(), one.chosen.end()}));
      using Kind = PostgresVerifyReport::Kind;
      for (const auto& [key, group] : one.groups) {
        const auto found = there.find(key);
        if (found == there.end()) add(one, group.name, Kind::missing);
        if (found != there.end() && found->second.digest != group.digest) add(one, group.name, Kind::different);
      }
      for (const auto& [key, group] : there) {
        if (!one.groups.contains(key)) add(one, group.name, Kind::extra);
      }
    }
    return {};
  }

  SaidRows said_;
  const postgres::Uuid store_;
  postgres::Connection& connection_;
  const PostgresVerifyOptions& options_;
  std::map<const Table*, Compared> compared_;
  std::uint64_t looked_at_ = 0;
  PostgresVerifyReport report_;
};

}  // namespace

Result<PostgresVerifyReport> verify_in_postgres(mirror::Source& source, PostgresRows& rows,
                                                postgres::Connection& connection,
                                                const PostgresVerifyOptions& options) {
  CAIRN_CHECK(postgres::check_schema(connection));
  CAIRN_TRY(const postgres::StorePlace place, postgres::read_place(connection, source.facts().uuid));
  CAIRN_TRY(const auto since, source.changes(place.cursor, 1));
  CAIRN_TRY(PostgresVerifyReport report, Verification(source, rows, connection, options).run());
  report.is_behind = !since.statements.empty();
  return report;
}

}  // namespace cairn
#endif
