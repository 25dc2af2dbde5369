// SPDX-License-Identifier: Apache-2.0
//
// Canonical JSON: the examples of RFC 8785, and what holds for every value.
#include "engine/content/canonical_json.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdio>
#include <random>
#include <vector>

#include "engine/content/digester.h"
#include "gtest/gtest.h"

namespace cairn {
namespace {

std::string canonical(std::string_view text) {
  const auto result = canonical_json(text);
  return result.ok() ? *result : "error: " + result.error().message;
}

std::string fault(std::string_view text) {
  const auto result = canonical_json(text);
  if (result.ok()) return "";
  EXPECT_EQ(result.error().code, ErrorCode::invalid_argument);
  return result.error().message;
}

std::string written(double value) {
  char text[64];
  std::snprintf(text, sizeof(text), "%.17g", value);
  return text;
}

TEST(CanonicalJsonTest, NumbersAreThoseOfTheRfc) {
  const std::vector<std::pair<std::uint64_t, std::string>> table = {
      {0x0000000000000000, "0"},
      {0x8000000000000000, "0"},
      {0x0000000000000001, "5e-324"},
      {0x8000000000000001, "-5e-324"},
      {0x7fefffffffffffff, "1.7976931348623157e+308"},
      {0xffefffffffffffff, "-1.7976931348623157e+308"},
      {0x4340000000000000, "9007199254740992"},
      {0xc340000000000000, "-9007199254740992"},
      {0x4430000000000000, "295147905179352830000"},
      {0x44b52d02c7e14af5, "9.999999999999997e+22"},
      {0x44b52d02c7e14af6, "1e+23"},
      {0x44b52d02c7e14af7, "1.0000000000000001e+23"},
      {0x444b1ae4d6e2ef4e, "999999999999999700000"},
      {0x444b1ae4d6e2ef4f, "999999999999999900000"},
      {0x444b1ae4d6e2ef50, "1e+21"},
      {0x3eb0c6f7a0b5ed8c, "9.999999999999997e-7"},
      {0x3eb0c6f7a0b5ed8d, "0.000001"},
      {0x41b3de4355555553, "333333333.3333332"},
      {0x41b3de4355555554, "333333333.33333325"},
      {0x41b3de4355555555, "333333333.3333333"},
      {0x41b3de4355555556, "333333333.3333334"},
      {0x41b3de4355555557, "333333333.33333343"},
      {0xbecbf647612f3696, "-0.0000033333333333333333"},
      {0x43143ff3c1cb0959, "1424953923781206.2"},
  };
  for (const auto& [bits, text] : table) {
    EXPECT_EQ(canonical(written(std::bit_cast<double>(bits))), text);
    EXPECT_EQ(canonical(text), text);
  }
}

TEST(CanonicalJsonTest, TheExampleOfTheRfcComesOut) {
  EXPECT_EQ(canonical(R"({
    "numbers": [333333333.33333329, 1E30, 4.50, 2e-3, 0.000000000000000000000000001],
    "string": "\u20ac$\u000F\u000aA'\u0042\u0022\u005c\\\"\/",
    "literals": [null, true, false]
  })"),
            "{\"literals\":[null,true,false],\"numbers\":[333333333.3333333,1e+30,4.5,0.002,1e-27],"
            "\"string\":\"\u20ac$\\u000f\\nA'B\\\"\\\\\\\\\\\"/\"}");
}

TEST(CanonicalJsonTest, MembersSortByUtf16) {
  EXPECT_EQ(canonical(R"({"\u20ac":1,"\r":2,"\ufb33":3,"1":4,"\ud83d\ude00":5,"\u0080":6,"\u00f6":7})"),
            "{\"\\r\":2,\"1\":4,\"\u0080\":6,\"\u00f6\":7,\"\u20ac\":1,\"\U0001F600\":5,\"\ufb33\":3}");
  EXPECT_EQ(canonical(R"({"b":[],"a":{},"":0,"ab":1})"), R"({"":0,"a":{},"ab":1,"b":[]})");
}

TEST(CanonicalJsonTest, WhatHasNoOneTextIsRefusedAndNamed) {
  EXPECT_NE(fault(R"({"lr":1,"x":{"lr":1},"lr":2})").find("'lr'"), std::string::npos);
  EXPECT_NE(fault(R"({"a":1,"\u0061":1})").find("'a'"), std::string::npos);
  EXPECT_NE(fault("9007199254740993").find("9007199254740993"), std::string::npos);
  EXPECT_NE(fault("[-9223372036854775807]").find("-9223372036854775807"), std::string::npos);
  EXPECT_NE(fault("18446744073709551615").find("18446744073709551615"), std::string::npos);
  EXPECT_NE(fault("100000000000000000001").find("100000000000000000001"), std::string::npos);
  EXPECT_NE(fault("1e400").find("1e400"), std::string::npos);
  EXPECT_EQ(canonical("9223372036854775808"), "9223372036854776000");
  EXPECT_EQ(canonical("18446744073709551616"), "18446744073709552000");
  EXPECT_EQ(canonical("-9007199254740991"), "-9007199254740991");
  EXPECT_EQ(canonical("1e-400"), "0");
}

TEST(CanonicalJsonTest, WhatIsNoJsonIsRefused) {
  const std::vector<std::string> texts = {"",
                                          " ",
                                          "{",
                                          "[1,]",
                                          "{\"a\":}",
                                          "{\"a\" 1}",
                                          "{a:1}",
                                          "01",
                                          "+1",
                                          "1.",
                                          ".5",
                                          "NaN",
                                          "Infinity",
                                          "-",
                                          "nul",
                                          "\"",
                                          "\"\\x\"",
                                          "\"\n\"",
                                          "\"\\ud800\"",
                                          "\"\\udc00\\ud800\"",
                                          "\"\\ud800\\u0041\"",
                                          "\"\xff\"",
                                          "\"\xc0\x80\"",
                                          "\"\xed\xa0\x80\"",
                                          "\"\xf4\x90\x80\x80\"",
                                          "\"\xe2\x82\"",
                                          "1 2",
                                          "{} x",
                                          "/**/1",
                                          "'a'",
                                          "\xef\xbb\xbf"
                                          "1",
                                          std::string("1\0", 2),
                                          std::string("1\0x", 3),
                                          std::string("\"\0\"", 3)};
  for (const std::string& text : texts) {
    EXPECT_NE(fault(text), "") << text;
    EXPECT_FALSE(check_json(text).ok()) << text;
  }
}

TEST(CanonicalJsonTest, NestingAndSizeAreBounded) {
  const auto nested = [](std::size_t depth) { return std::string(depth, '[') + std::string(depth, ']'); };
  EXPECT_EQ(canonical(nested(kJsonDepthMax)), nested(kJsonDepthMax));
  EXPECT_NE(fault(nested(kJsonDepthMax + 1)).find("nested"), std::string::npos);
  EXPECT_NE(fault(std::string(10'000'000, '[')).find("nested"), std::string::npos);
  EXPECT_NE(fault('"' + std::string(kJsonBytesMax, 'x') + '"').find("bytes"), std::string::npos);
}

TEST(CanonicalJsonTest, WhatIsOnlyKeptMayHaveLargeIntegers) {
  EXPECT_TRUE(check_json(R"({"seed": 18446744073709551615})").ok());
  EXPECT_FALSE(check_json(R"({"a":1,"a":2})").ok());
}

TEST(CanonicalJsonTest, TheDigestIsThatOfTheText) {
  EXPECT_EQ(canonical_digest(DigestKind::blake3, R"({"b":1.0, "a":[ ]})").value(),
            digest_of(DigestKind::blake3, as_bytes(R"({"a":[],"b":1})")));
  EXPECT_FALSE(canonical_digest(DigestKind::blake3, "{").ok());
}

// Writes the same value in two ways: order of members, white space and escapes are chance.
class Value {
 public:
  Value(std::mt19937_64& random, int depth) {
    kind_ = static_cast<int>(random() % (depth < 4 ? 5 : 3));
    if (kind_ == 0) number_ = std::ldexp(static_cast<double>(random() >> 11), static_cast<int>(random() % 200) - 150);
    if (kind_ == 1) text_ = some_text(random);
    if (kind_ == 2) text_ = random() % 2 == 0 ? "true" : "null";
    if (kind_ < 3) return;
    for (std::uint64_t i = random() % 6; i > 0; --i) {
      std::string name = some_text(random);
      if (std::find(names_.begin(), names_.end(), name) != names_.end()) continue;
      names_.push_back(std::move(name));
      parts_.emplace_back(random, depth + 1);
    }
  }

