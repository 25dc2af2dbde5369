// SPDX-License-Identifier: Apache-2.0
//
// The payload of an entries record: small values under keys. Layout: docs/format/manifests.md.
#include "engine/format/manifest.h"
#include "engine/format/manifest_codec.h"

namespace cairn {
namespace {

// version, removed.
constexpr std::size_t kBodyBytesMin = 8 + 1;
constexpr std::size_t kReferenceBytes = 1 + Digest::kSize;

void put_body(ByteWriter& writer, const StoredEntry& entry) {
  writer.put(entry.version);
  writer.put(static_cast<std::uint8_t>(entry.removed ? 1 : 0));
  if (entry.removed) return;
  writer.put_string(entry.value);
  writer.put(static_cast<std::uint32_t>(entry.index_keys.size()));
  for (const std::string& index_key : entry.index_keys) writer.put_string(index_key);
  writer.put(static_cast<std::uint32_t>(entry.references.size()));
  for (const Reference& reference : entry.references) {
    writer.put(static_cast<std::uint8_t>(reference.kind));
    put_digest(writer, reference.id);
  }
}

Result<std::string> get_key(FieldReader& reader, std::string_view field) {
  CAIRN_TRY(std::string key, reader.get_string(field));
  if (key.empty() || key.size() > kEntryKeyBytesMax) return reader.wrong("is empty, or longer than 4096 bytes");
  return key;
}

Result<Reference> get_reference(FieldReader& reader) {
  Reference reference;
  CAIRN_TRY(const auto kind, reader.get<std::uint8_t>("reference kind"));
  reference.kind = static_cast<RecordKind>(kind);
  if (reference.kind != RecordKind::blob && reference.kind != RecordKind::tensor &&
      reference.kind != RecordKind::delta) {
    return reader.wrong("is no blob, tensor or delta");
  }
  CAIRN_TRY(reference.id, reader.get_digest("reference"));
  return reference;
}

Status get_body(FieldReader& reader, StoredEntry& entry) {
  CAIRN_TRY(entry.version, reader.get<std::uint64_t>("version"));
  if (entry.version == 0) return reader.wrong("is zero");
  CAIRN_TRY(entry.removed, reader.get_bool("removed"));
  if (entry.removed) return {};
  CAIRN_TRY(entry.value, reader.get_string("value"));
  if (entry.value.size() > kEntryValueBytesMax) return reader.wrong("is larger than 1 MiB");
  CAIRN_TRY(const auto index_keys, reader.get_count("index keys", 4));
  entry.index_keys.reserve(index_keys);
  for (std::uint32_t i = 0; i < index_keys; ++i) {
    CAIRN_TRY(std::string index_key, get_key(reader, "index key"));
    entry.index_keys.push_back(std::move(index_key));
  }
  CAIRN_TRY(const auto references, reader.get_count("references", kReferenceBytes));
  entry.references.reserve(references);
  for (std::uint32_t i = 0; i < references; ++i) {
    CAIRN_TRY(const Reference reference, get_reference(reader));
    entry.references.push_back(reference);
  }
  return {};
}

}  // namespace

std::vector<std::byte> encode(const EntriesRecord& record) {
  std::vector<std::byte> out;
  ByteWriter writer(out);
  put_manifest_start(writer, RecordKind::entries);
  writer.put(record.clock.store_time_ns);
  writer.put(record.clock.boot);
  writer.put(record.clock.boot_time_ns);
  writer.put(static_cast<std::uint32_t>(record.entries.size()));
  for (const StoredEntry& entry : record.entries) {
    writer.put_string(entry.key);
    put_body(writer, entry);
  }
  return out;
}

Result<EntriesRecord> decode_entries(Bytes bytes) {
  FieldReader reader("entries record", bytes);
  CAIRN_CHECK(check_manifest_start(reader, RecordKind::entries));
  EntriesRecord record;
  CAIRN_TRY(record.clock.store_time_ns, reader.get<std::uint64_t>("store time"));
  CAIRN_TRY(record.clock.boot, reader.get<std::uint64_t>("boot"));
  CAIRN_TRY(record.clock.boot_time_ns, reader.get<std::uint64_t>("boot time"));
  CAIRN_TRY(const auto count, reader.get_count("entries", 4 + kBodyBytesMin));
  record.entries.reserve(count);
  for (std::uint32_t i = 0; i < count; ++i) {
    StoredEntry& entry = record.entries.emplace_back();
    CAIRN_TRY(entry.key, get_key(reader, "key"));
    CAIRN_CHECK(get_body(reader, entry));
  }
  CAIRN_CHECK(reader.expect_end());
  return record;
}

std::vector<std::byte> encode_entry_body(const StoredEntry& entry) {
  std::vector<std::byte> out;
  ByteWriter writer(out);
  put_body(writer, entry);
  return out;
}

Result<StoredEntry> decode_entry_body(std::string_view key, Bytes bytes) {
  FieldReader reader("entry", bytes);
  StoredEntry entry{.key = std::string(key)};
  CAIRN_CHECK(get_body(reader, entry));
  CAIRN_CHECK(reader.expect_end());
  return entry;
}

}  // namespace cairn
