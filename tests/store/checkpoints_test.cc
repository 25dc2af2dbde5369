// SPDX-License-Identifier: Apache-2.0
//
// What checkpoints.h promises, on the real file system.
#include "cairn/checkpoints.h"

#include <gmock/gmock.h>

#include <atomic>
#include <cmath>
#include <cstring>

#include "tests/store/objects_fixture.h"
#include "tests/support/archive_fixture.h"
#include "tests/support/store_scenario.h"

namespace cairn::testing {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

class CheckpointsTest : public ObjectsTest {
 protected:
  static Put tensor(std::string name, Bytes bytes, DType dtype, std::vector<std::uint64_t> shape) {
    return {.bytes = bytes,
            .tensor = TensorLayout{.dtype = dtype, .shape = std::move(shape)},
            .handover = Handover::borrow,
            .name = std::move(name)};
  }
  static Put part(std::string name, Bytes bytes) { return {.bytes = bytes, .name = std::move(name)}; }

  // A tensor of several blocks, one of one, and an opaque part.
  std::vector<Put> state(unsigned seed) {
    large_ = random_bytes(150'000 * 4, seed);
    small_ = random_bytes(600, 7u);  // the same in every generation
    rng_ = random_bytes(2'500, seed + 100);
    return {tensor("w.large", large_, DType::f32, {300, 500}), tensor("w.small", small_, DType::bf16, {30, 10}),
            part("rng", rng_)};
  }
  void save(std::uint64_t generation, SaveOptions options = {}) {
    const Ticket ticket = run().save(generation, state(static_cast<unsigned>(generation)), options);
    const Status committed = ticket.committed().wait();
    ASSERT_TRUE(committed.ok()) << committed.error().message;
  }
  // One small part: for tests about many generations.
  Ticket save_small(std::uint64_t generation, SaveOptions options = {}) {
    const std::string text = "generation " + std::to_string(generation);
    return run().save(generation, {part("text", std::as_bytes(std::span(text)))}, options);
  }
  Checkpoints run() { return store_.checkpoints("run"); }
  std::vector<std::uint64_t> generations() {
    std::vector<std::uint64_t> numbers;
    const auto page = run().list();
    EXPECT_TRUE(page.ok());
    for (const CheckpointInfo& info : page->checkpoints) numbers.push_back(info.generation);
    return numbers;
  }
  void expect_generation(std::uint64_t generation) {
    const auto expected = state(static_cast<unsigned>(generation));
    const auto loaded = run().load(generation);
    ASSERT_TRUE(loaded.ok()) << loaded.error().message;
    ASSERT_EQ(loaded->size(), 3u);
    EXPECT_EQ((*loaded)[0].info.name, "rng");
    EXPECT_TRUE((*loaded)[0].bytes == rng_);
    EXPECT_FALSE((*loaded)[0].info.tensor);
    EXPECT_TRUE((*loaded)[1].bytes == large_);
    EXPECT_EQ((*loaded)[1].info.tensor->shape, (std::vector<std::uint64_t>{300, 500}));
    EXPECT_TRUE((*loaded)[2].bytes == small_);
    EXPECT_EQ((*loaded)[2].info.tensor->dtype, DType::bf16);
  }

  std::vector<std::byte> large_, small_, rng_;
};

TEST_F(CheckpointsTest, AStateComesBackWholeAlsoAfterReopening) {
  EXPECT_FALSE(run().latest()->has_value());
  save(0);
  save(7, {.metrics = {{"loss", 0.25}}, .metadata = {{"note", "first"}}});
  expect_generation(0);
  expect_generation(7);
  reopen();
  expect_generation(7);
  const auto latest = run().latest();
  ASSERT_TRUE(latest.ok() && latest->has_value());
  EXPECT_EQ((*latest)->generation, 7u);
  EXPECT_EQ((*latest)->metric("loss"), 0.25);
  EXPECT_EQ((*latest)->tags.at("note"), "first");
  EXPECT_EQ((*latest)->logical_bytes, 600'000u + 600 + 2'500);
  EXPECT_GT((*latest)->created_ns, 0);
  EXPECT_EQ(run().info(3).error().code, ErrorCode::not_found);
  EXPECT_EQ(run().load(3).error().code, ErrorCode::not_found);
  EXPECT_FALSE(store_.checkpoints("other").latest()->has_value());
  expect_whole(store_);
  const auto objects = store_.list();
  EXPECT_TRUE(objects->objects.empty()) << "the values of a checkpoint are no objects of their own";
}

TEST_F(CheckpointsTest, WhatHasNotChangedTakesNoSpace) {
  save(1);
  const std::uint64_t before = store_.writer_stats().new_bytes;
  const auto same = state(1);
  ASSERT_TRUE(run().save(2, same).committed().wait().ok());
  EXPECT_EQ(store_.writer_stats().new_bytes, before);
  EXPECT_EQ(store_.stats()->states, 1u);
  const auto log = store_.archive().log("checkpoints/run");
  ASSERT_EQ(log->size(), 2u);
  EXPECT_EQ(log->front().parent_version, 1u);
}

TEST_F(CheckpointsTest, SavesThatAreOnTheirWayAtOnceKnowTheirParents) {
  std::vector<Ticket> tickets;
  for (std::uint64_t g = 0; g < 20; ++g) tickets.push_back(save_small(g, {.durability = Durability::lazy}));
  ASSERT_TRUE(store_.sync().ok());
  for (const Ticket& ticket : tickets) EXPECT_TRUE(ticket.committed().wait().ok());
  const auto log = store_.archive().log("checkpoints/run");
  ASSERT_EQ(log->size(), 20u);
  for (std::size_t i = 0; i + 1 < log->size(); ++i) EXPECT_EQ((*log)[i].parent_version, 18 - i);
}

TEST_F(CheckpointsTest, LatestIsByNumberAndBestIsByMetric) {
  const double values[] = {0.5, std::nan(""), 0.1, 0.9, 0.1};
  for (std::uint64_t g = 0; g < 5; ++g) {
    ASSERT_TRUE(save_small(7 + g, {.metrics = {{"loss", values[g]}}}).committed().wait().ok());
  }
  ASSERT_TRUE(save_small(100).committed().wait().ok());
  ASSERT_TRUE(save_small(99).committed().wait().ok());
  EXPECT_EQ((*run().latest())->generation, 100u);
  EXPECT_EQ((*run().best("loss", Best::lowest))->generation, 11u) << "the later of equal ones";
  EXPECT_EQ((*run().best("loss", Best::highest))->generation, 10u);
  EXPECT_FALSE(run().best("accuracy", Best::highest)->has_value());
  for (const std::uint64_t g : {7, 9, 10, 11}) ASSERT_TRUE(run().remove(g).ok());
  EXPECT_TRUE(std::isnan((*run().best("loss", Best::lowest))->metric("loss").value())) << "there is nothing better";
  EXPECT_EQ(run().remove(9).error().code, ErrorCode::not_found);
}

TEST_F(CheckpointsTest, ListsInPages) {
  for (std::uint64_t g = 0; g < 10; ++g) static_cast<void>(save_small(g * 3));
  const auto first = run().list(0, 4);
  ASSERT_TRUE(first.ok());
  EXPECT_EQ(first->checkpoints.back().generation, 9u);
  ASSERT_EQ(first->next, 12u);
  const auto second = run().list(*first->next, 100);
  EXPECT_EQ(second->checkpoints.size(), 6u);
  EXPECT_FALSE(second->next);
  const auto stats = run().stats();
  EXPECT_EQ(stats->count, 10u);
  EXPECT_EQ(stats->first, 0u);
  EXPECT_EQ(stats->latest, 27u);
  EXPECT_EQ(run().list(0, 0).error().code, ErrorCode::invalid_argument);
}

TEST_F(CheckpointsTest, ThoseThatAreCommittedTogetherSpareEachOther) {
  const SaveOptions keep_two{.retention = {.keep_last = 2}, .durability = Durability::lazy};
  for (std::uint64_t g = 20; g < 25; ++g) ASSERT_TRUE(save_small(g).committed().wait().ok());
  // Training went back: both are older than all that is there, and share a commit.
  const Ticket first = save_small(3, keep_two);
  const Ticket second = save_small(4, keep_two);
  ASSERT_TRUE(store_.sync().ok());
  ASSERT_TRUE(first.committed().wait().ok() && second.committed().wait().ok());
  EXPECT_THAT(generations(), ElementsAre(3, 4, 23, 24));
}

TEST_F(CheckpointsTest, RetentionLeavesWhatItShould) {
  const SaveOptions keep_two{.retention = {.keep_last = 2, .keep_every = 10}};
  for (std::uint64_t g = 8; g <= 14; ++g) {
    ASSERT_TRUE(save_small(g, keep_two).committed().wait().ok());
    EXPECT_EQ(run().info(g)->generation, g) << "the one just saved stays";
  }
  EXPECT_THAT(generations(), ElementsAre(10, 13, 14));
  ASSERT_TRUE(save_small(3, keep_two).committed().wait().ok());
  EXPECT_THAT(generations(), ElementsAre(3, 10, 13, 14)) << "an old number is not pruned for being old";
  ASSERT_TRUE(run().pin(3).ok());
  ASSERT_TRUE(save_small(15, keep_two).committed().wait().ok());
  EXPECT_THAT(generations(), ElementsAre(3, 10, 14, 15)) << "pinned";
  EXPECT_EQ(run().stats()->pinned, 1u);
  ASSERT_TRUE(run().pin(3, false).ok());
  const auto forgotten = run().forget({.keep_last = 1});
  ASSERT_TRUE(forgotten.ok());
  EXPECT_EQ(forgotten->removed.size(), 3u);
  EXPECT_THAT(generations(), ElementsAre(15));
  reopen();
  EXPECT_THAT(generations(), ElementsAre(15));
  expect_whole(store_);
}

TEST_F(CheckpointsTest, SavingAgainReplaces) {
  save(4);
  ASSERT_TRUE(save_small(4).committed().wait().ok());
  EXPECT_EQ(run().load(4)->front().info.name, "text");
  EXPECT_THAT(generations(), ElementsAre(4));
}

TEST_F(CheckpointsTest, ValuesGoWhereTheCallerSays) {
  save(1);
  std::vector<std::byte> large(large_.size()), small(small_.size()), rng(rng_.size());
  const TensorLayout of_small{.dtype = DType::bf16, .shape = {30, 10}};
  const LoadTarget targets[] = {{.name = "w.small", .into = small, .tensor = of_small},
                                {.name = "rng", .into = rng},
                                {.name = "w.large", .into = large}};
  const Status loaded = run().load_into(1, targets);
  ASSERT_TRUE(loaded.ok()) << loaded.error().message;
  EXPECT_TRUE(large == large_ && small == small_ && rng == rng_);

  const auto refused = [&](const LoadTarget& target, ErrorCode code, const char* words) {
    std::fill(small.begin(), small.end(), std::byte{1});
    const LoadTarget both[] = {{.name = "w.small", .into = small}, target};
    const Status status = run().load_into(1, both);
    ASSERT_FALSE(status.ok());
    EXPECT_EQ(status.error().code, code);
    EXPECT_THAT(status.error().message, HasSubstr(words));
    EXPECT_EQ(small.front(), std::byte{1}) << "nothing was written";
  };
  refused({.name = "w.medium", .into = large}, ErrorCode::not_found, "w.medium");
  refused({.name = "w.large", .into = rng}, ErrorCode::invalid_argument, "'w.large'");
  refused({.name = "w.large", .into = large, .tensor = TensorLayout{.dtype = DType::f32, .shape = {500, 300}}},
          ErrorCode::invalid_argument, "f32 [300, 500], not f32 [500, 300]");
  refused({.name = "w.large", .into = large, .tensor = TensorLayout{.dtype = DType::i32, .shape = {300, 500}}},
          ErrorCode::invalid_argument, "not i32");
  refused({.name = "rng", .into = rng, .tensor = of_small}, ErrorCode::invalid_argument, "is no tensor");
}

TEST_F(CheckpointsTest, PartsOfAStateAreLoadedAlone) {
  save(1);
  const auto tensors = run().load(1, {"w.*"});
  ASSERT_TRUE(tensors.ok());
  ASSERT_EQ(tensors->size(), 2u);
  EXPECT_EQ(run().load(1, {"x.*"}).error().code, ErrorCode::not_found);
  const auto infos = run().values(1);
  ASSERT_EQ(infos->size(), 3u);
  EXPECT_EQ((*infos)[1].bytes, large_.size());
  const auto slice = run().load_slice(1, "w.large", {100, 250}, {101, 252});
  ASSERT_TRUE(slice.ok()) << slice.error().message;
  ASSERT_EQ(slice->size(), 8u);
  EXPECT_EQ(std::memcmp(slice->data(), large_.data() + (100 * 500 + 250) * 4, 8), 0);
  EXPECT_EQ(run().load_slice(1, "rng", {0}, {1}).error().code, ErrorCode::invalid_argument);
  EXPECT_EQ(run().load_slice(1, "none", {0}, {1}).error().code, ErrorCode::not_found);
}

TEST_F(CheckpointsTest, WhatIsWrongIsInTheTicketAndMemoryIsGivenBack) {
  std::atomic<int> released = 0;
  const auto moved = [&](std::string name) {
    small_ = random_bytes(100, 1u);
    return Put{.bytes = small_, .handover = Handover::move, .release = [&] { ++released; }, .name = std::move(name)};
  };
  const auto refused = [&](Checkpoints where, std::vector<Put> values, const SaveOptions& options = {}) {
    released = 0;
    const int handed_over = static_cast<int>(values.size());
    const Ticket ticket = where.save(1, std::move(values), options);
    EXPECT_EQ(ticket.committed().wait().error().code, ErrorCode::invalid_argument);
    EXPECT_TRUE(ticket.staged().ready());
    EXPECT_EQ(released, handed_over);
  };
  refused(run(), {});
  refused(run(), {moved("a"), moved("a")});
  refused(store_.checkpoints("a@b"), {moved("a")});
  refused(store_.checkpoints(""), {moved("a")});
  refused(run(), {moved("a")}, {.metrics = {{"x", 1}}, .metadata = {{"x", "y"}}});
  refused(run(), {moved("a")}, {.metadata = {{"long", std::string(70'000, 'x')}}});
  refused(run(), {moved("a")}, {.retention = {.keep_last = 1, .keep_best = KeepBest{}}});
  Put with_attributes = moved("a");
  with_attributes.attributes = {{"k", "v"}};
  refused(run(), {std::move(with_attributes)});
  EXPECT_TRUE(generations().empty());
}

TEST_F(CheckpointsTest, TheArchiveKnowsThem) {
  save(1);
  save(2, {.metrics = {{"loss", 0.5}}});
  Archive archive = store_.archive();
  const auto diff = archive.diff("checkpoints/run@1", "checkpoints/run@2");
  ASSERT_TRUE(diff.ok()) << diff.error().message;
  EXPECT_EQ(diff->same, 1u);
  EXPECT_EQ(diff->changed, 2u);
  for (const TensorChange& change : diff->changes) {
    EXPECT_EQ(change.max_abs_difference.has_value(), change.name == "w.large");
  }
  const auto entries = archive.entries("checkpoints/run");
  ASSERT_EQ(entries->size(), 2u);
  EXPECT_EQ((*entries)[0].kind, "state");
  EXPECT_EQ((*entries)[0].tensors, 2u);
  EXPECT_EQ((*entries)[1].path, "state/parts/rng");
  const auto shown = archive.show("checkpoints/run@2");
  ASSERT_TRUE(shown.ok()) << shown.error().message;
  EXPECT_EQ(shown->tensors.size(), 2u);
  EXPECT_EQ(shown->bytes, 600'000u + 600 + 2'500);
  EXPECT_EQ(archive.show((*entries)[0].id)->kind, "state");
  const auto found = archive.find_tensor("checkpoints/run@2", "w.large");
  ASSERT_TRUE(found.ok());
  EXPECT_EQ(found->bytes, 600'000u);
  const auto restored = archive.restore("checkpoints/run@2", {.to = folder_ / "out", .only = {}});
  ASSERT_TRUE(restored.ok()) << restored.error().message;
  EXPECT_EQ(restored->files, 2u);
  const std::string rng = read_file(folder_ / "out/state/parts/rng");
  EXPECT_EQ(rng.size(), rng_.size());
  EXPECT_EQ(std::memcmp(rng.data(), rng_.data(), rng.size()), 0);
  std::string tensors;
  const auto append = [&](Bytes bytes) -> Status {
    tensors.append(as_text(bytes));
    return {};
  };
  ASSERT_TRUE(archive.read_file("checkpoints/run@2", "state/tensors.safetensors", append).ok());
  EXPECT_TRUE(tensors == read_file(folder_ / "out/state/tensors.safetensors"));
  // What another program would make of it, this one does: the same tensors, found again.
  const auto added = archive.add({folder_ / "out/state/tensors.safetensors"}, {.name = "again"});
  ASSERT_TRUE(added.ok());
  EXPECT_EQ(added->tensors, 2u);
  const auto again = archive.find_tensor("again", "w.large");
  ASSERT_TRUE(again.ok()) << again.error().message;
  EXPECT_EQ(again->id, found->id);
  const auto some = archive.restore("checkpoints/run", {.to = folder_ / "some", .only = {"**/parts/*"}});
  EXPECT_EQ(some->files, 1u);
}

TEST_F(CheckpointsTest, NamesThatCannotBePathsAreNotRestored) {
  const auto bytes = random_bytes(10, 1u);
  ASSERT_TRUE(run().save(1, {part("../../evil", bytes)}).committed().wait().ok());
  EXPECT_EQ(run().load(1)->front().bytes, bytes) << "a name is any bytes";
  const auto restored = store_.archive().restore("checkpoints/run@1", {.to = folder_ / "out", .only = {}});
  ASSERT_FALSE(restored.ok());
  EXPECT_EQ(restored.error().code, ErrorCode::unsupported);
  EXPECT_THAT(restored.error().message, HasSubstr("evil"));
  ASSERT_TRUE(run().save(2, {tensor("\xff", bytes, DType::u8, {10})}).committed().wait().ok());
  const auto tensors = store_.archive().restore("checkpoints/run@2", {.to = folder_ / "out", .only = {}});
  ASSERT_FALSE(tensors.ok());
  EXPECT_EQ(tensors.error().code, ErrorCode::unsupported);
}

TEST_F(CheckpointsTest, ALiveReaderFindsThem) {
  Store reader = open({.access = Access::read_only});
  EXPECT_FALSE(reader.checkpoints("run").latest()->has_value());
  save(1);
  save(2, {.retention = {.keep_last = 1}});
  EXPECT_EQ((*reader.checkpoints("run").latest())->generation, 2u);
  EXPECT_EQ(reader.checkpoints("run").stats()->count, 1u);
  EXPECT_TRUE(reader.checkpoints("run").load(2).ok());
  EXPECT_EQ(reader.checkpoints("run").save(3, {part("a", rng_)}).committed().wait().error().code,
            ErrorCode::invalid_argument);
}

TEST_F(CheckpointsTest, ManyGenerationsAreListedAndTheLatestIsFound) {
  const std::uint64_t count = scaled(2'000, 100'000);
  for (std::uint64_t g = 0; g < count; ++g) {
    static_cast<void>(save_small(g, {.metrics = {{"loss", 1.0 / static_cast<double>(g + 1)}}}));
  }
  ASSERT_TRUE(store_.sync().ok());
  EXPECT_EQ(run().stats()->count, count);
  reopen();
  const auto began = std::chrono::steady_clock::now();
  for (int i = 0; i < 100; ++i) ASSERT_EQ((*run().latest())->generation, count - 1);
  const std::chrono::duration<double, std::milli> took = std::chrono::steady_clock::now() - began;
  std::printf("latest of %lu generations: %.3f ms\n", count, took.count() / 100);
  EXPECT_EQ((*run().best("loss", Best::lowest))->generation, count - 1);
  std::uint64_t seen = 0;
  for (std::optional<std::uint64_t> from = 0; from;) {
    const auto page = run().list(*from, 999);
    ASSERT_TRUE(page.ok());
    seen += page->checkpoints.size();
    from = page->next;
  }
  EXPECT_EQ(seen, count);
  const std::string text = "generation " + std::to_string(count / 2);
  EXPECT_EQ(as_text(run().load(count / 2)->front().bytes), text);
}

TEST(CheckpointScheduleTest, SaysSoByStepsEpochsOrTime) {
  using Clock = CheckpointSchedule::Clock;
  const Clock::time_point start{};
  const auto at = [&](int seconds) { return start + std::chrono::seconds(seconds); };
  CheckpointSchedule steps({.every_steps = 10}, 0, 0, start);
  EXPECT_FALSE(steps.should_checkpoint(0, 0, at(1)));
  EXPECT_FALSE(steps.should_checkpoint(9, 0, at(1)));
  EXPECT_TRUE(steps.should_checkpoint(10, 0, at(1)));
  EXPECT_FALSE(steps.should_checkpoint(10, 0, at(1)));
  EXPECT_TRUE(steps.should_checkpoint(25, 0, at(1))) << "20 was passed";
  EXPECT_FALSE(steps.should_checkpoint(29, 0, at(1)));
  EXPECT_TRUE(steps.should_checkpoint(30, 0, at(1)));
  CheckpointSchedule resumed({.every_steps = 10}, 25, 0, start);
  EXPECT_FALSE(resumed.should_checkpoint(29, 0, start));
  CheckpointSchedule epochs({.every_epochs = 2}, 0, 0, start);
  EXPECT_FALSE(epochs.should_checkpoint(1000, 1, at(1)));
  EXPECT_TRUE(epochs.should_checkpoint(2000, 2, at(1)));
  CheckpointSchedule time({.every_steps = 100, .every_seconds = 60}, 0, 0, start);
  EXPECT_FALSE(time.should_checkpoint(1, 0, at(59)));
  EXPECT_TRUE(time.should_checkpoint(2, 0, at(60)));
  EXPECT_FALSE(time.should_checkpoint(3, 0, at(119)));
  EXPECT_TRUE(time.should_checkpoint(100, 0, at(119)));
  EXPECT_FALSE(time.should_checkpoint(101, 0, at(178)));
  EXPECT_TRUE(time.should_checkpoint(102, 0, at(179)));
  CheckpointSchedule never({}, 0, 0, start);
  EXPECT_FALSE(never.should_checkpoint(1'000'000, 1'000'000, at(1'000'000)));
}

}  // namespace
}  // namespace cairn::testing
