// SPDX-License-Identifier: Apache-2.0
//
// A store that is damaged is mended with what its mirror has: record by record, and all of it at once.
#include <gtest/gtest.h>

#include "api/src/mirror_repair.h"
#include "tests/store/mirror_fixture.h"
#include "tests/support/heal_scenario.h"

namespace cairn::testing {
namespace {

constexpr char kStore[] = "a";

class MirrorRepairTest : public MirrorTest {
 protected:
  void SetUp() override {
    OpenedStore a = open(kStore);
    for (std::uint64_t seed = 2; seed < 4; ++seed) add(a.store, "model", seed, 30'000);
    put_object(a.store, "value", random_bytes(100'000, 9));
    put_result(a.store, "loss", "0.5");
    push_well(*a.impl);
    contents_ = contents(a.store);
    ASSERT_TRUE(a.store.close().ok());
  }

  // Blocks and objects.
  std::vector<PlacedRecord> records() {
    std::vector<PlacedRecord> found;
    for (const PlacedRecord& at : HealScenario::records(fs_, kStore)) {
      if (!is_statement(at.record.kind) && at.record.stored_bytes > 0) found.push_back(at);
    }
    return found;
  }
  void expect_clean(OpenedStore& store) {
    const auto check = store.store.check({.read_data = true});
    ASSERT_TRUE(check.ok()) << check.error().message;
    for (const Damage& damage : check->damaged) ADD_FAILURE() << damage.what << " " << damage.id;
    const auto now = contents(store.store);
    for (const auto& [name, content] : contents_) {
      EXPECT_TRUE(now.contains(name) && now.at(name) == content) << name;
    }
    EXPECT_EQ(now.size(), contents_.size());
  }
  RepairReport repair(OpenedStore& store) {
    const auto report = repair_from(*store.impl, bucket_, {});
    EXPECT_TRUE(report.ok()) << report.error().message;
    return report.ok() ? *report : RepairReport();
  }

  std::map<std::string, std::string> contents_;
};

TEST_F(MirrorRepairTest, EachRecordThatIsDamagedComesBack) {
  const auto all = records();
  ASSERT_GT(all.size(), 10u);
  for (const PlacedRecord& wanted : all) {
    std::vector<PlacedRecord> now;
    for (const PlacedRecord& at : records()) {
      if (at.record.kind == wanted.record.kind && at.record.key == wanted.record.key) now.push_back(at);
    }
    ASSERT_EQ(now.size(), 1u);
    HealScenario::damage(fs_, kStore, now);
    OpenedStore a = open(kStore);
    const auto report = repair(a);
    EXPECT_EQ(report.blocks_repaired, 1u) << record_kind_name(wanted.record.kind);
    EXPECT_EQ(report.quarantined, 0u);
    EXPECT_TRUE(report.damaged.empty());
    expect_clean(a);
    ASSERT_TRUE(a.store.close().ok());
    if (HasFailure()) return;
  }
}

TEST_F(MirrorRepairTest, AllOfItComesBackAtOnce) {
  HealScenario::damage(fs_, kStore, records());
  OpenedStore a = open(kStore);
  const auto report = repair(a);
  EXPECT_GT(report.blocks_repaired, 10u);
  EXPECT_EQ(report.quarantined, 0u);
  EXPECT_TRUE(report.damaged.empty());
  expect_clean(a);
}

// Of each pack in turn the mirror has nothing, or something else: what can come comes, the rest is named, and comes
// once the mirror has it again.
TEST_F(MirrorRepairTest, WhatTheMirrorLacksIsNamedAndNothingIsLost) {
  const auto good = bucket_.state();
  for (const bool missing : {true, false}) {
    for (const auto& [key, bytes] : good.objects) {
      if (!key.starts_with("packs/") && !key.starts_with("index/")) continue;
      HealScenario::damage(fs_, kStore, records());
      if (missing) {
        bucket_.objects().erase(key);
      } else {
        bucket_.objects()[key][bytes.size() / 4] ^= std::byte{1};
      }
      OpenedStore a = open(kStore);
      const auto report = repair(a);
      EXPECT_FALSE(report.damaged.empty()) << key;
      EXPECT_GT(report.quarantined, 0u) << key;
      bucket_.set(good);
      repair(a);
      expect_clean(a);
      ASSERT_TRUE(a.store.close().ok());
      if (HasFailure()) return;
    }
  }
}

TEST_F(MirrorRepairTest, WhatIsWholeAsksTheMirrorForNothing) {
  OpenedStore a = open(kStore);
  bucket_.restart();
  EXPECT_EQ(repair(a).blocks_repaired, 0u);
  EXPECT_EQ(bucket_.calls(), 0u);
}

}  // namespace
}  // namespace cairn::testing
