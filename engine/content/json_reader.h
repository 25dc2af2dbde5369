// SPDX-License-Identifier: Apache-2.0
//
// Reads JSON (RFC 8259) token by token, for headers that a hostile file holds: no tree is
// built, nesting is bounded, and every value is either what the caller expects or is
// checked and skipped.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace cairn {

// After each next_key() that returned one and each next_element() that returned true,
// exactly one value is read or skipped. A fault in the syntax is final: failed() is true
// from then on, and every call returns nothing.
class JsonReader {
 public:
  static constexpr std::size_t kDepthMax = 64;
  // A longer key or wanted string is a fault; a skipped string may have any length.
  static constexpr std::size_t kStringMax = 64 * 1024;

  explicit JsonReader(std::string_view text) noexcept : text_(text) {}

  // False when the next value is something else (it is then skipped) or the reader failed.
  bool enter_object();
  bool enter_array();
  // The key of the next member; nothing at the object's end, which is then left.
  std::optional<std::string> next_key();
  // Whether another element follows; if not, the array is left.
  bool next_element();

  // Nothing when the next value is something else (it is then skipped): also for numbers
  // that are negative, not whole, or above 2^64 - 1.
  std::optional<std::string> string();
  std::optional<std::uint64_t> unsigned_integer();
  void skip();

  bool failed() const noexcept { return failed_; }
  std::size_t offset() const noexcept { return at_; }

 private:
  void fail() noexcept { failed_ = true; }
  void skip_space() noexcept;
  char peek() noexcept;  // '\0' at the end
  bool take(char expected) noexcept;
  bool take_word(std::string_view word) noexcept;
  bool enter(char open);
  bool next(char close);
  bool read_string(std::string* into);
  bool read_escape(std::string* into);
  std::optional<std::uint32_t> read_hex4() noexcept;
  std::optional<std::uint64_t> read_number();
  bool read_digits() noexcept;

  std::string_view text_;
  std::size_t at_ = 0;
  std::size_t depth_ = 0;
  std::array<bool, kDepthMax> fresh_{};  // no element read yet, for each open container
  bool failed_ = false;
};

}  // namespace cairn
