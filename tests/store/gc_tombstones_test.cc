// SPDX-License-Identifier: Apache-2.0
//
// What the log says of what was removed, when segments go: a part of it stays, and a rebuilt
// index believes all of it.
#include <gtest/gtest.h>

#include "tests/support/gc_scenario.h"
#include "tests/support/segmented_store.h"

namespace cairn::testing {
namespace {

// A third of the log may stay dead: segments that are nearly all live do not go.
constexpr GcOptions kOnlyWhatIsWorthIt{.max_dead = 0.3};

enum class Named { a_value, a_version, an_entry };

class GcTombstonesTest : public ::testing::TestWithParam<Named> {
 protected:
  void SetUp() override { write_file(inputs_ / "in/file", "content"); }

  void name_it() {
    if (GetParam() == Named::a_value) {
      id_ = log_.store().put({.bytes = std::as_bytes(std::span(kContent)), .name = "n"}).value();
    } else if (GetParam() == Named::an_entry) {
      ASSERT_TRUE(log_.store().results().put("n", ResultValue::json("1")).ok());
    } else {
      ASSERT_EQ(log_.store().archive().add({inputs_ / "in"}, {.name = "n"}).value().version, 1u);
    }
  }
  void remove_it() {
    if (GetParam() == Named::a_value) {
      ASSERT_TRUE(log_.store().remove(id_).value());
    } else if (GetParam() == Named::an_entry) {
      ASSERT_TRUE(log_.store().results().remove("n").value());
    } else {
      ASSERT_TRUE(remove_version(log_.impl(), "n", 1).ok());
    }
  }
  bool is_there() {
    if (GetParam() == Named::a_value) return log_.store().contains(id_).value();
    if (GetParam() == Named::an_entry) return log_.store().results().has("n").value();
    return log_.store().archive().list().value().size() == 1;
  }

  static constexpr std::string_view kContent = "what has a name";
  ScratchFolder inputs_;
  SegmentedStore log_;
  std::string id_;
};

TEST_P(GcTombstonesTest, WhatWasRemovedStaysRemovedWhileAnOlderSegmentHasIt) {
  name_it();
  log_.fill();
  remove_it();
  const auto passing = log_.fill();
  log_.fill();
  log_.remove(passing);
  ASSERT_EQ(log_.store().gc(kOnlyWhatIsWorthIt).value().segments, 1u);
  const auto left = log_.segments();
  ASSERT_EQ(left[0], 1u) << "in which it had been named";
  ASSERT_EQ(left[1], 3u) << "the one with its removal is gone";
  EXPECT_FALSE(is_there());
  EXPECT_EQ(wrong_with_counts(log_.store()), "");
  ASSERT_TRUE(log_.rebuild().empty());
  EXPECT_FALSE(is_there());
  EXPECT_EQ(wrong_with_counts(log_.store()), "");
}

TEST_P(GcTombstonesTest, WhatIsNamedAgainOutlivesItsRemoval) {
  name_it();
  log_.fill();
  remove_it();
  const auto passing = log_.fill();
  name_it();
  log_.fill();
  log_.remove(passing);
  ASSERT_EQ(log_.store().gc(kOnlyWhatIsWorthIt).value().segments, 1u);
  ASSERT_EQ(log_.segments()[1], 3u) << "the one with its removal is gone";
  EXPECT_TRUE(is_there());
  EXPECT_EQ(wrong_with_counts(log_.store()), "");
  ASSERT_TRUE(log_.rebuild().empty());
  EXPECT_TRUE(is_there());
  EXPECT_EQ(wrong_with_counts(log_.store()), "");
}

std::string name_of(const ::testing::TestParamInfo<Named>& named) {
  switch (named.param) {
    case Named::a_value: return "value";
    case Named::a_version: return "version";
    case Named::an_entry: break;
  }
  return "entry";
}
INSTANTIATE_TEST_SUITE_P(, GcTombstonesTest, ::testing::Values(Named::a_value, Named::a_version, Named::an_entry),
                         name_of);

}  // namespace
}  // namespace cairn::testing
