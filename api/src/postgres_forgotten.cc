// SPDX-License-Identifier: Apache-2.0
#ifdef CAIRN_HAVE_POSTGRES
#include "api/src/postgres_forgotten.h"

#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "api/src/mirror_formats.h"
#include "engine/results/entry_key.h"
#include "engine/results/evaluation_entry.h"
#include "engine/results/experiment_entry.h"
#include "engine/results/metric_blocks.h"
#include "replication/postgres/read.h"

namespace cairn {
namespace {

using postgres::CellReader;

// A removed statement, which says what is asked for.
mirror::Statement like_ref(const postgres::RefKey& key) {
  RefRecord ref;
  ref.name = key.name;
  ref.version = key.version;
  ref.removed = true;
  return statement_of(ref);
}
mirror::Statement like_entry(std::string key) {
  StoredEntry entry;
  entry.key = std::move(key);
  entry.removed = true;
  return statement_of(entry);
}

class ForgottenRemovals {
 public:
  ForgottenRemovals(mirror::Source& source, postgres::Connection& connection, postgres::Batch& batch,
                    const std::function<Status()>& removed)
      : source_(source), connection_(connection), batch_(batch), removed_(removed) {}

  // Reads the columns of each row; `look` takes them and gives the key of the row, and what says it.
  template <class Key, class Look>
  Status remove(std::string_view columns, const Look& look) {
    // Nothing is written while the rows are read, on the same connection.
    std::vector<Key> gone;
    const auto visit = [&](CellReader& row) -> Status {
      const auto [key, like] = look(row);
      CAIRN_CHECK(row.check());
      CAIRN_TRY(const auto now, source_.current(like));
      if (!now) gone.push_back(key);
      return {};
    };
    CAIRN_CHECK(read_columns(connection_, Key::table, columns, batch_.store(), {}, visit));
    for (const Key& key : gone) {
      CAIRN_CHECK(batch_.remove(key));
      CAIRN_CHECK(removed_());
    }
    return {};
  }

 private:
  mirror::Source& source_;
  postgres::Connection& connection_;
  postgres::Batch& batch_;
  const std::function<Status()>& removed_;
};

}  // namespace

Status add_forgotten_removals(mirror::Source& source, postgres::Connection& connection, postgres::Batch& batch,
                              const std::function<Status()>& removed) {
  const DigestKind digest = source.facts().digest;
  ForgottenRemovals forgotten(source, connection, batch, removed);
  CAIRN_CHECK(forgotten.remove<postgres::RefKey>("name, version", [](CellReader& row) {
    postgres::RefKey key{.name = row.text()};
    key.version = row.count();
    return std::pair(key, like_ref(key));
  }));
  CAIRN_CHECK(forgotten.remove<postgres::ExperimentKey>("name", [](CellReader& row) {
    const postgres::ExperimentKey key{.name = row.text()};
    return std::pair(key, like_entry(experiment_key(key.name)));
  }));
  CAIRN_CHECK(forgotten.remove<postgres::ProgressKey>("number", [](CellReader& row) {
    const postgres::ProgressKey key{.number = row.count()};
    return std::pair(key, like_entry(progress_key(static_cast<ExperimentNumber>(key.number))));
  }));
  CAIRN_CHECK(forgotten.remove<postgres::EvaluationKey>("experiment, architecture_hash", [&](CellReader& row) {
    postgres::EvaluationKey key{.experiment = row.count()};
    key.architecture_hash = row.text();
    const auto number = static_cast<ExperimentNumber>(key.experiment);
    return std::pair(key, like_entry(evaluation_key(number, digest, key.architecture_hash)));
  }));
  CAIRN_CHECK(forgotten.remove<postgres::ResultKey>("namespace, key", [](CellReader& row) {
    EntryKey entry(EntrySpace::results);
    entry.text(row.text());
    entry.rest(row.text());
    return std::pair(postgres::ResultKey{postgres::entry_id(entry.bytes())}, like_entry(entry.bytes()));
  }));
  return forgotten.remove<postgres::MetricKey>("run, block", [](CellReader& row) {
    const std::string run = row.text();
    const std::string entry = metric_block_key(run, row.count());
    return std::pair(postgres::MetricKey{postgres::entry_id(entry)}, like_entry(entry));
  });
}

}  // namespace cairn
#endif
