// SPDX-License-Identifier: Apache-2.0
//
// The identity of content: the digest of its logical, uncompressed bytes.
#pragma once

#include <array>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <functional>
#include <string>
#include <string_view>

#include "cairn/result.h"

// A shared library shows what is declared from here on.
#pragma GCC visibility push(default)
namespace cairn {

// The digest of a store is chosen when it is created and never changes.
enum class DigestKind : std::uint8_t {
  blake3 = 1,    // 256 bits, https://github.com/BLAKE3-team/BLAKE3-specs; the default
  xxh3_128 = 2,  // 128 bits, https://github.com/Cyan4973/xxHash; for data nobody would forge
};

std::string_view digest_kind_name(DigestKind kind) noexcept;  // "blake3", "xxh3-128"
Result<DigestKind> parse_digest_kind(std::string_view name);

// A digest. An xxh3-128 digest fills the first 16 bytes, in the canonical
// (big-endian) order that `xxh128sum` prints, and leaves the rest zero.
struct Digest {
  static constexpr std::size_t kSize = 32;
  std::array<std::byte, kSize> bytes{};

  friend bool operator==(const Digest&, const Digest&) = default;
  friend auto operator<=>(const Digest&, const Digest&) = default;
};

// Bytes of a digest of this kind that carry information: 32 or 16.
std::size_t digest_size(DigestKind kind) noexcept;

// The text form of an id, "blake3:" or "xxh3-128:" and lower-case hexadecimal. The
// hexadecimal part is what `b3sum` or `xxh128sum` prints for the same bytes.
std::string to_text(DigestKind kind, const Digest& digest);
std::string to_hex(DigestKind kind, const Digest& digest);

// Accepts the text form, or bare hexadecimal of the full length for `kind`.
Result<Digest> parse_digest(DigestKind kind, std::string_view text);

}  // namespace cairn
#pragma GCC visibility pop

template <>
struct std::hash<cairn::Digest> {
  // Digests are uniform already: any eight bytes of one are a hash.
  std::size_t operator()(const cairn::Digest& digest) const noexcept {
    std::size_t value = 0;
    std::memcpy(&value, digest.bytes.data(), sizeof(value));
    return value;
  }
};
