// SPDX-License-Identifier: Apache-2.0
//
// Tells an optimize() under way which blocks have become the difference from others since it began.
#pragma once

#include <mutex>
#include <utility>
#include <vector>

#include "cairn/digest.h"

namespace cairn {

// Any thread. One listens at a time.
class DeltaNews {
 public:
  using Edge = std::pair<Digest, Digest>;  // from a block to its base

  // With the log's turn: whoever writes later is heard.
  void listen() { set(true); }
  void stop() { set(false); }
  void tell(const Digest& block, const Digest& base) {
    const std::lock_guard lock(mutex_);
    if (listening_) edges_.emplace_back(block, base);
  }
  // What is new since the last call.
  std::vector<Edge> take() {
    const std::lock_guard lock(mutex_);
    return std::exchange(edges_, {});
  }

 private:
  void set(bool listening) {
    const std::lock_guard lock(mutex_);
    listening_ = listening;
    edges_.clear();
  }

  std::mutex mutex_;
  bool listening_ = false;
  std::vector<Edge> edges_;
};

}  // namespace cairn
