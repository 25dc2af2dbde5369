// SPDX-License-Identifier: Apache-2.0
//
// One value of each structure, equal to what golden/*.hex holds as bytes; and how a test
// treats them all alike.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "engine/base/aligned_buffer.h"
#include "engine/content/digester.h"
#include "engine/format/manifest.h"
#include "engine/format/record.h"
#include "engine/format/store_header.h"

namespace cairn::examples {

// Bytes that count up from `first`: easy to find in a hex file.
inline Digest digest(unsigned first) {
  Digest digest;
  for (auto& byte : digest.bytes) byte = static_cast<std::byte>(first++);
  return digest;
}

inline StoreUuid uuid() {
  StoreUuid uuid;
  for (unsigned i = 0; i < uuid.size(); ++i) uuid[i] = static_cast<std::byte>(i);
  return uuid;
}

inline constexpr std::int64_t kTime = 1'700'000'000'123'456'789;

inline SegmentHeader segment_header() {
  return {.store = uuid(), .segment = 7, .block_bytes = 1 << 20, .segment_bytes = 256 * MiB};
}

inline std::vector<RecordDescriptor> records() {
  return {{.kind = RecordKind::block,
           .codec = 4,
           .logical_bytes = 1 << 20,
           .stored_bytes = 5000,
           .payload_offset = 12288,
           .sequence = 41,
           .checksum = 0x1122334455667788,
           .key = digest(0x10)},
          {.kind = RecordKind::blob,
           .logical_bytes = 86,
           .stored_bytes = 86,
           .payload_offset = 17288,
           .sequence = 42,
           .checksum = 0x99aabbccddeeff00,
           .key = digest(0x30)}};
}

inline GroupHeader group_header() {
  return {.store_tag = store_tag_of(uuid()),
          .segment = 7,
          .record_count = 2,
          .offset = 8192,
          .payload_bytes = 8192,
          .synced_through = 4096};
}

inline std::vector<std::byte> segment_header_bytes(const SegmentHeader& header = segment_header()) {
  std::vector<std::byte> page(kPageBytes);
  encode_segment_header(header, page);
  return page;
}

inline std::vector<std::byte> group_head_bytes(const GroupHeader& header = group_header(),
                                               const std::vector<RecordDescriptor>& of = records()) {
  std::vector<std::byte> head(header.head_bytes());
  encode_group_head(header, of, head);
  return head;
}

inline std::vector<std::byte> table_bytes() {
  std::vector<std::byte> table;
  for (const RecordDescriptor& record : records()) append_table_entry(table, record);
  return table;
}

inline SegmentFooter segment_footer() {
  return {.segment = 7,
          .store_tag = store_tag_of(uuid()),
          .record_count = 2,
          .table_offset = 20480,
          .table_checksum = checksum_of(table_bytes())};
}

inline std::vector<std::byte> segment_footer_bytes(const SegmentFooter& footer = segment_footer()) {
  std::vector<std::byte> page(kPageBytes);
  encode_segment_footer(footer, page);
  return page;
}

inline BlobManifest blob() {
  return {.total_bytes = (1 << 20) + 10, .blocks = {{digest(0x10), 1 << 20}, {digest(0x50), 10}}};
}

inline TensorManifest tensor() {
  return {.dtype = DType::bf16, .attribute = 0, .shape = {2, 3}, .bytes = 12, .blob = digest(0x70)};
}

inline ModelManifest model() {
  return {.format = 1,
          .total_bytes = 100,
          .skeleton = digest(0x80),
          .skeleton_bytes = 76,
          .tensors = {{"a", 70, 12, digest(0x90)}, {"layer.b", 82, 12, digest(0xa0)}}};
}

inline TreeManifest tree() {
  return {{
      {.path = "d", .kind = EntryKind::directory, .mode = 0755, .mtime_ns = kTime},
      {.path = "d/f", .mode = 0644, .mtime_ns = -1, .bytes = 100, .blob = digest(0xb0), .is_model = true, .tensors = 2},
      {.path = "d/l", .kind = EntryKind::symlink, .mode = 0777, .mtime_ns = kTime, .link_target = "../e"},
      {.path = "e", .mode = 0600, .mtime_ns = kTime, .bytes = 5, .blob = digest(0xc0), .note = "no header"},
  }};
}

inline StateManifest state() {
  return {{{.name = "optimizer", .kind = RecordKind::blob, .bytes = 5, .id = digest(0x10)},
           {.name = "w", .kind = RecordKind::tensor, .bytes = 12, .id = digest(0x30)}}};
}

inline TreeManifest tree_state() {
  return {{{.path = "state",
            .kind = EntryKind::state,
            .mode = 0644,
            .mtime_ns = kTime,
            .bytes = 17,
            .blob = digest(0x50),
            .tensors = 1}}};
}

inline DeltaManifest delta_whole() {
  return {.kind = DeltaKind::whole, .dtype = DType::bf16, .shape = {2, 3}, .bytes = 12, .target = digest(0x10)};
}

inline DeltaManifest delta() {
  return {.kind = DeltaKind::exponent_mantissa,
          .dtype = DType::bf16,
          .shape = {2, 3},
          .bytes = 12,
          .target = digest(0x10),
          .base = digest(0x30),
          .streams = {{12, digest(0x50)}, {6, digest(0x70)}}};
}

inline DeltaManifest delta_steps() {
  return {.kind = DeltaKind::int8,
          .dtype = DType::f32,
          .shape = {3},
          .bytes = 12,
          .target = digest(0x10),
          .base = digest(0x30),
          .streams = {{3, digest(0x50)}, {2, digest(0x70)}, {4, digest(0x90)}},
          .result = digest(0xb0),
          .max_error = 0.5,
          .largest_error = 0.25,
          .exceptions = 1,
          .step = 0x3ff0000000000000};
}

inline DeltaManifest delta_axis() {
  auto delta = delta_steps();
  delta.kind = DeltaKind::axis_scaled;
  delta.shape = {1, 3};
  delta.streams.push_back({24, digest(0xd0)});
  delta.step = 0;
  delta.axis = 1;
  return delta;
}

inline SnapshotManifest snapshot() {
  return {.tree = digest(0xd0),
          .has_parent = true,
          .parent = digest(0xe0),
          .created_ns = kTime,
          .logical_bytes = 105,
          .files = 2,
          .tensors = 2,
          .metadata = {{"loss", "0.5"}, {"step", "7"}}};
}

inline RefRecord ref() {
  return {.name = "llama-sft",
          .version = 3,
          .snapshot = digest(0xf0),
          .created_ns = kTime,
          .logical_bytes = 105,
          .tags = {{"stage", "best"}}};
}

inline RefRecord ref_removed() { return {.name = "llama-sft", .version = 3, .removed = true}; }

inline RootsRecord roots() {
  return {{
      {.kind = RecordKind::tensor,
       .id = digest(0x10),
       .name = "w",
       .bytes = 12,
       .created_ns = kTime,
       .attributes = {{"layer_type", "linear"}}},
      {.kind = RecordKind::blob, .id = digest(0x50), .removed = true},
  }};
}

inline EntriesRecord entries() {
  return {.clock = {.store_time_ns = 5'000'000'000, .boot = 0x1122334455667788, .boot_time_ns = 90'000'000'000},
          .entries = {{.key = "rcache",
                       .version = 7,
                       .value = "\x01{}",
                       .index_keys = {"rx", "ry"},
                       .references = {{RecordKind::tensor, digest(0x10)}}},
                      {.key = "rold", .removed = true, .version = 8}}};
}

inline ReclaimedRecord reclaimed() { return {.ranges = {{1, 3}, {5, 5}, {7, 258}}}; }

inline StoreHeader store_header() { return {.uuid = uuid(), .block_bytes = 1 << 20, .segment_bytes = 256 * MiB}; }

// Decodes bytes and encodes what came out: the error, or bytes that must be the same.
using Recode = std::function<Result<std::vector<std::byte>>(Bytes)>;

struct Structure {
  std::string name;  // of the file in golden/
  std::vector<std::byte> bytes;
  Recode recode;
};

template <auto kDecode>
Result<std::vector<std::byte>> recode_manifest(Bytes bytes) {
  CAIRN_TRY(const auto value, kDecode(bytes));
  return encode(value);
}

inline std::vector<Structure> manifests() {
  return {
      {"blob", encode(blob()), recode_manifest<&decode_blob>},
      {"blob_empty", encode(BlobManifest{}), recode_manifest<&decode_blob>},
      {"tensor", encode(tensor()), recode_manifest<&decode_tensor>},
      {"model", encode(model()), recode_manifest<&decode_model>},
      {"tree", encode(tree()), recode_manifest<&decode_tree>},
      {"tree_state", encode(tree_state()), recode_manifest<&decode_tree>},
      {"state", encode(state()), recode_manifest<&decode_state_manifest>},
      {"delta", encode(delta()), recode_manifest<&decode_delta>},
      {"delta_whole", encode(delta_whole()), recode_manifest<&decode_delta>},
      {"delta_steps", encode(delta_steps()), recode_manifest<&decode_delta>},
      {"delta_axis", encode(delta_axis()), recode_manifest<&decode_delta>},
      {"snapshot", encode(snapshot()), recode_manifest<&decode_snapshot>},
      {"ref", encode(ref()), recode_manifest<&decode_ref>},
      {"ref_removed", encode(ref_removed()), recode_manifest<&decode_ref>},
      {"roots", encode(roots()), recode_manifest<&decode_roots>},
      {"entries", encode(entries()), recode_manifest<&decode_entries>},
      {"reclaimed", encode(reclaimed()), recode_manifest<&decode_reclaimed>},
  };
}

// Structures that carry their own checksum.
inline std::vector<Structure> sealed_structures() {
  return {
      {"segment_header", segment_header_bytes(),
       [](Bytes bytes) -> Result<std::vector<std::byte>> {
         CAIRN_TRY(const auto header, decode_segment_header(bytes));
         return segment_header_bytes(header);
       }},
      {"group_head", group_head_bytes(),
       [](Bytes bytes) -> Result<std::vector<std::byte>> {
         CAIRN_TRY(const auto head, decode_group_head(bytes));
         return group_head_bytes(head.header, head.records);
       }},
      {"segment_footer", segment_footer_bytes(),
       [](Bytes bytes) -> Result<std::vector<std::byte>> {
         CAIRN_TRY(const auto footer, decode_segment_footer(bytes));
         return segment_footer_bytes(footer);
       }},
  };
}

inline Structure table_structure() {
  return {"segment_table", table_bytes(), [](Bytes bytes) -> Result<std::vector<std::byte>> {
            CAIRN_TRY(const auto decoded, decode_table(bytes));
            std::vector<std::byte> table;
            for (const RecordDescriptor& record : decoded) append_table_entry(table, record);
            return table;
          }};
}

inline std::vector<Structure> all_structures() {
  auto all = manifests();
  for (auto& structure : sealed_structures()) all.push_back(std::move(structure));
  all.push_back(table_structure());
  return all;
}

}  // namespace cairn::examples
