// SPDX-License-Identifier: Apache-2.0
//
// Blobs and tensors that a program puts into a store directly, as values in memory.
//
// The content makes the id: of a blob, the digest of its bytes; of a tensor, a digest of
// its dtype, shape and bytes (row-major). Putting known content again stores nothing but
// a new name or attributes. An object stays until it is removed.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "cairn/dtype.h"
#include "cairn/histogram.h"
#include "cairn/result.h"

// A shared library shows what is declared from here on.
#pragma GCC visibility push(default)
namespace cairn {

// Whatever is worth knowing about an object: layer type, model name, run, …
using Attributes = std::map<std::string, std::string>;

// What the bytes of a tensor are. Without strides they are row-major and contiguous.
struct TensorLayout {
  DType dtype = DType::opaque;
  std::vector<std::uint64_t> shape = {};  // empty: a scalar
  // In elements, one for each dimension, negative for a flipped one. Elements of fewer
  // than eight bits have none. The object is the same as that of the contiguous tensor.
  std::vector<std::int64_t> strides = {};
  std::uint64_t first = 0;  // with strides: the element of Put::bytes that is [0, …, 0]
};

// How the bytes are handed over.
enum class Handover : std::uint8_t {
  copy,    // copied before the call returns, into memory that the writer keeps for it
  move,    // read where they are, until Put::release is called
  borrow,  // read where they are: unchanged until Ticket::staged()
};

// One value. The call that takes it copies everything but the bytes.
struct Put {
  std::span<const std::byte> bytes;
  std::optional<TensorLayout> tensor = {};  // absent: a blob
  Handover handover = Handover::copy;
  // With Handover::move: called once, on any thread, when the bytes are needed no more,
  // whatever became of the put. It must not call the store.
  std::function<void()> release = {};
  // One object may have many names; each keeps its attributes. They are no index: objects are
  // looked up by id. A name and its attributes take at most 1 MiB.
  std::string name = {};
  Attributes attributes = {};
};

// What put_async does when the writer's budget is full.
enum class OnFull : std::uint8_t {
  block,  // waits until there is room
  fail,   // a ticket with ErrorCode::overloaded
  drop,   // the same, counted as dropped: for values that may be missed
};

enum class Durability : std::uint8_t {
  grouped,  // synced with what else is there, after WriterOptions::linger at most
  lazy,     // synced when another put, sync() or close() asks, or the budget needs it
};

struct PutOptions {
  OnFull on_full = OnFull::block;
  Durability durability = Durability::grouped;
};

struct WriterOptions {
  // Bytes that may be accepted and not yet written, in memory of the writer or of callers.
  // A larger value is let in piece by piece (copy) or when nothing else is pending. Memory
  // for copies is taken with the first put. Less than 8 MiB, or than 8 blocks, is raised to
  // that; values above small_bytes have seven eighths of it.
  std::uint64_t budget_bytes = 256ull * 1024 * 1024;
  // Values up to this size go before larger ones, and have an eighth of the budget for
  // themselves: a metric is not stuck behind gigabytes.
  std::uint64_t small_bytes = 64ull * 1024;
  // How long a put may wait for others to be synced with. None: what arrives during one
  // sync shares the next.
  std::chrono::microseconds linger{0};
};

// What a name says about an object.
struct ObjectName {
  std::string name;
  std::int64_t created_ns = 0;  // since the Unix epoch, by the clock of the machine
  Attributes attributes;
};

struct Object {
  std::string id;
  std::uint64_t bytes = 0;
  std::optional<TensorLayout> tensor;  // absent: a blob; never with strides
  std::vector<ObjectName> names;       // by name; at least one, which may be empty
  bool delta = false;                  // see cairn/deltas.h: bytes and tensor are those of its target
};

struct ObjectPage {
  std::vector<Object> objects;  // by id
  std::string next;             // the cursor for the page behind; empty: this was the last
};

// What the writer has done since the store was opened. Bytes are logical.
struct WriterStats {
  std::uint64_t accepted = 0, accepted_bytes = 0;
  std::uint64_t staged = 0, synced = 0, committed = 0;
  std::uint64_t failed = 0;                           // after they were accepted
  std::uint64_t refused = 0;                          // ErrorCode::overloaded, OnFull::fail
  std::uint64_t dropped = 0;                          // OnFull::drop
  std::uint64_t pending_bytes = 0, pending_puts = 0;  // accepted and not yet committed
  std::uint64_t new_bytes = 0;                        // of blocks that were not known before
  std::uint64_t committed_bytes = 0;
  std::uint64_t log_bytes = 0;      // appended to the log by anyone
  std::uint64_t put_log_bytes = 0;  // written to it by puts, with zeros that small ones overwrite
  std::uint64_t index_bytes = 0;    // written to the index's files, for anyone
  std::uint64_t commits = 0;
  // Of each put_async or put_many_async:
  Histogram append_time;  // from its acceptance until its last record was in the log
  Histogram sync_time;    // from its acceptance until synced()
  Histogram stall_time;   // that the call waited for room, when it had to (OnFull::block)

  // Bytes written for each byte that was put: below 1 where content was known or compressible.
  double write_amplification() const {
    if (committed_bytes == 0) return 0;
    return static_cast<double>(put_log_bytes + index_bytes) / static_cast<double>(committed_bytes);
  }
};

}  // namespace cairn
#pragma GCC visibility pop
