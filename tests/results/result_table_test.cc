// SPDX-License-Identifier: Apache-2.0
#include "engine/results/result_table.h"

#include <gtest/gtest.h>

#include <thread>
#include <vector>

#include "engine/results/entry_key.h"
#include "engine/results/store_time.h"
#include "tests/results/hooked_entry_store.h"
#include "tests/results/memory_entry_store.h"

namespace cairn {
namespace {

using std::chrono::seconds;

ResultValue value(std::string_view text) { return ResultValue::json(text); }

class ResultTableTest : public ::testing::Test {
 protected:
  void put(const std::string& key, std::string_view text, const ResultOptions& options = {}) {
    const auto written = table_.put("", {{key, value(text)}}, options);
    ASSERT_TRUE(written.ok()) << written.error().message;
  }
  std::string get(const std::string& key) {
    const auto found = table_.get("", key).value();
    return found ? std::string(found->text()) : "(none)";
  }
  void pass(seconds time) { entries_.time_ns += static_cast<std::uint64_t>(std::chrono::nanoseconds(time).count()); }

  MemoryEntryStore entries_;
  ResultTable table_{entries_};
};

TEST_F(ResultTableTest, AValueIsGoneWhenItsTimeIsOver) {
  put("k", "1", {.ttl = seconds(10)});
  pass(seconds(9));
  EXPECT_EQ(get("k"), "1");
  EXPECT_EQ(table_.info("", "k").value()->time_left, seconds(1));
  pass(seconds(1));
  EXPECT_EQ(get("k"), "(none)");
  EXPECT_FALSE(table_.has("", "k").value());
  EXPECT_FALSE(table_.info("", "k").value());
  EXPECT_EQ(table_.remove("", "k").value(), 0u) << "nobody had it any more";
}

TEST_F(ResultTableTest, APutBeginsTheTimeAnewAndOneWithoutItHasNone) {
  put("k", "1", {.ttl = seconds(10)});
  pass(seconds(9));
  put("k", "2", {.ttl = seconds(10)});
  pass(seconds(9));
  EXPECT_EQ(get("k"), "2");
  put("k", "3");
  pass(seconds(1'000));
  EXPECT_EQ(get("k"), "3");
  EXPECT_FALSE(table_.info("", "k").value()->time_left);
  EXPECT_EQ(table_.remove_expired().value(), 0u);
}

TEST_F(ResultTableTest, OnlyWhatExpiredIsRemovedForIt) {
  for (int i = 0; i < 100; ++i) put(std::to_string(i), "1", {.ttl = seconds(i + 1)});
  pass(seconds(40));
  EXPECT_EQ(table_.remove_expired().value(), 40u);
  EXPECT_EQ(table_.remove_expired().value(), 0u);
  EXPECT_EQ(table_.counters().expired, 40u);
  EXPECT_EQ(get("39"), "(none)");
  EXPECT_EQ(get("40"), "1");
  EXPECT_FALSE(table_.put("", {{"k", value("1")}}, {.ttl = seconds(0)}).ok());
}

TEST_F(ResultTableTest, ANumberThatExpiresKeepsItsTimeAndBeginsAgainAfterIt) {
  put("n", "5", {.ttl = seconds(10)});
  pass(seconds(5));
  EXPECT_EQ(table_.add("", "n", 2).value(), 7);
  EXPECT_EQ(table_.info("", "n").value()->time_left, seconds(5));
  pass(seconds(5));
  EXPECT_EQ(table_.add("", "n", 2).value(), 2);
  EXPECT_FALSE(table_.info("", "n").value()->time_left);
}

TEST_F(ResultTableTest, WhatIsPutAgainWhileTheExpiredGoStays) {
  HookedEntryStore hooked(entries_);
  ResultTable table(hooked);
  put("k", "1", {.ttl = seconds(10)});
  put("other", "1", {.ttl = seconds(10)});
  pass(seconds(11));
  // Between the look at what has expired and its removal.
  hooked.before_write = [&](const auto&) -> std::optional<Error> {
    hooked.before_write = {};
    put("k", "2", {.ttl = seconds(10)});
    return {};
  };
  EXPECT_EQ(table.remove_expired().value(), 1u);
  EXPECT_EQ(get("k"), "2");
  EXPECT_EQ(get("other"), "(none)");
}

TEST_F(ResultTableTest, AValueWhoseContentIsGoneIsDamagedAndNotAbsent) {
  HookedEntryStore hooked(entries_);
  ResultTable table(hooked);
  put("k", '"' + std::string(kEntryValueBytesMax, 'v') + '"');
  hooked.loses_content = true;
  const auto found = table.get("", "k");
  ASSERT_FALSE(found.ok());
  EXPECT_EQ(found.error().code, ErrorCode::corruption) << found.error().message;
}

TEST_F(ResultTableTest, AReadWhileItIsRemovedIsNoneOfWhatIsPutInItsPlace) {
  HookedEntryStore hooked(entries_);
  ResultTable table(hooked);
  put("k", "1");
  hooked.before_write = [&](const auto&) -> std::optional<Error> {
    hooked.before_write = {};
    EXPECT_TRUE(table.get("", "k").value());
    return {};
  };
  EXPECT_EQ(table.remove("", "k").value(), 1u);
  put("k", "2");
  EXPECT_EQ(table.info("", "k").value()->access_count, 0u);
}

TEST_F(ResultTableTest, WhatGoesToAnotherExperimentMeanwhileStays) {
  HookedEntryStore hooked(entries_);
  ResultTable table(hooked);
  put("k", "1", {.experiment = "one"});
  put("other", "1", {.experiment = "one"});
  hooked.before_write = [&](const auto&) -> std::optional<Error> {
    hooked.before_write = {};
    put("k", "2", {.experiment = "two"});
    return {};
  };
  EXPECT_EQ(table.remove_experiment("", "one").value(), 1u);
  EXPECT_EQ(get("k"), "2");
  EXPECT_EQ(get("other"), "(none)");
}

TEST_F(ResultTableTest, OneThatHasExpiredIsNoneForWhoeverPutsTheFirst) {
  put("k", "1", {.ttl = seconds(10)});
  EXPECT_EQ(table_.put("", {{"k", value("2")}}, {.if_version = 0}).error().code, ErrorCode::conflict);
  pass(seconds(10));
  EXPECT_TRUE(table_.put("", {{"k", value("2")}}, {.if_version = 0}).ok());
  EXPECT_EQ(table_.put("", {{"k", value("3")}}, {.if_version = 0}).error().code, ErrorCode::conflict);
  EXPECT_EQ(get("k"), "2");
}

TEST_F(ResultTableTest, ThreadsThatAddLoseNothingFromTheFirstOn) {
  for (int round = 0; round < 50; ++round) {
    const std::string key = "n" + std::to_string(round);
    // Half of them begin with one that has expired.
    if (round % 2 == 0) {
      put(key, "100", {.ttl = seconds(1)});
      pass(seconds(1));
    }
    std::vector<std::thread> threads;
    for (int t = 0; t < 4; ++t) {
      threads.emplace_back([&] {
        for (int i = 0; i < 5; ++i) EXPECT_TRUE(table_.add("", key, 1).ok());
      });
    }
    for (auto& thread : threads) thread.join();
    ASSERT_EQ(get(key), "20") << round;
  }
}

TEST_F(ResultTableTest, HostileBytesAreNamed) {
  put("k", "{\"a\":1}", {.ttl = seconds(10), .experiment = "e"});
  const std::string key = EntryKey(EntrySpace::results).text("").rest("k").bytes();
  const std::string good = entries_.find(key).value()->value;
  for (std::size_t size = 0; size < good.size(); ++size) {
    ASSERT_TRUE(entries_.write({{.key = key, .value = good.substr(0, size)}}, {}).ok());
    const auto found = table_.get("", "k");
    ASSERT_FALSE(found.ok()) << size;
    EXPECT_EQ(found.error().code, ErrorCode::corruption) << size;
    EXPECT_NE(found.error().message.find("offset"), std::string::npos) << found.error().message;
  }
  std::string newer = good;
  newer[0] = 4;
  EXPECT_EQ(decode_result(newer).error().code, ErrorCode::unsupported);
  EXPECT_FALSE(decode_result(good + "x").ok());
  const ResultEnvelope envelope = decode_result(good).value();
  EXPECT_EQ(encode(envelope), good);
  // A value that is no JSON any more was not written by that serializer.
  std::string broken = good;
  broken.back() = '{';
  ASSERT_TRUE(entries_.write({{.key = key, .value = broken}}, {}).ok());
  EXPECT_EQ(table_.get("", "k").error().code, ErrorCode::corruption);
}

TEST_F(ResultTableTest, NothingIsTakenForJsonByItsBeginning) {
  for (const std::string_view text :
       {std::string_view("{}\0{", 4), std::string_view("{}\0", 3), std::string_view("\xef\xbb\xbf{}"),
        std::string_view("{} x"), std::string_view("")}) {
    const auto refused = table_.put("", {{"k", value(text)}}, {});
    ASSERT_FALSE(refused.ok()) << text;
    EXPECT_EQ(refused.error().code, ErrorCode::invalid_argument) << text;
  }
  EXPECT_FALSE(table_.get("", "k").value().has_value());
}

TEST_F(ResultTableTest, CountsAreWrittenManyAtOnce) {
  put("k", "1");
  const std::uint64_t before = entries_.writes();
  for (int i = 0; i < 100; ++i) EXPECT_EQ(get("k"), "1");
  EXPECT_EQ(entries_.writes(), before);
  ASSERT_TRUE(table_.flush_accesses().ok());
  EXPECT_EQ(entries_.writes(), before + 1);
  EXPECT_EQ(get("k"), "1");
  EXPECT_EQ(table_.info("", "k").value()->access_count, 101u);
  ASSERT_TRUE(table_.flush_accesses().ok());
  EXPECT_EQ(table_.info("", "k").value()->access_count, 101u);
}

TEST(GlobTest, StarsAndQuestionMarks) {
  EXPECT_TRUE(matches_glob("*", ""));
  EXPECT_TRUE(matches_glob("a*c", "abbc"));
  EXPECT_TRUE(matches_glob("a*c", "ac"));
  EXPECT_TRUE(matches_glob("*a*b*", "xxaxxbxx"));
  EXPECT_TRUE(matches_glob("a?c", "a/c"));
  EXPECT_FALSE(matches_glob("a?c", "ac"));
  EXPECT_FALSE(matches_glob("a*c", "abcd"));
  EXPECT_FALSE(matches_glob("", "a"));
  EXPECT_TRUE(matches_glob("", ""));
  // Hostile: no more than the product of the lengths.
  EXPECT_FALSE(matches_glob(std::string(1000, '*') + "b", std::string(10'000, 'a')));
}

class StoreTimeTest : public ::testing::Test {
 protected:
  StoreTime open(std::uint64_t boot, const std::optional<StoreClock>& known) {
    return StoreTime({.boot = boot, .now_ns = [this] { return machine_ns_; }}, known);
  }
  std::uint64_t machine_ns_ = 1'000;
};

TEST_F(StoreTimeTest, GoesOnInTheSameRunOfTheMachine) {
  StoreTime first = open(1, {});
  EXPECT_EQ(first.now_ns(), 0u);
  machine_ns_ += 50;
  const StoreClock known = first.now();
  EXPECT_EQ(known.store_time_ns, 50u);
  machine_ns_ += 7;  // nobody has the store open
  StoreTime second = open(1, known);
  EXPECT_EQ(second.now_ns(), 57u);
}

TEST_F(StoreTimeTest, GoesOnWhereItWasInAnotherRunOfTheMachine) {
  StoreTime first = open(1, {});
  machine_ns_ += 50;
  const StoreClock known = first.now();
  machine_ns_ = 3;
  StoreTime second = open(2, known);
  EXPECT_EQ(second.now_ns(), 50u);
  machine_ns_ += 10;
  EXPECT_EQ(second.now_ns(), 60u);
}

TEST_F(StoreTimeTest, NeverGoesBackwardsWhateverTheMachineSays) {
  StoreTime time = open(1, {});
  machine_ns_ += 50;
  EXPECT_EQ(time.now_ns(), 50u);
  machine_ns_ -= 20;
  EXPECT_EQ(time.now_ns(), 50u);
  machine_ns_ = 0;
  EXPECT_EQ(time.now_ns(), 50u);
  // A clock of the same run that is behind what was known is taken for one that begins anew.
  StoreTime after = open(1, StoreClock{.store_time_ns = 50, .boot = 1, .boot_time_ns = 1'050});
  EXPECT_EQ(after.now_ns(), 50u);
}

}  // namespace
}  // namespace cairn
