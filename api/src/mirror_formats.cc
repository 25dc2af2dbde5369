// SPDX-License-Identifier: Apache-2.0
#include "api/src/mirror_formats.h"

#include <algorithm>
#include <utility>

#include "engine/base/endian.h"
#include "engine/base/errors.h"
#include "engine/content/digester.h"
#include "engine/format/references.h"
#include "engine/reclaim/verify_object.h"

namespace cairn {
namespace {

std::uint8_t number_of(RecordKind kind) { return static_cast<std::uint8_t>(kind); }

std::vector<mirror::ContentId> ids_of(const std::vector<Reference>& references) {
  std::vector<mirror::ContentId> ids;
  ids.reserve(references.size());
  for (const Reference& reference : references) ids.push_back({number_of(reference.kind), reference.id});
  return ids;
}

Error damaged(const char* what, const std::string& why) {
  return make_error(ErrorCode::corruption, std::string(what) + " in a mirror: " + why);
}

// A name has no control character.
constexpr char kKeyBreak = '\0';
constexpr std::size_t kVersionBytes = 8;

std::string key_of(const RefRecord& ref) {
  std::string key = ref.name + kKeyBreak;
  for (std::size_t i = 0; i < kVersionBytes; ++i) key += static_cast<char>(ref.version >> (56 - 8 * i));
  return key;
}

std::string key_of(const Root& root) {
  std::string key(1, static_cast<char>(root.kind));
  key.append(reinterpret_cast<const char*>(root.id.bytes.data()), root.id.bytes.size());
  return key + root.name;
}

}  // namespace

Digest MirrorFormats::digest_of(Bytes bytes) const { return cairn::digest_of(digest_, bytes); }

Result<std::vector<mirror::ContentId>> MirrorFormats::parts_of(const mirror::ContentId& object, Bytes payload) const {
  if (!record_kind_is_valid(object.kind)) return damaged("an object", "of kind " + std::to_string(object.kind));
  CAIRN_TRY(const auto references, references_of(static_cast<RecordKind>(object.kind), payload));
  return ids_of(references);
}

Status MirrorFormats::check_object(const mirror::Content& object) const {
  if (!record_kind_is_valid(object.id.kind)) return damaged("an object", "of kind " + std::to_string(object.id.kind));
  const auto kind = static_cast<RecordKind>(object.id.kind);
  if (!matches_checksum(object)) {
    return make_error(ErrorCode::corruption, std::string(record_kind_name(kind)) + " " +
                                                 to_text(digest_, object.id.digest) + " does not match its checksum");
  }
  return verify_payload(digest_, kind, object.id.digest, object.payload);
}

bool MirrorFormats::matches_checksum(const mirror::Content& content) const {
  return checksum_of(content.payload) == content.checksum;
}

Result<std::vector<mirror::ContentId>> MirrorFormats::needs_of(const mirror::Statement& statement) const {
  if (statement.removed) return std::vector<mirror::ContentId>();
  switch (static_cast<RecordKind>(statement.kind)) {
    case RecordKind::ref: {
      CAIRN_TRY(const RefRecord ref, ref_of(statement));
      return ids_of({{RecordKind::snapshot, ref.snapshot}});
    }
    case RecordKind::roots: {
      CAIRN_TRY(const Root root, root_of(statement));
      return ids_of({{root.kind, root.id}});
    }
    case RecordKind::entries: {
      if (is_clock(statement)) return std::vector<mirror::ContentId>();
      CAIRN_TRY(const StoredEntry entry, entry_of(statement));
      return ids_of(entry.references);
    }
    default: return damaged("a statement", "of kind " + std::to_string(statement.kind));
  }
}

mirror::Statement statement_of(const RefRecord& ref) {
  mirror::Statement statement{
      .kind = number_of(RecordKind::ref), .removed = ref.removed, .key = key_of(ref), .payload = {}};
  if (!ref.removed) statement.payload = encode(ref);
  return statement;
}

mirror::Statement statement_of(const Root& root) {
  mirror::Statement statement{
      .kind = number_of(RecordKind::roots), .removed = root.removed, .key = key_of(root), .payload = {}};
  if (!root.removed) statement.payload = encode(RootsRecord{.roots = {root}});
  return statement;
}

mirror::Statement statement_of(const StoredEntry& entry) {
  mirror::Statement statement{
      .kind = number_of(RecordKind::entries), .removed = entry.removed, .key = entry.key, .payload = {}};
  if (!entry.removed) statement.payload = encode_entry_body(entry);
  return statement;
}

mirror::Statement statement_of(const StoreClock& clock) {
  mirror::Statement statement{.kind = number_of(RecordKind::entries), .removed = false, .key = {}, .payload = {}};
  statement.payload.resize(sizeof(std::uint64_t));
  store_le(statement.payload.data(), clock.store_time_ns);
  return statement;
}

bool is_clock(const mirror::Statement& statement) {
  return statement.kind == number_of(RecordKind::entries) && statement.key.empty();
}

Result<StoreClock> clock_of(const mirror::Statement& statement) {
  if (statement.payload.size() != sizeof(std::uint64_t)) return damaged("the store's time", "it has another size");
  return StoreClock{.store_time_ns = load_le<std::uint64_t>(statement.payload.data())};
}

Result<RefRecord> ref_of(const mirror::Statement& statement) {
  RefRecord ref;
  if (statement.removed) {
    const std::string& key = statement.key;
    if (key.size() < kVersionBytes + 1 || key[key.size() - kVersionBytes - 1] != kKeyBreak) {
      return damaged("a ref", "its key makes no sense");
    }
    ref.name = key.substr(0, key.size() - kVersionBytes - 1);
    for (std::size_t i = key.size() - kVersionBytes; i < key.size(); ++i) {
      ref.version = ref.version << 8 | static_cast<unsigned char>(key[i]);
    }
    ref.removed = true;
    return ref;
  }
  CAIRN_TRY(ref, decode_ref(statement.payload));
  if (ref.removed || key_of(ref) != statement.key) return damaged("a ref", "it is not what its key says");
  return ref;
}

Result<Root> root_of(const mirror::Statement& statement) {
  Root root;
  if (statement.removed) {
    const Bytes key = std::as_bytes(std::span(statement.key));
    if (key.size() < 1 + Digest::kSize) return damaged("a root", "its key makes no sense");
    root.kind = static_cast<RecordKind>(key[0]);
    std::ranges::copy(key.subspan(1, Digest::kSize), root.id.bytes.begin());
    root.name = statement.key.substr(1 + Digest::kSize);
    root.removed = true;
    return root;
  }
  CAIRN_TRY(RootsRecord record, decode_roots(statement.payload));
  if (record.roots.size() != 1 || record.roots[0].removed || key_of(record.roots[0]) != statement.key) {
    return damaged("a root", "it is not what its key says");
  }
  return std::move(record.roots[0]);
}

Result<StoredEntry> entry_of(const mirror::Statement& statement) {
  if (statement.removed) {
    StoredEntry entry;
    entry.key = statement.key;
    entry.removed = true;
    return entry;
  }
  return decode_entry_body(statement.key, statement.payload);
}

}  // namespace cairn
