// SPDX-License-Identifier: Apache-2.0
//
// Packs: how blocks and objects lie in a bucket, many in one object (docs/format/mirror.md). A pack never changes and
// is named after the digest of its bytes; its table is at its end, and again in an index.
#pragma once

#include <cstdint>
#include <vector>

#include "replication/content.h"
#include "replication/fields.h"

namespace cairn::mirror {

struct PackedRecord {
  ContentId id;
  std::uint8_t codec = 0;
  std::uint32_t logical_bytes = 0;
  std::uint32_t stored_bytes = 0;
  std::uint32_t offset = 0;  // of the payload in the pack
  std::uint64_t checksum = 0;
  std::vector<Digest> bases = {};
  friend bool operator==(const PackedRecord&, const PackedRecord&) = default;
};

struct Pack {
  // Records beyond this size begin another one.
  static constexpr std::uint32_t kBytesUsual = 32u << 20;
  // A single payload may be larger than is usual, but no pack is larger than this.
  static constexpr std::uint32_t kBytesMax = 320u << 20;
  static constexpr std::size_t kRecordsMax = 1u << 16;

  Digest name;
  std::uint32_t bytes = 0;  // of all of it
  std::vector<PackedRecord> records;
  friend bool operator==(const Pack&, const Pack&) = default;
};

void append_records(std::vector<std::byte>& out, const std::vector<PackedRecord>& records);
// `count` records of a pack of `pack_bytes`; corruption names what is wrong with one.
Result<std::vector<PackedRecord>> read_records(Fields& fields, std::uint32_t count, std::uint32_t pack_bytes);

// A pack as it is put: the payloads in the order of add(), then the table.
class PackBuilder {
 public:
  // `memory` is what an earlier one was built in, to be used again: pages that are fresh cost more than filling them.
  explicit PackBuilder(std::vector<std::byte> memory = {}) : bytes_(std::move(memory)) { bytes_.clear(); }

  bool empty() const noexcept { return records_.empty(); }
  std::size_t bytes() const noexcept { return bytes_.size(); }
  // Whether it belongs into this one, when a pack is usually of `bytes_usual`.
  bool takes(const Content& content, std::uint32_t bytes_usual) const noexcept;
  void add(const Content& content);

  struct Built {
    Pack pack;
    std::vector<std::byte> bytes;
  };
  // Of what was added; empty from then on. `salt` means nothing: with another one the pack has another name.
  Built finish(const Formats& formats, Bytes salt = {});

 private:
  std::vector<std::byte> bytes_;
  std::vector<PackedRecord> records_;
};

// The records of a whole pack, whose bytes were compared with its name: for whoever has no index.
Result<std::vector<PackedRecord>> read_pack_table(Bytes pack);

}  // namespace cairn::mirror
