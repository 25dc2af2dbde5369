// SPDX-License-Identifier: Apache-2.0
//
// A small log on a simulated disk, and the verbs of its tests.
#pragma once

#include <gtest/gtest.h>

#include "engine/base/aligned_buffer.h"
#include "engine/content/digester.h"
#include "engine/log/log_writer.h"
#include "engine/log/segment_files.h"
#include "engine/log/segment_scan.h"
#include "tests/support/sim_file_system.h"
#include "tests/support/sim_survival.h"

namespace cairn::testing {

inline constexpr char kLog[] = "log";
inline constexpr StoreUuid kLogStore{std::byte{0xca}, std::byte{0x12}, std::byte{3}};

inline LogOptions small_log() {
  return {.store = kLogStore,
          .digest = DigestKind::blake3,
          .block_bytes = 64 * 1024,
          .segment_bytes = 128 * 1024,
          .group_bytes = 16 * 1024,
          .groups_in_flight = 3};
}

// The `n`-th record, always the same.
inline std::vector<std::byte> payload_of(std::uint64_t n, std::size_t size) {
  std::vector<std::byte> payload(size);
  for (std::size_t i = 0; i < size; ++i) payload[i] = static_cast<std::byte>(mix(n, i / 8) >> (8 * (i % 8)));
  return payload;
}
inline Digest key_of(std::uint64_t n) { return digest_of(DigestKind::blake3, payload_of(n, 16)); }

inline Status append(LogWriter& log, std::uint64_t n, std::size_t size, std::uint8_t codec = 3) {
  const std::vector<std::byte> payload = payload_of(n, size);
  return log.append({.kind = RecordKind::block,
                     .codec = codec,
                     .logical_bytes = static_cast<std::uint32_t>(size),
                     .key = key_of(n),
                     .payload = payload});
}

struct ScannedSegment {
  std::vector<GroupHead> groups;
  ScanResult result;
  std::optional<SealedTable> table;
  std::string table_damage;
  std::uint64_t size = 0;

  std::vector<RecordDescriptor> records() const {
    std::vector<RecordDescriptor> all;
    for (const GroupHead& group : groups) all.insert(all.end(), group.records.begin(), group.records.end());
    return all;
  }
};

inline ScannedSegment scan(FileSystem& fs, std::uint32_t number, ScanOptions options = {}) {
  ScannedSegment out;
  const auto segment = open_segment(fs, kLog, number, store_tag_of(kLogStore));
  EXPECT_TRUE(segment.ok()) << segment.error().message;
  if (!segment.ok()) return out;
  out.size = segment->size;
  auto table = read_table(*segment, out.table_damage);
  EXPECT_TRUE(table.ok());
  out.table = std::move(table).value();
  if (out.table) options.to = out.table->groups_end;
  auto result = scan_groups(*segment, options, [&](const GroupHead& group) -> Status {
    out.groups.push_back(group);
    return {};
  });
  EXPECT_TRUE(result.ok());
  out.result = std::move(result).value();
  return out;
}

class LogFixture : public ::testing::Test {
 protected:
  LogFixture() {
    EXPECT_TRUE(fs.create_directory(kLog).ok());
    EXPECT_TRUE(fs.sync_directory("/").ok());
  }

  LogWriter writer(LogEnd end = {}, LogOptions options = small_log()) { return {fs, kLog, options, std::move(end)}; }

  static LogWriter::Synced synced(LogWriter& log) {
    auto synced = log.sync();
    EXPECT_TRUE(synced.ok()) << synced.error().message;
    return synced.ok() ? std::move(synced).value() : LogWriter::Synced{};
  }

  std::vector<std::byte> content(std::uint32_t segment) {
    auto bytes = read_file(fs, segment_path(kLog, segment), 64 * MiB);
    EXPECT_TRUE(bytes.ok());
    return std::move(bytes).value();
  }
  void overwrite(std::uint32_t segment, std::uint64_t offset, Bytes bytes) {
    const auto file = fs.open(segment_path(kLog, segment), {.write = true});
    ASSERT_TRUE(file.ok());
    ASSERT_TRUE((*file)->write_at(offset, bytes).ok());
    ASSERT_TRUE((*file)->sync().ok());
  }
  void flip(std::uint32_t segment, std::uint64_t offset, unsigned bit = 0) {
    ASSERT_TRUE(fs.flip_bit(segment_path(kLog, segment), offset, bit).ok());
  }

  SimFileSystem fs;
};

}  // namespace cairn::testing
