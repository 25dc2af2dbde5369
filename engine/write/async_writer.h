// SPDX-License-Identifier: Apache-2.0
//
// Writes what a PutQueue holds, on a thread of its own: split, digest, known? encode,
// append; and once for all that is there: sync, commit.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <thread>

#include "engine/base/fair_mutex.h"
#include "engine/base/worker_pool.h"
#include "engine/write/block_sink.h"
#include "engine/write/put_queue.h"

namespace cairn {

class AsyncWriter {
 public:
  struct Parts {
    Index& index;
    LogWriter& log;
    ObjectParts& stored;
    WorkerPool& pool;
    FairMutex& turn;                     // held by whoever writes to the log
    std::function<Status()> turn_began;  // called with the turn, before anything else
  };
  AsyncWriter(const Parts& parts, const WriteOptions& write, const WriterOptions& options);
  ~AsyncWriter();  // closes
  AsyncWriter(const AsyncWriter&) = delete;
  AsyncWriter& operator=(const AsyncWriter&) = delete;

  // Once. resource_exhausted when the system starts no more threads.
  Status start(int nice);
  PutQueue& queue() noexcept { return queue_; }
  // Blocks and objects that values rely on which are written in part, and have no root yet.
  // For whoever has the log's turn.
  std::vector<Reference> held() const;
  // Takes nothing more; returns when what was accepted is committed or has failed.
  void close();

 private:
  class Session;
  void run(int nice);

  const Parts parts_;
  const WriteOptions write_;
  PutQueue queue_;
  std::map<const PutGroup*, std::vector<Reference>> held_;  // of groups that are written in part; has the log's turn
  BufferPool gathered_;                                     // for values whose elements do not lie side by side
  std::thread thread_;
};

}  // namespace cairn
