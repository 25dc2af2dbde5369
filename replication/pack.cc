// SPDX-License-Identifier: Apache-2.0
#include "replication/pack.h"

#include <algorithm>
#include <string>
#include <utility>

namespace cairn::mirror {
namespace {

constexpr std::string_view kMagic = "CRNPACK1";
constexpr std::size_t kTailBytes = 4 + 4 + kMagic.size();
// Of a record without bases.
constexpr std::size_t kRecordBytes = 4 + 4 + 4 + 4 + 8 + Digest::kSize;
// As docs/format/delta.md has it.
constexpr std::size_t kBasesMax = 4;

Error damaged(const std::string& why) { return make_error(ErrorCode::corruption, "table of a pack: " + why); }

}  // namespace

void append_records(std::vector<std::byte>& out, const std::vector<PackedRecord>& records) {
  for (const PackedRecord& record : records) {
    append(out, record.id.kind);
    append(out, record.codec);
    append(out, static_cast<std::uint16_t>(record.bases.size()));
    append(out, record.logical_bytes);
    append(out, record.stored_bytes);
    append(out, record.offset);
    append(out, record.checksum);
    append(out, record.id.digest);
    for (const Digest& base : record.bases) append(out, base);
  }
}

Result<std::vector<PackedRecord>> read_records(Fields& fields, std::uint32_t count, std::uint32_t pack_bytes) {
  if (count > Pack::kRecordsMax || count > fields.left() / kRecordBytes) {
    return damaged(std::to_string(count) + " records in " + std::to_string(fields.left()) + " bytes");
  }
  std::vector<PackedRecord> records(count);
  std::uint64_t end = 0;  // of the payload before
  for (PackedRecord& record : records) {
    record.id.kind = fields.number<std::uint8_t>();
    record.codec = fields.number<std::uint8_t>();
    const auto bases = fields.number<std::uint16_t>();
    record.logical_bytes = fields.number<std::uint32_t>();
    record.stored_bytes = fields.number<std::uint32_t>();
    record.offset = fields.number<std::uint32_t>();
    record.checksum = fields.number<std::uint64_t>();
    record.id.digest = fields.digest();
    if (bases > kBasesMax || (bases > 0 && record.id.kind != kBlock)) return damaged("a record with too many bases");
    for (std::uint16_t i = 0; i < bases; ++i) record.bases.push_back(fields.digest());
    if (fields.failed()) return damaged("it is cut off");
    if (record.offset < end || record.offset > pack_bytes || record.stored_bytes > pack_bytes - record.offset) {
      return damaged("a payload of " + std::to_string(record.stored_bytes) + " bytes at " +
                     std::to_string(record.offset) + " is not behind the one before, and inside");
    }
    end = std::uint64_t{record.offset} + record.stored_bytes;
  }
  return records;
}

bool PackBuilder::takes(const Content& content, std::uint32_t bytes_usual) const noexcept {
  if (records_.empty()) return true;
  return records_.size() < Pack::kRecordsMax && bytes_.size() + content.payload.size() <= bytes_usual;
}

void PackBuilder::add(const Content& content) {
  records_.push_back({.id = content.id,
                      .codec = content.codec,
                      .logical_bytes = content.logical_bytes,
                      .stored_bytes = static_cast<std::uint32_t>(content.payload.size()),
                      .offset = static_cast<std::uint32_t>(bytes_.size()),
                      .checksum = content.checksum,
                      .bases = content.bases});
  append(bytes_, content.payload);
}

PackBuilder::Built PackBuilder::finish(const Formats& formats, Bytes salt) {
  Built built{.pack = {.name = {}, .bytes = 0, .records = std::exchange(records_, {})},
              .bytes = std::exchange(bytes_, {})};
  append(built.bytes, salt);
  const std::size_t payloads = built.bytes.size();
  append_records(built.bytes, built.pack.records);
  append(built.bytes, static_cast<std::uint32_t>(built.bytes.size() - payloads));
  append(built.bytes, static_cast<std::uint32_t>(built.pack.records.size()));
  append(built.bytes, kMagic);
  built.pack.bytes = static_cast<std::uint32_t>(built.bytes.size());
  built.pack.name = formats.digest_of(built.bytes);
  return built;
}

Result<std::vector<PackedRecord>> read_pack_table(Bytes pack) {
  if (pack.size() < kTailBytes || pack.size() > Pack::kBytesMax) return damaged("no pack has this size");
  Fields tail(pack.last(kTailBytes));
  const auto table_bytes = tail.number<std::uint32_t>();
  const auto count = tail.number<std::uint32_t>();
  if (!tail.says(kMagic)) return damaged("it does not end as one");
  const std::size_t before = pack.size() - kTailBytes;
  if (table_bytes > before) return damaged("it is longer than the pack");
  Fields fields(pack.subspan(before - table_bytes, table_bytes));
  CAIRN_TRY(auto records, read_records(fields, count, static_cast<std::uint32_t>(before - table_bytes)));
  if (fields.left() > 0) return damaged("it has more than its records");
  return records;
}

}  // namespace cairn::mirror
