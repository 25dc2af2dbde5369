// SPDX-License-Identifier: Apache-2.0
//
// What a process knows of a claim while it is held.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "engine/results/operation_table.h"

namespace cairn {

// Guarded by the table's mutex; `key` and `claimed` once there is a token are constant.
struct OperationTable::Flight {
  std::string key;
  OperationRecord claimed;  // what the entry says
  std::uint64_t token = 0;  // 0: it is being claimed, or found to be done
  std::uint64_t lease_ns = 0;
  std::uint64_t over_at_ns = 0;  // of the store's time
  bool keep_alive = true;
  std::thread::id computing;  // in get_or_compute()

  bool ended = false;
  std::shared_ptr<const OperationInfo> outcome;  // done or failed; null: the claim was lost
  std::optional<Error> error;                    // why it failed, as the computation returned it
  std::condition_variable changed;
  std::vector<Then> then;
};

}  // namespace cairn
