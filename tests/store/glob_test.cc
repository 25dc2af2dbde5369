// SPDX-License-Identifier: Apache-2.0
//
// What `cairn get --only` and `cairn ls --filter` select.
#include <gtest/gtest.h>

#include <chrono>
#include <initializer_list>
#include <random>
#include <string>
#include <string_view>

#include "api/src/glob.h"

namespace cairn {
namespace {

struct Case {
  std::string_view pattern, path;
  bool matches;
};

void expect_all(std::initializer_list<Case> cases) {
  for (const Case& c : cases) {
    EXPECT_EQ(glob_match(c.pattern, c.path), c.matches) << "'" << c.pattern << "' on '" << c.path << "'";
  }
}

TEST(Glob, LettersMatchThemselves) {
  expect_all({{"a", "a", true},
              {"a", "b", false},
              {"a", "ab", false},
              {"a/b", "a/b", true},
              {"a/b", "x/a/b", false},
              {"", "", true},
              {"", "a", false},
              {"a", "", false}});
}

TEST(Glob, AStarStaysInItsComponent) {
  expect_all({{"*", "abc", true},
              {"a*c", "ac", true},
              {"a*c", "abbbc", true},
              {"a*c", "abbb", false},
              {"*/c", "a/c", true},
              {"*/c", "a/b/c", false},
              {"a/*", "a/b", true},
              {"a/*", "a/b/c", false},
              {"a/*", "a/", true},
              {"*b*", "abc", true},
              {"*", "", true}});
}

TEST(Glob, TwoStarsCrossComponents) {
  expect_all({{"**", "a/b/c", true},
              {"a/**", "a/b/c", true},
              {"**/c", "a/b/c", true},
              {"**/c", "c", true},
              {"a/**/c", "a/c", true},
              {"a/**/c", "a/b/b/c", true},
              {"a/**/c", "a/bc", false},
              {"a**c", "a/b/c", true},
              {"**.npy", "x/y.npy", true},
              {"x**/c", "xc", false},
              {"**/c", "a/bc", false},
              {"**/c", "bc", false},
              {"a**/c", "ab/c", true},
              {"**/**/c", "c", true},
              {"**/c/d", "a/xc/d", false}});
}

TEST(Glob, APatternWithoutSlashMatchesTheLastComponent) {
  expect_all({{"*.safetensors", "run/model.safetensors", true},
              {"model.*", "run/model.safetensors", true},
              {"run", "run/model", false},
              {"config.json", "a/b/config.json", true},
              {"b/*.json", "a/b/c.json", false}});
}

TEST(Glob, AQuestionMarkIsOneCharacter) {
  expect_all({{"a?c", "abc", true}, {"a?c", "ac", false}, {"a?c", "a/c", false}, {"???", "abc", true}});
}

TEST(Glob, AClassIsOneOfItsCharacters) {
  expect_all({{"[ab]", "a", true},
              {"[ab]", "c", false},
              {"[a-c]x", "bx", true},
              {"[a-c]x", "dx", false},
              {"[!a-c]", "d", true},
              {"[!a-c]", "b", false},
              {"[]]", "]", true},
              {"[!]]", "]", false},
              {"[a-]", "-", true},
              {"a[/]b", "a/b", false},
              {"a[!x]b", "a/b", false},
              {"[ab", "[ab", true},
              {"[ab", "a", false},
              {"[", "[", true},
              {"[z-a]", "m", false}});
}

// Patterns that make a backtracking matcher take years.
TEST(Glob, TakesNoLongerThanTheProductOfTheLengths) {
  std::string pattern;
  for (int i = 0; i < 200; ++i) pattern += "*a";
  pattern += "b";
  const std::string path(4000, 'a');
  const auto began = std::chrono::steady_clock::now();
  EXPECT_FALSE(glob_match(pattern, path));
  EXPECT_TRUE(glob_match(pattern, path + "b"));
  EXPECT_LT(std::chrono::steady_clock::now() - began, std::chrono::seconds(20));
}

TEST(Glob, AnyPatternOnAnyPathEnds) {
  const unsigned seed = 424242;
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937 random(seed);
  const std::string_view letters = "ab/*?[]!-";
  const auto draw = [&](std::size_t most) {
    std::string text(random() % (most + 1), ' ');
    for (char& c : text) c = letters[random() % letters.size()];
    return text;
  };
  for (int i = 0; i < 20'000; ++i) {
    const std::string path = draw(12);
    static_cast<void>(glob_match(draw(12), path));
    EXPECT_TRUE(glob_match("**", path)) << path;
  }
}

}  // namespace
}  // namespace cairn
