// SPDX-License-Identifier: Apache-2.0
//
// A stretch of one store's log as rows, written in one transaction with the cursor that says so: all of it once, or
// nothing, however often it is tried.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>

#include "replication/content.h"
#include "replication/postgres/connection.h"
#include "replication/postgres/rows.h"

namespace cairn::postgres {

// How far a store is, as the database knows it. A store that it does not know is at the beginning.
struct StorePlace {
  mirror::Cursor cursor;
  std::optional<std::uint64_t> mark;  // mirror::Source::mark_at() there
  friend bool operator==(const StorePlace&, const StorePlace&) = default;
};

// In the order of the log: of one key, or one group, the last that was said counts. One thread.
class Batch {
 public:
  // The log between the two is what is said here.
  Batch(const Uuid& store, const StorePlace& from, const StorePlace& to) : store_(store), from_(from), to_(to) {}

  // A row takes the place of the one with its key. invalid_argument: PostgreSQL has no place for it; nothing was said.
  template <class Row>
  Status put(const Row& row) {
    return put(row.key, std::span(&row, 1));
  }
  // The rows of a group take the place of all that it has. Each has that key.
  template <class Key, class Row>
  Status put(const Key& key, std::span<const Row> rows) {
    Group group;
    for (const Row& row : rows) {
      CellWriter cells = begin_row(key);
      if (Key::table.is_grouped()) cells.count(group.rows);
      row.write(cells);
      CAIRN_CHECK(add_row(group, cells));
    }
    return say(Key::table, begin_row(key), std::move(group));
  }
  template <class Key>
  Status remove(const Key& key) {
    return say(Key::table, begin_row(key), {});
  }
  // How long the store has been in use.
  void set_store_time(std::uint64_t ns) { store_time_ns_ = ns; }
  // It ends elsewhere than was thought.
  void set_to(const StorePlace& to) { to_ = to; }

  // All that is said, group by group: its table, the cells of its key, and its rows as COPY has them.
  template <class Visit>
  Status for_each(const Visit& visit) const {
    for (std::size_t i = 0; i < kTables.size(); ++i) {
      for (const auto& [key, group] : groups_[i]) CAIRN_CHECK(visit(*kTables[i], key, std::string_view(group.bytes)));
    }
    return {};
  }
  static std::span<const Table* const> tables() noexcept { return kTables; }

  const Uuid& store() const noexcept { return store_; }
  const StorePlace& from() const noexcept { return from_; }
  const StorePlace& to() const noexcept { return to_; }
  std::size_t rows() const noexcept { return rows_; }    // and removals
  std::size_t bytes() const noexcept { return bytes_; }  // of them, about

 private:
  friend class BatchWriter;

  // What there is of one key, or group of rows; without rows it is gone.
  struct Group {
    std::uint64_t rows = 0;
    std::string bytes;  // as COPY has rows: the number of cells, and the cells
  };
  using Groups = std::map<std::string, Group>;  // by the key's cells
  // In the order in which they are written: snapshots before their files.
  static constexpr std::array<const Table*, 10> kTables = {&kExperiments, &kProgress,  &kEvaluations, &kResults,
                                                           &kMetrics,     &kSnapshots, &kFiles,       &kRefs,
                                                           &kTensors,     &kLeftOut};

  template <class Key>
  CellWriter begin_row(const Key& key) const {
    CellWriter cells;
    cells.uuid(store_);
    key.write(cells);
    return cells;
  }
  static Status add_row(Group& group, const CellWriter& cells);
  Status say(const Table& table, const CellWriter& key, Group group);

  Uuid store_;
  StorePlace from_, to_;
  std::optional<std::uint64_t> store_time_ns_;
  std::array<Groups, kTables.size()> groups_;
  std::size_t rows_ = 0, bytes_ = 0;
};

struct ApplyOptions {
  // A batch of so many rows or more is copied, one of fewer is sent row by row, in one round trip.
  std::size_t copy_rows_min = 500;
};

enum class Applied : std::uint8_t { now, before };

// Writes it. `before`: the database has it already; nothing was changed. conflict: the database is elsewhere than where
// the batch begins, and ends: somebody else wrote, or the store was brought back from an older copy. When the
// connection breaks, it happened or it did not: on another connection this says which, and does what is to be done.
Result<Applied> apply(Connection& connection, const Batch& batch, const ApplyOptions& options = {});

}  // namespace cairn::postgres
