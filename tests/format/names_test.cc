// SPDX-License-Identifier: Apache-2.0
//
// Names of refs, paths in trees, and bytes made safe to print.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "engine/format/manifest.h"

namespace cairn {
namespace {

using testing::HasSubstr;
using std::string_literals::operator""s;

void expect_refused(const Status& status, std::string_view why) {
  ASSERT_FALSE(status.ok()) << why;
  EXPECT_EQ(status.error().code, ErrorCode::invalid_argument);
  EXPECT_THAT(status.error().message, HasSubstr(std::string(why)));
  // The message itself is safe to print.
  EXPECT_EQ(printable(status.error().message), status.error().message);
}

TEST(RefName, OrdinaryNamesAreAllowed) {
  for (const std::string& name : {"a"s, "llama-sft"s, "team/run 7/best"s, "..."s, ".hidden"s, "a..b"s, "模型"s,
                                  "\U0001F999"s, "-x"s, std::string(255, 'x')}) {
    EXPECT_TRUE(check_ref_name(name).ok()) << name;
  }
}

TEST(RefName, TheErrorSaysWhichRuleIsBroken) {
  expect_refused(check_ref_name(""), "is empty");
  expect_refused(check_ref_name(std::string(256, 'x')), "longer than 255 bytes");
  expect_refused(check_ref_name("a@1"), "holds '@'");
  for (const char* edge : {" a", "/a"}) expect_refused(check_ref_name(edge), "begins with a space or '/'");
  for (const char* edge : {"a ", "a/"}) expect_refused(check_ref_name(edge), "ends with a space or '/'");
  for (const char* dots : {".", "..", "a/../b", "./a", "a/.", "a/.."}) {
    expect_refused(check_ref_name(dots), "'.' or '..'");
  }
  for (const std::string& control : {"a\nb"s, "a\0b"s, "a\x1b[2J"s, "a\x7f"s, "a\u0085"s, "a\u202e"s, "a\u2028"s}) {
    expect_refused(check_ref_name(control), "control character");
  }
}

TEST(RefName, OnlyTheShortestFormOfUtf8IsAllowed) {
  for (const char* bytes : {"a\x80", "\xc0\xaf", "\xc1\xbf", "\xe0\x80\xaf", "\xed\xa0\x80", "\xf0\x80\x80\xaf",
                            "\xf4\x90\x80\x80", "\xf5\x80\x80\x80", "\xff", "\xe6\xa8", "\xe6\x28\xa1"}) {
    expect_refused(check_ref_name(bytes), "is not UTF-8");
  }
}

TEST(TreePath, OrdinaryPathsAreAllowedWhateverTheirBytes) {
  for (const char* path : {"a", "a/b/c", "...", ".git", "a b/\xff\n", "a@b", "C:\\x"}) {
    EXPECT_TRUE(check_tree_path(path).ok()) << path;
  }
}

TEST(TreePath, NothingThatLeavesItsFolderIsAllowed) {
  expect_refused(check_tree_path(""), "is empty");
  expect_refused(check_tree_path("/"), "is absolute");
  expect_refused(check_tree_path("/etc/passwd"), "is absolute");
  expect_refused(check_tree_path("a\0b"s), "holds a NUL");
  for (const char* path : {"a/", "a//b"}) expect_refused(check_tree_path(path), "empty component");
  for (const char* path : {".", "..", "../a", "a/..", "a/../b", "a/./b", "./a"}) {
    expect_refused(check_tree_path(path), "'.' or '..'");
  }
}

TEST(TreePath, AHostilePathIsQuotedShortAndSafe) {
  const auto status = check_tree_path("/\x1b[31m" + std::string(100000, 'x'));
  expect_refused(status, "\\x1b[31m");
  EXPECT_LT(status.error().message.size(), 1000u);
}

TEST(Printable, EscapesWhatATerminalWouldObey) {
  EXPECT_EQ(printable("plain, naïve, 模型"), "plain, naïve, 模型");
  EXPECT_EQ(printable("a\n\t\0b"s), "a\\x0a\\x09\\x00b");
  EXPECT_EQ(printable("\x1b[0m\x7f"), "\\x1b[0m\\x7f");
  EXPECT_EQ(printable("\xff\xc3"), "\\xff\\xc3");
  EXPECT_EQ(printable("\u009b"), "\\xc2\\x9b");       // CSI in one code point
  EXPECT_EQ(printable("\u202e"), "\\xe2\\x80\\xae");  // right-to-left override
  EXPECT_EQ(printable("\u2066"), "\\xe2\\x81\\xa6");
  EXPECT_EQ(printable(""), "");
}

}  // namespace
}  // namespace cairn
