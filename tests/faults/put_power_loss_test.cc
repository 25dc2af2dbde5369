// SPDX-License-Identifier: Apache-2.0
//
// Power is cut at every write-side call while four threads put values: what was acknowledged
// as synced is there, what was put together is there together or not at all, and of the rest
// a suffix is lost.
#include "tests/support/put_scenario.h"
#include "tests/support/sim_file_system.h"
#include "tests/support/store_scenario.h"

namespace cairn::testing {
namespace {

std::uint64_t write_calls_of(PutScenario& scenario) {
  SimFileSystem fs;
  const auto outcome = scenario.run(fs, "store");
  EXPECT_TRUE(outcome.status.ok()) << outcome.status.error().message;
  return fs.write_calls();
}

TEST(PutPowerLossTest, EveryAcknowledgedPutSurvivesACutAtAnyCall) {
  PutScenario scenario;
  const std::uint64_t seed = test_seed(11);
  const std::uint64_t calls = write_calls_of(scenario);
  ASSERT_GT(calls, 50u);
  const std::size_t states = scaled(1, 5);
  const std::size_t step = scaled(5, 1);
  // Threads meet in other ways each time.
  const std::size_t rounds = scaled(1, 3);
  std::size_t checked = 0, acknowledged = 0;
  for (std::uint64_t at = 0; at < rounds * calls; at += step) {
    const std::uint64_t crash_at = 1 + at % calls;
    const Watchdog watchdog("cut at call " + std::to_string(crash_at));
    SimFileSystem fs({.seed = seed + at});
    scenario.forget_acknowledged();
    fs.crash_at(crash_at);
    const auto outcome = scenario.run(fs, "store");
    ASSERT_EQ(outcome.broken, "") << "CAIRN_TEST_SEED=" << seed << " crash at call " << crash_at;
    acknowledged += scenario.acknowledged();
    for (const Loss loss : kLosses) {
      for (std::size_t i = 0; i < states; ++i) {
        const auto survivor = fs.survivor(seed * 1000 + at + i, loss);
        const std::string wrong = scenario.what_is_wrong(*survivor, "store");
        ASSERT_EQ(wrong, "") << "CAIRN_TEST_SEED=" << seed << " crash at call " << crash_at << " of " << calls
                             << ", loss " << static_cast<int>(loss) << ", state " << i << "\n"
                             << fs.trace();
        ++checked;
      }
    }
  }
  EXPECT_GT(acknowledged, 0u) << "late cuts come after acknowledgements";
  RecordProperty("states", static_cast<int>(checked));
  std::printf("%zu states of %lu calls, CAIRN_TEST_SEED=%lu\n", checked, calls, seed);
}

// It comes in piece by piece, and its first values are in the log long before the last ones.
TEST(PutPowerLossTest, AGroupLargerThanTheBudgetIsThereOrNot) {
  const std::string first = "small", large = random_bytes(12'000'000, 1);
  const auto put_group = [&](FileSystem& fs) {
    auto impl = StoreImpl::open(fs, "store", {.threads = 2, .writer = {.budget_bytes = 8 << 20}}, {});
    if (!impl.ok()) return false;
    Store store = StoreImpl::handle(std::move(impl).value());
    std::vector<Put> puts;
    puts.push_back({.bytes = std::as_bytes(std::span(first)), .name = "first"});
    puts.push_back({.bytes = std::as_bytes(std::span(large)), .name = "large"});
    return store.put_many_async(std::move(puts)).synced().wait().ok();
  };
  const auto fresh = [](std::uint64_t seed) {
    auto fs = std::make_unique<SimFileSystem>(SimOptions{.seed = seed});
    const Status created = StoreImpl::create(*fs, "store", kSmallStore);
    EXPECT_TRUE(created.ok()) << created.error().message;
    return fs;
  };
  const std::uint64_t seed = test_seed(13);
  const auto whole = fresh(seed);
  const std::uint64_t before = whole->write_calls();
  ASSERT_TRUE(put_group(*whole));
  const std::uint64_t calls = whole->write_calls() - before;
  const std::uint64_t step = std::max<std::uint64_t>(1, calls / scaled(10, 100));
  std::size_t there = 0, gone = 0;
  for (std::uint64_t crash_at = calls; crash_at > 0; crash_at -= std::min(crash_at, step)) {
    const Watchdog watchdog("cut at call " + std::to_string(crash_at));
    const auto fs = fresh(seed + crash_at);
    fs->crash_at(crash_at);
    const bool acknowledged = put_group(*fs);
    for (const Loss loss : {Loss::drop_unsynced, Loss::keep_all}) {
      const auto survivor = fs->survivor(seed, loss);
      Store store = open_store(*survivor, "store");
      const auto page = store.list();
      ASSERT_TRUE(page.ok()) << page.error().message;
      ASSERT_TRUE(page->objects.size() == 2 || (page->objects.empty() && !acknowledged))
          << page->objects.size() << " of 2 after a cut at call " << crash_at << " of " << calls;
      ++(page->objects.empty() ? gone : there);
      expect_whole(store);
    }
  }
  EXPECT_GT(gone, 3u);
}

// The second cut comes while the store recovers from the first, or goes on after it.
TEST(PutPowerLossTest, ACutDuringRecoveryHarmsNothing) {
  PutScenario scenario;
  const std::uint64_t seed = test_seed(12);
  const std::uint64_t calls = write_calls_of(scenario);
  const std::size_t rounds = scaled(20, 400);
  for (std::size_t round = 0; round < rounds; ++round) {
    const Watchdog watchdog("round " + std::to_string(round));
    std::mt19937_64 random(seed * 7919 + round);
    SimFileSystem fs({.seed = random()});
    scenario.forget_acknowledged();
    std::string story;
    for (int cut = 0; cut < 4; ++cut) {
      const std::uint64_t at = 1 + random() % (cut == 0 ? calls : calls / 2);
      const Loss loss = kLosses[random() % 4];
      story += " cut at " + std::to_string(at) + " loss " + std::to_string(static_cast<int>(loss)) + ";";
      fs.crash_at(at);
      const auto outcome = scenario.run(fs, "store");
      ASSERT_EQ(outcome.broken, "") << "CAIRN_TEST_SEED=" << seed << " round " << round << ":" << story;
      fs.power_loss(random(), loss);
    }
    // Every life puts everything again: what an earlier one left makes gaps in no order.
    const std::string wrong = scenario.what_is_wrong(fs, "store", false);
    ASSERT_EQ(wrong, "") << "CAIRN_TEST_SEED=" << seed << " round " << round << ":" << story << "\n" << fs.trace();
  }
}

}  // namespace
}  // namespace cairn::testing
