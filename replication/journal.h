// SPDX-License-Identifier: Apache-2.0
//
// Journals: what a store says, as a bucket has it (docs/format/mirror.md). Each is of one stretch of the store's log
// and is put after everything that it needs. Applied in the order of the log, the later replacing the earlier, they are
// what the store said where the last of them ends.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "replication/bucket.h"

namespace cairn::mirror {

struct Journal {
  StoreFacts store;
  Cursor from, to;
  std::uint64_t mark = 0;  // Source::mark_at(to); 0: there was none
  std::vector<Statement> statements;
  friend bool operator==(const Journal&, const Journal&) = default;
};

std::vector<std::byte> encode_journal(const Journal& journal, const Formats& formats);
// corruption when it is not what was put.
Result<Journal> decode_journal(Bytes bytes, const Formats& formats);

// A journal as a listing has it.
struct JournalKey {
  Cursor from, to;
  std::string key;
  std::uint64_t bytes = 0;
  friend bool operator==(const JournalKey&, const JournalKey&) = default;
};
std::string journal_key(const Uuid& store, const Cursor& from, const Cursor& to);

struct JournalList {
  std::vector<JournalKey> current;    // in the order of the log, none of them within another
  std::vector<JournalKey> contained;  // in others: they were merged, and can go
  // How far the store has been mirrored without a gap: where a push goes on. What is missing is put again so.
  Cursor end;
};
// From keys below journal_prefix(); others are ignored.
JournalList journals_of(const std::vector<ObjectStorage::Listed>& listed, std::string_view prefix);
void add(JournalList& list, JournalKey key);

// One that a listing has. not_found: it is gone by now; corruption: it is not what was put there.
Result<Journal> read_journal(ObjectStorage& storage, const Formats& formats, const Uuid& store, const JournalKey& key);

// Statements that could not be mirrored yet because what they need is damaged in the store: kinds and keys alone. The
// next push tries them again.
Result<std::vector<Statement>> read_left_out(ObjectStorage& storage, const Formats& formats, const Uuid& store);
Status put_left_out(ObjectStorage& storage, const Formats& formats, const StoreFacts& store,
                    const std::vector<Statement>& left_out);

// The same of statements that need something which reclaiming found nowhere in the bucket. It alone puts this list,
// anew each time; whoever pushes reads it when it begins.
Result<std::vector<Statement>> read_lost(ObjectStorage& storage, const Formats& formats, const Uuid& store);
Status put_lost(ObjectStorage& storage, const Formats& formats, const StoreFacts& store,
                const std::vector<Statement>& lost);

// What holds, by kind and key. Tombstones are kept when `keep_removed`.
using Fold = std::map<std::pair<std::uint8_t, std::string>, Statement>;
void apply(Fold& fold, std::vector<Statement> statements, bool keep_removed);

// What a store said where its mirror ends, and where that is. Several journals are read at a time; beside a writer that
// merges them. Empty when the bucket has nothing of that store.
struct MirroredStore {
  std::optional<StoreFacts> facts;  // nothing: there is no journal
  Cursor end;
  Fold fold;
};
Result<MirroredStore> read_store(ObjectStorage& storage, const Formats& formats, const Uuid& store,
                                 std::size_t parallel);
// The stores that the bucket has.
Result<std::vector<Uuid>> list_stores(ObjectStorage& storage);

}  // namespace cairn::mirror
