// SPDX-License-Identifier: Apache-2.0
#include "replication/journal.h"

#include <algorithm>
#include <utility>

#include "replication/fields.h"
#include "replication/in_flight.h"

namespace cairn::mirror {
namespace {

constexpr std::string_view kMagic = "CRNJRNL1";
constexpr std::uint64_t kJournalBytesMax = 192u << 20;
constexpr std::size_t kStatementHeadBytes = 1 + 1 + 4 + 4;

Error damaged(const std::string& why) { return make_error(ErrorCode::corruption, "journal of a mirror: " + why); }

void append_cursor(std::vector<std::byte>& out, const Cursor& cursor) {
  append(out, cursor.segment);
  append(out, cursor.offset);
}
Cursor read_cursor(Fields& fields) {
  Cursor cursor;
  cursor.segment = fields.number<std::uint32_t>();
  cursor.offset = fields.number<std::uint64_t>();
  return cursor;
}

// Big-endian, so that keys sort as cursors do.
std::string cursor_text(const Cursor& cursor) {
  std::array<std::byte, 12> bytes{};
  for (std::size_t i = 0; i < 4; ++i) bytes[i] = static_cast<std::byte>(cursor.segment >> (24 - 8 * i));
  for (std::size_t i = 0; i < 8; ++i) bytes[4 + i] = static_cast<std::byte>(cursor.offset >> (56 - 8 * i));
  return hex(bytes);
}
bool parse_cursor(std::string_view text, Cursor& cursor) {
  std::array<std::byte, 12> bytes{};
  if (!from_hex(text, bytes)) return false;
  cursor = {};
  for (std::size_t i = 0; i < 4; ++i) cursor.segment = cursor.segment << 8 | std::to_integer<std::uint32_t>(bytes[i]);
  for (std::size_t i = 4; i < 12; ++i) cursor.offset = cursor.offset << 8 | std::to_integer<std::uint64_t>(bytes[i]);
  return true;
}
constexpr std::size_t kCursorChars = 24;

constexpr int kListingsMax = 5;

std::string left_out_key(const Uuid& store) { return std::string(kStoresPrefix) + hex(store) + "/left-out"; }
std::string lost_key(const Uuid& store) { return std::string(kStoresPrefix) + hex(store) + "/lost"; }

JournalList list_of(std::vector<JournalKey> keys) {
  // Whatever is within another comes behind it.
  std::ranges::sort(
      keys, [](const JournalKey& a, const JournalKey& b) { return a.from != b.from ? a.from < b.from : b.to < a.to; });
  JournalList list;
  for (JournalKey& key : keys) {
    const bool contained = !list.current.empty() && key.to <= list.current.back().to;
    (contained ? list.contained : list.current).push_back(std::move(key));
  }
  for (const JournalKey& key : list.current) {
    if (list.end < key.from) break;
    list.end = key.to;
  }
  return list;
}

Result<MirroredStore> read_listed(ObjectStorage& storage, const Formats& formats, const Uuid& uuid,
                                  const JournalList& list, std::size_t parallel) {
  MirroredStore store;
  InFlight<Journal> reads(parallel, [&](Journal journal) -> Status {
    if (store.end < journal.from) {
      return make_error(ErrorCode::corruption,
                        "what the mirror has of store " + hex(journal.store.uuid) + " has a gap: a journal is missing");
    }
    store.end = journal.to;
    store.facts = journal.store;
    apply(store.fold, std::move(journal.statements), false);
    return {};
  });
  for (const JournalKey& key : list.current) {
    CAIRN_CHECK(reads.begin([&storage, &formats, &uuid, &key] { return read_journal(storage, formats, uuid, key); }));
  }
  CAIRN_CHECK(reads.finish());
  return store;
}

}  // namespace

std::vector<std::byte> encode_journal(const Journal& journal, const Formats& formats) {
  std::vector<std::byte> bytes;
  append(bytes, kMagic);
  append(bytes, Bytes(journal.store.uuid));
  append(bytes, static_cast<std::uint8_t>(journal.store.digest));
  append(bytes, journal.store.block_bytes);
  append(bytes, journal.store.segment_bytes);
  append_cursor(bytes, journal.from);
  append_cursor(bytes, journal.to);
  append(bytes, journal.mark);
  append(bytes, static_cast<std::uint32_t>(journal.statements.size()));
  for (const Statement& statement : journal.statements) {
    append(bytes, statement.kind);
    append(bytes, static_cast<std::uint8_t>(statement.removed ? 1 : 0));
    append(bytes, static_cast<std::uint32_t>(statement.key.size()));
    append(bytes, static_cast<std::uint32_t>(statement.payload.size()));
    append(bytes, std::string_view(statement.key));
    append(bytes, Bytes(statement.payload));
  }
  append(bytes, formats.digest_of(bytes));
  return bytes;
}

Result<Journal> decode_journal(Bytes bytes, const Formats& formats) {
  if (bytes.size() < Digest::kSize) return damaged("it is cut off");
  const Bytes content = bytes.first(bytes.size() - Digest::kSize);
  Fields tail(bytes.last(Digest::kSize));
  if (formats.digest_of(content) != tail.digest()) return damaged("it does not match its digest");
  Fields fields(content);
  Journal journal;
  if (!fields.says(kMagic)) return damaged("it does not begin as one");
  std::ranges::copy(fields.take(journal.store.uuid.size()), journal.store.uuid.begin());
  journal.store.digest = static_cast<DigestKind>(fields.number<std::uint8_t>());
  journal.store.block_bytes = fields.number<std::uint32_t>();
  journal.store.segment_bytes = fields.number<std::uint64_t>();
  journal.from = read_cursor(fields);
  journal.to = read_cursor(fields);
  journal.mark = fields.number<std::uint64_t>();
  const auto count = fields.number<std::uint32_t>();
  if (fields.failed() || count > fields.left() / kStatementHeadBytes) return damaged("it is cut off");
  if (journal.to < journal.from) return damaged("it ends before it begins");
  for (std::uint32_t i = 0; i < count; ++i) {
    Statement& statement = journal.statements.emplace_back();
    statement.kind = fields.number<std::uint8_t>();
    const auto removed = fields.number<std::uint8_t>();
    const auto key_bytes = fields.number<std::uint32_t>();
    const auto payload_bytes = fields.number<std::uint32_t>();
    const Bytes key = fields.take(key_bytes);
    const Bytes payload = fields.take(payload_bytes);
    if (fields.failed() || removed > 1) return damaged("a statement that there cannot be");
    statement.removed = removed == 1;
    statement.key.assign(reinterpret_cast<const char*>(key.data()), key.size());
    statement.payload.assign(payload.begin(), payload.end());
  }
  if (fields.left() > 0) return damaged("it has more than its statements");
  return journal;
}

std::string journal_key(const Uuid& store, const Cursor& from, const Cursor& to) {
  return journal_prefix(store) + cursor_text(to) + "-" + cursor_text(from);
}

JournalList journals_of(const std::vector<ObjectStorage::Listed>& listed, std::string_view prefix) {
  std::vector<JournalKey> keys;
  for (const ObjectStorage::Listed& one : listed) {
    const std::string_view name = std::string_view(one.key).substr(prefix.size());
    JournalKey key{.from = {}, .to = {}, .key = one.key, .bytes = one.bytes};
    if (name.size() != 2 * kCursorChars + 1 || name[kCursorChars] != '-') continue;
    if (!parse_cursor(name.substr(0, kCursorChars), key.to)) continue;
    if (!parse_cursor(name.substr(kCursorChars + 1), key.from) || key.to < key.from) continue;
    keys.push_back(std::move(key));
  }
  return list_of(std::move(keys));
}

void add(JournalList& list, JournalKey key) {
  std::vector<JournalKey> keys = std::move(list.current);
  keys.push_back(std::move(key));
  std::vector<JournalKey> contained = std::move(list.contained);
  list = list_of(std::move(keys));
  list.contained.insert(list.contained.end(), contained.begin(), contained.end());
}

Result<Journal> read_journal(ObjectStorage& storage, const Formats& formats, const Uuid& store, const JournalKey& key) {
  CAIRN_TRY(const auto bytes, storage.get(key.key, kJournalBytesMax));
  if (!bytes) return make_error(ErrorCode::not_found, "'" + key.key + "' is missing in the mirror");
  auto journal = decode_journal(*bytes, formats);
  if (!journal.ok()) return make_error(journal.error().code, "'" + key.key + "': " + journal.error().message);
  if (journal->from != key.from || journal->to != key.to || journal->store.uuid != store) {
    return make_error(ErrorCode::corruption, "'" + key.key + "' in the mirror is not what its name says");
  }
  return journal;
}

namespace {

// Kinds and keys of statements, in the form of a journal of no stretch.
Result<std::vector<Statement>> read_keys(ObjectStorage& storage, const Formats& formats, const std::string& key) {
  CAIRN_TRY(const auto bytes, storage.get(key, kJournalBytesMax));
  if (!bytes) return std::vector<Statement>();
  auto journal = decode_journal(*bytes, formats);
  if (!journal.ok()) return make_error(journal.error().code, "'" + key + "': " + journal.error().message);
  return std::move(journal->statements);
}

Status put_keys(ObjectStorage& storage, const Formats& formats, const std::string& key, const StoreFacts& store,
                const std::vector<Statement>& statements) {
  Journal journal{.store = store, .from = {}, .to = {}, .statements = {}};
  for (const Statement& statement : statements) {
    journal.statements.push_back({.kind = statement.kind, .removed = false, .key = statement.key, .payload = {}});
  }
  return put_whole(storage, key, encode_journal(journal, formats));
}

}  // namespace

Result<std::vector<Statement>> read_left_out(ObjectStorage& storage, const Formats& formats, const Uuid& store) {
  return read_keys(storage, formats, left_out_key(store));
}
Status put_left_out(ObjectStorage& storage, const Formats& formats, const StoreFacts& store,
                    const std::vector<Statement>& left_out) {
  return put_keys(storage, formats, left_out_key(store.uuid), store, left_out);
}

Result<std::vector<Statement>> read_lost(ObjectStorage& storage, const Formats& formats, const Uuid& store) {
  return read_keys(storage, formats, lost_key(store));
}
Status put_lost(ObjectStorage& storage, const Formats& formats, const StoreFacts& store,
                const std::vector<Statement>& lost) {
  return put_keys(storage, formats, lost_key(store.uuid), store, lost);
}

void apply(Fold& fold, std::vector<Statement> statements, bool keep_removed) {
  for (Statement& statement : statements) {
    std::pair key(statement.kind, statement.key);
    if (statement.removed && !keep_removed) {
      fold.erase(key);
    } else {
      fold.insert_or_assign(std::move(key), std::move(statement));
    }
  }
}

Result<MirroredStore> read_store(ObjectStorage& storage, const Formats& formats, const Uuid& store,
                                 std::size_t parallel) {
  const std::string prefix = journal_prefix(store);
  for (int listings = 1;; ++listings) {
    CAIRN_TRY(const auto listed, list_all(storage, prefix));
    auto read = read_listed(storage, formats, store, journals_of(listed, prefix), parallel);
    // What was listed is gone by now: it was merged.
    const bool again = !read.ok() && read.error().code == ErrorCode::not_found;
    if (!again || listings == kListingsMax) return read;
  }
}

Result<std::vector<Uuid>> list_stores(ObjectStorage& storage) {
  std::vector<Uuid> stores;
  CAIRN_TRY(const auto listed, list_all(storage, kStoresPrefix));
  for (const ObjectStorage::Listed& one : listed) {
    const std::string_view name = std::string_view(one.key).substr(kStoresPrefix.size());
    Uuid uuid{};
    if (name.size() < 33 || name[32] != '/' || !from_hex(name.substr(0, 32), uuid)) continue;
    if (stores.empty() || stores.back() != uuid) stores.push_back(uuid);
  }
  return stores;
}

}  // namespace cairn::mirror
