// SPDX-License-Identifier: Apache-2.0
//
// What the environment may say about a store, and what it may not.
#include "cairn/environment.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>

#include "tests/support/scratch_folder.h"

namespace cairn::testing {
namespace {

using ::testing::HasSubstr;

class EnvironmentTest : public ::testing::Test {
 protected:
  ~EnvironmentTest() override {
    for (const std::string& name : set_) ::unsetenv(name.c_str());
  }
  void set(const std::string& name, const std::string& value) {
    ::setenv(name.c_str(), value.c_str(), 1);
    set_.push_back(name);
  }

 private:
  std::vector<std::string> set_;
};

TEST_F(EnvironmentTest, WhatItDoesNotSayStaysAsItWas) {
  set("CAIRN_MEMORY_CACHE_BYTES", "");
  const auto options = options_from_environment({.threads = 3, .memory_cache_bytes = 77});
  ASSERT_TRUE(options.ok()) << options.error().message;
  EXPECT_EQ(options->threads, 3u);
  EXPECT_EQ(options->memory_cache_bytes, 77u);
  EXPECT_EQ(store_path_from_environment("here"), "here");
}

TEST_F(EnvironmentTest, EveryVariableMeansItsOption) {
  set("CAIRN_STORE", "/data/store");
  set("CAIRN_THREADS", "5");
  set("CAIRN_NICE", "7");
  set("CAIRN_DISK_BUDGET_BYTES", "3T");
  set("CAIRN_MEMORY_CACHE_BYTES", "128M");
  set("CAIRN_RESULTS_PENDING_BYTES", "5000");
  set("CAIRN_WRITER_BUDGET_BYTES", "1G");
  set("CAIRN_WRITER_LINGER_US", "250");
  set("CAIRN_METRICS_FLUSH_ROWS", "1000");
  set("CAIRN_METRICS_FLUSH_MS", "1500");
  const auto options = options_from_environment();
  ASSERT_TRUE(options.ok()) << options.error().message;
  EXPECT_EQ(store_path_from_environment("here"), "/data/store");
  EXPECT_EQ(options->threads, 5u);
  EXPECT_EQ(options->nice, 7);
  EXPECT_EQ(options->disk_budget_bytes, 3ull << 40);
  EXPECT_EQ(options->memory_cache_bytes, 128ull << 20);
  EXPECT_EQ(options->results_pending_bytes, 5000u);
  EXPECT_EQ(options->writer.budget_bytes, 1ull << 30);
  EXPECT_EQ(options->writer.linger, std::chrono::microseconds(250));
  EXPECT_EQ(options->metrics.flush_rows, 1000u);
  EXPECT_EQ(options->metrics.flush_interval, std::chrono::milliseconds(1500));
}

TEST_F(EnvironmentTest, WhatCannotBeMeantIsAnErrorThatNamesTheVariable) {
  for (const char* value :
       {"64 M", "-1", "1.5G", "M", "64MB", "0x10", "64m", "99999999999999999999", "8388608T", " 1"}) {
    set("CAIRN_MEMORY_CACHE_BYTES", value);
    const auto options = options_from_environment();
    ASSERT_FALSE(options.ok()) << value;
    EXPECT_EQ(options.error().code, ErrorCode::invalid_argument);
    EXPECT_THAT(options.error().message, HasSubstr("CAIRN_MEMORY_CACHE_BYTES"));
  }
  set("CAIRN_MEMORY_CACHE_BYTES", "1M");
  for (const char* value : {"20", "1K"}) {
    set("CAIRN_NICE", value);
    EXPECT_FALSE(options_from_environment().ok()) << value;
  }
}

TEST_F(EnvironmentTest, TheMemoryTierHoldsWhatItIsTold) {
  const ScratchFolder folder;
  auto store = Store::open(folder / "store", {.mode = OpenMode::create, .memory_cache_bytes = 1 << 20});
  ASSERT_TRUE(store.ok()) << store.error().message;
  Results results = store->results("r");
  for (int i = 0; i < 200; ++i) {
    ASSERT_TRUE(results.put("key " + std::to_string(i), ResultValue::json("\"" + std::string(1000, 'x') + "\"")).ok());
  }
  EXPECT_GT(results.counters().memory_bytes, 100'000u);
  ASSERT_TRUE(store->set_memory_cache_bytes(32'000).ok());
  EXPECT_LE(results.counters().memory_bytes, 32'000u);
  ASSERT_TRUE(results.get("key 7")->has_value());
  ASSERT_TRUE(store->set_memory_cache_bytes(1 << 20).ok());
  for (int i = 0; i < 200; ++i) EXPECT_TRUE(results.get("key " + std::to_string(i))->has_value());
  EXPECT_GT(results.counters().memory_bytes, 100'000u);
  ASSERT_TRUE(store->close().ok());
  EXPECT_FALSE(store->set_memory_cache_bytes(0).ok());
}

}  // namespace
}  // namespace cairn::testing
