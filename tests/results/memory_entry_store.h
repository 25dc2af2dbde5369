// SPDX-License-Identifier: Apache-2.0
//
// An EntryStore that is a map: what stands on the table is tested without a disk, and with
// a clock and failures that a test decides.
#pragma once

#include <algorithm>
#include <atomic>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <utility>

#include "engine/base/errors.h"
#include "engine/content/digester.h"
#include "engine/results/entry_store.h"
#include "engine/write/ticket_state.h"

namespace cairn {

class MemoryEntryStore final : public EntryStore {
 public:
  Result<std::optional<Entry>> find(std::string_view key) override {
    const std::lock_guard lock(mutex_);
    const auto found = entries_.find(std::string(key));
    return found == entries_.end() ? std::optional<Entry>() : std::optional(found->second.entry);
  }

  Status scan(std::string_view prefix, Order order, std::string_view from, const Visit& visit) override {
    std::vector<std::pair<std::string, Entry>> found;
    {
      const std::lock_guard lock(mutex_);
      for (const auto& [key, kept] : entries_) {
        if (fits(key, prefix, order, from)) found.emplace_back(key, kept.entry);
      }
    }
    if (order == Order::descending) std::reverse(found.begin(), found.end());
    for (const auto& [key, entry] : found) {
      CAIRN_TRY(const bool goes_on, visit(key, entry));
      if (!goes_on) return {};
    }
    return {};
  }

  Status scan_index(std::string_view prefix, Order order, std::string_view from, const VisitIndex& visit) override {
    std::vector<std::pair<std::string, std::string>> found;
    {
      const std::lock_guard lock(mutex_);
      for (const auto& [index_key, key] : index_) {
        if (fits(index_key, prefix, order, from)) found.emplace_back(index_key, key);
      }
    }
    if (order == Order::descending) std::reverse(found.begin(), found.end());
    for (const auto& [index_key, key] : found) {
      CAIRN_TRY(const bool goes_on, visit(index_key, key));
      if (!goes_on) return {};
    }
    return {};
  }

  Result<Written> write(std::vector<EntryChange> changes, const PutOptions&) override {
    const std::lock_guard lock(mutex_);
    if (fail_next_) return *std::exchange(fail_next_, std::nullopt);
    for (const EntryChange& change : changes) {
      if (!change.if_version) continue;
      const auto found = entries_.find(change.key);
      const std::uint64_t version = found == entries_.end() ? 0 : found->second.entry.version;
      if (version != *change.if_version) return make_error(ErrorCode::conflict, "an entry has changed meanwhile");
    }
    ++version_;
    for (EntryChange& change : changes) {
      remove(change.key);
      if (change.removed) continue;
      if (!change.content.empty()) {
        const Digest id = digest_of(DigestKind::blake3, as_bytes(change.content));
        change.references.push_back({RecordKind::blob, id});
        contents_[text_of(id)] = std::move(change.content);
      }
      for (const std::string& index_key : change.index_keys) index_.emplace(index_key, change.key);
      entries_[change.key] = {.entry = {.value = std::move(change.value),
                                        .version = version_,
                                        .references = std::move(change.references),
                                        .memory_only = change.memory_only},
                              .index_keys = std::move(change.index_keys)};
    }
    auto done = std::make_shared<TicketState>();
    for (const auto step : {TicketState::kStaged, TicketState::kSynced, TicketState::kCommitted}) done->reach(step);
    ++writes_;
    return Written{.version = version_, .ticket = Ticket(std::move(done))};
  }

  std::size_t content_bytes_max() const override { return kEntryContentBytesMax; }
  Result<std::string> content(const Reference& reference) override {
    const std::lock_guard lock(mutex_);
    for (const auto& [key, kept] : entries_) {
      for (const Reference& one : kept.entry.references) {
        if (one == reference) return contents_.at(text_of(one.id));
      }
    }
    return make_error(ErrorCode::not_found, "no entry refers to this content");
  }
  std::uint64_t store_time_ns() override { return time_ns; }

  // --- For tests ---
  std::atomic<std::uint64_t> time_ns = 1;
  void fail_next_write(Error error) { fail_next_ = std::move(error); }
  std::uint64_t writes() const { return writes_; }

 private:
  struct Kept {
    Entry entry;
    std::vector<std::string> index_keys;
  };

  static bool fits(const std::string& key, std::string_view prefix, Order order, std::string_view from) {
    if (!key.starts_with(prefix)) return false;
    return from.empty() || (order == Order::ascending ? key >= from : key <= from);
  }

  static std::string text_of(const Digest& id) { return to_text(DigestKind::blake3, id); }

  void remove(const std::string& key) {
    const auto found = entries_.find(key);
    if (found == entries_.end()) return;
    for (const std::string& index_key : found->second.index_keys) index_.erase({index_key, key});
    entries_.erase(found);
  }

  std::mutex mutex_;
  std::map<std::string, Kept> entries_;
  std::map<std::string, std::string> contents_;  // that were ever put, by digest
  std::set<std::pair<std::string, std::string>> index_;
  std::uint64_t version_ = 0;
  std::uint64_t writes_ = 0;
  std::optional<Error> fail_next_;
};

}  // namespace cairn
