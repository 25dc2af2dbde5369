// SPDX-License-Identifier: Apache-2.0
//
// Little-endian integers in byte strings: the byte order of everything Cairn writes.
// ByteWriter appends; ByteReader checks every read against the end, so a decoder of
// hostile bytes cannot run past them.
#pragma once

#include <bit>
#include <concepts>
#include <cstring>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "engine/base/bytes.h"

namespace cairn {

static_assert(std::endian::native == std::endian::little,
              "Cairn's formats are little-endian and read in place; port load_le/store_le first");

template <std::unsigned_integral T>
T load_le(const std::byte* from) noexcept {
  T value;
  std::memcpy(&value, from, sizeof(value));
  return value;
}
template <std::unsigned_integral T>
void store_le(std::byte* to, T value) noexcept {
  std::memcpy(to, &value, sizeof(value));
}

class ByteWriter {
 public:
  explicit ByteWriter(std::vector<std::byte>& out) : out_(out) {}

  template <std::unsigned_integral T>
  void put(T value) {
    const auto at = out_.size();
    out_.resize(at + sizeof(T));
    store_le(out_.data() + at, value);
  }
  void put_bytes(Bytes bytes) { out_.insert(out_.end(), bytes.begin(), bytes.end()); }
  // A length of four bytes, then the text.
  void put_string(std::string_view text) {
    put(static_cast<std::uint32_t>(text.size()));
    put_bytes(as_bytes(text));
  }

 private:
  std::vector<std::byte>& out_;
};

// Every get returns nothing once the bytes are exhausted, and the reader stays failed.
class ByteReader {
 public:
  explicit ByteReader(Bytes bytes) : bytes_(bytes) {}

  template <std::unsigned_integral T>
  std::optional<T> get() {
    const auto bytes = get_bytes(sizeof(T));
    if (!bytes) return std::nullopt;
    return load_le<T>(bytes->data());
  }
  std::optional<Bytes> get_bytes(std::uint64_t count) {
    if (failed_ || count > bytes_.size() - at_) {
      failed_ = true;
      return std::nullopt;
    }
    const auto bytes = bytes_.subspan(at_, count);
    at_ += count;
    return bytes;
  }
  std::optional<std::string_view> get_string() {
    const auto size = get<std::uint32_t>();
    if (!size) return std::nullopt;
    const auto bytes = get_bytes(*size);
    if (!bytes) return std::nullopt;
    return as_text(*bytes);
  }

  std::size_t offset() const noexcept { return at_; }
  std::size_t remaining() const noexcept { return bytes_.size() - at_; }
  bool exhausted() const noexcept { return !failed_ && at_ == bytes_.size(); }

 private:
  Bytes bytes_;
  std::size_t at_ = 0;
  bool failed_ = false;
};

}  // namespace cairn
