// SPDX-License-Identifier: Apache-2.0
#include "tests/replication/storage_contract.h"

#include <gmock/gmock.h>

#include <algorithm>
#include <atomic>
#include <map>
#include <random>
#include <thread>

#include "replication/in_flight.h"

namespace cairn::testing {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;

constexpr std::size_t kMiB = 1 << 20;
constexpr std::uint64_t kBytesMax = 64 * kMiB;

std::string content_of(std::size_t size, unsigned seed) {
  std::mt19937 random(seed);
  std::string text(size, '\0');
  for (char& c : text) c = static_cast<char>(random());
  return text;
}
std::span<const std::byte> bytes_of(std::string_view text) { return std::as_bytes(std::span(text)); }

std::string words(const Result<std::optional<std::vector<std::byte>>>& got) {
  if (!got.ok()) return std::string("error: ") + got.error().message;
  if (!*got) return "(nothing)";
  return {reinterpret_cast<const char*>((*got)->data()), (*got)->size()};
}
// Nothing: there is no error.
std::optional<ErrorCode> code_of(const Result<std::optional<std::vector<std::byte>>>& got) {
  return got.ok() ? std::nullopt : std::optional(got.error().code);
}

}  // namespace

Status StorageContract::put(const std::string& key, std::string_view content) {
  const auto bytes = bytes_of(content);
  return storage().put(key, std::span(&bytes, 1));
}
Result<bool> StorageContract::put_if_absent(const std::string& key, std::string_view content) {
  const auto bytes = bytes_of(content);
  return storage().put_if_absent(key, std::span(&bytes, 1));
}
std::string StorageContract::read(const std::string& key) { return words(storage().get(key, kBytesMax)); }
std::string StorageContract::read_range(const std::string& key, std::uint64_t offset, std::uint64_t length) {
  return words(storage().get_range(key, {.offset = offset, .length = length}));
}
std::vector<ObjectStorage::Listed> StorageContract::list(const std::string& prefix, std::string after) {
  std::vector<ObjectStorage::Listed> all;
  while (true) {
    auto page = storage().list(prefix, after);
    EXPECT_TRUE(page.ok()) << page.error().message;
    if (!page.ok() || page->empty()) return all;
    after = page->back().key;
    std::ranges::move(*page, std::back_inserter(all));
  }
}
std::vector<std::string> StorageContract::keys(const std::string& prefix, const std::string& after) {
  std::vector<std::string> keys;
  for (auto& listed : list(prefix, after)) keys.push_back(std::move(listed.key));
  return keys;
}

