// SPDX-License-Identifier: Apache-2.0
//
// The text of the file STORE: one "key value" per line, in a fixed order, then a checksum
// of everything before its line.
#include "engine/format/store_header.h"

#include <charconv>
#include <optional>

#include "engine/base/errors.h"
#include "engine/content/digester.h"
#include "engine/format/field_reader.h"

namespace cairn {
namespace {

constexpr std::string_view kName = "STORE";

std::string hex(Bytes bytes) {
  static constexpr char kHex[] = "0123456789abcdef";
  std::string text;
  for (const std::byte byte : bytes) {
    text += kHex[std::to_integer<unsigned>(byte) >> 4];
    text += kHex[std::to_integer<unsigned>(byte) & 15];
  }
  return text;
}

std::string checksum_text(std::string_view text) {
  const std::uint64_t checksum = checksum_of(as_bytes(text));
  std::array<std::byte, 8> big_endian;
  for (std::size_t i = 0; i < 8; ++i) big_endian[i] = static_cast<std::byte>(checksum >> (56 - 8 * i));
  return hex(big_endian);
}

template <class T>
std::optional<T> parse_number(std::string_view text) {
  T value{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  // One spelling of each number: no leading zeros.
  if (error != std::errc{} || end != text.data() + text.size() || std::to_string(value) != text) return std::nullopt;
  return value;
}

std::optional<StoreUuid> parse_uuid(std::string_view text) {
  StoreUuid uuid;
  if (text.size() != 2 * uuid.size()) return std::nullopt;
  for (std::size_t i = 0; i < uuid.size(); ++i) {
    unsigned byte = 0;
    const char* from = text.data() + 2 * i;
    const auto [end, error] = std::from_chars(from, from + 2, byte, 16);
    if (error != std::errc{} || end != from + 2) return std::nullopt;
    uuid[i] = static_cast<std::byte>(byte);
  }
  return hex(uuid) == text ? std::optional(uuid) : std::nullopt;
}

// Takes lines off a text, each with the key that it must have.
class LineReader {
 public:
  explicit LineReader(std::string_view text) : text_(text) {}

  Result<std::string_view> value_of(std::string_view key) {
    key_ = key;
    at_ = next_;
    const auto end = text_.find('\n', at_);
    const std::string_view line = text_.substr(at_, end == std::string_view::npos ? end : end - at_);
    if (end == std::string_view::npos || line.size() <= key.size() || !line.starts_with(key) ||
        line[key.size()] != ' ') {
      return wrong("is missing");
    }
    next_ = end + 1;
    return line.substr(key.size() + 1);
  }
  Error wrong(std::string_view why) const { return wrong_field(kName, key_, at_, why); }
  std::string_view before() const { return text_.substr(0, at_); }  // all lines but the one read last
  bool exhausted() const { return next_ == text_.size(); }

 private:
  std::string_view text_, key_;
  std::size_t at_ = 0, next_ = 0;
};

}  // namespace

std::string encode_store_header(const StoreHeader& header) {
  std::string text = "format_version " + std::to_string(header.format_version) + "\n";
  text += "uuid " + hex(header.uuid) + "\n";
  text += "digest " + std::string(digest_kind_name(header.digest)) + "\n";
  text += "block_bytes " + std::to_string(header.block_bytes) + "\n";
  text += "segment_bytes " + std::to_string(header.segment_bytes) + "\n";
  return text + "checksum " + checksum_text(text) + "\n";
}

Result<StoreHeader> decode_store_header(Bytes text) {
  LineReader lines(as_text(text));
  StoreHeader header;
  CAIRN_TRY(const auto version_text, lines.value_of("format_version"));
  const auto version = parse_number<std::uint32_t>(version_text);
  if (!version || *version == 0) return lines.wrong("is no version number");
  if (*version > kFormatVersion) return newer_version(kName, *version, kFormatVersion);
  header.format_version = *version;

  CAIRN_TRY(const auto uuid_text, lines.value_of("uuid"));
  const auto uuid = parse_uuid(uuid_text);
  if (!uuid) return lines.wrong("is not 32 hexadecimal digits");
  header.uuid = *uuid;

  CAIRN_TRY(const auto digest_text, lines.value_of("digest"));
  const auto digest = parse_digest_kind(digest_text);
  if (!digest.ok()) return lines.wrong("is no kind of digest");
  header.digest = *digest;

  CAIRN_TRY(const auto block_text, lines.value_of("block_bytes"));
  const auto block_bytes = parse_number<std::uint32_t>(block_text);
  if (!block_bytes || *block_bytes == 0) return lines.wrong("is no number of bytes");
  header.block_bytes = *block_bytes;

  CAIRN_TRY(const auto segment_text, lines.value_of("segment_bytes"));
  const auto segment_bytes = parse_number<std::uint64_t>(segment_text);
  if (!segment_bytes || *segment_bytes == 0) return lines.wrong("is no number of bytes");
  header.segment_bytes = *segment_bytes;

  CAIRN_TRY(const auto checksum, lines.value_of("checksum"));
  if (checksum != checksum_text(lines.before())) return lines.wrong("does not match the lines before it");
  if (!lines.exhausted()) return lines.wrong("is not the last line");
  return header;
}

}  // namespace cairn
