// SPDX-License-Identifier: Apache-2.0
//
// What a retention policy removes: by itself, and through Archive::forget.
#include <gmock/gmock.h>

#include <cmath>
#include <limits>

#include "api/src/retention.h"
#include "tests/support/archive_fixture.h"

namespace cairn::testing {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

constexpr std::int64_t kSecond = 1'000'000'000;

// Versions 1 to `count`, created ten seconds apart, with a loss that falls.
std::vector<RefRecord> versions(std::uint64_t count) {
  std::vector<RefRecord> all;
  for (std::uint64_t v = 1; v <= count; ++v) {
    all.push_back({.name = "n",
                   .version = v,
                   .created_ns = static_cast<std::int64_t>(v) * 10 * kSecond,
                   .tags = {{"loss", metric_text(1.0 / static_cast<double>(v))}}});
  }
  return all;
}

std::vector<std::uint64_t> kept(const std::vector<RefRecord>& all, const RetentionPolicy& policy,
                                const std::set<std::uint64_t>& spared = {}) {
  const std::vector<bool> removed = to_be_removed(all, policy, spared);
  std::vector<std::uint64_t> numbers;
  for (std::size_t i = 0; i < all.size(); ++i) {
    if (!removed[i]) numbers.push_back(all[i].version);
  }
  return numbers;
}

TEST(RetentionTest, KeepsTheLastByNumber) {
  EXPECT_THAT(kept(versions(9), {.keep_last = 3}), ElementsAre(7, 8, 9));
  EXPECT_THAT(kept(versions(3), {.keep_last = 3}), ElementsAre(1, 2, 3));
  EXPECT_THAT(kept(versions(2), {.keep_last = 1}), ElementsAre(2));
  EXPECT_THAT(kept({}, {.keep_last = 1}), IsEmpty());
}

TEST(RetentionTest, ZeroKeepsAllWhateverElseIsSaid) {
  EXPECT_THAT(kept(versions(3), {}), ElementsAre(1, 2, 3));
  EXPECT_THAT(kept(versions(3), {.keep_every = 2}), ElementsAre(1, 2, 3));
}

TEST(RetentionTest, AVersionStaysWhenAnyRuleSaysSo) {
  EXPECT_THAT(kept(versions(9), {.keep_last = 1, .keep_every = 4}), ElementsAre(4, 8, 9));
  EXPECT_THAT(kept(versions(9), {.keep_last = 1, .keep_best = KeepBest{"loss", Best::highest, 2}}),
              ElementsAre(1, 2, 9));
  EXPECT_THAT(kept(versions(9), {.keep_last = 1, .keep_best = KeepBest{"loss", Best::lowest, 1}}), ElementsAre(9));
  EXPECT_THAT(kept(versions(9), {.keep_last = 1, .keep_within = std::chrono::seconds(20)}), ElementsAre(7, 8, 9));
  EXPECT_THAT(kept(versions(9), {.keep_last = 1, .keep_within = std::chrono::seconds::max()}),
              ElementsAre(1, 2, 3, 4, 5, 6, 7, 8, 9));
  auto pinned = versions(9);
  pinned[2].tags.emplace(kPinnedTag, "");
  EXPECT_THAT(kept(pinned, {.keep_last = 1}), ElementsAre(3, 9));
}

TEST(RetentionTest, WhatWasJustSavedIsSparedHoweverOldItsNumber) {
  EXPECT_THAT(kept(versions(9), {.keep_last = 2}, {1}), ElementsAre(1, 8, 9));
  EXPECT_THAT(kept(versions(9), {.keep_last = 2}, {1, 4}), ElementsAre(1, 4, 8, 9));
}

TEST(RetentionTest, WhatIsNoNumberIsNeverAmongTheBestWhileThereAreOthers) {
  auto all = versions(5);
  all[0].tags["loss"] = "nan";
  all[1].tags["loss"] = "-nan";
  all[2].tags["loss"] = "low";  // no metric at all
  all[3].tags["loss"] = "inf";
  const KeepBest highest{"loss", Best::highest, 1}, two{"loss", Best::lowest, 2};
  EXPECT_THAT(kept(all, {.keep_last = 1, .keep_best = highest}), ElementsAre(4, 5));
  EXPECT_THAT(kept(all, {.keep_last = 1, .keep_best = two}), ElementsAre(4, 5));
  all[3].tags["loss"] = all[4].tags["loss"] = "nan";
  EXPECT_THAT(kept(all, {.keep_last = 1, .keep_best = two}), ElementsAre(4, 5)) << "of equal ones the higher version";
}

TEST(RetentionTest, MetricsComeBackAsTheNumberThatTheyWere) {
  for (const double value : {0.0, -0.0, 0.1, 1e300, -5e-324, std::numeric_limits<double>::infinity()}) {
    const auto back = metric_of({{"m", metric_text(value)}}, "m");
    ASSERT_TRUE(back.has_value());
    EXPECT_EQ(std::signbit(*back), std::signbit(value));
    EXPECT_EQ(*back, value);
  }
  EXPECT_TRUE(std::isnan(metric_of({{"m", metric_text(std::nan(""))}}, "m").value()));
  for (const char* text : {"", "0.5x", " 1", "low", "1,5"}) EXPECT_FALSE(metric_of({{"m", text}}, "m")) << text;
  EXPECT_FALSE(metric_of({}, "m"));
}

class ForgetTest : public ::testing::Test {
 protected:
  void SetUp() override {
    const Status created = StoreImpl::create(posix_file_system(), path(), kSmallStore);
    ASSERT_TRUE(created.ok()) << created.error().message;
  }
  std::string path() const { return scratch_ / "store"; }
  Store open() { return open_store(posix_file_system(), path()); }
  void add(Store& store, const std::string& name, std::uint64_t version) {
    write_file(scratch_ / "in/f", "content " + std::to_string(version));
    const auto added = store.archive().add({scratch_ / "in"}, {.name = name});
    ASSERT_TRUE(added.ok()) << added.error().message;
    ASSERT_EQ(added->version, version);
  }
  static std::vector<std::string> names(Store& store) {
    std::vector<std::string> all;
    const auto refs = store.archive().list();
    EXPECT_TRUE(refs.ok());
    for (const RefInfo& ref : *refs) all.push_back(ref.name + "@" + std::to_string(ref.version));
    return all;
  }

