// SPDX-License-Identifier: Apache-2.0
//
// The digest of a byte string that arrives in parts, computed behind the caller's back.
#pragma once

#include <memory>

#include "engine/base/worker_pool.h"
#include "engine/content/digester.h"

namespace cairn {

// Owned by one thread. Parts are digested one after the other on the pool.
class StreamDigester {
 public:
  StreamDigester(WorkerPool& pool, DigestKind kind);
  ~StreamDigester();  // waits for the pool to let go

  // `hold` keeps `bytes` alive until they are digested. Waits while many parts are queued.
  void push(std::shared_ptr<const void> hold, Bytes bytes);
  // The digest of everything pushed. Waits for it.
  Digest finish();

 private:
  struct State;
  std::shared_ptr<State> state_;
  WorkerPool& pool_;
};

}  // namespace cairn
