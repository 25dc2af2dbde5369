// SPDX-License-Identifier: Apache-2.0
//
// Groups: the unit that is appended and made durable together. The head's checksum is the
// commit mark of all records in it; each payload has its own checksum in its descriptor.
#include "engine/base/aligned_buffer.h"
#include "engine/base/endian.h"
#include "engine/base/errors.h"
#include "engine/format/field_reader.h"
#include "engine/format/page_header.h"
#include "engine/format/record.h"
#include "engine/format/record_descriptor.h"

namespace cairn {
namespace {

constexpr std::string_view kName = "group head";
constexpr std::string_view kMagic = "CAIRNGRP";

enum Offset : std::size_t {
  kStoreTag = 16,
  kSegment = 24,
  kRecordCount = 28,
  kGroupOffset = 32,
  kPayloadBytes = 40,
  kSyncedThrough = 48,
  kReserved = 56,
};
static_assert(kReserved + sizeof(std::uint64_t) == GroupHeader::kSize);

// What must hold between the fields for the group to have a place and an end.
Status check_geometry(const GroupHeader& header) {
  if (header.segment == 0) return wrong_field(kName, "segment", kSegment, "is zero; segments count from 1");
  if (header.offset == 0 || header.offset % kPageBytes != 0) {
    return wrong_field(kName, "offset", kGroupOffset, "is not that of a page after the segment's header");
  }
  if (header.payload_bytes % kPageBytes != 0) {
    return wrong_field(kName, "payload_bytes", kPayloadBytes, "is not a whole number of pages");
  }
  // head_bytes() is below 2^39, so the first sum cannot overflow.
  if (header.payload_bytes > INT64_MAX - header.head_bytes() || header.offset > INT64_MAX - header.total_bytes()) {
    return wrong_field(kName, "payload_bytes", kPayloadBytes, "reaches beyond the largest possible file");
  }
  if (header.synced_through > header.offset) {
    return wrong_field(kName, "synced_through", kSyncedThrough, "is beyond the group itself");
  }
  return {};
}

}  // namespace

std::uint64_t GroupHeader::head_bytes() const noexcept {
  return align_up(kSize + std::uint64_t{record_count} * RecordDescriptor::kSize, kPageBytes);
}

void encode_group_head(const GroupHeader& header, const std::vector<RecordDescriptor>& records, MutableBytes into) {
  CAIRN_INVARIANT(records.size() == header.record_count && into.size() == header.head_bytes());
  begin_header(kMagic, into);
  store_le(into.data() + kStoreTag, header.store_tag);
  store_le(into.data() + kSegment, header.segment);
  store_le(into.data() + kRecordCount, header.record_count);
  store_le(into.data() + kGroupOffset, header.offset);
  store_le(into.data() + kPayloadBytes, header.payload_bytes);
  store_le(into.data() + kSyncedThrough, header.synced_through);
  std::byte* to = into.data() + GroupHeader::kSize;
  for (const RecordDescriptor& record : records) {
    store_descriptor(record, to);
    to += RecordDescriptor::kSize;
  }
  seal_header(into);
}

Result<GroupHeader> peek_group_header(Bytes first_page) {
  CAIRN_CHECK(check_magic(kName, kMagic, first_page, GroupHeader::kSize));
  const std::byte* from = first_page.data();
  GroupHeader header;
  header.store_tag = load_le<std::uint64_t>(from + kStoreTag);
  header.segment = load_le<std::uint32_t>(from + kSegment);
  header.record_count = load_le<std::uint32_t>(from + kRecordCount);
  header.offset = load_le<std::uint64_t>(from + kGroupOffset);
  header.payload_bytes = load_le<std::uint64_t>(from + kPayloadBytes);
  header.synced_through = load_le<std::uint64_t>(from + kSyncedThrough);
  CAIRN_CHECK(check_geometry(header));
  return header;
}

Result<GroupHead> decode_group_head(Bytes head) {
  CAIRN_TRY(const GroupHeader header, peek_group_header(head));
  if (head.size() != header.head_bytes()) {
    return wrong_field(
        kName, "record_count", kRecordCount,
        "asks for a head of " + std::to_string(header.head_bytes()) + " bytes, not " + std::to_string(head.size()));
  }
  CAIRN_CHECK(check_seal(kName, head));
  if (load_le<std::uint64_t>(head.data() + kReserved) != 0) {
    return wrong_field(kName, "reserved", kReserved, "is not zero");
  }
  GroupHead group{.header = header, .records = {}};
  group.records.reserve(header.record_count);
  const std::uint64_t payload_end = header.offset + header.total_bytes();
  std::uint64_t payload_at = header.offset + header.head_bytes();
  std::uint64_t at = GroupHeader::kSize;
  for (std::uint32_t i = 0; i < header.record_count; ++i, at += RecordDescriptor::kSize) {
    CAIRN_TRY(const RecordDescriptor record, load_descriptor(head.data() + at, kName, at));
    if (record.payload_offset < payload_at) {
      return wrong_field(kName, "payload_offset", at + kDescriptorPayloadOffset,
                         "of this record lies before the end of what precedes it");
    }
    if (record.payload_offset > payload_end || record.stored_bytes > payload_end - record.payload_offset) {
      return wrong_field(kName, "payload_offset", at + kDescriptorPayloadOffset,
                         "of this record puts it outside the group");
    }
    payload_at = record.payload_offset + record.stored_bytes;
    group.records.push_back(record);
  }
  if (!all_zero(head.subspan(at))) return wrong_field(kName, "padding", at, "is not zero");
  return group;
}

}  // namespace cairn
