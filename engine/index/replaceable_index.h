// SPDX-License-Identifier: Apache-2.0
//
// An index that can be replaced by a newer one while others read: for a reader in another
// process that the writer's reclaiming has left behind.
#pragma once

#include <mutex>
#include <utility>

#include "engine/index/index.h"

namespace cairn {

// Each call is to the index that is current when it begins, and stays with it.
class ReplaceableIndex final : public Index {
 public:
  explicit ReplaceableIndex(std::unique_ptr<Index> first) : current_(std::move(first)) {}

  void replace(std::unique_ptr<Index> next) {
    std::shared_ptr<Index> old(std::move(next));
    const std::lock_guard lock(mutex_);
    current_.swap(old);
  }

  Position applied() const override { return current()->applied(); }
  std::uint64_t next_sequence() const override { return current()->next_sequence(); }
  Result<std::optional<RecordLocation>> find_block(const Digest& digest) override {
    return current()->find_block(digest);
  }
  Result<std::optional<RecordLocation>> find_object(RecordKind kind, const Digest& id) override {
    return current()->find_object(kind, id);
  }
  Result<std::optional<RefRecord>> find_ref(std::string_view name, std::uint64_t version) override {
    return current()->find_ref(name, version);
  }
  Result<std::optional<RefRecord>> latest_ref(std::string_view name) override { return current()->latest_ref(name); }
  Result<std::optional<RefRecord>> ref_below(std::string_view name, std::uint64_t bound) override {
    return current()->ref_below(name, bound);
  }
  Result<std::optional<SeenFile>> find_seen(std::string_view path) override { return current()->find_seen(path); }
  Result<std::vector<Root>> find_roots(const Digest& id) override { return current()->find_roots(id); }
  Result<std::optional<Root>> find_root(RecordKind kind, const Digest& id, std::string_view name) override {
    return current()->find_root(kind, id, name);
  }
  Result<std::optional<RecordPlace>> find_ref_place(std::string_view name, std::uint64_t version) override {
    return current()->find_ref_place(name, version);
  }
  Result<std::optional<RecordPlace>> find_root_place(RecordKind kind, const Digest& id,
                                                     std::string_view name) override {
    return current()->find_root_place(kind, id, name);
  }
  Result<std::uint64_t> references(RecordKind kind, const Digest& id) override {
    return current()->references(kind, id);
  }
  Status for_each_count(const VisitRecord& visit) override { return current()->for_each_count(visit); }
  Result<std::vector<Reference>> dead_objects() override { return current()->dead_objects(); }
  Result<std::map<std::uint32_t, SegmentUse>> segment_uses() override { return current()->segment_uses(); }
  Result<std::optional<Placed<ReclaimedRecord>>> reclaimed() override { return current()->reclaimed(); }
  Result<std::optional<std::string>> doubt() override { return current()->doubt(); }
  std::uint64_t quarantined() const override { return current()->quarantined(); }
  Result<std::map<std::uint32_t, SegmentCheck>> segment_checks() override { return current()->segment_checks(); }
  bool counted() const override { return current()->counted(); }
  Status for_each_block(const VisitRecord& visit) override { return current()->for_each_block(visit); }
  Status for_each_object(const VisitRecord& visit) override { return current()->for_each_object(visit); }
  Status for_each_ref(const VisitRef& visit) override { return current()->for_each_ref(visit); }
  Status for_each_version(std::string_view name, std::uint64_t from, const VisitVersion& visit) override {
    return current()->for_each_version(name, from, visit);
  }
  Result<std::optional<Placed<StoredEntry>>> find_entry(std::string_view key) override {
    return current()->find_entry(key);
  }
  Status for_each_entry(std::string_view prefix, Order order, std::string_view from, const VisitEntry& visit) override {
    return current()->for_each_entry(prefix, order, from, visit);
  }
  Status for_each_index_key(std::string_view prefix, Order order, std::string_view from,
                            const VisitIndexKey& visit) override {
    return current()->for_each_index_key(prefix, order, from, visit);
  }
  Result<std::optional<StoreClock>> clock() override { return current()->clock(); }
  Status for_each_root(const std::optional<Digest>& after, const VisitRoot& visit) override {
    return current()->for_each_root(after, visit);
  }
  Status apply(const IndexBatch& batch) override { return current()->apply(batch); }
  Status checkpoint() override { return current()->checkpoint(); }
  Result<bool> merge_entries(std::uint64_t room_bytes) override { return current()->merge_entries(room_bytes); }
  void retire() override { current()->retire(); }
  std::uint64_t memory_bytes() const override { return current()->memory_bytes(); }
  std::uint64_t written_bytes() const override { return current()->written_bytes(); }

 private:
  std::shared_ptr<Index> current() const {
    const std::lock_guard lock(mutex_);
    return current_;
  }

  mutable std::mutex mutex_;
  std::shared_ptr<Index> current_;  // guarded by mutex_
};

}  // namespace cairn
