// SPDX-License-Identifier: Apache-2.0
//
// What seals a segment: a table of its records, and a footer that says where the table
// is. An index is rebuilt from tables, without reading payloads.
#include "engine/base/aligned_buffer.h"
#include "engine/base/endian.h"
#include "engine/base/errors.h"
#include "engine/format/field_reader.h"
#include "engine/format/page_header.h"
#include "engine/format/record.h"
#include "engine/format/record_descriptor.h"

namespace cairn {
namespace {

constexpr std::string_view kTableName = "segment table";
constexpr std::string_view kName = "segment footer";
constexpr std::string_view kMagic = "CAIRNEND";

enum Offset : std::size_t {
  kStoreTag = 16,
  kSegment = 24,
  kReserved = 28,
  kRecordCount = 32,
  kTableOffset = 40,
  kTableChecksum = 48,
  kEnd = 56,
};

}  // namespace

void append_table_entry(std::vector<std::byte>& table, const RecordDescriptor& record) {
  const auto at = table.size();
  table.resize(at + RecordDescriptor::kSize);
  store_descriptor(record, table.data() + at);
}

Result<std::vector<RecordDescriptor>> decode_table(Bytes table) {
  if (table.size() % RecordDescriptor::kSize != 0) {
    return wrong_field(kTableName, "size", 0,
                       "is " + std::to_string(table.size()) + " bytes, not a whole number of descriptors");
  }
  std::vector<RecordDescriptor> records;
  records.reserve(table.size() / RecordDescriptor::kSize);
  for (std::size_t at = 0; at < table.size(); at += RecordDescriptor::kSize) {
    CAIRN_TRY(const RecordDescriptor record, load_descriptor(table.data() + at, kTableName, at));
    records.push_back(record);
  }
  return records;
}

void encode_segment_footer(const SegmentFooter& footer, MutableBytes page) {
  CAIRN_INVARIANT(page.size() == kPageBytes);
  begin_header(kMagic, page);
  store_le(page.data() + kStoreTag, footer.store_tag);
  store_le(page.data() + kSegment, footer.segment);
  store_le(page.data() + kRecordCount, footer.record_count);
  store_le(page.data() + kTableOffset, footer.table_offset);
  store_le(page.data() + kTableChecksum, footer.table_checksum);
  seal_header(page);
}

Result<SegmentFooter> decode_segment_footer(Bytes page) {
  CAIRN_CHECK(check_magic(kName, kMagic, page, kPageBytes));
  page = page.first(kPageBytes);
  CAIRN_CHECK(check_seal(kName, page));
  SegmentFooter footer;
  footer.store_tag = load_le<std::uint64_t>(page.data() + kStoreTag);
  footer.segment = load_le<std::uint32_t>(page.data() + kSegment);
  if (footer.segment == 0) return wrong_field(kName, "segment", kSegment, "is zero; segments count from 1");
  if (load_le<std::uint32_t>(page.data() + kReserved) != 0) {
    return wrong_field(kName, "reserved", kReserved, "is not zero");
  }
  footer.record_count = load_le<std::uint64_t>(page.data() + kRecordCount);
  footer.table_offset = load_le<std::uint64_t>(page.data() + kTableOffset);
  if (footer.table_offset == 0 || footer.table_offset % kPageBytes != 0 || footer.table_offset > INT64_MAX) {
    return wrong_field(kName, "table_offset", kTableOffset, "is not that of a page after the segment's header");
  }
  if (footer.record_count > (INT64_MAX - footer.table_offset) / RecordDescriptor::kSize) {
    return wrong_field(kName, "record_count", kRecordCount, "puts the table's end beyond the largest possible file");
  }
  footer.table_checksum = load_le<std::uint64_t>(page.data() + kTableChecksum);
  if (!all_zero(page.subspan(kEnd))) return wrong_field(kName, "padding", kEnd, "is not zero");
  return footer;
}

}  // namespace cairn
