// SPDX-License-Identifier: Apache-2.0
//
// Finds, adds and joins the blocks of a run.
#include "engine/results/metric_blocks.h"

#include <algorithm>
#include <utility>

#include "engine/base/errors.h"
#include "engine/results/entry_key.h"

namespace cairn {
namespace {

constexpr unsigned kClasses = 4;
// Below these a block is of the class; what is above them all is full.
constexpr std::uint64_t kRowsBelow[kClasses] = {512, 4096, 32768, 65536};
constexpr std::uint64_t kFullBytes = 384 * KiB;
constexpr std::uint64_t kJoinedBytesMax = 768 * KiB;

// From here on a block is content: the log has it once, and the index where it is.
constexpr std::size_t kContentBytesMin = 8 * KiB;

Result<MetricRows> decoded_block(EntryStore& store, const Entry& entry) {
  CAIRN_TRY(const std::string block, metric_block_bytes(store, entry));
  return decode_metric_block(as_bytes(block));
}

}  // namespace

std::string metric_run_prefix(std::string_view run) { return EntryKey(EntrySpace::metrics).text(run).bytes(); }

std::string metric_block_key(std::string_view run, std::uint64_t number) {
  return EntryKey(EntrySpace::metrics).text(run).number(number).bytes();
}

EntryChange metric_block_change(EntryStore& store, const std::string& run, std::uint64_t number, Bytes block,
                                std::uint64_t if_version) {
  EntryChange change{.key = metric_block_key(run, number)};
  if (block.size() < kContentBytesMin || block.size() > store.content_bytes_max()) {
    change.value.assign(as_text(block));
  } else {
    const auto head = read_metric_block_head(block);
    CAIRN_INVARIANT(head.ok());
    change.value.assign(as_text(block.first(head->directory_bytes)));
    change.content.assign(as_text(block));
  }
  if (number == 0) change.index_keys.push_back(metric_run_prefix(run));
  change.if_version = if_version;
  return change;
}

Result<MetricBlockHead> metric_block_head(const Entry& entry) {
  const Bytes value = as_bytes(entry.value);
  return entry.references.empty() ? read_metric_block_head(value) : read_metric_block_directory(value);
}

Result<std::string> metric_block_bytes(EntryStore& store, const Entry& entry) {
  if (entry.references.empty()) return entry.value;
  CAIRN_TRY(std::string block, store.content(entry.references.front()));
  if (block.starts_with(entry.value)) return block;
  return make_error(ErrorCode::corruption, "metric block: its content does not begin with its directory");
}

Status MetricBlocks::load(EntryStore& store) {
  blocks_.clear();
  next_ = 0;
  const auto visit = [&](std::string_view key, const Entry& entry) -> Result<bool> {
    EntryKeyReader reader(key);
    static_cast<void>(reader.text());
    const auto number = reader.number();
    if (!number || !reader.rest().empty()) return true;  // no block; queries say so
    const auto head = metric_block_head(entry);
    // A damaged block stays as it is, and the run goes on behind it.
    blocks_.push_back({.number = *number,
                       .version = entry.version,
                       .rows = head.ok() ? head->rows : 0,
                       .bytes = head.ok() ? head->bytes : entry.value.size(),
                       .full = !head.ok()});
    next_ = *number + 1;
    return true;
  };
  CAIRN_CHECK(store.scan(metric_run_prefix(run_), EntryStore::Order::ascending, {}, visit));
  loaded_ = true;
  return {};
}

EntryChange MetricBlocks::next_block(EntryStore& store, Bytes block, std::size_t ahead) const {
  return metric_block_change(store, run_, next_ + ahead, block, 0);
}

void MetricBlocks::written(std::uint64_t version, std::uint64_t rows, std::uint64_t bytes) {
  blocks_.push_back({.number = next_++, .version = version, .rows = rows, .bytes = bytes});
}

unsigned MetricBlocks::size_class(const Block& block) {
  if (block.full || block.bytes >= kFullBytes) return kClasses;
  return static_cast<unsigned>(std::ranges::upper_bound(kRowsBelow, block.rows) - kRowsBelow);
}

std::size_t MetricBlocks::first_of_join(std::size_t least) const {
  // A writer that ends joins what is small only, whatever its size: it would write the large ones anew each time.
  const bool ends = least < kJoined;
  for (unsigned limit = 0; limit < (ends ? 2 : kClasses); ++limit) {
    std::size_t first = blocks_.size(), counted = 0;
    for (; first > 0 && size_class(blocks_[first - 1]) <= limit; --first) {
      // Small ones behind a large one are no reason to write that again: each row is written once in each size.
      if (ends || size_class(blocks_[first - 1]) == limit) ++counted;
    }
    if (counted >= least) return first;
  }
  return blocks_.size();
}

Result<MetricBlocks::Join> MetricBlocks::next_join(EntryStore& store, std::size_t least) {
  const std::size_t first = first_of_join(least);
  MetricRows rows;
  std::uint64_t bytes = 0;
  std::size_t end = first;
  for (; end < blocks_.size(); ++end) {
    bytes += blocks_[end].bytes;
    if (end > first && bytes > kJoinedBytesMax) break;
    CAIRN_TRY(const auto entry, store.find(metric_block_key(run_, blocks_[end].number)));
    if (!entry || entry->version != blocks_[end].version) {
      forget();  // somebody else has joined them
      return Join();
    }
    auto decoded = decoded_block(store, *entry);
    if (!decoded.ok()) {
      const auto again = store.find(metric_block_key(run_, blocks_[end].number));
      if (!again.ok() || !*again || (*again)->version != blocks_[end].version) {
        forget();  // the same
        return Join();
      }
      blocks_[end].full = true;  // left alone, and not looked at again
      return std::move(decoded).error().with_context("run " + run_);
    }
    const MetricRows& more = *decoded;
    if (rows.rows() + more.rows() > kMetricBlockRowsMax || rows.points() + more.points() > kMetricBlockPointsMax) break;
    rows.append(more);
  }
  if (first == end) return Join();
  auto joined = encode_metric_block(rows);
  if (end - first < 2 || !joined.ok() || joined->size() > kEntryValueBytesMax) {
    for (std::size_t i = first; i < std::max(end, first + 1); ++i) blocks_[i].full = true;
    return Join();
  }
  Join join{.first = first, .count = end - first, .rows = rows.rows(), .bytes = joined->size(), .changes = {}};
  join.changes.push_back(metric_block_change(store, run_, blocks_[first].number, *joined, blocks_[first].version));
  for (std::size_t i = first + 1; i < end; ++i) {
    join.changes.push_back({.key = metric_block_key(run_, blocks_[i].number), .removed = true});
    join.changes.back().if_version = blocks_[i].version;
  }
  return join;
}

void MetricBlocks::joined(const Join& join, std::uint64_t version) {
  Block& block = blocks_[join.first];
  block = {.number = block.number, .version = version, .rows = join.rows, .bytes = join.bytes};
  const auto behind = blocks_.begin() + static_cast<std::ptrdiff_t>(join.first) + 1;
  blocks_.erase(behind, behind + static_cast<std::ptrdiff_t>(join.count) - 1);
}

}  // namespace cairn
