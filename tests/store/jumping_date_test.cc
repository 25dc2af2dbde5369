// SPDX-License-Identifier: Apache-2.0
//
// What a store promises for a time holds for as long, while the machine's date jumps by years. The
// date is that of scripts.clock_test, which runs this; without it there is nothing to see here.
#include <gtest/gtest.h>

#include <chrono>
#include <cstdlib>
#include <thread>

#include "cairn/operations.h"
#include "cairn/results.h"
#include "tests/support/archive_fixture.h"
#include "tests/support/segmented_store.h"

namespace cairn::testing {
namespace {

using namespace std::chrono_literals;

TEST(JumpingDateTest, ALeaseAndATtlOfAnHourHoldWhateverTheDateSays) {
  if (std::getenv("CAIRN_TEST_JUMPING_DATE") == nullptr) GTEST_SKIP() << "scripts.clock_test makes the date jump";
  SegmentedStore log;
  Operations operations = log.store().operations();
  Results results = log.store().results();
  const ClaimOptions lease{.lease = 1h, .keep_alive = false};
  const auto mine = operations.claim("k", lease);
  ASSERT_TRUE(mine.ok() && mine->claim);
  ASSERT_TRUE(results.put("r", ResultValue::json("1"), {.ttl = 1h}).ok());
  auto before = std::chrono::system_clock::now();
  for (int forwards = 0, backwards = 0; forwards < 20 || backwards < 20;) {
    const auto now = std::chrono::system_clock::now();
    forwards += now > before + 24h ? 1 : 0;
    backwards += now < before - 24h ? 1 : 0;
    before = now;
    ASSERT_FALSE(operations.claim("k", lease).value().claim.has_value()) << "somebody takes it over";
    ASSERT_TRUE(operations.is_running("k").value());
    ASSERT_TRUE(results.has("r").value()) << "it is gone";
    std::this_thread::yield();
  }
  const OperationInfo waited = operations.wait("k", 1ms).value();
  EXPECT_EQ(waited.state, OperationState::running);
  EXPECT_TRUE(operations.complete(*mine->claim, {.bytes = "v"}).ok());
}

}  // namespace
}  // namespace cairn::testing
