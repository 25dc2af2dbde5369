// SPDX-License-Identifier: Apache-2.0
//
// A put on its way into a PutQueue, on the thread of whoever puts.
#pragma once

#include "engine/write/put_queue.h"

namespace cairn {

// Values on their way through push().
struct PutQueue::Entering {
  Lane* lane = nullptr;
  std::optional<ByteBudget::Turn> turn;
  std::vector<Put> puts;
  std::vector<std::shared_ptr<PutState>> states;
  std::shared_ptr<PutGroup> group;
  std::vector<std::uint64_t> needs;  // bytes of the budget, for each value
  std::uint64_t need = 0;            // of all of them
  bool piecemeal = false;            // more than the budget: granted bit by bit
  Clock::duration stalled{0};
};

// How tickets ask for haste: they may outlive the queue.
struct PutQueue::Bell {
  explicit Bell(PutQueue& rung) : queue(&rung) {}
  void ring() {
    const std::lock_guard lock(mutex);
    if (queue != nullptr) queue->hurry();
  }
  std::mutex mutex;
  PutQueue* queue;  // null once it is gone
};

}  // namespace cairn
