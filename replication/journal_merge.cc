// SPDX-License-Identifier: Apache-2.0
#include "replication/journal_merge.h"

#include <algorithm>
#include <utility>

namespace cairn::mirror {
namespace {

constexpr std::size_t kMergedAtOnce = 8;
constexpr std::uint64_t kSmallest = 4096;
// Larger ones stay as they are.
constexpr std::uint64_t kLargest = 64u << 20;
constexpr std::size_t kRemovedAtOnce = 1000;

// 0: up to 4 KiB, 1: up to 32 KiB, and so on.
unsigned size_class(std::uint64_t bytes) {
  unsigned size = 0;
  for (std::uint64_t most = kSmallest; most < bytes; most *= kMergedAtOnce) ++size;
  return size;
}

// How many journals at the end are to become one: all of a class or below it, of which eight or more are of the class.
std::size_t due(const std::vector<JournalKey>& journals) {
  std::size_t most = 0;
  for (unsigned size = 0; size <= size_class(kLargest / kMergedAtOnce); ++size) {
    std::size_t tail = 0, of_this = 0;
    for (auto at = journals.rbegin(); at != journals.rend() && size_class(at->bytes) <= size; ++at, ++tail) {
      // Never across a gap: what is missing there would not be missed any more.
      if (tail > 0 && at->to < std::prev(at)->from) break;
      of_this += size_class(at->bytes) == size ? 1 : 0;
    }
    if (of_this >= kMergedAtOnce) most = std::max(most, tail);
  }
  return most;
}

Result<Journal> read_merged(ObjectStorage& storage, const Formats& formats, const Uuid& store,
                            std::span<const JournalKey> keys) {
  Journal merged;
  Fold fold;
  for (const JournalKey& key : keys) {
    CAIRN_TRY(Journal journal, read_journal(storage, formats, store, key));
    // A tombstone hides what is in a journal before: in the first there is nothing to hide.
    apply(fold, std::move(journal.statements), keys.front().from != Cursor{});
    merged.store = journal.store;
    merged.mark = journal.mark;
  }
  merged.from = keys.front().from;
  merged.to = keys.back().to;
  for (auto& [key, statement] : fold) merged.statements.push_back(std::move(statement));
  return merged;
}

// Whoever may not remove them leaves them to others: nothing reads them any more.
Status remove_contained(ObjectStorage& storage, JournalList& list) {
  std::vector<std::string> gone;
  for (const JournalKey& one : list.contained) {
    if (gone.size() < kRemovedAtOnce) gone.push_back(one.key);
  }
  CAIRN_TRY(const auto left, storage.remove(gone));
  list.contained.erase(list.contained.begin(), list.contained.begin() + static_cast<std::ptrdiff_t>(gone.size()));
  return {};
}

}  // namespace

Status merge_journals(ObjectStorage& storage, const Formats& formats, const Uuid& store, JournalList& list) {
  const std::size_t count = due(list.current);
  if (count == 0) return {};
  const std::span<const JournalKey> keys = std::span(list.current).last(count);
  CAIRN_TRY(const Journal merged, read_merged(storage, formats, store, keys));
  const std::vector<std::byte> bytes = encode_journal(merged, formats);
  const JournalKey key{.from = merged.from,
                       .to = merged.to,
                       .key = journal_key(merged.store.uuid, merged.from, merged.to),
                       .bytes = bytes.size()};
  CAIRN_CHECK(put_whole(storage, key.key, bytes));
  list.contained.insert(list.contained.end(), keys.begin(), keys.end());
  list.current.resize(list.current.size() - count);
  add(list, key);
  return remove_contained(storage, list);
}

}  // namespace cairn::mirror
