// SPDX-License-Identifier: Apache-2.0
//
// An EntryStore in front of another, where a test comes in before a write.
#pragma once

#include <functional>
#include <optional>
#include <utility>
#include <vector>

#include "engine/base/errors.h"
#include "engine/results/entry_store.h"

namespace cairn {

class HookedEntryStore final : public EntryStore {
 public:
  explicit HookedEntryStore(EntryStore& behind) : behind_(behind) {}

  // Called on the thread that writes; an error is what the write returns. Set while nobody writes.
  std::function<std::optional<Error>(const std::vector<EntryChange>&)> before_write;

  Result<std::optional<Entry>> find(std::string_view key) override { return behind_.find(key); }
  Status scan(std::string_view prefix, Order order, std::string_view from, const Visit& visit) override {
    return behind_.scan(prefix, order, from, visit);
  }
  Status scan_index(std::string_view prefix, Order order, std::string_view from, const VisitIndex& visit) override {
    return behind_.scan_index(prefix, order, from, visit);
  }
  Result<Written> write(std::vector<EntryChange> changes, const PutOptions& options) override {
    // A copy, so that it may set another one.
    const auto hook = before_write;
    if (hook) {
      if (auto error = hook(changes)) return *std::move(error);
    }
    return behind_.write(std::move(changes), options);
  }
  std::size_t content_bytes_max() const override { return behind_.content_bytes_max(); }
  Result<std::string> content(const Reference& reference) override {
    if (loses_content) return make_error(ErrorCode::not_found, "nobody knows it");
    return behind_.content(reference);
  }
  bool in_background(Work work) override {
    if (!keeps_work) return behind_.in_background(std::move(work));
    kept_work.push_back(std::move(work));
    return true;
  }
  std::uint64_t store_time_ns() override { return behind_.store_time_ns(); }

  bool loses_content = false;
  // What is asked for is done by the test.
  bool keeps_work = false;
  std::vector<Work> kept_work;

 private:
  EntryStore& behind_;
};

}  // namespace cairn
