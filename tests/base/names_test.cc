// SPDX-License-Identifier: Apache-2.0
//
// The text forms that people and scripts see: of digests, element types and errors. Numbers
// and names of element types are frozen: they are part of every tensor's identity.
#include <gtest/gtest.h>

#include <cctype>
#include <cerrno>
#include <set>
#include <string>

#include "cairn/digest.h"
#include "cairn/dtype.h"
#include "engine/base/errors.h"

namespace cairn {
namespace {

Digest counting() {
  Digest digest;
  for (std::size_t i = 0; i < Digest::kSize; ++i) digest.bytes[i] = static_cast<std::byte>(0x11 * (i % 16));
  return digest;
}
constexpr std::string_view kHalf = "00112233445566778899aabbccddeeff";

TEST(DigestText, IsTheKindAndLowerCaseHexadecimal) {
  EXPECT_EQ(to_text(DigestKind::blake3, counting()), "blake3:" + std::string(kHalf) + std::string(kHalf));
  EXPECT_EQ(to_text(DigestKind::xxh3_128, counting()), "xxh3-128:" + std::string(kHalf));
  EXPECT_EQ(to_hex(DigestKind::xxh3_128, counting()), kHalf);
}

TEST(DigestText, ComesBackWithAndWithoutItsKindInEitherCase) {
  std::string upper = to_hex(DigestKind::blake3, counting());
  for (char& c : upper) c = static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  for (const std::string& text :
       {to_text(DigestKind::blake3, counting()), to_hex(DigestKind::blake3, counting()), upper}) {
    SCOPED_TRACE(text);
    const auto parsed = parse_digest(DigestKind::blake3, text);
    ASSERT_TRUE(parsed.ok());
    EXPECT_EQ(*parsed, counting());
  }
}

TEST(DigestText, AShortDigestLeavesTheRestZero) {
  const auto parsed = parse_digest(DigestKind::xxh3_128, kHalf);
  ASSERT_TRUE(parsed.ok());
  for (std::size_t i = 16; i < Digest::kSize; ++i) EXPECT_EQ(parsed->bytes[i], std::byte{0});
}

TEST(DigestText, AnythingElseIsRefused) {
  const std::string good = to_hex(DigestKind::blake3, counting());
  for (const std::string& text : {std::string(), good.substr(1), good + "0", std::string("blake3:"), "xxh3-128:" + good,
                                  "BLAKE3:" + good, " " + good.substr(1), good.substr(1) + "g", good.substr(1) + "\n",
                                  std::string(64, '\0'), "0x" + good.substr(2), std::string(kHalf)}) {
    SCOPED_TRACE(text);
    const auto parsed = parse_digest(DigestKind::blake3, text);
    ASSERT_FALSE(parsed.ok());
    EXPECT_EQ(parsed.error().code, ErrorCode::invalid_argument);
  }
}

TEST(DigestKind, NamesComeBack) {
  for (const DigestKind kind : {DigestKind::blake3, DigestKind::xxh3_128}) {
    const auto parsed = parse_digest_kind(digest_kind_name(kind));
    ASSERT_TRUE(parsed.ok());
    EXPECT_EQ(*parsed, kind);
  }
  EXPECT_FALSE(parse_digest_kind("sha256").ok());
  EXPECT_FALSE(parse_digest_kind("").ok());
}

struct DTypeRow {
  int number;
  std::string_view name;
  unsigned bits;
};
// By hand, not from the code: a renumbering must not pass.
constexpr DTypeRow kDTypes[] = {
    {0, "opaque", 0},        {1, "bool", 8},         {2, "u8", 8},           {3, "i8", 8},       {4, "u16", 16},
    {5, "i16", 16},          {6, "u32", 32},         {7, "i32", 32},         {8, "u64", 64},     {9, "i64", 64},
    {10, "f16", 16},         {11, "bf16", 16},       {12, "f32", 32},        {13, "f64", 64},    {14, "f8_e4m3", 8},
    {15, "f8_e5m2", 8},      {16, "f8_e4m3fnuz", 8}, {17, "f8_e5m2fnuz", 8}, {18, "f8_e8m0", 8}, {19, "complex64", 64},
    {20, "complex128", 128}, {21, "complex32", 32},  {22, "i4", 4},          {23, "u4", 4},      {24, "f4_e2m1", 4},
    {25, "f6_e2m3", 6},      {26, "f6_e3m2", 6},     {27, "ggml", 0},
};

TEST(DType, NumbersNamesAndSizesAreFrozen) {
  for (const DTypeRow& row : kDTypes) {
    SCOPED_TRACE(row.name);
    const auto dtype = static_cast<DType>(row.number);
    EXPECT_TRUE(dtype_is_valid(static_cast<std::uint8_t>(row.number)));
    EXPECT_EQ(dtype_name(dtype), row.name);
    EXPECT_EQ(dtype_bits(dtype), row.bits);
    const auto parsed = parse_dtype(row.name);
    ASSERT_TRUE(parsed.ok());
    EXPECT_EQ(*parsed, dtype);
  }
}

TEST(DType, OtherNumbersAndNamesAreNone) {
  for (int number = static_cast<int>(std::size(kDTypes)); number < 256; ++number) {
    SCOPED_TRACE(number);
    EXPECT_FALSE(dtype_is_valid(static_cast<std::uint8_t>(number)));
    EXPECT_EQ(dtype_name(static_cast<DType>(number)), "unknown");
    EXPECT_EQ(dtype_bits(static_cast<DType>(number)), 0u);
  }
  for (const std::string_view name : {"", "unknown", "F32", "float", "bf16 "}) EXPECT_FALSE(parse_dtype(name).ok());
}

TEST(ErrorCode, NamesAreDistinct) {
  std::set<std::string_view> names;
  const int last = static_cast<int>(ErrorCode::resource_exhausted);
  for (int code = 0; code <= last; ++code) names.insert(error_code_name(static_cast<ErrorCode>(code)));
  EXPECT_EQ(names.size(), static_cast<std::size_t>(last) + 1);
  EXPECT_FALSE(names.contains("unknown"));
}

TEST(ErrorFromErrno, SaysWhatWasDoneAndWhetherARetryCanHelp) {
  const Error full = error_from_errno(ENOSPC, "write log/00000001.seg at 8192");
  EXPECT_EQ(full.code, ErrorCode::no_space);
  EXPECT_EQ(full.sys_errno, ENOSPC);
  EXPECT_TRUE(full.retryable);
  EXPECT_EQ(full.message.find("write log/00000001.seg at 8192: "), 0u) << full.message;
  EXPECT_EQ(error_from_errno(EDQUOT, "x").code, ErrorCode::no_space);
  EXPECT_EQ(error_from_errno(ENOENT, "x").code, ErrorCode::not_found);
  EXPECT_EQ(error_from_errno(EEXIST, "x").code, ErrorCode::already_exists);
  EXPECT_EQ(error_from_errno(ENOMEM, "x").code, ErrorCode::resource_exhausted);
  EXPECT_EQ(error_from_errno(EIO, "x").code, ErrorCode::io);
  EXPECT_FALSE(error_from_errno(EIO, "x").retryable);
}

TEST(ErrorContext, StandsBeforeTheMessage) {
  const Error error = make_error(ErrorCode::io, "inner").with_context("outer");
  EXPECT_EQ(error.message, "outer: inner");
  EXPECT_EQ(error.code, ErrorCode::io);
}

}  // namespace
}  // namespace cairn
