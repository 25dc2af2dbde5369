// SPDX-License-Identifier: Apache-2.0
//
// Damage of a block is damage of exactly what relies on it, and heals with it.
#include "tests/store/delta_fixture.h"
#include "tests/support/heal_scenario.h"

namespace cairn::testing {
namespace {

using DeltaDamageTest = DeltaBlocksTest;

TEST_F(DeltaDamageTest, DamageOfABaseIsThatOfWhatReliesOnItAndHealsWithIt) {
  {
    Store store = open_store(fs_, kStore);
    add_run(store, 4);
    add_other(store, 1);
    optimize(store);
    remove(store, "run@3");
    gc(store);
    close(store);
  }
  const std::vector<Delta> deltas = delta_blocks();
  // Of version 2, which 1 relies on; 4 does not.
  const auto middle = std::ranges::find_if(deltas, [&](const Delta& d) { return depth(deltas, d.block) == 2; });
  ASSERT_NE(middle, deltas.end());
  const Digest block = middle->block;
  damage(block);
  const std::set<std::string> hit{"run@1", "run@2"};
  for (const Access access : {Access::read_only, Access::read_write}) {
    Store store = open_store(fs_, kStore, access);
    EXPECT_EQ(unreadable(store), hit);
    const CheckReport check = store.check({.read_data = true}).value();
    EXPECT_EQ(affected(check.damaged), hit);
    EXPECT_EQ(check.damaged.size(), 2u) << "the block, and the one that relies on it";
    close(store);
  }
  Store store = open_store(fs_, kStore);
  const RepairReport repaired = store.repair().value();
  EXPECT_EQ(repaired.quarantined, 2u);
  EXPECT_EQ(affected(repaired.damaged), hit);
  EXPECT_EQ(affected(store.check({}).value().damaged), hit) << "without reading any";
  // The damaged version comes again: what relied on it is whole as well.
  add_version(store, 1);
  EXPECT_EQ(unreadable(store), std::set<std::string>());
  EXPECT_EQ(store.scrub().value().quarantined, 0u);
  EXPECT_EQ(wrong_with(store), "");
  gc(store);
  EXPECT_EQ(wrong_with(store), "");
}

TEST_F(DeltaDamageTest, WhateverBlockIsDamagedExactlyWhatSuffersIsNamed) {
  {
    Store store = open_store(fs_, kStore);
    add_run(store, 4);
    add_other(store, 1);
    optimize(store);
    gc(store);
    close(store);
  }
  std::set<std::size_t> hit;  // how many versions suffered
  for (const PlacedRecord& at : HealScenario::records(fs_, kStore)) {
    if (at.record.kind != RecordKind::block) continue;
    const auto machine = fs_.survivor(1, Loss::keep_all);
    const std::string file = segment_path(StoreLayout(kStore).log(), at.segment);
    // In its head, when it has one, or behind it.
    const std::uint64_t where = at.record.sequence % 3 == 0 ? 9 : at.record.stored_bytes / 2;
    ASSERT_TRUE(machine->flip_bit(file, at.record.payload_offset + where, 3).ok());
    Store store = open_store(*machine, kStore, Access::read_only);
    const std::set<std::string> lost = unreadable(store);
    EXPECT_FALSE(lost.empty());
    EXPECT_EQ(affected(store.check({.read_data = true}).value().damaged), lost);
    hit.insert(lost.size());
    close(store);
    Store writer = open_store(*machine, kStore);
    EXPECT_EQ(affected(writer.scrub().value().damaged), lost);
    EXPECT_EQ(affected(writer.check({}).value().damaged), lost);
    EXPECT_EQ(unreadable(writer), lost);
    close(writer);
  }
  EXPECT_EQ(hit, (std::set<std::size_t>{1, 2, 3, 4})) << "of a chain from its end to its beginning, or all versions";
}

TEST_F(DeltaDamageTest, WhatReliesOnADamagedBaseIsWrittenAgain) {
  {
    Store store = open_store(fs_, kStore);
    add_run(store, 2);
    optimize(store);
    close(store);
  }
  damage(delta_blocks().front().base);
  Store store = open_store(fs_, kStore);
  // The base alone is known to be damaged.
  ASSERT_FALSE(read_version(store, "run@2").ok());
  add_version(store, 0);
  EXPECT_EQ(unreadable(store), std::set<std::string>{"run@2"});
  // What is the newest now is whole, and the version before is the difference from it, but for what is damaged.
  EXPECT_EQ(optimize(store).delta_blocks, kBlocks - 1);
  add_version(store, 1);
  EXPECT_EQ(unreadable(store), std::set<std::string>());
  EXPECT_EQ(store.repair().value().quarantined, 0u);
  EXPECT_EQ(wrong_with(store), "");
}

TEST_F(DeltaDamageTest, WhoeverReadsTheOneFindsTheDamageOfTheOther) {
  {
    Store store = open_store(fs_, kStore);
    add_run(store, 3);
    optimize(store);
    gc(store);
    close(store);
  }
  const std::vector<Delta> deltas = delta_blocks();
  const auto deep = std::ranges::find_if(deltas, [&](const Delta& d) { return depth(deltas, d.block) == 2; });
  ASSERT_NE(deep, deltas.end());
  damage(std::ranges::find(deltas, deep->base, &Delta::block)->base, true);  // of version 3
  Store store = open_store(fs_, kStore);
  EXPECT_FALSE(read_version(store, "run@1").ok());
  add_other(store, 1);
  EXPECT_EQ(affected(store.check({}).value().damaged), (std::set<std::string>{"run@1", "run@2", "run@3"}));
}

TEST_F(DeltaDamageTest, RepairHealsWhatRelyOnACopyElsewhere) {
  {
    Store store = open_store(fs_, kStore);
    add_run(store, 3);
    optimize(store);
    close(store);
  }
  // The copies that were there before are dead and whole.
  const std::vector<Delta> deltas = delta_blocks();
  const auto middle = std::ranges::find_if(
      deltas, [&](const Delta& d) { return std::ranges::find(deltas, d.block, &Delta::base) != deltas.end(); });
  ASSERT_NE(middle, deltas.end());
  damage(middle->block);
  Store store = open_store(fs_, kStore);
  EXPECT_EQ(store.repair().value().quarantined, 0u);
  EXPECT_EQ(wrong_with(store), "");
}

TEST_F(DeltaDamageTest, HostileChainsAreDamageThatIsNamed) {
  auto opened = StoreImpl::open(fs_, kStore, {.threads = 2}, {}).value();
  StoreImpl& impl = *opened;
  Store store = StoreImpl::handle(std::move(opened));
  add_other(store, 1);
  const auto digest = [](unsigned number) {
    const std::string text = std::to_string(number);
    return digest_of(DigestKind::blake3, std::as_bytes(std::span(text)));
  };
  write_delta(impl, digest(1), {digest(100)});           // of what is not there
  write_delta(impl, digest(2), {digest(3)});             // of each other
  write_delta(impl, digest(3), {digest(2)});             //
  write_delta(impl, digest(4), {digest(4), digest(3)});  // of itself
  for (unsigned i = 10; i < 30; ++i) {                   // a tree of four to a block
    write_delta(impl, digest(i), {digest(i + 1), digest(i + 2), digest(i + 3), digest(i + 4)});
  }
  for (const unsigned number : {1u, 2u, 3u, 4u, 10u, 29u}) {
    const auto read = impl.blocks().read_block(digest(number));
    ASSERT_FALSE(read.ok()) << number;
    EXPECT_EQ(read.error().code, ErrorCode::corruption) << read.error().message;
    EXPECT_NE(read.error().message.find(impl.id_text(digest(number))), std::string::npos) << read.error().message;
  }
  for (const bool read_data : {false, true}) {
    const CheckReport check = store.check({.read_data = read_data}).value();
    EXPECT_TRUE(affected(check.damaged).empty());
    // Those that rely on themselves. What ends in a block that is missing is dead: nothing needs it.
    EXPECT_GE(check.damaged.size(), 3u);
  }
  EXPECT_TRUE(store.optimize().ok());
  EXPECT_EQ(store.scrub().value().quarantined, 24u);
  EXPECT_EQ(unreadable(store), std::set<std::string>());
  gc(store);
  EXPECT_EQ(wrong_with(store), "") << "nothing needs them";
}

}  // namespace
}  // namespace cairn::testing
