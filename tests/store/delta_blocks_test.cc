// SPDX-License-Identifier: Apache-2.0
//
// Blocks that are stored as the difference from others: nobody can tell by reading, and no base is
// ever given up.
#include <atomic>
#include <thread>

#include "engine/reclaim/held_content.h"
#include "tests/store/delta_fixture.h"

namespace cairn::testing {
namespace {

TEST_F(DeltaBlocksTest, AnOlderVersionBecomesTheDifferenceFromANewer) {
  Store store = open_store(fs_, kStore);
  add_run(store, 2);
  add_other(store, 1);
  const StoreStats before = store.stats().value();
  const OptimizeReport planned = optimize(store, {.dry_run = true});
  EXPECT_EQ(deltas(store), 0u);
  const OptimizeReport report = optimize(store);
  EXPECT_EQ(report.delta_blocks, kBlocks);
  EXPECT_EQ(planned.delta_blocks, kBlocks);
  EXPECT_EQ(planned.after_bytes, report.after_bytes);
  EXPECT_EQ(deltas(store), kBlocks);
  const StoreStats after = store.stats().value();
  EXPECT_EQ(after.stored_bytes, report.after_bytes);
  EXPECT_LT(after.stored_bytes + 150'000, before.stored_bytes);
  EXPECT_EQ(after.blocks, before.blocks);
  EXPECT_EQ(after.unique_bytes, before.unique_bytes);
  EXPECT_EQ(wrong_with(store), "");
  const std::vector<TensorInfo> tensors = store.archive().show("run@2").value().tensors;
  for (const TensorInfo& tensor : tensors) EXPECT_FALSE(tensor.codecs.contains("delta")) << "the newest is whole";
  EXPECT_EQ(optimize(store).rewritten_blocks, 0u);

  gc(store);
  EXPECT_EQ(store.stats()->dead_bytes, 0u);
  EXPECT_EQ(wrong_with(store), "");
  close(store);
  ASSERT_TRUE(StoreImpl::rebuild_index(fs_, kStore, {}).ok());
  {
    const auto impl = StoreImpl::open(fs_, kStore, {.threads = 2}, {}).value();
    const auto cloned = impl->clone("clone", {}, {});
    ASSERT_TRUE(cloned.ok()) << cloned.error().message;
    ASSERT_TRUE(impl->close().ok());
    Store clone = open_store(fs_, "clone");
    EXPECT_EQ(deltas(clone), kBlocks);
    EXPECT_EQ(wrong_with(clone), "");
  }
  store = open_store(fs_, kStore);
  EXPECT_EQ(deltas(store), kBlocks);
  EXPECT_EQ(wrong_with(store), "");
  Store reader = open_store(fs_, kStore, Access::read_only);
  EXPECT_EQ(wrong_with(reader), "");
  // What is known is not written again.
  const auto again = store.archive().add({inputs_ / "run"}, {.name = "run", .force = true});
  EXPECT_EQ(again->new_blocks, 0u);
}

TEST_F(DeltaBlocksTest, AReaderBesideFollowsWhatIsOptimizedAndMoved) {
  Store store = open_store(fs_, kStore);
  add_run(store, 3);
  close(store);
  Store writer = open_store(fs_, kStore);
  Store reader = open_store(fs_, kStore, Access::read_only);
  EXPECT_EQ(unreadable(reader), std::set<std::string>());
  EXPECT_EQ(optimize(writer).delta_blocks, 2 * kBlocks);
  gc(writer);
  EXPECT_EQ(unreadable(reader), std::set<std::string>());
  EXPECT_EQ(optimize(writer, {.base = OptimizeOptions::Base::none}).delta_blocks, 0u);
  gc(writer);
  EXPECT_EQ(unreadable(reader), std::set<std::string>());
}

TEST_F(DeltaBlocksTest, BasesNoneMakesBlocksWholeAgain) {
  Store store = open_store(fs_, kStore);
  add_run(store, 3);
  optimize(store);
  const std::uint64_t small = store.stats()->stored_bytes;
  ASSERT_EQ(deltas(store), 2 * kBlocks);
  const OptimizeReport report = optimize(store, {.name = "run@1", .base = OptimizeOptions::Base::none});
  EXPECT_EQ(report.rewritten_blocks, kBlocks);
  EXPECT_GT(report.after_bytes, report.before_bytes);
  EXPECT_EQ(deltas(store), kBlocks) << "those of the version alone";
  EXPECT_EQ(wrong_with(store), "");
  optimize(store, {.base = OptimizeOptions::Base::none});
  EXPECT_EQ(deltas(store), 0u);
  EXPECT_GT(store.stats()->stored_bytes, small);
  gc(store);
  EXPECT_EQ(wrong_with(store), "");
  EXPECT_EQ(optimize(store, {.base = OptimizeOptions::Base::none}).rewritten_blocks, 0u);
}

TEST_F(DeltaBlocksTest, ABaseStaysAsLongAsAnythingReliesOnIt) {
  Store store = open_store(fs_, kStore);
  add_run(store, 3);
  optimize(store);
  // The base of version 1, and the version itself that it belonged to, goes.
  remove(store, "run@2");
  gc(store);
  EXPECT_EQ(wrong_with(store), "");
  const std::uint64_t with_base = store.stats()->blocks;
  remove(store, "run@1");
  gc(store);
  EXPECT_EQ(wrong_with(store), "");
  EXPECT_EQ(deltas(store), 0u);
  EXPECT_EQ(store.stats()->blocks, with_base - 2 * kBlocks) << "and not longer";
  remove(store, "run@3");
  gc(store);
  EXPECT_EQ(store.stats()->blocks, 0u);
  close(store);
  ASSERT_TRUE(StoreImpl::rebuild_index(fs_, kStore, {}).ok());
  store = open_store(fs_, kStore);
  EXPECT_EQ(store.stats()->blocks, 0u);
}

TEST_F(DeltaBlocksTest, ADeadDeltaIsForgottenBeforeItsBaseGoes) {
  Store store = open_store(fs_, kStore);
  add_run(store, 2);
  add_other(store, 1, 2'000'000);
  optimize(store);
  add_other(store, 2, 60'000);
  remove(store, "run@1");
  remove(store, "run@2");
  remove(store, "other1@1");
  // The segments of the bases, which hold nothing else; that of the deltas holds something live.
  const std::uint64_t segments = store.stats()->segments;
  gc(store, 0.99);
  ASSERT_LT(store.stats()->segments, segments);
  add_version(store, 0);
  EXPECT_EQ(wrong_with(store), "");
  close(store);
  ASSERT_TRUE(StoreImpl::rebuild_index(fs_, kStore, {}).ok());
  store = open_store(fs_, kStore);
  EXPECT_EQ(wrong_with(store), "");
  add_version(store, 1);
  EXPECT_EQ(wrong_with(store), "");
}

// A reader that has to rebuild the index knows the dead delta again, and not its base: nothing is damaged.
TEST_F(DeltaBlocksTest, ADeadDeltaWithoutItsBaseIsNoDamage) {
  {
    Store store = open_store(fs_, kStore);
    add_run(store, 2);
    add_other(store, 1, 2'000'000);
    optimize(store);
    add_other(store, 2, 60'000);
    remove(store, "run@1");
    remove(store, "run@2");
    remove(store, "other1@1");
    gc(store, 0.99);
    close(store);
  }
  ASSERT_TRUE(Index::destroy(fs_, StoreLayout(kStore).index()).ok());
  auto impl = StoreImpl::open(fs_, kStore, {.access = Access::read_only, .threads = 1}, {});
  ASSERT_TRUE(impl.ok()) << impl.error().message;
  Store store = StoreImpl::handle(std::move(impl).value());
  for (const bool read_data : {false, true}) {
    const auto report = store.check({.read_data = read_data});
    ASSERT_TRUE(report.ok()) << report.error().message;
    EXPECT_TRUE(report->damaged.empty()) << report->damaged.front().what;
  }
}

// A segment is gone, with the base in it: what comes again is not taken for known.
TEST_F(DeltaBlocksTest, WhatReliesOnALostBaseIsWrittenAgain) {
  {
    Store store = open_store(fs_, kStore);
    add_version(store, 0);
    add_other(store, 1,
              2'000'000);  // so that what the older has, the newer and the deltas lie in segments of their own
    add_version(store, 1);
    add_other(store, 2, 2'000'000);
    optimize(store);
    close(store);
  }
  const std::vector<Delta> deltas = delta_blocks();
  ASSERT_FALSE(deltas.empty());
  std::uint32_t segment = 0;
  {
    const auto impl = StoreImpl::open(fs_, kStore, {.access = Access::read_only, .threads = 1}, {}).value();
    segment = impl->index().find_block(deltas.front().base).value().value().segment;
    ASSERT_NE(segment, impl->index().find_block(deltas.front().block).value().value().segment);
  }
  ASSERT_TRUE(fs_.remove_file(segment_path(StoreLayout(kStore).log(), segment)).ok());
  ASSERT_TRUE(StoreImpl::rebuild_index(fs_, kStore, {}).ok());
  Store store = open_store(fs_, kStore);
  files_.clear();
  add_version(store, 0);
  EXPECT_TRUE(unreadable(store).empty());
}

// What was nothing but a base before is read as much as any newest version.
TEST_F(DeltaBlocksTest, WhatBecomesTheNewestBecomesWhole) {
  Store store = open_store(fs_, kStore);
  add_run(store, 3);
  optimize(store);
  EXPECT_EQ(deltas(store), 2 * kBlocks);
  remove(store, "run@3");
  EXPECT_EQ(optimize(store).rewritten_blocks, kBlocks);
  gc(store);
  EXPECT_EQ(deltas(store), kBlocks);
  EXPECT_EQ(wrong_with(store), "");
  EXPECT_EQ(optimize(store).rewritten_blocks, 0U);
}

TEST_F(DeltaBlocksTest, WhatIsHeldHoldsItsBases) {
  {
    Store store = open_store(fs_, kStore);
    add_run(store, 3);
    optimize(store);
    close(store);
  }
  const std::vector<Delta> deltas = delta_blocks();
  const auto deep = std::ranges::find_if(deltas, [&](const Delta& d) { return depth(deltas, d.block) == 2; });
  ASSERT_NE(deep, deltas.end());
  const auto impl = StoreImpl::open(fs_, kStore, {.threads = 1}, {}).value();
  HeldContent held;
  ASSERT_TRUE(held.find({{RecordKind::block, deep->block}}, impl->index(), impl->parts()).ok());
  EXPECT_TRUE(held.contains(RecordKind::block, deep->base));
  EXPECT_TRUE(held.contains(RecordKind::block, std::ranges::find(deltas, deep->base, &Delta::block)->base));
  ASSERT_TRUE(impl->close().ok());
}

TEST_F(DeltaBlocksTest, ChainsAreShortAndTheNewestIsWhole) {
  const auto depths = [&](Store& store) {
    close(store);
    const std::vector<Delta> deltas = delta_blocks();
    std::map<std::size_t, std::size_t> count;
    for (const Delta& delta : deltas) ++count[depth(deltas, delta.block)];
    store = open_store(fs_, kStore);
    return count;
  };
  using Depths = std::map<std::size_t, std::size_t>;
  Store store = open_store(fs_, kStore);
  for (unsigned step = 0; step < 14; ++step) {
    add_version(store, step);
    if (step > 6) optimize(store);  // as they come
  }
  EXPECT_EQ(wrong_with(store), "");
  // Of fourteen versions two in the middle are whole, and the newest; the three before that are to rely on the next.
  EXPECT_EQ(depths(store), (Depths{{1, 9 * kBlocks}, {2, kBlocks}, {3, kBlocks}}));
  EXPECT_EQ(optimize(store).rewritten_blocks, 0U);
  add_version(store, 14);
  optimize(store);
  EXPECT_EQ(depths(store), (Depths{{1, 9 * kBlocks}, {2, kBlocks}, {3, kBlocks}, {4, kBlocks}}));
  add_version(store, 15);
  optimize(store);
  EXPECT_EQ(depths(store), (Depths{{1, 12 * kBlocks}}));
  EXPECT_EQ(wrong_with(store), "");
}

TEST_F(DeltaBlocksTest, ATensorIsFollowedWhereverItsFileGoes) {
  Store store = open_store(fs_, kStore);
  for (unsigned step = 0; step < 3; ++step) {
    const std::string folder = "step-" + std::to_string(step);
    std::map<std::string, std::string> files;
    for (const unsigned seed : {7u, 8u}) {  // two models with tensors of the same names
      files[folder + "/" + std::to_string(seed) + ".safetensors"] = safetensors_of({{"weights", trained(seed, step)}});
    }
    for (const auto& [path, content] : files) write_file(inputs_ / path, content);
    ASSERT_TRUE(store.archive().add({inputs_ / folder}, {.name = "run", .base = "none"}).ok());
    files_["run@" + std::to_string(step + 1)] = files;
  }
  EXPECT_EQ(optimize(store).delta_blocks, 2 * 2 * kBlocks);
  EXPECT_EQ(wrong_with(store), "");
}

TEST_F(DeltaBlocksTest, CheckpointsBecomeDifferencesToo) {
  Store store = open_store(fs_, kStore);
  for (unsigned step = 1; step <= 3; ++step) {
    const std::string weights = trained(7, step);
    std::vector<Put> puts;
    puts.push_back({.bytes = std::as_bytes(std::span(weights)),
                    .tensor = TensorLayout{.dtype = DType::bf16, .shape = {weights.size() / 2}},
                    .name = "weights"});
    ASSERT_TRUE(store.checkpoints("sft").save(step, std::move(puts)).committed().wait().ok());
  }
  EXPECT_EQ(optimize(store).delta_blocks, 2 * kBlocks);
  gc(store);
  for (unsigned step = 1; step <= 3; ++step) {
    const auto loaded = store.checkpoints("sft").load(step);
    ASSERT_TRUE(loaded.ok()) << loaded.error().message;
    const std::string weights = trained(7, step);
    EXPECT_TRUE(std::ranges::equal(loaded->front().bytes, std::as_bytes(std::span(weights))));
  }
  EXPECT_EQ(wrong_with(store), "");
}

TEST_F(DeltaBlocksTest, WhatTheNewestOfAnyNameHoldsStaysWhole) {
  Store store = open_store(fs_, kStore);
  add_run(store, 3);
  // The second version, under a name of its own.
  const std::string model = files_["run@2"].begin()->second;
  write_file(inputs_ / "run/m.safetensors", model);
  ASSERT_TRUE(store.archive().add({inputs_ / "run"}, {.name = "released"}).ok());
  EXPECT_EQ(optimize(store, {.name = "run"}).delta_blocks, kBlocks);
  const std::vector<TensorInfo> tensors = store.archive().show("released").value().tensors;
  for (const TensorInfo& tensor : tensors) {
    EXPECT_FALSE(tensor.codecs.contains("delta"));
  }
  EXPECT_EQ(wrong_with(store), "");
}

TEST_F(DeltaBlocksTest, OthersAddRemoveAndReclaimMeanwhile) {
  Store store = open_store(fs_, kStore);
  add_run(store, 3);
  std::atomic<bool> done = false;
  std::thread other([&] {
    for (unsigned step = 3; step < 12; ++step) {
      add_version(store, step);
      remove(store, "run@" + std::to_string(step - 1));
      gc(store);
      EXPECT_EQ(unreadable(store), std::set<std::string>());
    }
    done = true;
  });
  for (bool whole = false; !done; whole = !whole) {
    using Base = OptimizeOptions::Base;
    optimize(store, {.level = 1, .base = whole ? Base::none : Base::automatic});
  }
  other.join();
  EXPECT_EQ(wrong_with(store), "");
  gc(store);
  EXPECT_EQ(wrong_with(store), "");
}

TEST_F(DeltaBlocksTest, ACutAnywhereIsHarmless) {
  {
    Store store = open_store(fs_, kStore);
    add_run(store, 3);
    add_other(store, 1);
    close(store);
  }
  const auto run = [&](FileSystem& fs) -> Status {
    CAIRN_TRY(auto impl, StoreImpl::open(fs, kStore, {.threads = 2}, {}));
    Store store = StoreImpl::handle(std::move(impl));
    CAIRN_TRY(const OptimizeReport report, store.optimize({.level = 1}));
    CAIRN_TRY(const GcReport collected, store.gc({.max_dead = 0}));
    CAIRN_TRY(const ForgetReport removed, store.archive().remove("run@3"));
    CAIRN_TRY(const GcReport rest, store.gc({.max_dead = 0}));
    return store.close();
  };
  const auto whole = fs_.survivor(1, Loss::keep_all);
  const std::uint64_t before = whole->write_calls();
  ASSERT_TRUE(run(*whole).ok());
  files_.erase("run@3");  // there or not, the others are
  const std::uint64_t calls = whole->write_calls() - before;
  const std::size_t cuts = std::min<std::size_t>(scaled(12, calls), calls);
  for (std::size_t cut = 0; cut < cuts; ++cut) {
    const std::uint64_t at = 1 + cut * calls / cuts;
    SCOPED_TRACE("cut at " + std::to_string(at));
    const auto machine = fs_.survivor(1, Loss::keep_all);
    machine->crash_at(at);
    static_cast<void>(run(*machine).ok());
    machine->power_loss(at, kLosses[cut % std::size(kLosses)]);
    {
      Store store = open_store(*machine, kStore);
      ASSERT_EQ(wrong_with(store), "");
      gc(store);
      ASSERT_EQ(wrong_with(store), "");
      close(store);
    }
    ASSERT_TRUE(StoreImpl::rebuild_index(*machine, kStore, {}).ok());
    Store store = open_store(*machine, kStore);
    ASSERT_EQ(wrong_with(store), "");
  }
}

}  // namespace
}  // namespace cairn::testing
