// SPDX-License-Identifier: Apache-2.0
//
// The guard's bytes and the index's keys and values: what is written is what is read, and
// anything else is refused with the place named.
#include "engine/index/guard.h"

#include <gtest/gtest.h>

#include "engine/index/keys.h"
#include "tests/index/index_samples.h"
#include "tests/support/sim_file_system.h"

namespace cairn::testing {
namespace {

Guard sample_guard() {
  return {.applied = {3, 8192},
          .manifest = "MANIFEST-000012",
          .files = {{"MANIFEST-000012", 321, 77}, {"000009.sst", 123456789, 88}, {"IDENTITY", 36, 99}}};
}

template <class T>
ErrorCode code_of(const Result<T>& result) {
  return result.ok() ? ErrorCode::cancelled : result.error().code;
}

TEST(GuardFormat, DecodingGivesWhatWasEncoded) {
  for (const Guard& guard : {sample_guard(), Guard{}}) {
    const auto decoded = decode_guard(encode(guard));
    ASSERT_CAIRN_OK(decoded);
    EXPECT_EQ(*decoded, guard);
  }
}

TEST(GuardFormat, TheFirstGuardOfAnIndexIsTheseBytes) {
  // docs/format/index.md: magic, version 1, position {0, 0}, no MANIFEST, no files, XXH3.
  std::string hex;
  for (const std::byte byte : encode(Guard{})) {
    constexpr char kDigits[] = "0123456789abcdef";
    hex += kDigits[std::to_integer<int>(byte) >> 4];
    hex += kDigits[std::to_integer<int>(byte) & 15];
  }
  EXPECT_EQ(hex.substr(0, hex.size() - 16),
            "434149524e494458"
            "01000000"
            "00000000"
            "0000000000000000"
            "00000000"
            "00000000");
  EXPECT_EQ(hex.size(), 80u);
}

TEST(GuardFormat, AnyFlippedBitIsRefused) {
  const auto good = encode(sample_guard());
  for (std::size_t bit = 0; bit < good.size() * 8; ++bit) {
    auto bad = good;
    bad[bit / 8] ^= static_cast<std::byte>(1 << bit % 8);
    EXPECT_EQ(code_of(decode_guard(bad)), ErrorCode::corruption) << bit;
  }
}

TEST(GuardFormat, AnyOtherLengthIsRefused) {
  auto bytes = encode(sample_guard());
  for (std::size_t size = 0; size < bytes.size(); ++size) {
    EXPECT_EQ(code_of(decode_guard(Bytes(bytes).first(size))), ErrorCode::corruption) << size;
  }
  bytes.push_back(std::byte{0});
  EXPECT_EQ(code_of(decode_guard(bytes)), ErrorCode::corruption);
}

// `guard` with some bytes changed and the checksum made right again.
std::vector<std::byte> forged(const Guard& guard, std::size_t offset, std::vector<std::byte> with) {
  auto bytes = encode(guard);
  std::copy(with.begin(), with.end(), bytes.begin() + static_cast<std::ptrdiff_t>(offset));
  const std::size_t body = bytes.size() - 8;
  store_le(bytes.data() + body, checksum_of(Bytes(bytes).first(body)));
  return bytes;
}

TEST(GuardFormat, ARightChecksumExcusesNothing) {
  const auto byte = [](int value) { return std::vector<std::byte>{static_cast<std::byte>(value)}; };
  EXPECT_EQ(code_of(decode_guard(forged(sample_guard(), 0, byte('X')))), ErrorCode::corruption);
  EXPECT_EQ(code_of(decode_guard(forged(sample_guard(), 8, byte(2)))), ErrorCode::unsupported);
  EXPECT_EQ(code_of(decode_guard(forged(sample_guard(), 8, byte(0)))), ErrorCode::corruption);
  // The count of files: more than there are, fewer, and absurd.
  const std::size_t count_at = 24 + 4 + sample_guard().manifest.size();
  EXPECT_EQ(code_of(decode_guard(forged(sample_guard(), count_at, byte(4)))), ErrorCode::corruption);
  EXPECT_EQ(code_of(decode_guard(forged(sample_guard(), count_at, byte(2)))), ErrorCode::corruption);
  EXPECT_EQ(code_of(decode_guard(forged(sample_guard(), count_at + 3, byte(255)))), ErrorCode::corruption);
  for (const char* name : {"../x", "/etc/passwd", "", ".", ".."}) {
    Guard guard = sample_guard();
    guard.files[1].name = name;
    EXPECT_EQ(code_of(decode_guard(encode(guard))), ErrorCode::corruption) << name;
  }
  Guard unlisted = sample_guard();
  unlisted.manifest = "MANIFEST-000013";
  EXPECT_EQ(code_of(decode_guard(encode(unlisted))), ErrorCode::corruption);
}

TEST(GuardFiles, ASizeTheFileDoesNotHaveAllocatesNothing) {
  SimFileSystem fs;
  ASSERT_CAIRN_OK(fs.create_directory("index"));
  ASSERT_CAIRN_OK(write_file_atomically(fs, "index/MANIFEST-000001", as_bytes("short")));
  const Guard guard{.applied = {}, .manifest = "MANIFEST-000001", .files = {{"MANIFEST-000001", 1ull << 60, 0}}};
  EXPECT_EQ(code_of(check_files(fs, "index", guard)), ErrorCode::corruption);
}

TEST(IndexKeys, ValuesOfTheWrongLengthAreRefused) {
  const std::string location = encode_location(sample_location(RecordKind::block, 9));
  const std::string seen = encode_seen(sample_seen(9));
  const std::string state = encode_state({.applied = {1, 2}, .next_sequence = 3, .highest_sequence = 2});
  for (std::size_t size = 0; size < location.size(); ++size) {
    EXPECT_FALSE(decode_location(RecordKind::block, location.substr(0, size)).ok());
  }
  for (std::size_t size = 0; size < seen.size(); ++size) EXPECT_FALSE(decode_seen(seen.substr(0, size)).ok());
  for (std::size_t size = 0; size < state.size(); ++size) EXPECT_FALSE(decode_state(state.substr(0, size)).ok());
  EXPECT_FALSE(decode_location(RecordKind::block, location + "x").ok());
  EXPECT_FALSE(decode_seen(seen + "x").ok());
  EXPECT_FALSE(decode_state(state + "x").ok());
}

TEST(IndexKeys, AStateOfANewerVersionIsUnsupported) {
  std::string state = encode_state({});
  state[0] = 4;
  EXPECT_EQ(code_of(decode_state(state)), ErrorCode::unsupported);
  // An older one is rebuilt, as a damaged one is.
  for (const char older : {0, 1, 2}) {
    state[0] = older;
    EXPECT_EQ(code_of(decode_state(state)), ErrorCode::corruption);
  }
}

TEST(IndexKeys, NoNamesVersionsAreAnothers) {
  // Names are checked before they get here; a name to look up may be anything.
  const std::string names[] = {"",  "a", std::string("a\0", 2), std::string("a\0\0", 3), std::string("a\0\xff", 3),
                               "ab"};
  for (const std::string& name : names) {
    for (const std::string& other : names) {
      EXPECT_EQ(version_key(other, 1).starts_with(versions_prefix(name)), name == other);
      EXPECT_EQ(version_key(name, 7) < version_key(other, 3), name < other) << name << " " << other;
    }
  }
}

TEST(IndexKeys, OnlyKeysOfRecordsParseAsSuch) {
  const Digest digest = sample_digest(1);
  EXPECT_EQ(parse_record_key(block_key(digest)), (std::pair{RecordKind::block, digest}));
  EXPECT_EQ(parse_record_key(object_key(RecordKind::tree, digest)), (std::pair{RecordKind::tree, digest}));
  EXPECT_EQ(parse_record_key(block_key(digest) + "x"), std::nullopt);
  EXPECT_EQ(parse_record_key(object_key(static_cast<RecordKind>(99), digest)), std::nullopt);
  for (const std::string_view key : {"", "\x02", "\x03", "\x04name"}) EXPECT_EQ(parse_record_key(key), std::nullopt);
}

}  // namespace
}  // namespace cairn::testing
