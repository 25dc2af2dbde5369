// SPDX-License-Identifier: Apache-2.0
//
// Power is cut at every write-side call while deltas are stored, and every call fails in turn: a delta is there whole,
// with what it needs of its base, or not at all; and one whose call returned is there.
#include "tests/delta/deltas_fixture.h"
#include "tests/support/store_scenario.h"

namespace cairn::testing {
namespace {

class DeltasFaultTest : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_TRUE(StoreImpl::create(prepared_, "store", kSmallStore).ok());
    Store store = open_store(prepared_, "store");
    base_ = store.put({.bytes = pair_.base, .tensor = layout()}).value();
    ASSERT_TRUE(store.close().ok());
  }
  static TensorLayout layout() { return {.dtype = DType::bf16, .shape = {150'000}}; }
  std::unique_ptr<SimFileSystem> disk(std::uint64_t seed) { return prepared_.survivor(seed, Loss::keep_all); }

  struct Outcome {
    Status status;
    std::uint64_t calls = 0;
    std::size_t stored = 0;  // deltas whose call returned
  };
  // Three deltas: from what is there, from what is put along, and one that turns out too large; and one that goes.
  Outcome run(SimFileSystem& fs, const std::function<void()>& begin_faults = {}) {
    Outcome outcome;
    auto opened = StoreImpl::open(fs, "store", {.threads = 2}, {});
    if (!opened.ok()) return {.status = opened.error()};
    Store store = StoreImpl::handle(std::move(opened).value());
    const std::uint64_t before = fs.write_calls();
    if (begin_faults) begin_faults();
    outcome.status = [&]() -> Status {
      const TensorBytes target{.bytes = pair_.target, .layout = layout()};
      const TensorBytes other{.bytes = other_.target, .layout = layout()};
      CAIRN_TRY(const auto first, store.deltas().store(target, base_, {.kind = DeltaKind::int8, .name = "first"}));
      ++outcome.stored;
      CAIRN_TRY(const auto second,
                store.deltas().store(target, TensorBytes{other_.base, layout()},
                                     {.kind = DeltaKind::xor_split, .maximum_ratio = 2, .name = "second"}));
      ++outcome.stored;
      CAIRN_TRY(const auto third, store.deltas().store(other, base_, {.maximum_ratio = 0.5, .name = "third"}));
      ++outcome.stored;
      EXPECT_EQ(third.delta.kind, DeltaKind::whole);
      return {};
    }();
    outcome.calls = fs.write_calls() - before;
    return outcome;
  }

  std::string what_is_wrong(SimFileSystem& fs, std::size_t at_least) {
    auto opened = StoreImpl::open(fs, "store", {.threads = 2}, {});
    if (!opened.ok()) return opened.error().message;
    Store store = StoreImpl::handle(std::move(opened).value());
    const auto page = store.deltas().list();
    if (!page.ok()) return page.error().message;
    if (page->deltas.size() < at_least) return "a delta was lost";
    for (const DeltaInfo& delta : page->deltas) {
      const auto back = store.deltas().load(delta.id);
      if (!back.ok()) return back.error().message;
      const Content& expected = delta.names.front().name == "third" ? other_.target : pair_.target;
      if (delta.lossless() && *back != expected) return "another tensor";
    }
    const auto report = store.check({.read_data = true});
    if (!report.ok()) return report.error().message;
    if (!report->damaged.empty()) return report->damaged.front().what;
    if (!store.gc({.max_dead = 0}).ok() || store.stats()->dead_bytes != 0) return "what is dead stays";
    return store.get(base_).ok() ? std::string() : "the base is gone";
  }

  SimFileSystem prepared_;
  const Pair pair_ = pairs(DType::bf16, 300'000, 21).front(), other_ = pairs(DType::bf16, 300'000, 22)[3];
  std::string base_;
};

TEST_F(DeltasFaultTest, ACutAtAnyCallLeavesWholeDeltas) {
  const std::uint64_t seed = test_seed(81);
  const Outcome whole = run(*disk(1));
  ASSERT_TRUE(whole.status.ok()) << whole.status.error().message;
  ASSERT_GT(whole.calls, 5u);
  for (std::uint64_t at = 1; at <= whole.calls; ++at) {
    const auto fs = disk(seed + at);
    const Outcome outcome = run(*fs, [&] { fs->crash_at(at); });
    for (const Loss loss : kLosses) {
      const auto survivor = fs->survivor(seed * 1000 + at, loss);
      ASSERT_EQ(what_is_wrong(*survivor, outcome.stored), "")
          << "CAIRN_TEST_SEED=" << seed << " cut at call " << at << " of " << whole.calls << ", loss "
          << static_cast<int>(loss);
    }
  }
}

TEST_F(DeltasFaultTest, AFailureAtAnyCallIsAnErrorAndLeavesWholeDeltas) {
  const std::uint64_t calls = run(*disk(1)).calls;
  for (const ErrorCode code : {ErrorCode::io, ErrorCode::no_space}) {
    for (std::uint64_t at = 1; at <= calls; ++at) {
      const auto fs = disk(at);
      const Outcome outcome = run(*fs, [&] { fs->fail_at(at, {.code = code, .message = "planned"}, Repeat::once); });
      fs->clear_faults();
      ASSERT_EQ(what_is_wrong(*fs, outcome.stored), "") << "call " << at << " of " << calls << " fails";
    }
  }
}

}  // namespace
}  // namespace cairn::testing
