// SPDX-License-Identifier: Apache-2.0
//
// Results that are saved with a checkpoint: one commit with it, in the order of all other writes.
#include <gtest/gtest.h>

#include <map>
#include <optional>
#include <thread>

#include "cairn/checkpoints.h"
#include "tests/store/objects_fixture.h"
#include "tests/support/store_scenario.h"

namespace cairn::testing {
namespace {

class CheckpointResultsTest : public ObjectsTest {
 protected:
  Ticket save(std::uint64_t generation, std::vector<CheckpointResult> results) {
    const std::string text = "generation " + std::to_string(generation);
    return store_.checkpoints("run").save(generation, {{.bytes = std::as_bytes(std::span(text)), .name = "text"}},
                                          {.results = std::move(results)});
  }
  std::string result(const std::string& key) {
    const auto value = store_.results("eval").get(key);
    EXPECT_TRUE(value.ok()) << value.error().message;
    return value.ok() && *value ? std::string((*value)->text()) : "none";
  }
  std::uint64_t generations() {
    const auto stats = store_.checkpoints("run").stats();
    EXPECT_TRUE(stats.ok());
    return stats.ok() ? stats->count : 0;
  }
  // Forgets the index: what the log says alone counts.
  void rebuild() {
    ASSERT_TRUE(store_.close().ok());
    ASSERT_TRUE(Store::rebuild_index(folder_.path().string() + "/store").ok());
    store_ = open({});
  }
  static CheckpointResult number(const std::string& key, std::uint64_t value, ResultOptions options = {}) {
    return {.name_space = "eval",
            .key = key,
            .value = ResultValue::json(std::to_string(value)),
            .options = std::move(options)};
  }
};

TEST_F(CheckpointResultsTest, TheyAreThereWithTheCheckpointAndAfterOpeningAgain) {
  ASSERT_TRUE(save(1, {number("loss", 10), number("steps", 400, {.experiment = "run"})}).committed().wait().ok());
  EXPECT_EQ(result("loss"), "10");
  EXPECT_EQ(result("steps"), "400");
  EXPECT_EQ(store_.results("eval").info("steps")->value().experiment, "run");
  ASSERT_TRUE(store_.close().ok());
  store_ = open({});
  EXPECT_EQ(result("loss"), "10");
  EXPECT_EQ(generations(), 1u);
  EXPECT_TRUE(store_.check({.read_data = true})->damaged.empty());
}

TEST_F(CheckpointResultsTest, AConditionThatDoesNotHoldKeepsTheCheckpointOutAndTheWriterGoesOn) {
  ASSERT_TRUE(save(1, {number("loss", 10, {.if_version = 0})}).committed().wait().ok());
  const Status refused = save(2, {number("other", 1), number("loss", 20, {.if_version = 0})}).committed().wait();
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().code, ErrorCode::conflict) << refused.error().message;
  EXPECT_EQ(generations(), 1u);
  EXPECT_EQ(result("loss"), "10");
  EXPECT_EQ(result("other"), "none");
  const std::uint64_t version = store_.results("eval").info("loss")->value().version;
  ASSERT_TRUE(save(3, {number("loss", 30, {.if_version = version})}).committed().wait().ok());
  EXPECT_EQ(result("loss"), "30");
  EXPECT_EQ(generations(), 2u);
}

TEST_F(CheckpointResultsTest, WhatIsWrongWithThemIsSaidByTheTicketAndNothingIsSaved) {
  const auto code_of = [&](std::vector<CheckpointResult> results) {
    const Status status = save(1, std::move(results)).committed().wait();
    return status.ok() ? std::optional<ErrorCode>() : status.error().code;
  };
  EXPECT_EQ(code_of({number("", 1)}), ErrorCode::invalid_argument);
  EXPECT_EQ(code_of({number("k", 1, {.memory_only = true})}), ErrorCode::invalid_argument);
  EXPECT_EQ(code_of({number("twice", 1), number("twice", 2)}), ErrorCode::invalid_argument);
  EXPECT_EQ(code_of({{.key = "k", .value = {.serializer = "unheard of"}}}), ErrorCode::unsupported);
  EXPECT_EQ(code_of({{.key = "k", .value = ResultValue::json("{")}}), ErrorCode::invalid_argument);
  EXPECT_EQ(generations(), 0u);
}

TEST_F(CheckpointResultsTest, WhatWasAcceptedBeforeThemIsInTheLogBeforeThem) {
  ASSERT_TRUE(store_.results("eval").put_async("loss", ResultValue::json("1"), {.durability = Durability::lazy}).ok());
  ASSERT_TRUE(save(1, {number("loss", 2)}).committed().wait().ok());
  ASSERT_TRUE(store_.sync().ok());
  EXPECT_EQ(result("loss"), "2");
  rebuild();
  EXPECT_EQ(result("loss"), "2");
}

TEST_F(CheckpointResultsTest, SavesOfOneTurnRelyOnEachOthersResults) {
  std::vector<Ticket> tickets;
  for (std::uint64_t i = 0; i < 8; ++i) tickets.push_back(save(i, {number("once", i, {.if_version = 0})}));
  std::size_t saved = 0;
  for (const Ticket& ticket : tickets) {
    const Status status = ticket.committed().wait();
    saved += status.ok() ? 1 : 0;
    if (!status.ok()) {
      EXPECT_EQ(status.error().code, ErrorCode::conflict);
    }
  }
  EXPECT_EQ(saved, 1u);
  EXPECT_EQ(result("once"), "0");
  EXPECT_EQ(generations(), 1u);
}

TEST_F(CheckpointResultsTest, TheyMayBeLargerThanAFileOfTheLog) {
  ASSERT_TRUE(store_.close().ok());
  auto made = Store::open(folder_ / "small", {.mode = OpenMode::create,
                                              .create = {.block_bytes = 64 * 1024, .segment_bytes = 1024 * 1024}});
  ASSERT_TRUE(made.ok()) << made.error().message;
  store_ = std::move(made).value();
  std::vector<CheckpointResult> large;
  for (int i = 0; i < 12; ++i) {
    large.push_back({.name_space = "eval",
                     .key = "large " + std::to_string(i),
                     .value = ResultValue::json('"' + std::string(900'000, static_cast<char>('a' + i)) + '"')});
  }
  ASSERT_TRUE(save(1, large).committed().wait().ok());
  ASSERT_TRUE(save(2, {number("loss", 1)}).committed().wait().ok());
  ASSERT_TRUE(store_.close().ok());
  ASSERT_TRUE(Store::rebuild_index(folder_ / "small").ok());
  auto again = Store::open(folder_ / "small");
  ASSERT_TRUE(again.ok()) << again.error().message;
  store_ = std::move(again).value();
  EXPECT_EQ(generations(), 2u);
  for (const CheckpointResult& one : large) EXPECT_EQ(result(one.key), one.value.text());
}

// Writes of one key are in the log in the order in which they were accepted, whoever brings them:
// a reader that opens the store sees what this one sees.
TEST_F(CheckpointResultsTest, BesideOtherWritesOfTheSameKeysTheLastOneAcceptedStays) {
  constexpr std::uint64_t kRounds = 60;
  std::vector<std::thread> writers;
  for (int t = 0; t < 3; ++t) {
    writers.emplace_back([this, t] {
      Results results = store_.results("eval");
      for (std::uint64_t i = 0; i < kRounds; ++i) {
        const std::string key = "key " + std::to_string(i % 4);
        const ResultValue value = ResultValue::json(std::to_string(1000 * (t + 1) + static_cast<int>(i)));
        if (t == 0) {
          EXPECT_TRUE(results.put(key, value).ok());
        } else {
          EXPECT_TRUE(results.put_async(key, value).ok());
        }
      }
    });
  }
  std::vector<Ticket> tickets;
  for (std::uint64_t i = 0; i < kRounds; ++i) tickets.push_back(save(i, {number("key " + std::to_string(i % 4), i)}));
  for (std::thread& writer : writers) writer.join();
  for (const Ticket& ticket : tickets) EXPECT_TRUE(ticket.committed().wait().ok());
  std::map<std::string, std::string> seen;
  for (int k = 0; k < 4; ++k) seen["key " + std::to_string(k)] = result("key " + std::to_string(k));
  rebuild();
  for (const auto& [key, value] : seen) EXPECT_EQ(result(key), value) << key;
  EXPECT_EQ(generations(), kRounds);
}

}  // namespace
}  // namespace cairn::testing
