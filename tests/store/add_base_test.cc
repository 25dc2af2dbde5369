// SPDX-License-Identifier: Apache-2.0
//
// Models that are added as the difference from another version: nobody can tell by reading, chains stay
// short, and optimize() turns round what it should and nothing else.
#include <atomic>
#include <thread>

#include "tests/store/delta_fixture.h"

namespace cairn::testing {
namespace {

class AddBaseTest : public DeltaBlocksTest {
 protected:
  Result<AddReport> try_add(Store& store, const std::string& name, const std::string& model, AddOptions options) {
    write_file(inputs_ / (name + "/m.safetensors"), model);
    options.name = name;
    options.force = true;
    auto added = store.archive().add({inputs_ / name}, options);
    if (added.ok() && !options.dry_run) {
      files_[name + "@" + std::to_string(added->version)] = {{name + "/m.safetensors", model}};
    }
    return added;
  }
  AddReport add(Store& store, const std::string& name, const std::string& model, const AddOptions& options = {}) {
    const auto added = try_add(store, name, model, options);
    EXPECT_TRUE(added.ok()) << added.error().message;
    return added.ok() ? *added : AddReport{};
  }
  static std::string model_of(const std::string& weights) {
    return safetensors_of({{"frozen", bf16_weights(70'000, 3)}, {"weights", weights}});
  }
  static Digest first_block(const std::string& weights) {
    return digest_of(DigestKind::blake3, std::as_bytes(std::span(weights)).first(kSmallStore.block_bytes));
  }
  static std::set<std::string> ids(Store& store, const std::string& ref) {
    std::set<std::string> out;
    const auto shown = store.archive().show(ref);
    for (const EntryInfo& entry : shown->entries) out.insert(entry.id);
    for (const TensorInfo& tensor : shown->tensors) out.insert({tensor.id, tensor.blob});
    return out;
  }
  static std::uint64_t deltas_of(Store& store, const std::string& ref) {
    const auto shown = store.archive().show(ref);
    const auto found = shown->codecs.find("delta");
    return found == shown->codecs.end() ? 0 : found->second;
  }
  static std::size_t deepest(const std::vector<Delta>& deltas) {
    std::size_t found = 0;
    for (const Delta& delta : deltas) found = std::max(found, depth(deltas, delta.block));
    return found;
  }
};

TEST_F(AddBaseTest, AFineTuneIsTheDifferenceFromItsBase) {
  Store store = open_store(fs_, kStore);
  EXPECT_EQ(add(store, "base", model_of(trained(7, 0))).base, "") << "there is no version before";
  const AddReport tuned = add(store, "tuned", model_of(trained(7, 1)), {.base = "base"});
  EXPECT_EQ(tuned.base, "base@1");
  EXPECT_EQ(tuned.delta_blocks, kBlocks);
  EXPECT_EQ(tuned.new_blocks, kBlocks) << "what is frozen is known, and so is the skeleton";
  EXPECT_EQ(deltas(store), kBlocks);
  EXPECT_EQ(wrong_with(store), "");

  ASSERT_TRUE(StoreImpl::create(fs_, "plain", kSmallStore).ok());
  Store plain = open_store(fs_, "plain");
  add(plain, "base", model_of(trained(7, 0)), {.base = "none"});
  const AddReport whole = add(plain, "tuned", model_of(trained(7, 1)), {.base = "none"});
  EXPECT_EQ(whole.base, "");
  EXPECT_EQ(whole.delta_blocks, 0u);
  EXPECT_LT(tuned.stored_bytes + 100'000, whole.stored_bytes);
  EXPECT_EQ(ids(store, "tuned"), ids(plain, "tuned"));
  EXPECT_EQ(store.stats()->unique_bytes, plain.stats()->unique_bytes);

  close(store);
  store = open_store(fs_, kStore);
  EXPECT_EQ(wrong_with(store), "");
  close(store);
  ASSERT_TRUE(StoreImpl::rebuild_index(fs_, kStore, {}).ok());
  store = open_store(fs_, kStore);
  EXPECT_EQ(deltas(store), kBlocks);
  EXPECT_EQ(wrong_with(store), "");
}

TEST_F(AddBaseTest, WhatIsKnownCostsNothing) {
  Store store = open_store(fs_, kStore);
  add(store, "base", model_of(trained(7, 0)));
  add(store, "tuned", model_of(trained(7, 1)), {.base = "base"});
  const AddReport again = add(store, "copy", model_of(trained(7, 1)), {.base = "base"});
  EXPECT_EQ(again.new_blocks, 0u);
  EXPECT_EQ(again.delta_blocks, 0u);
  EXPECT_EQ(wrong_with(store), "");
}

TEST_F(AddBaseTest, WhatIsNotClearlySmallerIsWhole) {
  Store store = open_store(fs_, kStore);
  ASSERT_TRUE(StoreImpl::create(fs_, "plain", kSmallStore).ok());
  Store plain = open_store(fs_, "plain");
  for (const std::uint64_t seed : {7, 8}) {
    const std::string unrelated = model_of(bf16_weights(150'000, seed));
    const AddReport report = add(store, "run", unrelated);
    EXPECT_EQ(report.delta_blocks, 0u);
    EXPECT_EQ(report.stored_bytes, add(plain, "run", unrelated, {.base = "none"}).stored_bytes);
  }
  // A block of one pattern takes a few bytes by itself, whatever it is compared with.
  EXPECT_EQ(add(store, "run", model_of(std::string(300'000, '\0'))).delta_blocks, 0u);
  EXPECT_EQ(deltas(store), 0u);
}

TEST_F(AddBaseTest, OnlyTensorsThatAreAlikeAreCompared) {
  Store store = open_store(fs_, kStore);
  add(store, "base", model_of(trained(7, 0)));
  const std::string weights = trained(7, 1);
  const auto added_as = [&](const std::string& name, const std::string& tensor) {
    return add(store, name, safetensors_of({{tensor, weights}}), {.base = "base"}).delta_blocks;
  };
  EXPECT_EQ(added_as("other-name", "bias"), 0u);
  // Now its blocks are known, whole.
  EXPECT_EQ(added_as("same-name", "weights"), 0u);
  const std::string longer = trained(7, 2) + std::string(1000, 'x');
  EXPECT_EQ(add(store, "other-shape", safetensors_of({{"weights", longer}}), {.base = "base"}).delta_blocks, 0u);
}

TEST_F(AddBaseTest, TheSameFileIsComparedFirst) {
  Store store = open_store(fs_, kStore);
  std::map<std::string, std::string> files[2];
  for (unsigned step = 0; step < 2; ++step) {
    for (const unsigned seed : {7u, 8u}) {
      const std::string path = "run/" + std::to_string(seed) + ".safetensors";
      files[step][path] = safetensors_of({{"weights", trained(seed, step)}});
      write_file(inputs_ / path, files[step][path]);
    }
    const auto added = store.archive().add({inputs_ / "run"}, {.name = "run", .force = true});
    ASSERT_TRUE(added.ok());
    EXPECT_EQ(added->delta_blocks, step * 2 * kBlocks);
    files_["run@" + std::to_string(step + 1)] = files[step];
  }
  EXPECT_EQ(wrong_with(store), "");
}

TEST_F(AddBaseTest, ACheckpointIsABaseToo) {
  Store store = open_store(fs_, kStore);
  const std::string weights = trained(7, 0);
  std::vector<Put> puts;
  puts.push_back({.bytes = std::as_bytes(std::span(weights)),
                  .tensor = TensorLayout{.dtype = DType::bf16, .shape = {weights.size() / 2}},
                  .name = "weights"});
  ASSERT_TRUE(store.checkpoints("sft").save(1, std::move(puts)).committed().wait().ok());
  EXPECT_EQ(add(store, "run", model_of(trained(7, 1)), {.base = "checkpoints/sft"}).delta_blocks, kBlocks);
  EXPECT_EQ(wrong_with(store), "");
}

TEST_F(AddBaseTest, ADeltaReliesOnWhatIsWhole) {
  Store store = open_store(fs_, kStore);
  for (unsigned step = 0; step < 6; ++step) {
    EXPECT_EQ(add(store, "run", model_of(trained(7, step))).delta_blocks, step == 0 ? 0 : kBlocks);
  }
  EXPECT_EQ(wrong_with(store), "");
  close(store);
  const std::vector<Delta> found = delta_blocks();
  EXPECT_EQ(found.size(), 5 * kBlocks);
  EXPECT_EQ(deepest(found), 1u);
}

TEST_F(AddBaseTest, OptimizeTurnsVersionsOfANameRound) {
  Store store = open_store(fs_, kStore);
  for (unsigned step = 0; step < 4; ++step) add(store, "run", model_of(trained(7, step)));
  const OptimizeReport planned = optimize(store, {.dry_run = true});
  const OptimizeReport report = optimize(store);
  EXPECT_EQ(planned.rewritten_blocks, report.rewritten_blocks);
  EXPECT_EQ(deltas_of(store, "run@4"), 0u);
  for (const char* const older : {"run@1", "run@2", "run@3"}) EXPECT_EQ(deltas_of(store, older), kBlocks) << older;
  EXPECT_EQ(optimize(store).rewritten_blocks, 0u);
  gc(store);
  EXPECT_EQ(wrong_with(store), "");
  // Nothing relies on the oldest.
  const std::uint64_t before = store.stats()->blocks;
  remove(store, "run@1");
  gc(store);
  EXPECT_EQ(store.stats()->blocks, before - kBlocks);
  EXPECT_EQ(wrong_with(store), "");
}

TEST_F(AddBaseTest, OptimizeLeavesAFineTuneAndItsBaseAlone) {
  Store store = open_store(fs_, kStore);
  add(store, "base", model_of(trained(7, 0)));
  add(store, "tuned", model_of(trained(7, 1)), {.base = "base"});
  add(store, "other", model_of(trained(7, 2)), {.base = "base"});
  EXPECT_EQ(optimize(store).rewritten_blocks, 0u);
  // A new base: what the fine-tunes rely on stays whole.
  add(store, "base", model_of(trained(7, 6)));
  optimize(store);
  EXPECT_EQ(deltas_of(store, "tuned"), kBlocks);
  EXPECT_EQ(deltas_of(store, "other"), kBlocks);
  EXPECT_EQ(deltas_of(store, "base@1"), 0u);
  EXPECT_EQ(deltas_of(store, "base@2"), 0u);
  EXPECT_EQ(optimize(store).rewritten_blocks, 0u);
  // What nothing newest relies on any more is an older version like any other.
  remove(store, "tuned@1");
  remove(store, "other@1");
  optimize(store);
  EXPECT_EQ(deltas_of(store, "base@1"), kBlocks);
  gc(store);
  EXPECT_EQ(wrong_with(store), "");
}

TEST_F(AddBaseTest, AFineTuneWhoseBaseIsRemovedBecomesWhole) {
  Store store = open_store(fs_, kStore);
  add(store, "base", model_of(trained(7, 0)));
  add(store, "tuned", model_of(trained(7, 1)), {.base = "base"});
  remove(store, "base@1");
  gc(store);
  EXPECT_EQ(deltas(store), kBlocks);
  EXPECT_EQ(wrong_with(store), "");
  close(store);
  ASSERT_TRUE(StoreImpl::rebuild_index(fs_, kStore, {}).ok());
  store = open_store(fs_, kStore);
  EXPECT_EQ(wrong_with(store), "");
  // As long as several rely on it, it is worth its place.
  add(store, "other", model_of(trained(7, 2)), {.base = "tuned"});
  EXPECT_EQ(deltas(store), 2 * kBlocks);
  EXPECT_EQ(optimize(store).rewritten_blocks, 0u);
  remove(store, "other@1");
  gc(store);
  const std::uint64_t with_base = store.stats()->blocks;
  EXPECT_EQ(optimize(store).rewritten_blocks, kBlocks);
  gc(store);
  EXPECT_EQ(store.stats()->blocks, with_base - kBlocks);
  EXPECT_EQ(wrong_with(store), "");
}

TEST_F(AddBaseTest, ChainsAreShortWhereAddingAndOptimizingAlternate) {
  Store store = open_store(fs_, kStore);
  std::mt19937_64 random(test_seed(5));
  for (unsigned step = 0; step < 14; ++step) {
    add(store, "run", model_of(trained(7, step)));
    if (random() % 3 == 0) add(store, "tuned" + std::to_string(step), model_of(trained(7, 20 + step)), {.base = "run"});
    if (random() % 2 == 0) optimize(store);
  }
  EXPECT_EQ(wrong_with(store), "");
  optimize(store);
  EXPECT_EQ(wrong_with(store), "");
  EXPECT_EQ(deltas_of(store, "run"), 0u);
  close(store);
  const std::vector<Delta> found = delta_blocks();
  EXPECT_LE(deepest(found), 4u);
  EXPECT_GT(found.size(), 9 * kBlocks);
}

TEST_F(AddBaseTest, WhatHealsIsWhole) {
  const std::string model = model_of(trained(7, 1));
  {
    Store store = open_store(fs_, kStore);
    add(store, "base", model_of(trained(7, 0)));
    add(store, "run", model, {.base = "none"});
    close(store);
  }
  damage(first_block(trained(7, 1)));
  Store store = open_store(fs_, kStore);
  EXPECT_EQ(store.scrub()->damaged.size(), 1u);
  const AddReport again = add(store, "again", model, {.base = "base"});
  EXPECT_EQ(again.new_blocks, 1u);
  EXPECT_EQ(again.delta_blocks, 0u);
  EXPECT_EQ(wrong_with(store), "");
}

TEST_F(AddBaseTest, ADamagedBaseIsNoBase) {
  {
    Store store = open_store(fs_, kStore);
    add(store, "base", model_of(trained(7, 0)));
    close(store);
  }
  damage(first_block(trained(7, 0)), true);
  Store store = open_store(fs_, kStore);
  EXPECT_EQ(add(store, "tuned", model_of(trained(7, 1)), {.base = "base"}).delta_blocks, kBlocks - 1);
  EXPECT_EQ(unreadable(store), std::set<std::string>{"base@1"});
  EXPECT_EQ(add(store, "next", model_of(trained(7, 2)), {.base = "base"}).delta_blocks, kBlocks - 1) << "it is known";
  EXPECT_EQ(unreadable(store), std::set<std::string>{"base@1"});
}

TEST_F(AddBaseTest, DamageOfTheBaseIsNamed) {
  {
    Store store = open_store(fs_, kStore);
    add(store, "base", model_of(trained(7, 0)));
    add(store, "tuned", model_of(trained(7, 1)), {.base = "base"});
    add(store, "other", model_of(bf16_weights(150'000, 9)));
    close(store);
  }
  damage(delta_blocks().front().base);
  Store store = open_store(fs_, kStore);
  const std::set<std::string> lost{"base@1", "tuned@1"};
  EXPECT_EQ(affected(store.check({.read_data = true}).value().damaged), lost);
  EXPECT_EQ(unreadable(store), lost);
  // The base comes again, and what relies on it is whole with it.
  add(store, "base", model_of(trained(7, 0)));
  EXPECT_EQ(store.repair().value().quarantined, 0u);
  EXPECT_EQ(wrong_with(store), "");
}

TEST_F(AddBaseTest, WhatIsAskedForIsThereOrNamed) {
  Store store = open_store(fs_, kStore);
  add(store, "base", model_of(trained(7, 0)));
  const std::string model = model_of(trained(7, 1));
  for (const bool dry_run : {false, true}) {
    const auto missing = try_add(store, "tuned", model, {.base = "bass", .dry_run = dry_run});
    ASSERT_FALSE(missing.ok());
    EXPECT_EQ(missing.error().code, ErrorCode::not_found);
    EXPECT_NE(missing.error().message.find("'bass'"), std::string::npos) << missing.error().message;
    EXPECT_EQ(try_add(store, "tuned", model, {.base = "base@9", .dry_run = dry_run}).error().code,
              ErrorCode::not_found);
    EXPECT_EQ(try_add(store, "tuned", model, {.base = "", .dry_run = dry_run}).error().code,
              ErrorCode::invalid_argument);
  }
  const std::uint64_t before = store.stats()->log_bytes;
  const AddReport dry = add(store, "tuned", model, {.base = "base", .dry_run = true});
  EXPECT_EQ(dry.base, "base@1");
  EXPECT_EQ(dry.new_blocks, kBlocks);
  EXPECT_EQ(dry.delta_blocks, 0u) << "nothing is encoded";
  EXPECT_EQ(store.stats()->log_bytes, before);
  // Who names a codec gets it, but for what he says of bases himself.
  EXPECT_EQ(add(store, "base", model_of(trained(7, 3)), {.codec = Codec::none}).delta_blocks, 0u);
  EXPECT_EQ(add(store, "base", model_of(trained(7, 4)), {.codec = Codec::none, .base = "base@1"}).delta_blocks,
            kBlocks);
  EXPECT_EQ(wrong_with(store), "");
}

TEST_F(AddBaseTest, ShowSaysWhatATensorIsTheDifferenceFrom) {
  Store store = open_store(fs_, kStore);
  add(store, "base", model_of(trained(7, 0)));
  add(store, "tuned", model_of(trained(7, 1)), {.base = "base"});
  const auto weights_of = [&](const std::string& ref_or_id) {
    const auto tensors = store.archive().show(ref_or_id).value().tensors;
    return *std::ranges::find(tensors, "weights", &TensorInfo::name);
  };
  const TensorInfo tuned = weights_of("tuned"), base = weights_of("base");
  EXPECT_TRUE(base.bases.empty());
  ASSERT_EQ(tuned.bases.size(), 1u);
  EXPECT_EQ(tuned.bases.front().ref, "base@1");
  EXPECT_EQ(tuned.bases.front().tensor, "weights");
  EXPECT_EQ(tuned.bases.front().id, base.id);
  EXPECT_EQ(tuned.bases.front().blocks, kBlocks);
  const std::string model = store.archive().entries("tuned").value().back().id;
  EXPECT_EQ(weights_of(model).bases.front().ref, "base@1");
  // Versions of its own name, too.
  add(store, "run", model_of(trained(9, 0)));
  add(store, "run", model_of(trained(9, 1)));
  EXPECT_EQ(weights_of("run").bases.front().ref, "run@1");
  optimize(store);
  EXPECT_EQ(weights_of("run@1").bases.front().ref, "run@2");
  // Nobody else's: the blocks themselves.
  remove(store, "base@1");
  ASSERT_EQ(weights_of("tuned").bases.size(), kBlocks);
  EXPECT_EQ(weights_of("tuned").bases.front().ref, "");
  EXPECT_TRUE(store.archive().show(weights_of("tuned").bases.front().id).ok());
}

// Blocks of the oldest are about to rely on a chain as long as it may be when something relies on them.
TEST_F(AddBaseTest, OptimizeHearsOfWhatIsAddedMeanwhile) {
  Store store = open_store(fs_, kStore);
  for (unsigned step = 0; step < 6; ++step) add(store, "run", model_of(trained(7, step)), {.base = "none"});
  std::uint64_t added = 0;
  const auto report = [&](const ProgressState& state) {
    if (added > 0 || state.bytes_done == 0) return;
    std::thread([&] { added = add(store, "tuned", model_of(trained(7, 40)), {.base = "run@1"}).delta_blocks; }).join();
  };
  // So slow that it reports before it has looked at everything, and so before it writes anything.
  ASSERT_TRUE(store.optimize({.bytes_per_second = 2'000'000}, {.report = report}).ok());
  EXPECT_EQ(added, kBlocks);
  EXPECT_EQ(deltas_of(store, "run@1"), 0u) << "the newest of another name relies on it";
  EXPECT_EQ(deltas_of(store, "run@2"), kBlocks);
  EXPECT_EQ(wrong_with(store), "");
  close(store);
  EXPECT_LE(deepest(delta_blocks()), 4u);
}

TEST_F(AddBaseTest, OptimizingAddingRemovingAndReclaimingAtOnce) {
  Store store = open_store(fs_, kStore);
  for (unsigned step = 0; step < 3; ++step) add(store, "run", model_of(trained(7, step)));
  std::atomic<bool> done = false;
  std::thread other([&] {
    for (unsigned step = 3; step < 12; ++step) {
      add(store, "run", model_of(trained(7, step)));
      add(store, "tuned", model_of(trained(7, 30 + step)), {.base = "run@" + std::to_string(step)});
      if (step % 2 == 0) remove(store, "run@" + std::to_string(step - 1));
      gc(store);
      EXPECT_EQ(unreadable(store), std::set<std::string>());
    }
    done = true;
  });
  while (!done) optimize(store, {.level = 1});
  other.join();
  EXPECT_EQ(wrong_with(store), "");
  gc(store);
  EXPECT_EQ(wrong_with(store), "");
  close(store);
  EXPECT_LE(deepest(delta_blocks()), 4u);
}

}  // namespace
}  // namespace cairn::testing
