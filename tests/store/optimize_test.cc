// SPDX-License-Identifier: Apache-2.0
//
// Encoding what is there again: it gets smaller, and stays what it is.
#include <gtest/gtest.h>

#include <atomic>
#include <thread>

#include "tests/support/gc_scenario.h"
#include "tests/support/sim_file_system.h"
#include "tests/support/store_scenario.h"

namespace cairn::testing {
namespace {

constexpr char kStore[] = "store";

// Compressible, and no two alike.
std::string text_of(std::uint64_t seed, std::size_t bytes) {
  const std::string noise = random_bytes(bytes / 8, seed);
  std::string text;
  for (const char c : noise) {
    const auto value = static_cast<unsigned char>(c);
    text += "step " + std::to_string(value % 16) + (value > 99 ? " loss " : " rate ");
  }
  text.resize(bytes);
  return text;
}

class OptimizeTest : public ::testing::Test {
 protected:
  // Written in haste.
  void prepare(FileSystem& fs) {
    ASSERT_TRUE(StoreImpl::create(fs, kStore, kSmallStore).ok());
    Store store = open(fs);
    for (std::size_t i = 0; i < 12; ++i) {
      const std::string value = i % 4 == 3 ? random_bytes(90'000, i) : text_of(i, 150'000);
      put(store, value, {});
    }
    put(store, bf16_weights(60'000, 9), TensorLayout{.dtype = DType::bf16, .shape = {60'000}});
    write_file(inputs_ / "a", text_of(100, 400'000));
    write_file(inputs_ / "b", text_of(101, 300'000));
    ASSERT_TRUE(store.archive().add({inputs_ / "a"}, {.name = "a", .codec = Codec::none}).ok());
    ASSERT_TRUE(store.archive().add({inputs_ / "b"}, {.name = "b", .codec = Codec::none}).ok());
    ASSERT_TRUE(store.close().ok());
  }
  void put(Store& store, const std::string& value, std::optional<TensorLayout> tensor) {
    const auto id = store.put({.bytes = std::as_bytes(std::span(value)), .tensor = std::move(tensor)});
    ASSERT_TRUE(id.ok()) << id.error().message;
    values_[*id] = value;
  }
  static Store open(FileSystem& fs) {
    return StoreImpl::handle(StoreImpl::open(fs, kStore, {.threads = 2, .codec = Codec::none}, {}).value());
  }
  std::string wrong_with(Store& store) {
    for (const auto& [id, value] : values_) {
      const auto found = store.get(id);
      if (!found.ok()) return id + ": " + found.error().message;
      if (!std::ranges::equal(*found, std::as_bytes(std::span(value)))) return id + " has other content";
    }
    for (const char* name : {"a", "b"}) {
      const auto files = read_version(store, name);
      if (!files.ok()) return name + (": " + files.error().message);
      if (files->begin()->second != read_file(inputs_ / name)) return std::string(name) + " has other content";
    }
    return wrong_with_counts(store);
  }

  SimFileSystem fs_;
  ScratchFolder inputs_;
  std::map<std::string, std::string> values_;  // by id
};

TEST_F(OptimizeTest, WhatIsThereGetsSmallerAndStaysWhatItIs) {
  prepare(fs_);
  Store store = open(fs_);
  const StoreStats before = store.stats().value();
  const auto planned = store.optimize({.dry_run = true});
  ASSERT_TRUE(planned.ok()) << planned.error().message;
  EXPECT_EQ(store.stats()->dead_bytes, before.dead_bytes);
  const auto report = store.optimize();
  ASSERT_TRUE(report.ok()) << report.error().message;
  EXPECT_EQ(report->before_bytes, before.stored_bytes);
  EXPECT_LT(report->after_bytes, report->before_bytes / 2);
  EXPECT_EQ(planned->after_bytes, report->after_bytes);
  EXPECT_EQ(planned->rewritten_blocks, report->rewritten_blocks);
  const StoreStats after = store.stats().value();
  EXPECT_EQ(after.stored_bytes, report->after_bytes);
  EXPECT_EQ(after.blocks, before.blocks);
  EXPECT_EQ(after.unique_bytes, before.unique_bytes);
  EXPECT_GT(after.blocks_by_codec.at("float_split"), 0u) << "floats are known to be such";
  EXPECT_GE(after.dead_bytes, report->before_bytes - report->after_bytes);
  EXPECT_EQ(wrong_with(store), "");

  const auto again = store.optimize();
  ASSERT_TRUE(again.ok());
  EXPECT_EQ(again->rewritten_blocks, 0u);
  EXPECT_EQ(again->after_bytes, report->after_bytes);
  ASSERT_TRUE(store.gc({.max_dead = 0}).ok());
  EXPECT_LT(store.stats()->log_bytes, before.log_bytes * 2 / 3);
  EXPECT_EQ(wrong_with(store), "");
  ASSERT_TRUE(store.close().ok());
  // And by the log alone.
  ASSERT_TRUE(StoreImpl::rebuild_index(fs_, kStore, {}).ok());
  store = open(fs_);
  EXPECT_EQ(store.stats()->stored_bytes, report->after_bytes);
  EXPECT_EQ(wrong_with(store), "");
}

TEST_F(OptimizeTest, ANameMeansItsBlocksAlone) {
  prepare(fs_);
  Store store = open(fs_);
  const auto report = store.optimize({.name = "a"});
  ASSERT_TRUE(report.ok()) << report.error().message;
  EXPECT_EQ(report->before_bytes, 400'000u);
  EXPECT_EQ(report->rewritten_blocks, report->blocks);
  EXPECT_EQ(store.optimize({.name = "a@1"})->rewritten_blocks, 0u);
  EXPECT_EQ(store.optimize({.name = "b", .dry_run = true})->before_bytes, 300'000u);
  EXPECT_EQ(store.optimize({.name = "a@2"}).error().code, ErrorCode::not_found);
  EXPECT_EQ(store.optimize({.name = "c"}).error().code, ErrorCode::not_found);
  EXPECT_EQ(store.optimize({.level = 0}).error().code, ErrorCode::invalid_argument);
  EXPECT_EQ(store.optimize({.level = 20}).error().code, ErrorCode::invalid_argument);
  EXPECT_EQ(wrong_with(store), "");
}

TEST_F(OptimizeTest, WhatIsDamagedIsNamedAndLeft) {
  prepare(fs_);
  ASSERT_TRUE(fs_.flip_bit("store/log/00000001.seg", 60'000, 3).ok());
  Store store = open(fs_);
  const auto report = store.optimize();
  ASSERT_TRUE(report.ok()) << report.error().message;
  ASSERT_EQ(report->damaged.size(), 1u);
  EXPECT_GT(report->rewritten_blocks, 10u);
  const auto check = store.check({.read_data = true});
  ASSERT_EQ(check->damaged.size(), 1u) << "it does not spread";
  EXPECT_EQ(check->damaged.front().id, report->damaged.front());
}

TEST_F(OptimizeTest, OthersPutAndRemoveMeanwhile) {
  prepare(fs_);
  Store store = open(fs_);
  std::atomic<bool> done = false;
  std::thread other([&] {
    for (std::uint64_t i = 0; !done; ++i) {
      const std::string value = text_of(1000 + i, 80'000);
      const auto id = store.put({.bytes = std::as_bytes(std::span(value))});
      ASSERT_TRUE(id.ok());
      if (i % 2 == 0) {
        ASSERT_TRUE(store.remove(*id).value());
      }
      if (i % 8 == 0) {
        ASSERT_TRUE(store.gc({.max_dead = 0}).ok());
      }
    }
  });
  for (int i = 0; i < 4; ++i) {
    const auto report = store.optimize({.level = 1 + 4 * i});
    EXPECT_TRUE(report.ok()) << report.error().message;
  }
  done = true;
  other.join();
  EXPECT_EQ(wrong_with(store), "");
}

TEST_F(OptimizeTest, ACutAnywhereIsHarmless) {
  prepare(fs_);
  const auto run = [&](FileSystem& fs) -> Status {
    CAIRN_TRY(auto impl, StoreImpl::open(fs, kStore, {.threads = 2, .codec = Codec::none}, {}));
    Store store = StoreImpl::handle(std::move(impl));
    CAIRN_TRY(const OptimizeReport report, store.optimize({.level = 3}));
    return store.close();
  };
  const auto whole = fs_.survivor(1, Loss::keep_all);
  const std::uint64_t before = whole->write_calls();
  ASSERT_TRUE(run(*whole).ok());
  const std::uint64_t calls = whole->write_calls() - before;
  const std::size_t cuts = std::min<std::size_t>(scaled(12, calls), calls);
  std::size_t failed = 0;
  for (std::size_t cut = 0; cut < cuts; ++cut) {
    const std::uint64_t at = 1 + cut * calls / cuts;
    SCOPED_TRACE("cut at " + std::to_string(at));
    const auto machine = fs_.survivor(1, Loss::keep_all);
    machine->crash_at(at);
    // What a writer cleans up behind itself may fail.
    failed += run(*machine).ok() ? 0 : 1;
    machine->power_loss(at, kLosses[cut % std::size(kLosses)]);
    {
      Store store = open(*machine);
      ASSERT_EQ(wrong_with(store), "");
      ASSERT_TRUE(store.close().ok());
    }
    ASSERT_TRUE(run(*machine).ok());
    Store store = open(*machine);
    ASSERT_EQ(wrong_with(store), "");
    EXPECT_EQ(store.optimize({.level = 3})->rewritten_blocks, 0u);
  }
  EXPECT_GE(failed + 3, cuts);
}

}  // namespace
}  // namespace cairn::testing
