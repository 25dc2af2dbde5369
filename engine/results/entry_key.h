// SPDX-License-Identifier: Apache-2.0
//
// Keys of entries, made of parts that sort bytewise as their values do (docs/format/entries.md).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

namespace cairn {

// The first byte of every key and index key: whose it is. Frozen.
enum class EntrySpace : char {
  results = 'r',
  experiments = 'x',
  evaluations = 'v',
  metrics = 'm',
  operations = 'o',
  accesses = 'a',
};

class EntryKey {
 public:
  explicit EntryKey(EntrySpace space) : bytes_(1, static_cast<char>(space)) {}

  // Ends in two zero bytes, and a zero byte inside is followed by 0xff: no text is the prefix of another's key.
  EntryKey& text(std::string_view text);
  // Big-endian.
  EntryKey& number(std::uint64_t number);
  // By value; -0 as 0. What is not a number has a place of its own behind every number.
  EntryKey& real(double value);
  // The last part: needs no end.
  EntryKey& rest(std::string_view bytes);

  const std::string& bytes() const& noexcept { return bytes_; }
  std::string bytes() && noexcept { return std::move(bytes_); }

 private:
  std::string bytes_;
};

// Takes a key apart, part by part; nothing when it has no such part next.
class EntryKeyReader {
 public:
  // `key` is borrowed; its first byte is passed over.
  explicit EntryKeyReader(std::string_view key) : rest_(key.empty() ? key : key.substr(1)) {}

  std::optional<std::string> text();
  std::optional<std::uint64_t> number();
  std::optional<double> real();
  std::string_view rest() const noexcept { return rest_; }

 private:
  std::string_view rest_;
};

}  // namespace cairn
