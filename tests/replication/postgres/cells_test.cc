// SPDX-License-Identifier: Apache-2.0
//
// Values on their way to PostgreSQL and back, without a server.
#include "replication/postgres/cells.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/mman.h>

#include <bit>
#include <cmath>
#include <limits>

#include "replication/postgres/escaped.h"

namespace cairn::postgres {
namespace {

using std::string_literals::operator""s;

// The cells as a reader meets them.
CellReader reader_of(const CellWriter& written) {
  std::vector<CellReader::Cell> cells;
  for (std::string_view rest = written.bytes(); !rest.empty();) {
    std::int32_t size = 0;
    for (int i = 0; i < 4; ++i) size = size << 8 | static_cast<unsigned char>(rest[static_cast<std::size_t>(i)]);
    rest.remove_prefix(4);
    cells.push_back(size < 0 ? CellReader::Cell() : CellReader::Cell(rest.substr(0, static_cast<std::size_t>(size))));
    rest.remove_prefix(static_cast<std::size_t>(std::max(size, 0)));
  }
  const std::size_t count = cells.size();
  return {count, [cells](std::size_t at) { return cells[at]; }};
}

TEST(EscapedTest, EveryByteComesBackAndUtf8StaysWhatItIs) {
  std::string all;
  for (int byte = 0; byte < 256; ++byte) all += static_cast<char>(byte);
  for (const std::string& text : {""s, "plain"s, "ключ 🜨"s, "a\\b"s, "\\x41"s, "a\0b"s, "\xff\xfe"s, "\xc3"s,
                                  "\xed\xa0\x80"s, "\xf4\x90\x80\x80"s, "\xc0\x80"s, "\xe0\x80\x80"s, all, all + all}) {
    EXPECT_EQ(unescaped(escaped(text)), text);
  }
  EXPECT_EQ(escaped("ключ 🜨"), "ключ 🜨");
  EXPECT_EQ(escaped("a\0b\xff\\"s), "a\\000b\\377\\\\");
}

TEST(EscapedTest, WhatNobodyEscapedIsTold) {
  for (const char* const text : {"\\", "\\0", "\\00", "\\008", "\\400", "\\777", "\\x", "a\\"}) {
    EXPECT_EQ(unescaped(text), std::nullopt) << text;
  }
}

TEST(EscapedTest, OnlyWhatJsonbTakesIsSaidToFit) {
  for (const char* const text : {"{}", "[1, 2.5, -3e10, true, null]", R"({"a": "\u00e9\ud83d\ude00"})", "0", "\"x\"",
                                 "1e-400", "123456789012345678901234567890"}) {
    EXPECT_TRUE(fits_jsonb(text)) << text;
  }
  for (const std::string& text :
       {""s, "{"s, "1\0"s, "{}\0garbage"s, "nan"s, R"("\u0000")"s, R"({"\u0000": 1})"s, R"("\ud800")"s, R"("\udc00x")"s,
        "\"\xff\""s, "\xef\xbb\xbf{}"s, "1e400"s, "1e-20000"s, std::string(65, '[') + std::string(65, ']'),
        "1"s + std::string(400, '0')}) {
    EXPECT_FALSE(fits_jsonb(text)) << text;
  }
}

TEST(CellsTest, EveryKindComesBack) {
  const double infinity = std::numeric_limits<double>::infinity();
  const std::map<std::string, double> numbers{
      {"nan", std::nan("")}, {"inf", infinity}, {"-inf", -infinity},
      {"-0", -0.0},          {"least", 5e-324}, {"most", 1.7976931348623157e308},
      {"tenth", 0.1},        {"one", 1},        {"", 2},
      {"\xff\0"s, 3}};
  const std::map<std::string, std::string> texts{{"", ""}, {"k\0"s, "\xff"}, {"ü", "\\"}};
  CellWriter cells;
  cells.boolean(true).int8(std::numeric_limits<std::int64_t>::min()).count(7).float8(-0.0).bytea({}).text("a\0\xff"s);
  cells.numbers_jsonb(numbers).texts_jsonb(texts).int8s(std::vector<std::int64_t>{1, -1}).int8s({});
  cells.float8s(std::vector<double>{infinity, 0.1}).texts(std::vector<std::string>{"", "\xfe"}).null();
  ASSERT_TRUE(cells.check().ok());
  CellReader reader = reader_of(cells);
  EXPECT_TRUE(reader.boolean());
  EXPECT_EQ(reader.int8(), std::numeric_limits<std::int64_t>::min());
  EXPECT_EQ(reader.count(), 7u);
  EXPECT_TRUE(std::signbit(reader.float8()));
  EXPECT_TRUE(reader.bytea().empty());
  EXPECT_EQ(reader.text(), "a\0\xff"s);
  const auto numbers_read = reader.numbers_jsonb();
  ASSERT_EQ(numbers_read.size(), numbers.size());
  for (const auto& [name, value] : numbers) {
    if (std::isnan(value)) {
      EXPECT_TRUE(std::isnan(numbers_read.at(name)));
    } else {
      EXPECT_EQ(std::bit_cast<std::uint64_t>(numbers_read.at(name)), std::bit_cast<std::uint64_t>(value)) << name;
    }
  }
  EXPECT_EQ(reader.texts_jsonb(), texts);
  EXPECT_EQ(reader.int8s(), (std::vector<std::int64_t>{1, -1}));
  EXPECT_TRUE(reader.int8s().empty());
  EXPECT_EQ(reader.float8s(), (std::vector<double>{infinity, 0.1}));
  EXPECT_EQ(reader.texts(), (std::vector<std::string>{"", "\xfe"}));
  EXPECT_EQ(reader.optional(&CellReader::text), std::nullopt);
  EXPECT_TRUE(reader.check().ok());
}

TEST(CellsTest, WhatPostgresHasNoPlaceForIsRefusedBeforeItIsCopied) {
  // Memory that is never touched: a gibibyte of zeros.
  const std::size_t size = std::size_t{1} << 30;
  void* const memory = ::mmap(nullptr, size, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  ASSERT_NE(memory, MAP_FAILED);
  const std::span bytes(static_cast<const std::byte*>(memory), size);
  CellWriter bytea, text, number;
  bytea.bytea(bytes);
  text.text(std::string_view(reinterpret_cast<const char*>(bytes.data()), size));
  number.count(std::uint64_t{1} << 63);
  EXPECT_EQ(bytea.check().error().code, ErrorCode::invalid_argument);
  EXPECT_THAT(bytea.check().error().message, ::testing::HasSubstr("1073741824 bytes"));
  EXPECT_THAT(text.check().error().message, ::testing::HasSubstr("1073741824 bytes"));
  EXPECT_THAT(number.check().error().message, ::testing::HasSubstr("9223372036854775808"));
  EXPECT_LT(bytea.bytes().size() + text.bytes().size(), 64u);
  ::munmap(memory, size);
}

TEST(CellsTest, EveryCutAndFlippedByteIsReadWithoutHarm) {
  CellWriter cells;
  cells.int8s(std::vector<std::int64_t>{1, 2}).texts(std::vector<std::string>{"ab", "c"}).numbers_jsonb({{"a", 1}});
  std::vector<std::string> originals;
  {
    CellReader reader = reader_of(cells);
    ASSERT_EQ(reader.int8s().size(), 2u);
  }
  for (std::string_view rest = cells.bytes(); !rest.empty();) {
    const std::size_t size = static_cast<unsigned char>(rest[3]);
    originals.emplace_back(rest.substr(4, size));
    rest.remove_prefix(4 + size);
  }
  const auto read_all = [](const std::string& bytes) {
    const auto at = [&bytes](std::size_t) -> CellReader::Cell { return bytes; };
    CellReader numbers(1, at), texts(1, at), object(1, at), time(1, at);
    static_cast<void>(numbers.int8s());
    static_cast<void>(texts.texts());
    static_cast<void>(object.numbers_jsonb());
    static_cast<void>(time.int8());
    return time.check().ok() == (bytes.size() == 8);
  };
  for (const std::string& original : originals) {
    for (std::size_t size = 0; size < original.size(); ++size) EXPECT_TRUE(read_all(original.substr(0, size)));
    for (std::size_t bit = 0; bit < original.size() * 8; ++bit) {
      std::string flipped = original;
      flipped[bit / 8] = static_cast<char>(flipped[bit / 8] ^ (1 << bit % 8));
      EXPECT_TRUE(read_all(flipped));
    }
  }
}

TEST(CellsTest, ANullAndAMissingColumnAreCorruption) {
  CellWriter cells;
  cells.null();
  CellReader null = reader_of(cells), missing = reader_of(CellWriter());
  EXPECT_EQ(null.int8(), 0);
  EXPECT_EQ(missing.text(), "");
  EXPECT_EQ(null.check().error().code, ErrorCode::corruption);
  EXPECT_EQ(missing.check().error().code, ErrorCode::corruption);
}

}  // namespace
}  // namespace cairn::postgres
