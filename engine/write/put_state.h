// SPDX-License-Identifier: Apache-2.0
//
// Values between their acceptance and their commit.
#pragma once

#include <atomic>
#include <chrono>
#include <deque>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "cairn/objects.h"
#include "engine/format/manifest.h"
#include "engine/write/stream_digester.h"
#include "engine/write/ticket_state.h"
#include "engine/write/value_layout.h"

namespace cairn {

class BlockSink;
class Index;

// What stands for values that were put together, instead of a root for each. Called on the
// writer's thread.
class GroupEnd {
 public:
  virtual ~GroupEnd() = default;
  // Every value is in the log: appends what makes them visible, last of all. `values` are
  // as roots would be.
  virtual Status append(BlockSink& sink, Index& index, std::vector<Root> values) = 0;
  // The name and version that append() gives.
  virtual std::pair<std::string, std::uint64_t> version() const = 0;
  // That is committed, and so are `versions` of the same name, which one commit made visible
  // together; this is the last of their ends, and follows up for all. What it appends is
  // committed too before the tickets are told; that it fails is no failure of the groups.
  virtual Status follow_up(BlockSink& sink, Index& index, const std::set<std::uint64_t>& versions) = 0;
};

// Values that were put together, and become visible together.
struct PutGroup {
  std::uint64_t sequence = 0;  // of acceptance
  std::chrono::steady_clock::time_point accepted;
  Durability durability = Durability::grouped;
  std::shared_ptr<TicketState> ticket;
  std::uint64_t bytes = 0;
  std::atomic<std::size_t> unstaged = 0;                      // values whose memory is in use
  std::shared_ptr<std::atomic<std::uint64_t>> staged_groups;  // of the queue: counts those without any
  // The writer's own.
  std::size_t unwritten = 0;      // values that are not appended yet
  std::vector<Root> roots;        // in the order of the values
  std::unique_ptr<GroupEnd> end;  // instead of the roots; null: they are
  std::optional<Error> error;     // of any of them: then none becomes visible

  // The memory of one more value is free.
  void memory_is_free() {
    if (--unstaged > 0) return;
    ++*staged_groups;
    ticket->reach(TicketState::kStaged);
  }
};

// One of them.
struct PutState {
  std::shared_ptr<PutGroup> group;
  std::size_t place = 0;  // in group->roots
  ValueLayout layout;
  std::optional<TensorLayout> tensor;  // dtype and shape; no strides
  std::string name;
  Attributes attributes;

  // Where the bytes are: in memory that was handed over, or in pieces that arrive.
  Bytes memory;
  std::shared_ptr<const void> hold;
  struct Piece {
    std::shared_ptr<const void> hold;
    Bytes bytes;
  };
  std::deque<Piece> pieces;  // staged and not yet drawn; guarded by the queue's mutex
  bool copied = false;       // the latter
  std::uint64_t drawn = 0;   // bytes that are on their way; guarded by the queue's mutex

  // The writer's own.
  std::vector<BlockRef> blocks;
  std::unique_ptr<StreamDigester> whole;  // only when it has several blocks
};

}  // namespace cairn
