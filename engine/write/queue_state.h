// SPDX-License-Identifier: Apache-2.0
//
// What is in a PutQueue at one moment, for a person who wonders why nothing moves.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <vector>

#include "cairn/objects.h"

namespace cairn {

struct QueueState {
  struct Lane {
    std::size_t values = 0;  // not all of which have been drawn
    bool ready = false;      // the bytes of the first of them are there
    std::uint64_t budget_used = 0, budget_bytes = 0;
    std::uint64_t in_line = 0;  // putters: who asks for room, and those behind
  };
  struct Pending {
    std::uint64_t sequence = 0;
    std::size_t values = 0;
    std::uint64_t bytes = 0;
    Durability durability = Durability::grouped;
    bool staged = false;
    std::chrono::nanoseconds age{0};
  };
  static constexpr std::size_t kPendingMax = 20;

  Lane small, bulk;
  std::uint64_t pending_puts = 0, pending_bytes = 0;
  std::vector<Pending> oldest;  // kPendingMax of them
  std::size_t blocked = 0;      // putters that wait for room in memory
  std::size_t settling = 0;     // callers that wait for everything
  std::uint64_t hurry_through = 0;
  bool closed = false;
  std::optional<std::chrono::nanoseconds> since_commit;  // nothing: none yet
  std::optional<Error> error;                            // of everything that is put
};

}  // namespace cairn