TEST_P(StorageContract, WhatIsPutInAnyNumberOfPartsIsReadWhole) {
  for (const std::size_t size : {std::size_t{0}, std::size_t{1}, std::size_t{65'537}, kMiB + 1}) {
    const std::string content = content_of(size, 1);
    const auto all = bytes_of(content);
    const std::vector<std::span<const std::byte>> parts = {all.first(size / 3), {}, all.subspan(size / 3)};
    ASSERT_TRUE(storage().put("object", parts).ok());
    EXPECT_TRUE(read("object") == content) << size;
    EXPECT_EQ(storage().size_of("object").value_or(std::nullopt), size);
  }
  ASSERT_TRUE(storage().put("empty", {}).ok());
  EXPECT_EQ(read("empty"), "");
}

TEST_P(StorageContract, AnObjectAsLargeAsAPackMayBeIsReadWholeAndInRanges) {
  const std::string content = content_of(40 * kMiB + 7, 2);
  ASSERT_TRUE(put("packs/large", content).ok());
  EXPECT_TRUE(read("packs/large") == content);
  for (const auto& [offset, length] :
       {std::pair<std::size_t, std::size_t>{0, 1}, {5, 8 * kMiB}, {40 * kMiB, 7}, {0, content.size()}}) {
    EXPECT_TRUE(read_range("packs/large", offset, length) == content.substr(offset, length)) << offset;
  }
}

TEST_P(StorageContract, ARangeIsAllThatWasAskedForOrAnError) {
  ASSERT_TRUE(put("object", "0123456789").ok());
  EXPECT_EQ(read_range("object", 0, 10), "0123456789");
  EXPECT_EQ(read_range("object", 3, 4), "3456");
  EXPECT_EQ(read_range("object", 9, 1), "9");
  for (const auto& [offset, length] : {std::pair{0, 11}, {9, 2}, {10, 1}, {100, 1}}) {
    const auto got = storage().get_range("object", {.offset = std::uint64_t(offset), .length = std::uint64_t(length)});
    EXPECT_EQ(code_of(got), ErrorCode::corruption) << offset << " " << words(got);
  }
}

TEST_P(StorageContract, WhatIsNotThereIsNothingAndNoError) {
  EXPECT_EQ(read("nothing"), "(nothing)");
  EXPECT_EQ(read_range("nothing", 0, 1), "(nothing)");
  const auto size = storage().size_of("nothing");
  ASSERT_TRUE(size.ok()) << size.error().message;
  EXPECT_FALSE(size->has_value());
  const auto removed = storage().remove({"nothing", "nowhere/either"});
  ASSERT_TRUE(removed.ok()) << removed.error().message;
  EXPECT_THAT(*removed, IsEmpty());
  EXPECT_THAT(keys(""), IsEmpty());
  // A key is not found by the first part of its name.
  ASSERT_TRUE(put("folder/object", "content").ok());
  EXPECT_EQ(read("folder"), "(nothing)");
  EXPECT_EQ(read("folder/obj"), "(nothing)");
}

TEST_P(StorageContract, MoreBytesThanAreTakenAreRefused) {
  ASSERT_TRUE(put("object", std::string(1000, 'x')).ok());
  EXPECT_EQ(code_of(storage().get("object", 999)), ErrorCode::resource_exhausted);
  EXPECT_EQ(words(storage().get("object", 1000)), std::string(1000, 'x'));
}

TEST_P(StorageContract, WhatIsPutAgainIsReplaced) {
  ASSERT_TRUE(put("object", "a longer first content").ok());
  ASSERT_TRUE(put("object", "second").ok());
  EXPECT_EQ(read("object"), "second");
  EXPECT_EQ(storage().size_of("object").value_or(std::nullopt), 6U);
  EXPECT_THAT(keys(""), ElementsAre("object"));
  ASSERT_TRUE(storage().remove({"object"})->empty());
  EXPECT_EQ(read("object"), "(nothing)");
  ASSERT_TRUE(put("object", "third").ok());
  EXPECT_EQ(read("object"), "third");
}

TEST_P(StorageContract, PutIfAbsentLeavesWhatIsThere) {
  EXPECT_TRUE(put_if_absent("object", "first").value_or(false));
  const auto second = put_if_absent("object", "second");
  ASSERT_TRUE(second.ok()) << second.error().message;
  EXPECT_FALSE(*second);
  EXPECT_EQ(read("object"), "first");
  ASSERT_TRUE(storage().remove({"object"})->empty());
  EXPECT_TRUE(put_if_absent("object", "third").value_or(false));
  EXPECT_EQ(read("object"), "third");
}

TEST_P(StorageContract, OfManyWhoPutIfAbsentOneWins) {
  if (!GetParam().has_conditions) GTEST_SKIP() << GetParam().name << " knows no conditions";
  for (int round = 0; round < 10; ++round) {
    const std::string key = "race/" + std::to_string(round);
    std::vector<std::string> winners;
    mirror::InFlight<std::string> puts(8, [&](std::string content) {
      if (!content.empty()) winners.push_back(std::move(content));
      return Status();
    });
    for (int i = 0; i < 8; ++i) {
      const auto one = [&, content = "of " + std::to_string(i)]() -> Result<std::string> {
        CAIRN_TRY(const bool won, put_if_absent(key, content));
        return won ? content : std::string();
      };
      ASSERT_TRUE(puts.begin(one).ok());
    }
    ASSERT_TRUE(puts.finish().ok());
    ASSERT_THAT(winners, SizeIs(1));
    EXPECT_EQ(read(key), winners.front());
  }
}

TEST_P(StorageContract, AListingIsInTheOrderOfBytesWhateverItsLength) {
  std::map<std::string, std::size_t> put_there;
  mirror::InFlight<bool> puts(8, [](bool) { return Status(); });
  for (int i = 0; i < GetParam().many; ++i) {
    const std::string key = "list/" + std::to_string(i * 7919 % 10'007);
    put_there[key] = static_cast<std::size_t>(i % 13);
    const auto one = [this, key, size = put_there[key]]() -> Result<bool> {
      CAIRN_CHECK(put(key, std::string(size, 'x')));
      return true;
    };
    ASSERT_TRUE(puts.begin(one).ok());
  }
  ASSERT_TRUE(puts.finish().ok());
  for (const char* const other : {"lisa", "lis", "list", "list0", "other/list/1"}) ASSERT_TRUE(put(other, "").ok());
  const auto listed = list("list/");
  ASSERT_EQ(listed.size(), put_there.size());
  auto expected = put_there.begin();
  for (const auto& object : listed) {
    EXPECT_EQ(object.key, expected->first);
    EXPECT_EQ(object.bytes, expected->second) << object.key;
    ++expected;
  }
  // From any key on, whether it is there or not.
  for (const std::string after : {"list/5", "list/4999", "list/99999", "list/", "list0"}) {
    std::vector<std::string> behind;
    for (const auto& [key, size] : put_there) {
      if (key > after) behind.push_back(key);
    }
    EXPECT_EQ(keys("list/", after), behind) << after;
  }
  EXPECT_THAT(keys("list/nothing"), IsEmpty());
  std::vector<std::string> all;
  for (const auto& [key, size] : put_there) all.push_back(key);
  const auto left = storage().remove(all);
  ASSERT_TRUE(left.ok()) << left.error().message;
  EXPECT_THAT(*left, IsEmpty());
  EXPECT_THAT(keys("list/"), IsEmpty());
  EXPECT_THAT(keys(""), ElementsAre("lis", "lisa", "list", "list0", "other/list/1"));
}

TEST_P(StorageContract, KeysOfAnyCharactersAreKeptApart) {
  std::vector<std::string> odd = {"k/a b",
                                  "k/a+b",
                                  "k/a%20b",
                                  "k/a%2Bb",
                                  "k/\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80",
                                  "k/<&>\"'",
                                  "k/a?b=c",
                                  "k/a#b",
                                  "k/~._-",
                                  "k/a\\b",
                                  "k/=;:@!$*,(){}[]^`|",
                                  "k/" + std::string(300, 'n')};
  std::ranges::sort(odd);
  for (const std::string& key : odd) EXPECT_TRUE(put(key, "content of " + key).ok()) << key;
  for (const std::string& key : odd) EXPECT_EQ(read(key), "content of " + key);
  EXPECT_EQ(keys("k/"), odd);
  for (std::size_t i = 0; i + 1 < odd.size(); ++i) EXPECT_EQ(keys("k/", odd[i]).front(), odd[i + 1]);
  const auto left = storage().remove(odd);
  ASSERT_TRUE(left.ok()) << left.error().message;
  EXPECT_THAT(*left, IsEmpty());
  EXPECT_THAT(keys(""), IsEmpty());
}

TEST_P(StorageContract, WhatIsAcknowledgedIsSeenByWhoeverAsksAfterwards) {
  std::vector<std::thread> threads;
  std::atomic<int> wrong = 0;
  for (int thread = 0; thread < 4; ++thread) {
    threads.emplace_back([&, thread] {
      const std::string key = "own/" + std::to_string(thread);
      for (int round = 0; round < 10; ++round) {
        const std::string content = content_of(1000, static_cast<unsigned>(thread * 100 + round));
        const bool seen = put(key, content).ok() && read(key) == content && keys(key) == std::vector{key};
        wrong += seen ? 0 : 1;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(wrong.load(), 0);
}

}  // namespace cairn::testing
