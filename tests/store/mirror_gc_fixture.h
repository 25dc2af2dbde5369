// SPDX-License-Identifier: Apache-2.0
//
// A mirror that is reclaimed, and what has to hold whatever was done to it.
#pragma once

#include <algorithm>
#include <atomic>

#include "replication/gc.h"
#include "replication/verify.h"
#include "tests/store/mirror_fixture.h"

namespace cairn::testing {

class MirrorGcTest : public MirrorTest {
 protected:
  static constexpr std::chrono::hours kGrace{24};

  // Small packs, so that there are many requests; and as few of them at a time as can be.
  static mirror::PushOptions small_packs() { return {.parallel = 1, .pack_bytes = 16 * 1024, .packs_per_index = 2}; }
  static mirror::GcOptions options(std::chrono::seconds grace = kGrace) {
    return {.grace = grace, .parallel = 1, .pack_bytes = 16 * 1024};
  }
  Result<mirror::GcReport> gc(const mirror::GcOptions& how = options()) {
    return mirror::gc(bucket_, MirrorFormats(DigestKind::blake3), how);
  }
  mirror::GcReport gc_well(const mirror::GcOptions& how = options()) {
    const auto report = gc(how);
    EXPECT_TRUE(report.ok()) << report.error().message;
    return report.ok() ? *report : mirror::GcReport();
  }
  void later(std::chrono::hours hours) { bucket_.pass(hours); }
  // What was put is old, and what was noted can be removed.
  void gc_all() {
    for (int round = 0; round < 4; ++round) {
      later(kGrace + std::chrono::hours(1));
      gc_well();
    }
  }

  // A version of some 20 KB that no other seed has.
  void add_small(Store& store, const std::string& name, std::uint64_t seed) { add_sized(store, name, seed, 10'000); }
  void add_sized(Store& store, const std::string& name, std::uint64_t seed, std::size_t weights) {
    write_file(inputs_ / (name + ".safetensors"), safetensors_of({{"own", bf16_weights(weights, seed)}}));
    const auto added =
        store.archive().add({inputs_ / (name + ".safetensors")}, {.name = name, .base = base_, .force = true});
    ASSERT_TRUE(added.ok()) << added.error().message;
  }
  static void remove(Store& store, const std::string& ref) {
    const auto removed = store.archive().remove(ref);
    ASSERT_TRUE(removed.ok()) << removed.error().message;
  }

  void expect_true_mirror(const std::string& where) {
    const auto report = mirror::verify(bucket_, MirrorFormats(DigestKind::blake3), {.read_data = true, .parallel = 2});
    ASSERT_TRUE(report.ok()) << where << ": " << report.error().message;
    for (const std::string& problem : report->problems) ADD_FAILURE() << where << ": " << problem;
  }
  // Everything that `store` says comes back from the mirror bit for bit.
  void expect_all_of(OpenedStore& store, const std::string& where) {
    expect_true_mirror(where);
    const std::string path = "back" + std::to_string(++restored_);
    const auto report = restore_store(fs_, path, bucket_, {.store = store.impl->header().uuid});
    ASSERT_TRUE(report.ok()) << where << ": " << report.error().message;
    {
      OpenedStore back = open(path);
      EXPECT_EQ(contents(back.store), contents(store.store)) << where;
    }
    ASSERT_TRUE(StoreImpl::destroy(fs_, path).ok());
  }
  std::uint64_t packed() const { return bucket_.bytes("packs/"); }

  // Runs `act` while `call` is under way, before its request number `at`. False: it has no such request. A call may
  // have two requests under way, of which either may be the first.
  template <class Call, class Act>
  bool between(std::size_t at, Call call, Act act) {
    std::atomic<std::size_t> requests = 0;
    std::atomic<bool> inside = false, acted = false;
    bucket_.between = [&](std::string_view what, std::string_view key) {
      if (inside || requests++ != at || acted.exchange(true)) return;
      inside = true;
      act(what, key);
      inside = false;
    };
    call();
    bucket_.between = nullptr;
    return acted;
  }

 private:
  int restored_ = 0;
};

}  // namespace cairn::testing
