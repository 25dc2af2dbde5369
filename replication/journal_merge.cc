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
constexpr std::uint64_t kJournalBytesMax = 1u << 30;

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
      of_this += size_class(at->bytes) == size ? 1 : 0;
    }
    if (of_this >= kMergedAtOnce) most = std::max(most, tail);
  }
  return most;
}

Result<Journal> read_merged(ObjectStorage& storage, const Formats& formats, std::span<const JournalKey> keys) {
  Journal merged;
  Fold fold;
  for (const JournalKey& key : keys) {
    CAIRN_TRY(const auto bytes, get_whole(storage, key.key, kJournalBytesMax));
    CAIRN_TRY(Journal journal, decode_journal(bytes, formats));
    // A tombstone hides what is in a journal before: in the first there is nothing to hide.
    apply(fold, std::move(journal.statements), keys.front().from != Cursor{});
    merged.store = journal.store;
  }
  merged.from = keys.front().from;
  merged.to = keys.back().to;
  for (auto& [key, statement] : fold) merged.statements.push_back(std::move(statement));
  return merged;
}

}  // namespace

Status merge_journals(ObjectStorage& storage, const Formats& formats, JournalList& list) {
  const std::size_t count = due(list.current);
  if (count == 0) return {};
  const std::span<const JournalKey> keys = std::span(list.current).last(count);
  CAIRN_TRY(const Journal merged, read_merged(storage, formats, keys));
  const std::vector<std::byte> bytes = encode_journal(merged, formats);
  const JournalKey key{.from = merged.from,
                       .to = merged.to,
                       .key = journal_key(merged.store.uuid, merged.from, merged.to),
                       .bytes = bytes.size()};
  CAIRN_CHECK(put_whole(storage, key.key, bytes));
  std::vector<std::string> gone;
  for (const JournalKey& one : keys) gone.push_back(one.key);
  list.current.resize(list.current.size() - count);
  list.current.push_back(key);
  // Whoever may not remove them leaves them to reclaiming: nothing reads them any more.
  static_cast<void>(storage.remove(gone).ok());
  return {};
}

}  // namespace cairn::mirror
