// SPDX-License-Identifier: Apache-2.0
//
// Power is cut at every write-side call of a scenario, and the disk keeps what a disk may
// keep: nothing unsynced, a prefix, any sectors in any order, everything.
#include "tests/support/sim_file_system.h"
#include "tests/support/store_scenario.h"

namespace cairn::testing {
namespace {

std::uint64_t write_calls_of(StoreScenario& scenario) {
  SimFileSystem fs;
  const Status status = scenario.run(fs, "store");
  EXPECT_TRUE(status.ok()) << status.error().message;
  return fs.write_calls();
}

TEST(PowerLossTest, EveryAcknowledgedVersionSurvivesACutAtAnyCall) {
  StoreScenario scenario;
  const std::uint64_t seed = test_seed(1);
  const std::uint64_t calls = write_calls_of(scenario);
  ASSERT_GT(calls, 50u);
  const std::size_t states = scaled(1, 20);
  const std::size_t step = scaled(3, 1);
  std::size_t checked = 0;
  for (std::uint64_t crash_at = 1; crash_at <= calls; crash_at += step) {
    SimFileSystem fs({.seed = seed + crash_at});
    scenario.forget_acknowledged();
    fs.crash_at(crash_at);
    static_cast<void>(scenario.run(fs, "store").ok());
    for (const Loss loss : kLosses) {
      for (std::size_t i = 0; i < states; ++i) {
        const auto survivor = fs.survivor(seed * 1000 + i, loss);
        const std::string wrong = scenario.what_is_wrong(*survivor, "store");
        ASSERT_TRUE(wrong.empty()) << wrong << "\nCAIRN_TEST_SEED=" << seed << " crash at call " << crash_at << " of "
                                   << calls << ", loss " << static_cast<int>(loss) << ", state " << i << "\n"
                                   << fs.trace();
        ++checked;
      }
    }
  }
  RecordProperty("states", static_cast<int>(checked));
  std::printf("%zu states of %lu calls, CAIRN_TEST_SEED=%lu\n", checked, calls, seed);
}

// The second cut comes while the store recovers from the first, or goes on after it.
TEST(PowerLossTest, ACutDuringRecoveryHarmsNothing) {
  StoreScenario scenario;
  const std::uint64_t seed = test_seed(2);
  const std::uint64_t calls = write_calls_of(scenario);
  const std::size_t rounds = scaled(40, 400);
  for (std::size_t round = 0; round < rounds; ++round) {
    std::mt19937_64 random(seed * 7919 + round);
    SimFileSystem fs({.seed = random()});
    scenario.forget_acknowledged();
    std::string story;
    for (int cut = 0; cut < 4; ++cut) {
      const std::uint64_t at = 1 + random() % (cut == 0 ? calls : calls / 2);
      const Loss loss = kLosses[random() % 4];
      fs.crash_at(at);
      const std::size_t before = scenario.acknowledged();
      static_cast<void>(scenario.run(fs, "store").ok());
      ASSERT_GE(scenario.acknowledged(), before);
      story += " cut at " + std::to_string(at) + " loss " + std::to_string(static_cast<int>(loss)) + ";";
      fs.power_loss(random(), loss);
    }
    const std::string wrong = scenario.what_is_wrong(fs, "store");
    ASSERT_TRUE(wrong.empty()) << wrong << "\nCAIRN_TEST_SEED=" << seed << " round " << round << ":" << story << "\n"
                               << fs.trace();
  }
}

}  // namespace
}  // namespace cairn::testing
