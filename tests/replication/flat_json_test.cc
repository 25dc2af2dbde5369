// SPDX-License-Identifier: Apache-2.0
//
// What credential endpoints answer, and what they had better not.
#include "replication/s3/flat_json.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>

namespace cairn::s3 {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

std::string text_of(std::string_view json, std::string_view name) {
  const auto parsed = FlatJson::parse(json);
  if (!parsed.ok()) return "refused";
  const Secret* const value = parsed->text(name);
  return value == nullptr ? "nothing" : std::string(value->reveal());
}

TEST(FlatJsonTest, TextsAreFoundByName) {
  const std::string_view json = " {\"a\" : \"1\",\n\"b\":\"x\\u003d\\/\\\"\\\\\\n\" , \"\":\"\"} \n";
  EXPECT_EQ(text_of(json, "a"), "1");
  EXPECT_EQ(text_of(json, "b"), "x=/\"\\\n");
  EXPECT_EQ(text_of(json, ""), "");
  EXPECT_EQ(text_of(json, "c"), "nothing");
  EXPECT_EQ(text_of("{}", "a"), "nothing");
}

TEST(FlatJsonTest, OtherValuesAreLeftOutWhateverIsInThem) {
  const std::string_view json =
      "{\"a\":1.5e3,\"b\":null,\"c\":[{\"id\":\"inner "
      "]}\"},[\"\\\"\"]],\"d\":{\"id\":\"x\"},\"id\":\"outer\",\"e\":true}";
  EXPECT_EQ(text_of(json, "id"), "outer");
  for (const char* name : {"a", "b", "c", "d", "e"}) EXPECT_EQ(text_of(json, name), "nothing");
}

TEST(FlatJsonTest, EveryShorterTextIsRefused) {
  const std::string json = "{\"a\":\"1\\u0041\",\"b\":[\"x\",{}],\"c\":null}";
  EXPECT_EQ(text_of(json, "a"), "1A");
  for (std::size_t size = 0; size < json.size(); ++size)
    EXPECT_EQ(text_of(json.substr(0, size), "a"), "refused") << size;
}

TEST(FlatJsonTest, WhatIsNoObjectIsRefusedByItsPlaceAndNotRepeated) {
  for (const char* json :
       {"", "[]", "\"canary\"", "canary", "{\"a\":\"canary\"}x", "{\"a\":\"canary\",}", "{\"a\" \"canary\"}",
        "{\"a\":}", "{\"a\":\"can\nary\"}", "{\"a\":\"\\u00e4\"}", "{\"a\":\"\\u00\"}", "{\"a\":\"\\x\"}",
        "{\"a\":\"\\", "{a:1}", "{\"a\":[}", "{\"a\":]}", "{\"a\":1\"b\":2}", "{,}"}) {
    const auto parsed = FlatJson::parse(json);
    ASSERT_FALSE(parsed.ok()) << json;
    EXPECT_EQ(parsed.error().code, ErrorCode::corruption);
    EXPECT_THAT(parsed.error().message, HasSubstr("at byte"));
    EXPECT_THAT(parsed.error().message, Not(HasSubstr("canary")));
  }
}

TEST(FlatJsonTest, SizeAndDepthAreBounded) {
  EXPECT_EQ(text_of("{\"a\":" + std::string(64, '[') + std::string(64, ']') + "}", "a"), "nothing");
  EXPECT_EQ(text_of("{\"a\":" + std::string(65, '[') + std::string(65, ']') + "}", "a"), "refused");
  EXPECT_EQ(text_of("{\"a\":\"" + std::string(60'000, 'x') + "\"}", "a").size(), 60'000u);
  EXPECT_EQ(text_of("{\"a\":\"" + std::string(66'000, 'x') + "\"}", "a"), "refused");
}

TEST(FlatJsonTest, RandomTextsAreReadOrRefused) {
  const std::string_view pieces[] = {"{", "}", "[",       "]",      "\"", "\\", ":",
                                     ",", "a", "\\u0041", "\"a\":", "1",  " ",  "\xff"};
  std::mt19937 random(11);
  for (int round = 0; round < 20'000; ++round) {
    std::string text = "{";
    for (unsigned i = random() % 24; i > 0; --i) text += pieces[random() % std::size(pieces)];
    const auto parsed = FlatJson::parse(text);
    EXPECT_EQ(FlatJson::parse(text + " ").ok(), parsed.ok()) << text;
    if (!parsed.ok()) continue;
    EXPECT_FALSE(FlatJson::parse(text + "}").ok()) << text;
    EXPECT_FALSE(FlatJson::parse(std::string_view(text).substr(0, text.rfind('}'))).ok()) << text;
  }
}

}  // namespace
}  // namespace cairn::s3
