// SPDX-License-Identifier: Apache-2.0
//
// A table of experiments over a map, with clocks that a test sets.
#pragma once

#include <atomic>
#include <cmath>
#include <string>
#include <utility>
#include <vector>

#include "engine/base/errors.h"
#include "engine/results/experiment_table.h"
#include "gtest/gtest.h"
#include "tests/results/hooked_entry_store.h"
#include "tests/results/memory_entry_store.h"

namespace cairn {

class ExperimentsTest : public ::testing::Test {
 protected:
  static Evaluation evaluation(const std::string& hash, double fitness, std::uint64_t generation = 0,
                               const std::string& worker = {}) {
    return {.hash = hash, .fitness = fitness, .generation = generation, .worker = worker};
  }

  void create(const std::string& name) {
    const auto created = table_.create({.name = name});
    ASSERT_TRUE(created.ok()) << created.error().message;
    EXPECT_TRUE(created->experiment.created);
  }

  // Whether each was new.
  std::vector<bool> record(const std::string& experiment, std::vector<Evaluation> evaluations) {
    const auto batch = table_.record_many(experiment, std::move(evaluations));
    EXPECT_TRUE(batch.ok()) << batch.error().message;
    std::vector<bool> inserted;
    if (!batch.ok()) return inserted;
    for (const RecordedEvaluation& one : batch->evaluations) inserted.push_back(one.inserted);
    return inserted;
  }

  // The hashes of one page after the other.
  std::vector<std::string> hashes(const std::string& experiment, EvaluationQuery query) {
    std::vector<std::string> found;
    do {
      const auto page = table_.evaluations(experiment, query);
      EXPECT_TRUE(page.ok()) << page.error().message;
      if (!page.ok()) break;
      for (const Evaluation& one : page->evaluations) found.push_back(one.hash);
      query.cursor = page->next;
    } while (!query.cursor.empty());
    return found;
  }

  std::size_t entries() {
    std::size_t count = 0;
    EXPECT_TRUE(store_
                    .scan("", EntryStore::Order::ascending, "",
                          [&](std::string_view, const Entry&) -> Result<bool> { return ++count > 0; })
                    .ok());
    return count;
  }
  std::size_t index_keys() {
    std::size_t count = 0;
    EXPECT_TRUE(store_
                    .scan_index("", EntryStore::Order::ascending, "",
                                [&](std::string_view, std::string_view) -> Result<bool> { return ++count > 0; })
                    .ok());
    return count;
  }

  MemoryEntryStore store_;
  HookedEntryStore hooked_{store_};
  std::atomic<std::int64_t> wall_ns_ = 1'000;
  ExperimentTable table_{hooked_, DigestKind::blake3, [this] { return wall_ns_.load(); }};
};

}  // namespace cairn
