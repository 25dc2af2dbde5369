// SPDX-License-Identifier: Apache-2.0
//
// Little-endian fields of what a mirror writes, and a bounded reader of hostile ones.
#pragma once

#include <concepts>
#include <cstring>
#include <string>
#include <string_view>
#include <vector>

#include "replication/content.h"
#include "replication/errors.h"

namespace cairn::mirror {

template <std::unsigned_integral T>
void append(std::vector<std::byte>& out, T value) {
  for (std::size_t i = 0; i < sizeof(T); ++i) out.push_back(static_cast<std::byte>(value >> (8 * i)));
}
inline void append(std::vector<std::byte>& out, Bytes bytes) { out.insert(out.end(), bytes.begin(), bytes.end()); }
inline void append(std::vector<std::byte>& out, const Digest& digest) { append(out, Bytes(digest.bytes)); }
inline void append(std::vector<std::byte>& out, std::string_view text) { append(out, std::as_bytes(std::span(text))); }

// Reads fields one behind the other. The first that is not there makes all that follow zero or empty: whoever reads
// asks once, in the end.
class Fields {
 public:
  explicit Fields(Bytes bytes) : rest_(bytes) {}

  template <std::unsigned_integral T>
  T number() {
    const Bytes bytes = take(sizeof(T));
    T value = 0;
    for (std::size_t i = 0; i < bytes.size(); ++i) value |= static_cast<T>(static_cast<T>(bytes[i]) << (8 * i));
    return value;
  }
  Digest digest() {
    Digest digest;
    if (const Bytes bytes = take(digest.bytes.size()); !bytes.empty()) {
      std::memcpy(digest.bytes.data(), bytes.data(), bytes.size());
    }
    return digest;
  }
  // Empty when there are fewer.
  Bytes take(std::size_t count) {
    failed_ = failed_ || count > rest_.size();
    if (failed_) return {};
    const Bytes taken = rest_.first(count);
    rest_ = rest_.subspan(count);
    return taken;
  }
  bool says(std::string_view text) {
    const Bytes bytes = take(text.size());
    return !bytes.empty() && std::memcmp(bytes.data(), text.data(), text.size()) == 0;
  }
  std::size_t left() const noexcept { return rest_.size(); }
  bool failed() const noexcept { return failed_; }

 private:
  Bytes rest_;
  bool failed_ = false;
};

}  // namespace cairn::mirror
