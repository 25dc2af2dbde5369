// SPDX-License-Identifier: Apache-2.0
#include "engine/results/entry_key.h"

#include <cmath>
#include <limits>
#include <vector>

#include "gtest/gtest.h"

namespace cairn {
namespace {

std::string key_of(double value) { return EntryKey(EntrySpace::evaluations).real(value).bytes(); }

TEST(EntryKeyTest, RealsSortByValueAndWhatIsNoNumberComesLast) {
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  const std::vector<double> ascending = {-kInfinity, -1e300, -1.5, -1e-310, 0.0, 5e-324, 1.0, 1e300, kInfinity};
  for (std::size_t i = 1; i < ascending.size(); ++i) EXPECT_LT(key_of(ascending[i - 1]), key_of(ascending[i])) << i;
  EXPECT_LT(key_of(kInfinity), key_of(std::nan("")));
  EXPECT_EQ(key_of(-std::nan("7")), key_of(std::nan("")));
  EXPECT_EQ(key_of(-0.0), key_of(0.0));
}

TEST(EntryKeyTest, PartsComeBack) {
  const std::string text("a\0b\xff", 4);
  const std::string key =
      EntryKey(EntrySpace::results).text(text).number(7).real(-2.5).real(std::nan("")).rest("end").bytes();
  EntryKeyReader reader(key);
  EXPECT_EQ(reader.text(), text);
  EXPECT_EQ(reader.number(), 7u);
  EXPECT_EQ(reader.real(), -2.5);
  EXPECT_TRUE(std::isnan(*reader.real()));
  EXPECT_EQ(reader.rest(), "end");
}

TEST(EntryKeyTest, NoTextIsThePrefixOfAnother) {
  const auto key = [](std::string_view text) { return EntryKey(EntrySpace::results).text(text).bytes(); };
  const std::vector<std::string> ascending = {"", std::string(1, '\0'), std::string("\0\0", 2), "a", "ab", "b"};
  for (std::size_t i = 0; i < ascending.size(); ++i) {
    for (std::size_t j = 0; j < ascending.size(); ++j) {
      if (i != j) {
        EXPECT_FALSE(key(ascending[j]).starts_with(key(ascending[i]))) << i << " " << j;
      }
      if (i < j) {
        EXPECT_LT(key(ascending[i]), key(ascending[j])) << i << " " << j;
      }
    }
  }
}

TEST(EntryKeyTest, AKeyThatIsCutOffHasNoSuchPart) {
  const std::string key = EntryKey(EntrySpace::results).text("name").bytes();
  for (std::size_t size = 0; size < key.size(); ++size) {
    EXPECT_FALSE(EntryKeyReader(std::string_view(key).substr(0, size)).text()) << size;
  }
  EXPECT_FALSE(EntryKeyReader("r1234567").number());
}

}  // namespace
}  // namespace cairn
