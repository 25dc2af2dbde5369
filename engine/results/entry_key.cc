// SPDX-License-Identifier: Apache-2.0
#include "engine/results/entry_key.h"

#include <bit>
#include <cmath>
#include <limits>

namespace cairn {
namespace {

constexpr std::uint64_t kSignBit = std::uint64_t{1} << 63;
constexpr std::uint64_t kNotANumber = std::numeric_limits<std::uint64_t>::max();

}  // namespace

EntryKey& EntryKey::text(std::string_view text) {
  for (std::size_t zero = text.find('\0'); zero != std::string_view::npos; zero = text.find('\0')) {
    bytes_.append(text.substr(0, zero + 1)).push_back('\xff');
    text.remove_prefix(zero + 1);
  }
  bytes_.append(text).append(2, '\0');
  return *this;
}

EntryKey& EntryKey::number(std::uint64_t number) {
  for (int shift = 56; shift >= 0; shift -= 8) bytes_.push_back(static_cast<char>(number >> shift));
  return *this;
}

EntryKey& EntryKey::real(double value) {
  if (std::isnan(value)) return number(kNotANumber);
  // Negative numbers grow downwards as integers, and lie below the others.
  const auto bits = std::bit_cast<std::uint64_t>(value == 0 ? 0.0 : value);
  return number((bits & kSignBit) != 0 ? ~bits : bits | kSignBit);
}

EntryKey& EntryKey::rest(std::string_view bytes) {
  bytes_.append(bytes);
  return *this;
}

std::optional<std::string> EntryKeyReader::text() {
  std::string text;
  for (std::size_t i = 0; i + 1 < rest_.size(); ++i) {
    if (rest_[i] != '\0') {
      text.push_back(rest_[i]);
    } else if (rest_[i + 1] == '\xff') {
      text.push_back(rest_[i++]);
    } else if (rest_[i + 1] == '\0') {
      rest_.remove_prefix(i + 2);
      return text;
    } else {
      return std::nullopt;
    }
  }
  return std::nullopt;
}

std::optional<std::uint64_t> EntryKeyReader::number() {
  if (rest_.size() < sizeof(std::uint64_t)) return std::nullopt;
  std::uint64_t number = 0;
  for (std::size_t i = 0; i < sizeof(number); ++i) number = number << 8 | static_cast<unsigned char>(rest_[i]);
  rest_.remove_prefix(sizeof(number));
  return number;
}

std::optional<double> EntryKeyReader::real() {
  const auto ordered = number();
  if (!ordered) return std::nullopt;
  if (*ordered == kNotANumber) return std::numeric_limits<double>::quiet_NaN();
  return std::bit_cast<double>((*ordered & kSignBit) != 0 ? *ordered & ~kSignBit : ~*ordered);
}

}  // namespace cairn