  std::string write(std::mt19937_64& random) const {
    const auto space = [&] { return std::string(random() % 3, " \n\t\r"[random() % 4]); };
    if (kind_ == 0) return space() + written(number_) + space();
    if (kind_ == 1) return space() + quoted(random, text_);
    if (kind_ == 2) return space() + text_ + space();
    std::vector<std::size_t> order(parts_.size());
    for (std::size_t i = 0; i < order.size(); ++i) order[i] = i;
    if (kind_ == 3) std::shuffle(order.begin(), order.end(), random);
    std::string out = space() + (kind_ == 3 ? '{' : '[') + space();
    for (std::size_t i = 0; i < order.size(); ++i) {
      if (i > 0) out += ',';
      if (kind_ == 3) out += space() + quoted(random, names_[order[i]]) + space() + ':';
      out += parts_[order[i]].write(random);
    }
    return out + (kind_ == 3 ? '}' : ']') + space();
  }

 private:
  static std::string some_text(std::mt19937_64& random) {
    static const std::vector<std::string> kPieces = {"a", "b", "\"", "\\", "\n", "\x01", "é", "€", "\uffee", "😀", "/"};
    std::string text;
    for (std::uint64_t i = random() % 5; i > 0; --i) text += kPieces[random() % kPieces.size()];
    return text;
  }
  static std::string quoted(std::mt19937_64& random, const std::string& text) {
    std::string out = "\"";
    for (const char c : text) {
      const auto byte = static_cast<unsigned char>(c);
      if (c == '"' || c == '\\' || byte < 0x20 || (byte < 0x80 && random() % 2 == 0)) {
        char escape[8];
        std::snprintf(escape, sizeof(escape), random() % 2 == 0 ? "\\u%04x" : "\\u%04X", byte);
        out += escape;
      } else {
        out += c;
      }
    }
    return out + '"';
  }

  int kind_ = 0;
  double number_ = 0;
  std::string text_;
  std::vector<std::string> names_;
  std::vector<Value> parts_;
};

TEST(CanonicalJsonTest, OrderSpaceAndEscapesDoNotMatterAndOnceIsEnough) {
  constexpr std::uint64_t kSeed = 20'250'801;
  std::mt19937_64 random(kSeed);
  for (int i = 0; i < 3000; ++i) {
    SCOPED_TRACE(i);
    const Value value(random, 0);
    const auto first = canonical_json(value.write(random));
    ASSERT_TRUE(first.ok()) << first.error().message;
    ASSERT_EQ(canonical(value.write(random)), *first);
    ASSERT_EQ(canonical(*first), *first);
  }
}

TEST(CanonicalJsonTest, EveryNumberReadsBackAsItself) {
  std::mt19937_64 random(7);
  for (int i = 0; i < 50'000; ++i) {
    const double value = std::bit_cast<double>(random());
    if (!std::isfinite(value)) continue;
    const std::string text = canonical(written(value));
    ASSERT_EQ(std::strtod(text.c_str(), nullptr), value) << text;
    ASSERT_LE(text.size(), 25u);
  }
}

}  // namespace
}  // namespace cairn
