// SPDX-License-Identifier: Apache-2.0
//
// A table under a log of metrics that a test can hold up or make fail, and what is in it.
#pragma once

#include <atomic>
#include <condition_variable>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "engine/results/metric_block.h"
#include "engine/results/metric_blocks.h"
#include "engine/results/metric_log.h"
#include "tests/results/memory_entry_store.h"
#include "tests/results/metric_samples.h"

namespace cairn {

class GatedEntryStore final : public EntryStore {
 public:
  Result<std::optional<Entry>> find(std::string_view key) override { return inner.find(key); }
  Status scan(std::string_view prefix, Order order, std::string_view from, const Visit& visit) override {
    return inner.scan(prefix, order, from, [&](std::string_view key, const Entry& entry) {
      ++scanned;
      return visit(key, entry);
    });
  }
  Status scan_index(std::string_view prefix, Order order, std::string_view from, const VisitIndex& visit) override {
    return inner.scan_index(prefix, order, from, visit);
  }
  Result<Written> write(std::vector<EntryChange> changes, const PutOptions& options) override {
    {
      std::unique_lock lock(mutex_);
      ++waiting_;
      changed_.notify_all();
      changed_.wait(lock, [&] { return is_open_; });
      --waiting_;
      if (fails_) return make_error(ErrorCode::io, "the disk is gone");
    }
    return inner.write(std::move(changes), options);
  }
  std::size_t content_bytes_max() const override { return inner.content_bytes_max(); }
  Result<std::string> content(const Reference& reference) override { return inner.content(reference); }
  std::uint64_t store_time_ns() override { return inner.store_time_ns(); }

  void set_open(bool is_open) {
    change([&] { is_open_ = is_open; });
  }
  void set_failing(bool fails) {
    change([&] { fails_ = fails; });
  }
  // Returns when a write waits for set_open(true).
  void wait_for_write() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return waiting_ != 0; });
  }

  MemoryEntryStore inner;
  std::atomic<std::uint64_t> scanned = 0;  // entries that were visited

 private:
  template <class Change>
  void change(const Change& change) {
    const std::lock_guard lock(mutex_);
    change();
    changed_.notify_all();
  }

  std::mutex mutex_;
  std::condition_variable changed_;
  bool is_open_ = true, fails_ = false;
  int waiting_ = 0;
};

// All rows of a run, block by block, and how many blocks there are.
inline std::pair<MetricRows, std::size_t> rows_of_run(EntryStore& store, const std::string& run) {
  std::pair<MetricRows, std::size_t> found;
  const Status status =
      store.scan(metric_run_prefix(run), EntryStore::Order::ascending, {},
                 [&](std::string_view, const Entry& entry) -> Result<bool> {
                   CAIRN_TRY(const auto rows, decode_metric_block(as_bytes(metric_block_bytes(store, entry).value())));
                   found.first.append(rows);
                   ++found.second;
                   return true;
                 });
  EXPECT_TRUE(status.ok()) << status.error().message;
  return found;
}

inline const MetricColumn* column_of(const MetricRows& rows, const std::string& name) {
  for (const MetricColumn& column : rows.columns()) {
    if (column.name == name) return &column;
  }
  return nullptr;
}

}  // namespace cairn
