// SPDX-License-Identifier: Apache-2.0
//
// The index's rules over any key-value store: what replaces what, which changes belong
// together, in which order things are walked.
#pragma once

#include <mutex>

#include "engine/index/key_value_store.h"
#include "engine/index/keys.h"

namespace cairn {

class KeyValueIndex final : public Index {
 public:
  // Reads how far `store` has been applied.
  static Result<std::unique_ptr<KeyValueIndex>> over(std::unique_ptr<KeyValueStore> store);

  Position applied() const override;
  std::uint64_t next_sequence() const override;
  Result<std::optional<RecordLocation>> find_block(const Digest& digest) override;
  Result<std::optional<RecordLocation>> find_object(RecordKind kind, const Digest& id) override;
  Result<std::optional<RefRecord>> find_ref(std::string_view name, std::uint64_t version) override;
  Result<std::optional<RefRecord>> latest_ref(std::string_view name) override;
  Result<std::optional<RefRecord>> ref_below(std::string_view name, std::uint64_t bound) override;
  Result<std::optional<SeenFile>> find_seen(std::string_view path) override;
  Status for_each_block(const VisitRecord& visit) override;
  Status for_each_object(const VisitRecord& visit) override;
  Status for_each_ref(const VisitRef& visit) override;
  Status for_each_version(std::string_view name, std::uint64_t from, const VisitVersion& visit) override;
  Result<std::vector<Root>> find_roots(const Digest& id) override;
  Result<std::optional<Root>> find_root(RecordKind kind, const Digest& id, std::string_view name) override;
  Status for_each_root(const std::optional<Digest>& after, const VisitRoot& visit) override;
  Result<std::optional<RecordPlace>> find_ref_place(std::string_view name, std::uint64_t version) override;
  Result<std::optional<RecordPlace>> find_root_place(RecordKind kind, const Digest& id, std::string_view name) override;
  Result<std::optional<Placed<StoredEntry>>> find_entry(std::string_view key) override;
  Status for_each_entry(std::string_view prefix, Order order, std::string_view from, const VisitEntry& visit) override;
  Status for_each_index_key(std::string_view prefix, Order order, std::string_view from,
                            const VisitIndexKey& visit) override;
  Result<std::optional<StoreClock>> clock() override;
  Result<std::uint64_t> references(RecordKind kind, const Digest& id) override;
  Status for_each_count(const VisitRecord& visit) override;
  Result<std::vector<Reference>> dead_objects() override;
  Result<std::map<std::uint32_t, SegmentUse>> segment_uses() override;
  Result<std::optional<Placed<ReclaimedRecord>>> reclaimed() override;
  Result<std::optional<std::string>> doubt() override;
  std::uint64_t quarantined() const override { return state().quarantined; }
  Result<std::map<std::uint32_t, SegmentCheck>> segment_checks() override;
  bool counted() const override;
  Status apply(const IndexBatch& batch) override;
  Status checkpoint() override;
  Result<bool> merge_entries(std::uint64_t room_bytes) override;
  void retire() override { store_->retire(); }
  std::uint64_t memory_bytes() const override { return store_->memory_bytes(); }
  std::uint64_t written_bytes() const override { return store_->written_bytes(); }

 private:
  KeyValueIndex(std::unique_ptr<KeyValueStore> store, const IndexState& state)
      : store_(std::move(store)), state_(state) {}

  IndexState state() const;
  Result<std::optional<RefRecord>> last_ref_below(std::string_view name, const std::string& bound);
  Result<std::optional<RecordLocation>> find_record(RecordKind kind, const std::string& key);
  // `counts`: also what is only counted.
  Status for_each_record(std::string_view prefix, bool counts, const VisitRecord& visit);
  // The keys that start with `prefix`, from `from` (empty: from the first).
  Status walk(const std::string& prefix, Order order, const std::string& from, const KeyValueStore::Visit& visit);
  Result<std::optional<RecordPlace>> find_place(const std::string& key);
  // The same without counting.
  Status add_uncounted(const IndexBatch& batch, IndexState& next, KeyValueChanges& changes);
  // Adds to `changes` the records of `batch` that replace what is there; raises `next`.
  Status add_records(const IndexBatch& batch, IndexState& next, KeyValueChanges& changes);

  std::unique_ptr<KeyValueStore> store_;
  mutable std::mutex mutex_;  // of what follows, which readers ask for while apply() changes it
  IndexState state_;
  bool counted_ = true;
};

}  // namespace cairn
