// SPDX-License-Identifier: Apache-2.0
//
// Records, groups and segments as bytes (docs/format/segment.md). No I/O here.
//
//   segment = header page, groups, and once sealed: table, footer page
//   group   = group header, descriptors (padded to a page), payloads (padded to a page)
//   record  = one descriptor and its payload
//
// Everything starts on a page of 4096 bytes, so that it can be written with O_DIRECT.
#pragma once

#include <array>
#include <vector>

#include "cairn/digest.h"
#include "engine/base/bytes.h"

namespace cairn {

inline constexpr std::uint32_t kFormatVersion = 1;

// Which store a piece of log belongs to: random, fixed at creation.
using StoreUuid = std::array<std::byte, 16>;

// Frozen numbers. Zero is no valid kind, so a preallocated tail never parses as a record.
enum class RecordKind : std::uint8_t {
  block = 1,      // key: digest of the content; payload: the encoded block
  blob = 2,       // key: digest of the bytes; payload: BlobManifest
  tensor = 3,     // key: tensor id; payload: TensorManifest
  model = 4,      // key: digest of the file's bytes; payload: ModelManifest
  tree = 5,       // key: tree id; payload: TreeManifest
  snapshot = 6,   // key: snapshot id; payload: SnapshotManifest
  ref = 7,        // key: digest of name and version; payload: RefRecord
  roots = 8,      // key: digest of the payload; payload: RootsRecord
  reclaimed = 9,  // key: digest of the payload; payload: ReclaimedRecord
  state = 10,     // key: state id; payload: StateManifest
  delta = 11,     // key: delta id; payload: DeltaManifest
  entries = 12,   // key: digest of the payload; payload: EntriesRecord
};
bool record_kind_is_valid(std::uint8_t value) noexcept;
std::string_view record_kind_name(RecordKind kind) noexcept;
// Whether what the record means is in its payload alone: it is neither a block nor an object.
constexpr bool is_statement(RecordKind kind) noexcept {
  return kind == RecordKind::ref || kind == RecordKind::roots || kind == RecordKind::reclaimed ||
         kind == RecordKind::entries;
}

// The record was copied from an older segment that was reclaimed, with its sequence number.
inline constexpr std::uint16_t kCarriedFlag = 1;

// Describes one record: 72 bytes, in its group and again in the sealed segment's table.
struct RecordDescriptor {
  static constexpr std::size_t kSize = 72;

  RecordKind kind = RecordKind::block;
  std::uint8_t codec = 0;            // CodecId of a block; 0 (raw) otherwise
  std::uint16_t flags = 0;           // kCarriedFlag or none
  std::uint32_t logical_bytes = 0;   // of the content, once decoded
  std::uint32_t stored_bytes = 0;    // of the payload
  std::uint64_t payload_offset = 0;  // in the segment file
  std::uint64_t sequence = 0;        // never reused, never from a clock
  std::uint64_t checksum = 0;        // XXH3-64 of the payload
  Digest key;

  friend bool operator==(const RecordDescriptor&, const RecordDescriptor&) = default;
};

struct SegmentHeader {
  std::uint32_t format_version = kFormatVersion;
  StoreUuid store{};
  std::uint32_t segment = 0;  // number of this segment, from 1
  DigestKind digest = DigestKind::blake3;
  std::uint32_t block_bytes = 0;    // repeated from the store's header, so that the log
  std::uint64_t segment_bytes = 0;  // alone is enough to rebuild everything
};

struct GroupHeader {
  static constexpr std::size_t kSize = 64;

  std::uint64_t store_tag = 0;  // first eight bytes of the store's uuid
  std::uint32_t segment = 0;
  std::uint32_t record_count = 0;
  std::uint64_t offset = 0;         // of this group in the segment: finds misdirected writes
  std::uint64_t payload_bytes = 0;  // of the payload area, padding included
  // Every byte of this segment below this offset had been synced when the group was
  // written. A bad group below it is damage; above it, a torn write.
  std::uint64_t synced_through = 0;

  // Bytes of header and descriptors, padded to a page; and of the whole group.
  std::uint64_t head_bytes() const noexcept;
  std::uint64_t total_bytes() const noexcept { return head_bytes() + payload_bytes; }
};

struct SegmentFooter {
  std::uint32_t segment = 0;
  std::uint64_t store_tag = 0;
  std::uint64_t record_count = 0;
  std::uint64_t table_offset = 0;    // the table ends where its records end; footer at the next page
  std::uint64_t table_checksum = 0;  // XXH3-64 of the records
};

std::uint64_t store_tag_of(const StoreUuid& uuid) noexcept;

// Each encoder writes exactly one page (header, footer) or the padded head (group); each
// decoder takes hostile bytes and names the field and the offset that is wrong
// (ErrorCode::corruption, or unsupported for a newer format version).
void encode_segment_header(const SegmentHeader& header, MutableBytes page);
Result<SegmentHeader> decode_segment_header(Bytes page);

// `into` has header.head_bytes(); its checksum covers header and descriptors.
void encode_group_head(const GroupHeader& header, const std::vector<RecordDescriptor>& records, MutableBytes into);
// Decodes the first page of a group as far as its header: enough to know head_bytes().
// The header is not to be trusted until decode_group_head has checked the whole head.
Result<GroupHeader> peek_group_header(Bytes first_page);
struct GroupHead {
  GroupHeader header;
  std::vector<RecordDescriptor> records;
};
// `head` has head_bytes(). Checks the checksum, every descriptor's kind, and that every
// payload lies inside the group's payload area without overlap, in order.
Result<GroupHead> decode_group_head(Bytes head);

void append_table_entry(std::vector<std::byte>& table, const RecordDescriptor& record);
Result<std::vector<RecordDescriptor>> decode_table(Bytes table);
void encode_segment_footer(const SegmentFooter& footer, MutableBytes page);
Result<SegmentFooter> decode_segment_footer(Bytes page);

}  // namespace cairn
