// SPDX-License-Identifier: Apache-2.0
//
// The blocks of one run in the table of entries: numbered, added, and joined so that many small ones become few
// (docs/format/entries.md).
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "engine/base/bytes.h"
#include "engine/results/entry_store.h"
#include "engine/results/metric_block.h"

namespace cairn {

std::string metric_block_key(std::string_view run, std::uint64_t number);
// Of all blocks of a run.
std::string metric_run_prefix(std::string_view run);
// A small block is its entry's value. Of a large one the value is the directory alone, and the block is content.
Result<MetricBlockHead> metric_block_head(const Entry& entry);
// The whole block. not_found when it is content and the entry has been replaced since.
Result<std::string> metric_block_bytes(EntryStore& store, const Entry& entry);

// What writes a block under its number; conflict unless the one that is there has this version (0: there is none).
EntryChange metric_block_change(EntryStore& store, const std::string& run, std::uint64_t number, Bytes block,
                                std::uint64_t if_version);

// All blocks of a run, from the last to the first, so that what remains of it after a crash is its first rows. How many
// rows they had. not_found when there is no such run; conflict when somebody writes it meanwhile.
Result<std::uint64_t> remove_metric_run(EntryStore& store, std::string_view run);

// One thread at a time; what other writers of the run did is learned by load().
class MetricBlocks {
 public:
  // Blocks of one size that become one of the next.
  static constexpr std::size_t kJoined = 8;

  explicit MetricBlocks(std::string run) : run_(std::move(run)) {}

  // Looks which blocks there are. Before anything else.
  Status load(EntryStore& store);
  bool loaded() const noexcept { return loaded_; }
  // What was known may not be so: load() has to be called again.
  void forget() { loaded_ = false; }

  // The change that writes a block of `rows` rows behind the others; conflict when somebody else has written it. Once
  // it is written, written() has to be called, for each in turn.
  EntryChange next_block(EntryStore& store, Bytes block, std::size_t ahead) const;
  void written(std::uint64_t version, std::uint64_t rows, std::uint64_t bytes);

  // Blocks that are to become one.
  struct Join {
    std::size_t first = 0, count = 0;  // none: nothing is due
    std::uint64_t rows = 0, bytes = 0;
    std::vector<EntryChange> changes;  // to be written together
  };
  // What is due: `least` or more blocks of one size, with the smaller ones behind them; with `least` below kJoined,
  // that many small ones. Once it is written, joined() has to be called, before anything else.
  Result<Join> next_join(EntryStore& store, std::size_t least = kJoined);
  void joined(const Join& join, std::uint64_t version);

  std::size_t count() const noexcept { return blocks_.size(); }

 private:
  struct Block {
    std::uint64_t number = 0, version = 0, rows = 0, bytes = 0;
    bool full = false;  // stays as it is
  };

  static unsigned size_class(const Block& block);
  // The first of those at the end that are to become one; blocks_.size() when none are.
  std::size_t first_of_join(std::size_t least) const;

  std::string run_;
  bool loaded_ = false;
  std::uint64_t next_ = 0;
  std::vector<Block> blocks_;
};

}  // namespace cairn
