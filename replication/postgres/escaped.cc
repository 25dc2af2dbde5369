// SPDX-License-Identifier: Apache-2.0
#include "replication/postgres/escaped.h"

#include <nlohmann/json.hpp>

namespace cairn::postgres {
namespace {

constexpr std::size_t kJsonBytesMax = std::size_t{16} << 20;
constexpr std::size_t kJsonDepthMax = 64;
// numeric ends at 16,383 digits behind the point, where double has been zero for long.
constexpr std::size_t kNumberBytesMax = 1024;
constexpr std::size_t kExponentBytesMax = 5;  // e-999

unsigned byte_at(std::string_view text, std::size_t at) { return static_cast<unsigned char>(text[at]); }

// How many bytes the character has that `text` begins with; 0 when it is no UTF-8, or has a zero byte.
std::size_t character_bytes(std::string_view text) {
  const unsigned first = byte_at(text, 0);
  if (first < 0x80) return first == 0 ? 0 : 1;
  const std::size_t size = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2;
  if (first < 0xc2 || first > 0xf4 || text.size() < size) return 0;
  for (std::size_t i = 1; i < size; ++i) {
    if ((byte_at(text, i) & 0xc0) != 0x80) return 0;
  }
  // Longer than it need be, half of a surrogate pair, or behind the last character.
  const unsigned second = byte_at(text, 1);
  const bool refused = (first == 0xe0 && second < 0xa0) || (first == 0xed && second >= 0xa0) ||
                       (first == 0xf0 && second < 0x90) || (first == 0xf4 && second >= 0x90);
  return refused ? 0 : size;
}

// Refuses what PostgreSQL does, and goes over everything else.
class JsonbCheck final : public nlohmann::json_sax<nlohmann::json> {
 public:
  bool null() override { return true; }
  bool boolean(bool) override { return true; }
  bool number_integer(number_integer_t) override { return true; }
  bool number_unsigned(number_unsigned_t) override { return true; }
  bool number_float(number_float_t, const string_t& digits) override {
    const std::size_t exponent = digits.find_first_of("eE");
    return digits.size() <= kNumberBytesMax &&
           (exponent == std::string::npos || digits.size() - exponent <= kExponentBytesMax);
  }
  bool string(string_t& value) override { return value.find('\0') == std::string::npos; }
  bool binary(binary_t&) override { return false; }
  bool key(string_t& value) override { return value.find('\0') == std::string::npos; }
  bool start_object(std::size_t) override { return ++depth_ <= kJsonDepthMax; }
  bool start_array(std::size_t) override { return ++depth_ <= kJsonDepthMax; }
  bool end_object() override { return depth_-- > 0; }
  bool end_array() override { return depth_-- > 0; }
  bool parse_error(std::size_t, const std::string&, const nlohmann::detail::exception&) override { return false; }

 private:
  std::size_t depth_ = 0;
};

}  // namespace

void append_escaped(std::string& out, std::string_view bytes) {
  while (!bytes.empty()) {
    const std::size_t size = character_bytes(bytes);
    const unsigned byte = byte_at(bytes, 0);
    if (byte == '\\') {
      out += "\\\\";
    } else if (size == 0) {
      out += {'\\', static_cast<char>('0' + (byte >> 6)), static_cast<char>('0' + (byte >> 3 & 7)),
              static_cast<char>('0' + (byte & 7))};
    } else {
      out += bytes.substr(0, size);
    }
    bytes.remove_prefix(size == 0 ? 1 : size);
  }
}

std::optional<std::string> unescaped(std::string_view text) {
  std::string bytes;
  bytes.reserve(text.size());
  for (std::size_t at = 0; at < text.size(); ++at) {
    if (text[at] != '\\') {
      bytes += text[at];
      continue;
    }
    if (text.substr(at + 1, 1) == "\\") {
      bytes += '\\';
      ++at;
      continue;
    }
    if (text.size() - at < 4) return std::nullopt;
    unsigned byte = 0;
    for (std::size_t i = 1; i < 4; ++i) {
      if (text[at + i] < '0' || text[at + i] > '7') return std::nullopt;
      byte = byte * 8 + static_cast<unsigned>(text[at + i] - '0');
    }
    if (byte > 0xff) return std::nullopt;
    bytes += static_cast<char>(byte);
    at += 3;
  }
  return bytes;
}

bool fits_jsonb(std::string_view text) {
  // The parser passes over a mark of the byte order and ends at a zero byte; nobody else does.
  if (text.size() > kJsonBytesMax || text.starts_with('\xef') || text.find('\0') != text.npos) return false;
  JsonbCheck check;
  return nlohmann::json::sax_parse(text, &check);
}

}  // namespace cairn::postgres
