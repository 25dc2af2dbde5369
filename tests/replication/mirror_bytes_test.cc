// SPDX-License-Identifier: Apache-2.0
//
// Packs, indexes, journals and their keys as bytes; and how few requests read what is wanted of a pack.
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>

#include "replication/fetch.h"
#include "replication/in_flight.h"
#include "replication/journal_merge.h"
#include "tests/support/memory_storage.h"
#include "tests/support/toy_formats.h"

namespace cairn::mirror {
namespace {

using testing::MemoryStorage;
using testing::ToyFormats;

Digest digest(std::uint8_t number) {
  Digest digest;
  digest.bytes[0] = static_cast<std::byte>(number);
  return digest;
}

std::vector<std::byte> some_bytes(std::size_t count, unsigned seed) {
  std::vector<std::byte> bytes(count);
  for (std::size_t i = 0; i < count; ++i) bytes[i] = static_cast<std::byte>(seed + 31 * i);
  return bytes;
}

Statement statement(std::string key, std::string value) {
  Statement made{.kind = 12, .removed = false, .key = std::move(key), .payload = {}};
  for (const char c : value) made.payload.push_back(static_cast<std::byte>(c));
  return made;
}
Statement removal(std::string key) { return {.kind = 12, .removed = true, .key = std::move(key), .payload = {}}; }

// A pack of `count` payloads of 1,000 bytes.
PackBuilder::Built pack_of(const ToyFormats& formats, std::uint8_t count, bool with_bases = false) {
  PackBuilder builder;
  for (std::uint8_t i = 0; i < count; ++i) {
    const auto payload = some_bytes(1000, i);
    Content content{.id = {kBlock, digest(i)}, .codec = 2, .logical_bytes = 4000, .checksum = i};
    content.payload = payload;
    if (with_bases && i > 0) content.bases = {digest(static_cast<std::uint8_t>(i - 1))};
    builder.add(content);
  }
  return builder.finish(formats);
}

TEST(MirrorBytesTest, APackSaysAtItsEndWhatItsIndexSays) {
  const ToyFormats formats;
  const auto built = pack_of(formats, 5, true);
  EXPECT_EQ(built.pack.name, formats.digest_of(built.bytes));
  const auto table = read_pack_table(built.bytes);
  ASSERT_TRUE(table.ok()) << table.error().message;
  EXPECT_EQ(*table, built.pack.records);
  const auto packs = decode_index(encode_index({built.pack, pack_of(formats, 1).pack}));
  ASSERT_TRUE(packs.ok()) << packs.error().message;
  EXPECT_EQ(packs->front(), built.pack);
}

TEST(MirrorBytesTest, WhatIsCutOffAnywhereIsRefused) {
  const ToyFormats formats;
  const auto index = encode_index({pack_of(formats, 3, true).pack});
  for (std::size_t size = 0; size < index.size(); ++size) EXPECT_FALSE(decode_index(Bytes(index).first(size)).ok());
  const auto longer = [](std::vector<std::byte> bytes) {
    bytes.push_back(std::byte{0});
    return bytes;
  };
  EXPECT_FALSE(decode_index(longer(index)).ok());

  const ToyFormats any(false);
  const Journal journal{.store = {.uuid = {}, .digest = DigestKind::blake3, .block_bytes = 1, .segment_bytes = 2},
                        .from = {1, 2},
                        .to = {3, 4},
                        .mark = 5,
                        .statements = {statement("a", "1"), removal("b")}};
  const auto bytes = encode_journal(journal, any);
  EXPECT_EQ(*decode_journal(bytes, any), journal);
  for (std::size_t size = 0; size < bytes.size(); ++size) {
    EXPECT_FALSE(decode_journal(Bytes(bytes).first(size), any).ok()) << size;
  }
  EXPECT_FALSE(decode_journal(longer(bytes), any).ok());
  const auto pack = pack_of(formats, 3).bytes;
  EXPECT_FALSE(read_pack_table(longer(pack)).ok());
}

TEST(MirrorBytesTest, ARecordThatLiesOutsideOfItsPackOrInAnotherIsRefused) {
  Pack pack = pack_of(ToyFormats(), 2).pack;
  pack.records[1].offset = pack.records[0].offset + 1;
  EXPECT_FALSE(decode_index(encode_index({pack})).ok());
  pack.records[1].offset = pack.bytes - 10;
  EXPECT_FALSE(decode_index(encode_index({pack})).ok());
  pack.records[1].offset = 0xffff'ffff;
  EXPECT_FALSE(decode_index(encode_index({pack})).ok());
}

TEST(MirrorBytesTest, AJournalWithinAnotherIsIgnoredAndTheOthersAreInOrder) {
  const Uuid store{};
  const std::string prefix = journal_prefix(store);
  std::vector<ObjectStorage::Listed> listed;
  const auto add = [&](const Cursor& from, const Cursor& to) {
    listed.push_back({.key = journal_key(store, from, to), .bytes = 1});
  };
  add({0, 0}, {1, 10});
  add({1, 10}, {1, 20});
  add({0, 0}, {1, 20});
  add({1, 20}, {2, 5});
  add({1, 15}, {2, 1});
  listed.push_back({.key = prefix + "something else", .bytes = 1});
  const JournalList list = journals_of(listed, prefix);
  ASSERT_EQ(list.current.size(), 3u);
  EXPECT_EQ(list.current[0].to, (Cursor{1, 20}));
  EXPECT_EQ(list.current[1].from, (Cursor{1, 15}));
  EXPECT_EQ(list.contained.size(), 2u);
  EXPECT_EQ(list.end, (Cursor{2, 5}));
}

TEST(MirrorBytesTest, AMissingJournalIsNoticed) {
  const ToyFormats formats;
  MemoryStorage storage;
  const Uuid store{};
  for (std::uint64_t i = 0; i < 3; ++i) {
    const Journal journal{.store = {}, .from = {0, i}, .to = {0, i + 1}, .statements = {statement("k", "v")}};
    storage.objects()[journal_key(store, journal.from, journal.to)] = encode_journal(journal, formats);
  }
  ASSERT_TRUE(read_store(storage, formats, store, 2).ok());
  storage.objects().erase(journal_key(store, {0, 1}, {0, 2}));
  const auto read = read_store(storage, formats, store, 2);
  ASSERT_FALSE(read.ok());
  EXPECT_EQ(read.error().code, ErrorCode::corruption);
  storage.objects().erase(journal_key(store, {0, 0}, {0, 1}));
  EXPECT_FALSE(read_store(storage, formats, store, 2).ok());
}

TEST(MirrorBytesTest, NothingIsMergedAcrossAGap) {
  const ToyFormats formats;
  MemoryStorage storage;
  const Uuid store{};
  JournalList list;
  for (std::uint64_t i = 0; i < 12; ++i) {
    if (i == 6) continue;
    const Journal journal{.store = {}, .from = {0, i}, .to = {0, i + 1}, .statements = {statement("k", "v")}};
    const std::string key = journal_key(store, journal.from, journal.to);
    storage.objects()[key] = encode_journal(journal, formats);
    add(list, {.from = journal.from, .to = journal.to, .key = key, .bytes = 100});
  }
  EXPECT_EQ(list.end, (Cursor{0, 6}));
  ASSERT_TRUE(merge_journals(storage, formats, store, list).ok());
  EXPECT_EQ(list.current.size(), 11u);
  EXPECT_FALSE(read_store(storage, formats, store, 1).ok());
}

TEST(MirrorBytesTest, MergedJournalsSayWhatTheySaid) {
  const ToyFormats formats;
  MemoryStorage storage;
  const Uuid store{};
  JournalList list;
  Fold expected;
  for (std::uint64_t i = 0; i < 300; ++i) {
    std::vector<Statement> said{statement("k" + std::to_string(i % 11), std::to_string(i))};
    if (i % 5 == 0) said.push_back(removal("k" + std::to_string(i % 7)));
    // The first is large, so that it stays by itself while the others are merged.
    if (i == 0) said = {statement("large", std::string(100'000, 'a')), statement("removed", "later")};
    if (i == 3) said.push_back(removal("removed"));
    apply(expected, said, false);
    const Journal journal{.store = {}, .from = {0, i}, .to = {0, i + 1}, .statements = said};
    const auto bytes = encode_journal(journal, formats);
    const std::string key = journal_key(store, journal.from, journal.to);
    storage.objects()[key] = bytes;
    list.current.push_back({.from = journal.from, .to = journal.to, .key = key, .bytes = bytes.size()});
    ASSERT_TRUE(merge_journals(storage, formats, store, list).ok());
    ASSERT_EQ(list.current.size(), storage.count("stores/"));
    ASSERT_LE(list.current.size(), 16u);
  }
  EXPECT_FALSE(expected.contains({12, "removed"}));
  EXPECT_GT(list.current.front().bytes, 100'000u);
  const auto read = read_store(storage, formats, store, 2);
  ASSERT_TRUE(read.ok()) << read.error().message;
  EXPECT_EQ(read->fold, expected);
  EXPECT_EQ(read->end, (Cursor{0, 300}));
}

TEST(MirrorBytesTest, WhatLiesTogetherIsReadWithOneRequest) {
  const ToyFormats formats;
  MemoryStorage storage;
  const auto built = pack_of(formats, 40);
  storage.objects()[pack_key(formats, built.pack.name)] = built.bytes;
  const auto read = [&](const std::vector<std::size_t>& wanted, const FetchOptions& options) {
    std::vector<PackIndex::Place> places;
    for (const std::size_t one : wanted) places.push_back({.pack = &built.pack, .record = &built.pack.records[one]});
    FetchCounters counters;
    std::size_t got = 0;
    const auto take = [&](const Content& content) -> Status {
      const auto number = std::to_integer<unsigned>(content.id.digest.bytes[0]);
      EXPECT_TRUE(std::ranges::equal(content.payload, some_bytes(1000, number)));
      ++got;
      return {};
    };
    EXPECT_TRUE(fetch(storage, formats, places, options, counters, take).ok());
    EXPECT_EQ(got, wanted.size());
    return counters;
  };
  EXPECT_EQ(read({5, 3, 4}, {.gap_bytes = 0}).requests, 1u);
  EXPECT_EQ(read({5, 3, 4}, {.gap_bytes = 0}).bytes, 3000u);
  EXPECT_EQ(read({1, 3}, {.gap_bytes = 999}).requests, 2u);
  EXPECT_EQ(read({1, 3}, {.gap_bytes = 1000}).requests, 1u);
  EXPECT_EQ(read({0, 1, 2, 3}, {.request_bytes = 2000, .gap_bytes = 0}).requests, 2u);
  EXPECT_EQ(read({7}, {.request_bytes = 10}).requests, 1u);
}

TEST(MirrorBytesTest, RequestsAreUnderWayTogetherUpToTheirNumberAndAreTakenInOrder) {
  std::atomic<int> running = 0, most = 0;
  std::vector<int> taken;
  InFlight<int> requests(3, [&](int number) {
    taken.push_back(number);
    return Status();
  });
  for (int i = 0; i < 20; ++i) {
    ASSERT_TRUE(requests
                    .begin([&, i]() -> Result<int> {
                      const int now = ++running;
                      int before = most;
                      while (before < now && !most.compare_exchange_weak(before, now)) {
                      }
                      --running;
                      return i;
                    })
                    .ok());
  }
  ASSERT_TRUE(requests.finish().ok());
  EXPECT_LE(most, 3);
  ASSERT_EQ(taken.size(), 20u);
  EXPECT_TRUE(std::ranges::is_sorted(taken));
}

TEST(MirrorBytesTest, AfterAFailureNoFurtherRequestIsBegunAndItsErrorStays) {
  std::atomic<int> begun = 0;
  InFlight<int> requests(1, [](int) { return Status(); });
  const auto failing = [&]() -> Result<int> {
    ++begun;
    return Error{.code = ErrorCode::io, .message = "the first"};
  };
  ASSERT_TRUE(requests.begin(failing).ok());
  EXPECT_EQ(requests.begin(failing).error().message, "the first");
  EXPECT_EQ(requests.begin(failing).error().message, "the first");
  EXPECT_EQ(requests.finish().error().message, "the first");
  EXPECT_EQ(begun, 1);
}

TEST(MirrorBytesTest, OnlyAMarkerIsTakenForOne) {
  MemoryStorage storage;
  EXPECT_FALSE(read_marker(storage)->has_value());
  ASSERT_TRUE(require_marker(storage, DigestKind::xxh3_128).ok());
  EXPECT_EQ(read_marker(storage)->value(), DigestKind::xxh3_128);
  EXPECT_EQ(require_marker(storage, DigestKind::blake3).error().code, ErrorCode::unsupported);
  const auto say = [&](const std::string& text) {
    auto& bytes = storage.objects()["cairn-mirror"];
    bytes.clear();
    for (const char c : text) bytes.push_back(static_cast<std::byte>(c));
    return read_marker(storage).error().code;
  };
  EXPECT_EQ(say("cairn mirror 2\n"), ErrorCode::unsupported);
  EXPECT_EQ(say("cairn mirror 1\ndigest md5\n"), ErrorCode::corruption);
  EXPECT_EQ(say("something of somebody's"), ErrorCode::corruption);
  EXPECT_EQ(say(""), ErrorCode::corruption);
}

}  // namespace
}  // namespace cairn::mirror
