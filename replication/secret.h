// SPDX-License-Identifier: Apache-2.0
//
// A text that is never printed, never part of an error, never left in freed memory, and in no core dump: secret keys,
// session tokens, and whatever holds them on the way.
#pragma once

#include <string.h>

#include <algorithm>
#include <cstddef>
#include <string>
#include <string_view>
#include <utility>

namespace cairn {

// Owns its bytes, in pages of their own that the kernel leaves out of core dumps, at one place for all its life: a
// string's short form would stay behind in objects that were moved from. It has no operator<<, and a test that prints
// it shows an address. Not for concurrent changes.
class Secret {
 public:
  Secret() = default;
  explicit Secret(std::string_view text) : Secret(text.size()) { std::copy(text.begin(), text.end(), bytes_); }
  Secret(const Secret& other) : Secret(other.reveal()) {}
  Secret(Secret&& other) noexcept
      : bytes_(std::exchange(other.bytes_, nullptr)), size_(std::exchange(other.size_, 0)) {}
  Secret& operator=(Secret other) noexcept {
    std::swap(bytes_, other.bytes_);
    std::swap(size_, other.size_);
    return *this;
  }
  ~Secret();

  // `size` bytes of zero, to be filled by whoever reads or computes a secret.
  static Secret zeros(std::size_t size) { return Secret(size); }
  char* data() noexcept { return bytes_; }

  bool empty() const noexcept { return size_ == 0; }
  std::size_t size() const noexcept { return size_; }
  // Borrowed, for the one call that needs it: what is copied from it is no longer kept by this type.
  std::string_view reveal() const noexcept { return {bytes_, size_}; }

  friend bool operator==(const Secret& a, const Secret& b) noexcept { return a.reveal() == b.reveal(); }
  template <class Stream>
  friend Stream& operator<<(Stream& stream, const Secret& secret) = delete;

 private:
  explicit Secret(std::size_t size);

  char* bytes_ = nullptr;
  std::size_t size_ = 0;
};

// Wipes a string when it goes: for a secret that has to be in one for a moment. What the string left behind when it
// grew is not wiped.
class WipedAtEnd {
 public:
  explicit WipedAtEnd(std::string& text) : text_(text) {}
  ~WipedAtEnd() { ::explicit_bzero(text_.data(), text_.size()); }
  WipedAtEnd(const WipedAtEnd&) = delete;
  WipedAtEnd& operator=(const WipedAtEnd&) = delete;

 private:
  std::string& text_;
};

}  // namespace cairn
