// SPDX-License-Identifier: Apache-2.0
//
// Every format is read through ByteReader: it must not run past the end, whatever a length
// says, and must not go on after it failed.
#include <gtest/gtest.h>

#include <limits>

#include "engine/base/endian.h"

namespace cairn {
namespace {

std::vector<std::byte> bytes_of(std::initializer_list<int> values) {
  std::vector<std::byte> bytes;
  for (const int value : values) bytes.push_back(static_cast<std::byte>(value));
  return bytes;
}

TEST(ByteWriter, WritesLittleEndianWithoutPadding) {
  std::vector<std::byte> out;
  ByteWriter writer(out);
  writer.put(std::uint8_t{0x01});
  writer.put(std::uint16_t{0x0203});
  writer.put(std::uint32_t{0x04050607});
  writer.put(std::uint64_t{0x08090a0b0c0d0e0f});
  writer.put_string("ab");
  writer.put_bytes(bytes_of({0xff}));
  EXPECT_EQ(out, bytes_of({0x01, 0x03, 0x02, 0x07, 0x06, 0x05, 0x04, 0x0f, 0x0e, 0x0d, 0x0c,
                           0x0b, 0x0a, 0x09, 0x08, 2,    0,    0,    0,    'a',  'b',  0xff}));
}

TEST(ByteReader, ReadsWhatByteWriterWrote) {
  std::vector<std::byte> out;
  ByteWriter writer(out);
  writer.put(std::numeric_limits<std::uint64_t>::max());
  writer.put_string("");
  writer.put_string(std::string_view("a\0b", 3));
  writer.put(std::uint8_t{7});
  ByteReader reader(out);
  EXPECT_EQ(reader.get<std::uint64_t>(), std::numeric_limits<std::uint64_t>::max());
  EXPECT_EQ(reader.get_string(), "");
  EXPECT_EQ(reader.get_string(), std::string_view("a\0b", 3));
  EXPECT_FALSE(reader.exhausted());
  EXPECT_EQ(reader.remaining(), 1u);
  EXPECT_EQ(reader.get<std::uint8_t>(), 7);
  EXPECT_TRUE(reader.exhausted());
  EXPECT_EQ(reader.offset(), out.size());
}

TEST(ByteReader, AnIntegerThatIsCutShortIsNone) {
  const auto bytes = bytes_of({1, 2, 3, 4, 5, 6, 7});
  for (std::size_t size = 0; size <= bytes.size(); ++size) {
    SCOPED_TRACE(size);
    const Bytes cut = Bytes(bytes).first(size);
    EXPECT_EQ(ByteReader(cut).get<std::uint8_t>().has_value(), size >= 1);
    EXPECT_EQ(ByteReader(cut).get<std::uint16_t>().has_value(), size >= 2);
    EXPECT_EQ(ByteReader(cut).get<std::uint32_t>().has_value(), size >= 4);
    EXPECT_FALSE(ByteReader(cut).get<std::uint64_t>().has_value());
  }
}

TEST(ByteReader, ALengthBeyondTheEndIsRefusedHoweverLarge) {
  const auto bytes = bytes_of({1, 2, 3, 4});
  for (const std::uint64_t count :
       {std::uint64_t{4}, std::uint64_t{5}, std::uint64_t{1} << 32, std::numeric_limits<std::uint64_t>::max() - 1,
        std::numeric_limits<std::uint64_t>::max()}) {
    SCOPED_TRACE(count);
    ByteReader reader(bytes);
    ASSERT_TRUE(reader.get<std::uint8_t>());
    EXPECT_FALSE(reader.get_bytes(count)) << "only three bytes are left";
  }
  ByteReader reader(bytes);
  ASSERT_TRUE(reader.get<std::uint8_t>());
  EXPECT_EQ(reader.get_bytes(3)->size(), 3u);
  EXPECT_EQ(reader.get_bytes(0)->size(), 0u);
}

TEST(ByteReader, AStringLongerThanTheRestIsNone) {
  const auto bytes = bytes_of({3, 0, 0, 0, 'a', 'b'});
  EXPECT_FALSE(ByteReader(bytes).get_string());
  EXPECT_FALSE(ByteReader(Bytes(bytes).first(3)).get_string());
  EXPECT_FALSE(ByteReader(bytes_of({0xff, 0xff, 0xff, 0xff, 'a'})).get_string());
}

TEST(ByteReader, StaysFailed) {
  const auto bytes = bytes_of({1, 2});
  ByteReader reader(bytes);
  EXPECT_FALSE(reader.get<std::uint32_t>());
  EXPECT_FALSE(reader.get<std::uint8_t>()) << "a decoder must not go on at a place that it misread";
  EXPECT_FALSE(reader.get_bytes(0));
  EXPECT_FALSE(reader.exhausted());
}

TEST(ByteReader, OfNothingIsExhausted) { EXPECT_TRUE(ByteReader({}).exhausted()); }

TEST(AlignUp, RoundsToTheNextMultiple) {
  EXPECT_EQ(align_up(0, 4096), 0u);
  EXPECT_EQ(align_up(1, 4096), 4096u);
  EXPECT_EQ(align_up(4096, 4096), 4096u);
  EXPECT_EQ(align_up(4097, 4096), 8192u);
}

}  // namespace
}  // namespace cairn
