// SPDX-License-Identifier: Apache-2.0
//
// The files of ~/.aws as people, tools and nobody in particular write them.
#include "replication/s3/ini.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>

namespace cairn::s3 {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

// The value, or why there is none.
std::string value_of(std::string_view text, std::string_view section, std::string_view name) {
  const auto ini = Ini::parse(text, "FILE");
  if (!ini.ok()) return ini.error().message;
  const auto value = ini->value(section, name);
  return value ? std::string(*value) : ini->has_section(section) ? "no such name" : "no such section";
}

TEST(IniTest, ValuesAreFoundBySectionAndName) {
  const std::string_view text =
      "\xef\xbb\xbf# a comment\r\n[default]\r\naws_access_key_id=A/+=B\r\n\r\n; another\n[profile dev]\n\tregion =  eu "
      " \n"
      "empty =\n[ spaced ]\nx=1";
  EXPECT_EQ(value_of(text, "default", "aws_access_key_id"), "A/+=B");
  EXPECT_EQ(value_of(text, "default", "AWS_Access_Key_ID"), "A/+=B");
  EXPECT_EQ(value_of(text, "profile dev", "region"), "eu");
  EXPECT_EQ(value_of(text, "profile dev", "empty"), "");
  EXPECT_EQ(value_of(text, "spaced", "x"), "1");
  EXPECT_EQ(value_of(text, "Default", "aws_access_key_id"), "no such section");
  EXPECT_EQ(value_of(text, "default", "region"), "no such name");
  EXPECT_EQ(value_of("", "default", "region"), "no such section");
}

TEST(IniTest, OfTwoTheLastHolds) { EXPECT_EQ(value_of("[a]\nx=1\n[b]\nx=9\n[a]\nx=2\nX=3\n", "a", "x"), "3"); }

TEST(IniTest, ACommentBeginsALineOrFollowsASpace) {
  EXPECT_EQ(value_of("[a] # why\nx = y#z;w # why\n", "a", "x"), "y#z;w");
  EXPECT_EQ(value_of("[a]\nx = ;\n", "a", "x"), "");
}

TEST(IniTest, NestedLinesAreNoPropertiesOfTheSection) {
  const std::string_view text = "[a]\ns3 =\n  region = nested\nregion = own\n more\n[b]\n  region = indented\n";
  EXPECT_EQ(value_of(text, "a", "region"), "own");
  EXPECT_EQ(value_of(text, "a", "s3"), "");
  EXPECT_EQ(value_of(text, "b", "region"), "indented");
}

TEST(IniTest, WhatIsBrokenIsNamedByItsLineAndNotRepeated) {
  const auto error = [](std::string_view text) {
    const auto ini = Ini::parse(text, "FILE");
    EXPECT_FALSE(ini.ok()) << text;
    if (ini.ok()) return std::string();
    EXPECT_EQ(ini.error().code, ErrorCode::invalid_argument);
    EXPECT_THAT(ini.error().message, Not(HasSubstr("canary")));
    return ini.error().message;
  };
  EXPECT_EQ(error("[a]\nx=1\ncanary\n"), "FILE line 3 is neither [section] nor name = value");
  EXPECT_EQ(error("[a]\n=canary\n"), "FILE line 2 is neither [section] nor name = value");
  EXPECT_EQ(error("canary=1\n[a]\n"), "FILE line 1 comes before any section");
  EXPECT_EQ(error("[a]\n\n[canary\n"), "FILE line 3 has no ']' at the end of a section's name");
  EXPECT_EQ(error("[ ]\n"), "FILE line 1 has a section without a name");
  EXPECT_EQ(error("["), "FILE line 1 has no ']' at the end of a section's name");
  EXPECT_EQ(error(std::string_view("[a]\nx=\0canary", 13)), "FILE holds a NUL, so it is no text");
  EXPECT_EQ(error(std::string(kIniBytesMax + 1, '\n')), "FILE is longer than 1 MiB");
}

TEST(IniTest, RandomTextsAreReadOrRefused) {
  const std::string_view pieces[] = {"[", "]",  "a",  "=",       "\n",           " ",   "#",
                                     ";", "\r", "\t", "default", "\xef\xbb\xbf", "\xff"};
  std::mt19937 random(7);
  for (int round = 0; round < 20'000; ++round) {
    std::string text;
    for (unsigned i = random() % 24; i > 0; --i) text += pieces[random() % std::size(pieces)];
    const auto ini = Ini::parse(text, "FILE");
    if (!ini.ok()) continue;
    if (const auto value = ini->value("a", "a")) {
      EXPECT_GE(value->data(), text.data());
      EXPECT_LE(value->data() + value->size(), text.data() + text.size());
    }
  }
}

}  // namespace
}  // namespace cairn::s3