  ScratchFolder scratch_;
};

TEST_F(ForgetTest, RemovesVersionsForGood) {
  Store store = open();
  for (std::uint64_t v = 1; v <= 5; ++v) add(store, "a", v);
  add(store, "ab", 1);
  const auto dry = store.archive().forget("a", {.keep_last = 2}, true);
  ASSERT_TRUE(dry.ok());
  EXPECT_EQ(dry->removed.size(), 3u);
  EXPECT_EQ(names(store).size(), 6u);
  const auto forgotten = store.archive().forget("a", {.keep_last = 2});
  ASSERT_TRUE(forgotten.ok());
  EXPECT_EQ(forgotten->removed.size(), 3u);
  EXPECT_EQ(forgotten->kept, 2u);
  EXPECT_THAT(names(store), ElementsAre("a@4", "a@5", "ab@1"));
  EXPECT_EQ(store.archive().restore("a@3", {.to = scratch_ / "out"}).error().code, ErrorCode::not_found);
  ASSERT_TRUE(store.archive().restore("a@4", {.to = scratch_ / "out"}).ok());
  const auto one = store.archive().remove("a@4");
  ASSERT_TRUE(one.ok());
  EXPECT_EQ(one->removed.front().version, 4u);
  EXPECT_EQ(store.archive().remove("a@4").error().code, ErrorCode::not_found);
  EXPECT_EQ(store.archive().remove("nobody").error().code, ErrorCode::not_found);
  EXPECT_EQ(store.archive().forget("nobody", {.keep_last = 1}).error().code, ErrorCode::not_found);
  EXPECT_EQ(store.archive().forget("a", {.keep_last = 1, .keep_best = KeepBest{}}).error().code,
            ErrorCode::invalid_argument);
  expect_whole(store);
  ASSERT_TRUE(store.close().ok());
  ASSERT_TRUE(Store::rebuild_index(path()).ok());
  Store again = open();
  EXPECT_THAT(names(again), ElementsAre("a@5", "ab@1"));
  add(again, "a", 6);
  ASSERT_TRUE(again.archive().remove("a").ok());
  EXPECT_THAT(names(again), ElementsAre("ab@1"));
}

TEST_F(ForgetTest, TheLogTellsWhichVersionCameFromWhich) {
  Store store = open();
  for (std::uint64_t v = 1; v <= 4; ++v) add(store, "a", v);
  ASSERT_TRUE(store.archive().remove("a@2").ok());
  const auto log = store.archive().log("a");
  ASSERT_TRUE(log.ok()) << log.error().message;
  ASSERT_EQ(log->size(), 3u);
  EXPECT_EQ((*log)[0].ref.version, 4u);
  EXPECT_EQ((*log)[0].parent_version, 3u);
  EXPECT_FALSE((*log)[1].parent.empty());
  EXPECT_FALSE((*log)[1].parent_version) << "it is gone";
  EXPECT_TRUE((*log)[2].parent.empty());
  EXPECT_EQ(store.archive().log("a@3")->size(), 2u);
  EXPECT_EQ(store.archive().log("a@0").error().code, ErrorCode::not_found);
  EXPECT_EQ(store.archive().log("nobody").error().code, ErrorCode::not_found);
}

}  // namespace
}  // namespace cairn::testing
