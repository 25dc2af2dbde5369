// SPDX-License-Identifier: Apache-2.0
//
// A table of operations over a map, with clocks that a test sets and leases that it looks at.
#pragma once

#include <atomic>
#include <chrono>
#include <string>
#include <utility>
#include <vector>

#include "engine/base/errors.h"
#include "engine/results/operation_table.h"
#include "gtest/gtest.h"
#include "tests/results/hooked_entry_store.h"
#include "tests/results/memory_entry_store.h"

namespace cairn {

class OperationsTest : public ::testing::Test {
 protected:
  static constexpr OwnerId kOwner{1, 2}, kOther{3, 4};
  static constexpr std::chrono::nanoseconds kLease{1'000};

  OperationTableOptions options(OwnerId owner, bool background = false) {
    return {.owner = owner, .background = background, .wall_clock = [this] { return wall_ns_.load(); }};
  }

  Claim claim(OperationTable& table, const std::string& key, bool keep_alive = true) {
    const auto outcome = table.claim(key, {.lease = kLease, .keep_alive = keep_alive});
    EXPECT_TRUE(outcome.ok()) << outcome.error().message;
    if (!outcome.ok() || !outcome->claim) {
      ADD_FAILURE() << key << " is not to be had";
      return {};
    }
    return *outcome->claim;
  }
  Claim claim(const std::string& key, bool keep_alive = true) { return claim(table_, key, keep_alive); }

  OperationState state(const std::string& key) { return table_.find(key).value().state; }
  static std::string text(const Result<OperationValue>& value) {
    return value.ok() ? value->bytes : "error: " + value.error().message;
  }

  MemoryEntryStore store_;
  HookedEntryStore hooked_{store_};
  std::atomic<std::int64_t> wall_ns_ = 1'000;
  OperationTable table_{hooked_, options(kOwner)};
};

}  // namespace cairn
