// SPDX-License-Identifier: Apache-2.0
#include "cairn/results.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include "api/src/tables.h"
#include "engine/results/entry_key.h"
#include "tests/support/archive_fixture.h"
#include "tests/support/gc_scenario.h"
#include "tests/support/segmented_store.h"

namespace cairn::testing {
namespace {

ResultValue text(std::string_view text, std::string serializer = "bytes") {
  ResultValue value = ResultValue::json(text);
  value.serializer = std::move(serializer);
  return value;
}

class ResultsTest : public ::testing::Test {
 protected:
  Results results(const std::string& name_space = {}) { return log_.store().results(name_space); }
  std::string get(const std::string& key, const std::string& name_space = {}) {
    const auto found = results(name_space).get(key);
    if (!found.ok()) return std::string(error_code_name(found.error().code));
    return *found ? std::string((*found)->text()) : "(none)";
  }
  std::string listed(const std::string& glob = "*", std::size_t limit = 1000, const std::string& cursor = {}) {
    std::string keys;
    const ResultPage page = results().list(cursor, limit, glob).value();
    for (const ResultInfo& info : page.results) keys.append(keys.empty() ? "" : " ").append(info.key);
    return keys + (page.next.empty() ? "" : " ... " + page.next);
  }

  SegmentedStore log_;
};

TEST_F(ResultsTest, AValueComesBackAsItWasPutAlsoAfterAnOpening) {
  const std::vector<float> numbers = {1.5F, -2, 3, 4, 5, 6};
  const auto bytes = std::as_bytes(std::span(numbers));
  const ResultValue tensor{.serializer = "tensor",
                           .bytes = {bytes.begin(), bytes.end()},
                           .tensor = TensorLayout{.dtype = DType::f32, .shape = {2, 3}}};
  ASSERT_TRUE(results().put("t", tensor).ok());
  ASSERT_TRUE(results().put("j", ResultValue::json("{\"a\": [1, null]}")).ok());
  ASSERT_TRUE(results().put("b", text(std::string("\0\xff", 2))).ok());
  for (int opened = 0; opened < 2; ++opened) {
    EXPECT_EQ(results().get("t").value(), tensor);
    EXPECT_EQ(get("j"), "{\"a\": [1, null]}");
    EXPECT_EQ(get("b"), std::string("\0\xff", 2));
    EXPECT_EQ(get("never"), "(none)");
    EXPECT_TRUE(results().has("t").value());
    EXPECT_FALSE(results().has("never").value());
    log_.reopen();
  }
}

TEST_F(ResultsTest, AValueOfWhichAPartIsMissingIsDamagedAndNotAbsent) {
  ASSERT_TRUE(results().put("k", text(random_bytes(4 * MiB, 7))).ok());
  ASSERT_GT(log_.segments().size(), 3u);
  // What describes the content is behind it.
  ASSERT_TRUE(log_.fs().remove_file(log_.file_of(log_.segments().at(1))).ok());
  EXPECT_FALSE(log_.rebuild().empty());
  const auto found = results().get("k");
  ASSERT_FALSE(found.ok());
  EXPECT_EQ(found.error().code, ErrorCode::corruption) << found.error().message;
}

TEST_F(ResultsTest, AValueOfMebibytesIsAValueLikeOthers) {
  const auto large = [](char first) { return text(first + random_bytes(3 * MiB, 7)); };
  ASSERT_TRUE(results().put("large", large('a'), {.experiment = "x", .cost = std::chrono::seconds(1)}).ok());
  ASSERT_TRUE(results().put_async("small", text("1")).ok());
  for (int opened = 0; opened < 2; ++opened) {
    EXPECT_EQ(results().get("large").value(), large('a'));
    EXPECT_EQ(results().info("large").value()->bytes, 3 * MiB + 1);
    EXPECT_EQ(listed(), "large small");
    log_.reopen();
  }
  ASSERT_TRUE(log_.rebuild().empty());
  EXPECT_EQ(results().get("large").value(), large('a'));
  // One that is put in its place is the only one, and what it was is given back.
  ASSERT_TRUE(results().put("large", large('b'), {.cost = std::chrono::seconds(1)}).ok());
  ASSERT_TRUE(log_.store().gc({.max_dead = 0}).ok());
  EXPECT_EQ(results().get("large").value(), large('b'));
  EXPECT_TRUE(log_.store().check({.read_data = true}).value().damaged.empty());
  const EvictReport evicted = results().evict({.budget_bytes = 2 * MiB}).value();
  EXPECT_EQ(evicted.evicted, 1u);
  EXPECT_GT(evicted.evicted_bytes, 3 * MiB);
  EXPECT_EQ(get("large"), "(none)");
  EXPECT_GT(log_.store().gc({.max_dead = 0}).value().freed_bytes, 3 * MiB);
  EXPECT_EQ(get("small"), "1");
}

TEST_F(ResultsTest, AValueAboveTheLimitIsToBePutAsAnObject) {
  const auto refused = results().put("k", text(std::string((64 << 20) + 1, 'x')));
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().code, ErrorCode::invalid_argument);
  EXPECT_NE(refused.error().message.find("as an object"), std::string::npos) << refused.error().message;
}

TEST_F(ResultsTest, WhatAValueClaimsToBeIsChecked) {
  const auto code = [&](ResultValue value) {
    const auto put = results().put("k", std::move(value));
    return put.ok() ? "ok" : error_code_name(put.error().code);
  };
  EXPECT_EQ(code(text("{", "json")), "invalid_argument");
  EXPECT_EQ(code(text("1 2", "json")), "invalid_argument");
  EXPECT_EQ(code(text("x", "pickle")), "unsupported");
  EXPECT_EQ(code(text("x", "tensor")), "invalid_argument");
  ResultValue short_tensor = text("1234", "tensor");
  short_tensor.tensor = TensorLayout{.dtype = DType::f32, .shape = {2}};
  EXPECT_EQ(code(short_tensor), "invalid_argument");
  EXPECT_EQ(get("k"), "(none)");
}

TEST_F(ResultsTest, ASerializerOfTheCallersIsNeededToReadWhatItWrote) {
  const auto even = [](std::span<const std::byte> bytes) -> Status {
    if (bytes.size() % 2 == 0) return {};
    return Error{.code = ErrorCode::invalid_argument, .message = "is odd"};
  };
  ASSERT_TRUE(results().register_serializer("pairs", even).ok());
  EXPECT_FALSE(results().register_serializer("pairs").ok());
  EXPECT_FALSE(results().register_serializer("json").ok());
  EXPECT_FALSE(results().register_serializer("pickle").ok());
  EXPECT_TRUE(results().put("k", text("ab", "pairs")).ok());
  EXPECT_FALSE(results().put("k", text("abc", "pairs")).ok());
  EXPECT_EQ(get("k"), "ab");
  log_.reopen();
  EXPECT_EQ(get("k"), "unsupported");
  EXPECT_EQ(results().info("k").value()->serializer, "pairs");
}

TEST_F(ResultsTest, ABatchIsThereWholeOrNotAtAll) {
  ASSERT_TRUE(results().put_many_async({{"a", text("1")}, {"b", text("2")}}).value().committed().wait().ok());
  EXPECT_FALSE(results().put_many_async({{"c", text("3")}, {"d", text("{", "json")}}).ok());
  const auto found = results().get_many({"a", "b", "c", "d"}).value();
  EXPECT_EQ(found.size(), 2u);
  EXPECT_EQ(found.at("b").text(), "2");
}

TEST_F(ResultsTest, AnUpdateOfAnOlderVersionIsRefused) {
  const std::uint64_t first = results().put("k", text("1")).value();
  const std::uint64_t second = results().put("k", text("2"), {.if_version = first}).value();
  EXPECT_GT(second, first);
  const auto late = results().put("k", text("3"), {.if_version = first});
  ASSERT_FALSE(late.ok());
  EXPECT_EQ(late.error().code, ErrorCode::conflict);
  EXPECT_FALSE(results().put("k", text("3"), {.if_version = 0}).ok());
  EXPECT_EQ(get("k"), "2");
  EXPECT_EQ(results().info("k").value()->version, second);
}

TEST_F(ResultsTest, NamespacesKnowNothingOfEachOther) {
  const std::string odd("a\0b", 3);
  ASSERT_TRUE(results("a").put("k", text("a")).ok());
  ASSERT_TRUE(results(odd).put("k", text("odd")).ok());
  ASSERT_TRUE(results().put("k", text("none")).ok());
  EXPECT_EQ(get("k", "a"), "a");
  EXPECT_EQ(get("k", odd), "odd");
  EXPECT_EQ(get("k"), "none");
  EXPECT_EQ(results("a").clear().value(), 1u);
  EXPECT_EQ(get("k", "a"), "(none)");
  EXPECT_EQ(get("k", odd), "odd");
}

TEST_F(ResultsTest, ListsGoPageByPageAndByGlob) {
  for (const char* key : {"run1/a", "run1/b", "run2/a", "x"}) ASSERT_TRUE(results().put(key, text("v")).ok());
  EXPECT_EQ(listed(), "run1/a run1/b run2/a x");
  EXPECT_EQ(listed("run?/a"), "run1/a run2/a");
  EXPECT_EQ(listed("*1*"), "run1/a run1/b");
  EXPECT_EQ(listed("*", 2), "run1/a run1/b ... run1/b");
  EXPECT_EQ(listed("*", 2, "run1/b"), "run2/a x");
  EXPECT_EQ(listed("", 2), "");
}

TEST_F(ResultsTest, RemovalsSayHowManyThereWere) {
  for (const char* key : {"a1", "a2", "b1", "b2"}) {
    ASSERT_TRUE(results().put(key, text("v"), {.experiment = key[1] == '1' ? "one" : "two"}).ok());
  }
  ASSERT_TRUE(results("other").put("a1", text("v"), {.experiment = "one"}).ok());
  EXPECT_TRUE(results().remove("a1").value());
  EXPECT_FALSE(results().remove("a1").value());
  EXPECT_EQ(results().remove_matching("a*").value(), 1u);
  EXPECT_EQ(results().remove_experiment("one").value(), 1u);
  EXPECT_EQ(listed(), "b2");
  EXPECT_TRUE(results("other").has("a1").value());
  log_.reopen();
  EXPECT_EQ(listed(), "b2");
}

TEST_F(ResultsTest, WhatIsReadIsCountedWithoutAWrite) {
  ASSERT_TRUE(results().put("k", text("v")).ok());
  const std::uint64_t log_bytes = log_.store().writer_stats().log_bytes;
  for (int i = 0; i < 5; ++i) EXPECT_EQ(get("k"), "v");
  EXPECT_EQ(get("never"), "(none)");
  EXPECT_EQ(log_.store().writer_stats().log_bytes, log_bytes);
  EXPECT_EQ(results().info("k").value()->access_count, 5u);
  const ResultCounters counters = results().counters();
  EXPECT_EQ(counters.hits, 5u);
  EXPECT_EQ(counters.misses, 1u);
  log_.reopen();
  EXPECT_EQ(get("k"), "v");
  const ResultInfo info = results().info("k").value().value();
  EXPECT_EQ(info.access_count, 6u);
  const bool dates_jump = std::getenv("CAIRN_TEST_JUMPING_DATE") != nullptr;  // scripts.clock_test runs this too
  if (!dates_jump) {
    EXPECT_GE(info.accessed_ns, info.created_ns);
  }
  EXPECT_TRUE(results().remove("k").value());
  ASSERT_TRUE(results().put("k", text("v")).ok());
  EXPECT_EQ(results().info("k").value()->access_count, 0u);
}

TEST_F(ResultsTest, ANumberIsAddedToByManyAndNothingElseIs) {
  EXPECT_EQ(results().add("n", 5).value(), 5);
  EXPECT_EQ(results().add("n", -7).value(), -2);
  EXPECT_EQ(get("n"), "-2");
  ASSERT_TRUE(results().put("t", text("hello")).ok());
  EXPECT_FALSE(results().add("t", 1).ok());
  EXPECT_EQ(get("t"), "hello");
  ASSERT_TRUE(results().put("max", ResultValue::json("9223372036854775807")).ok());
  EXPECT_FALSE(results().add("max", 1).ok());
  EXPECT_EQ(results().add("max", -1).value(), 9223372036854775806);
}

TEST_F(ResultsTest, GcTakesTheSpaceOfWhatExpired) {
  using std::chrono::nanoseconds;
  ASSERT_TRUE(results().put("gone", text("v"), {.ttl = nanoseconds(1)}).ok());
  ASSERT_TRUE(results().put("stays", text("v"), {.ttl = std::chrono::hours(1)}).ok());
  EXPECT_EQ(get("gone"), "(none)");
  EXPECT_EQ(listed(), "stays");
  ASSERT_TRUE(log_.store().gc().ok());
  EXPECT_FALSE(log_.impl().index().find_entry(EntryKey(EntrySpace::results).text("").rest("gone").bytes()).value());
  EXPECT_EQ(results().counters().expired, 1u);
  const auto left = results().info("stays").value()->time_left;
  ASSERT_TRUE(left);
  EXPECT_LE(*left, std::chrono::hours(1));
  EXPECT_GT(*left, std::chrono::minutes(30));
  EXPECT_EQ(wrong_with_counts(log_.store()), "");
}

TEST_F(ResultsTest, WhatIsInMemoryOnlyIsFoundAndNeverWritten) {
  ASSERT_TRUE(results().put("disk", text("d"), {.experiment = "e"}).ok());
  const std::uint64_t log_bytes = log_.store().writer_stats().log_bytes;
  const std::string large(2 << 20, 'x');
  const std::uint64_t version =
      results()
          .put("memory", text(large), {.ttl = std::chrono::hours(1), .experiment = "e", .memory_only = true})
          .value();
  EXPECT_EQ(get("memory"), large);
  EXPECT_TRUE(results().has("memory").value());
  const ResultInfo info = results().info("memory").value().value();
  EXPECT_TRUE(info.memory_only);
  EXPECT_EQ(info.version, version);
  EXPECT_TRUE(info.time_left);
  EXPECT_FALSE(results().info("disk").value()->memory_only);
  EXPECT_EQ(listed(), "disk memory");
  EXPECT_EQ(listed("*", 1), "disk ... disk");
  EXPECT_EQ(results().counters().memory_only_entries, 1u);
  EXPECT_EQ(results().put("memory", text("y"), {.if_version = 0, .memory_only = true}).error().code,
            ErrorCode::conflict);
  EXPECT_EQ(log_.store().writer_stats().log_bytes, log_bytes);
  log_.reopen();
  EXPECT_EQ(get("memory"), "(none)");
  EXPECT_EQ(listed(), "disk");
}

TEST_F(ResultsTest, TheLastPutIsTheOnlyValueWhereverItIs) {
  const ResultOptions in_memory{.memory_only = true};
  ASSERT_TRUE(results().put("k", text("1")).ok());
  EXPECT_EQ(get("k"), "1");
  const std::uint64_t second = results().put("k", text("2"), in_memory).value();
  EXPECT_EQ(get("k"), "2");
  EXPECT_EQ(listed(), "k");
  EXPECT_EQ(results().info("k").value()->access_count, 0u);
  // What it stood for does not come back when it goes to make room, nor after an opening.
  for (int i = 0; i < 20; ++i) {
    const std::string other = "other" + std::to_string(i);
    ASSERT_TRUE(results().put(other, text(std::string(4 << 20, 'x')), in_memory).ok());
    ASSERT_TRUE(results().has(other).value());
  }
  ASSERT_GT(results().counters().memory_only_evicted, 0u);
  EXPECT_EQ(get("k"), "(none)");
  const std::uint64_t third = results().put("k", text("3"), in_memory).value();
  EXPECT_GT(third, second);
  EXPECT_GT(results().put("k", text("4"), {.if_version = third}).value(), third);
  EXPECT_EQ(get("k"), "4");
  EXPECT_FALSE(results().info("k").value()->memory_only);
  log_.reopen();
  EXPECT_EQ(get("k"), "4");
  ASSERT_TRUE(results().put("k", text("5"), in_memory).ok());
  log_.reopen();
  EXPECT_EQ(get("k"), "(none)");
  EXPECT_EQ(wrong_with_counts(log_.store()), "");
}

TEST_F(ResultsTest, WhatIsInMemoryOnlyIsRemovedAsOthersAre) {
  using std::chrono::nanoseconds;
  const auto put = [&](const std::string& key, std::optional<nanoseconds> ttl = {}) {
    ASSERT_TRUE(results().put(key, text("v"), {.ttl = ttl, .experiment = "e", .memory_only = true}).ok());
  };
  ASSERT_TRUE(results().put("disk", text("v"), {.experiment = "e"}).ok());
  const std::uint64_t log_bytes = log_.store().writer_stats().log_bytes;
  put("a");
  put("b");
  put("gone", nanoseconds(1));
  EXPECT_EQ(get("gone"), "(none)");
  EXPECT_EQ(results().remove_expired().value(), 1u);
  EXPECT_TRUE(results().remove("a").value());
  EXPECT_FALSE(results().remove("a").value());
  EXPECT_EQ(results().remove_matching("b*").value(), 1u);
  EXPECT_EQ(results().counters().memory_only_entries, 0u);
  EXPECT_EQ(log_.store().writer_stats().log_bytes, log_bytes) << "none of them was on the disk";
  put("c");
  EXPECT_EQ(results().remove_experiment("e").value(), 2u);
  EXPECT_EQ(listed(), "");
}

TEST_F(ResultsTest, ANumberStaysInMemoryWhenItIsThere) {
  ASSERT_TRUE(results().put("n", ResultValue::json("1"), {.memory_only = true}).ok());
  EXPECT_EQ(results().add("n", 2).value(), 3);
  EXPECT_TRUE(results().info("n").value()->memory_only);
}

TEST_F(ResultsTest, MemoryForValuesThatAreNotWrittenHasALimit) {
  log_.reopen({.memory_cache_bytes = 4 << 20});
  const auto refused = results().put("k", text(std::string(2 << 20, 'x')), {.memory_only = true});
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().code, ErrorCode::invalid_argument);
  for (int i = 0; i < 100; ++i) {
    ASSERT_TRUE(results().put(std::to_string(i), text(std::string(100'000, 'x')), {.memory_only = true}).ok());
    ASSERT_TRUE(results().has(std::to_string(i)).value());
    ASSERT_TRUE(results().put("disk" + std::to_string(i), text(std::string(100'000, 'x'))).ok());
  }
  const ResultCounters counters = results().counters();
  EXPECT_LE(counters.memory_only_bytes, 2u << 20);
  EXPECT_GT(counters.memory_only_entries, 10u);
  EXPECT_LE(counters.memory_only_bytes + counters.memory_bytes, 4u << 20);
}

TEST_F(ResultsTest, WhatIsEvictedIsGoneForGoodAndTheOthersAreWhole) {
  const auto seconds = [](int n) { return ResultOptions{.cost = std::chrono::seconds(n)}; };
  for (int i = 1; i <= 9; ++i) {
    ASSERT_TRUE(results().put(std::to_string(i), text(std::string(100'000, 'x')), seconds(i)).ok());
  }
  ASSERT_TRUE(results("other").put("1", text(std::string(100'000, 'x')), seconds(1)).ok());
  EXPECT_EQ(results().info("3").value()->cost, std::chrono::seconds(3));
  const EvictReport report = results().evict({.budget_bytes = 600'000}).value();
  EXPECT_EQ(report.evicted, 5u);
  EXPECT_LE(report.bytes, 540'000u);
  EXPECT_GT(report.bytes, 440'000u);
  EXPECT_EQ(listed(), "5 6 7 8 9");
  EXPECT_FALSE(results("other").has("1").value());
  EXPECT_EQ(results().counters().evicted, 5u);
  log_.reopen();
  EXPECT_EQ(listed(), "5 6 7 8 9");
  ASSERT_TRUE(log_.rebuild().empty());
  EXPECT_EQ(listed(), "5 6 7 8 9");
  EXPECT_EQ(wrong_with_counts(log_.store()), "");
}

TEST_F(ResultsTest, AStoreThatIsClosedOrReadOnlySaysSo) {
  ASSERT_TRUE(results().put("k", text("v")).ok());
  Results of_closed = results();
  auto reader =
      StoreImpl::handle(StoreImpl::open(log_.fs(), "store", {.access = Access::read_only, .threads = 2}, {}).value());
  EXPECT_EQ(reader.results().get("k").value()->text(), "v");
  EXPECT_EQ(reader.results().put("k", text("w")).error().code, ErrorCode::invalid_argument);
  ASSERT_TRUE(log_.store().close().ok());
  EXPECT_EQ(of_closed.get("k").error().code, ErrorCode::invalid_argument);
}

}  // namespace
}  // namespace cairn::testing
