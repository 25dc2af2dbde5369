// SPDX-License-Identifier: Apache-2.0
#include "cairn/digest.h"
#include "engine/base/errors.h"

namespace cairn {

std::string_view digest_kind_name(DigestKind kind) noexcept {
  return kind == DigestKind::xxh3_128 ? "xxh3-128" : "blake3";
}

Result<DigestKind> parse_digest_kind(std::string_view name) {
  if (name == "blake3") return DigestKind::blake3;
  if (name == "xxh3-128") return DigestKind::xxh3_128;
  return make_error(ErrorCode::invalid_argument, "digest is 'blake3' or 'xxh3-128'");
}

std::size_t digest_size(DigestKind kind) noexcept { return kind == DigestKind::xxh3_128 ? 16 : 32; }

std::string to_hex(DigestKind kind, const Digest& digest) {
  static constexpr char kHex[] = "0123456789abcdef";
  std::string text;
  text.reserve(2 * digest_size(kind));
  for (std::size_t i = 0; i < digest_size(kind); ++i) {
    const auto byte = std::to_integer<unsigned>(digest.bytes[i]);
    text.push_back(kHex[byte >> 4]);
    text.push_back(kHex[byte & 15]);
  }
  return text;
}

std::string to_text(DigestKind kind, const Digest& digest) {
  return std::string(digest_kind_name(kind)) + ":" + to_hex(kind, digest);
}

namespace {

// What somebody gave for an id, in a message.
std::string shown(std::string_view text) {
  std::string line(text.substr(0, 100));
  for (char& c : line) {
    if (c < ' ' || c > '~') c = '?';
  }
  return line;
}

}  // namespace

Result<Digest> parse_digest(DigestKind kind, std::string_view text) {
  const std::string prefix = std::string(digest_kind_name(kind)) + ":";
  const std::string_view given = text;
  if (text.starts_with(prefix)) text.remove_prefix(prefix.size());
  const auto invalid = [&] {
    return make_error(ErrorCode::invalid_argument, "'" + shown(given) + "' is no id: those of this store are '" +
                                                       prefix + "' and " + std::to_string(2 * digest_size(kind)) +
                                                       " hexadecimal digits");
  };
  if (text.size() != 2 * digest_size(kind)) return invalid();
  Digest digest;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    unsigned nibble = 0;
    if (c >= '0' && c <= '9')
      nibble = static_cast<unsigned>(c - '0');
    else if (c >= 'a' && c <= 'f')
      nibble = static_cast<unsigned>(c - 'a') + 10;
    else if (c >= 'A' && c <= 'F')
      nibble = static_cast<unsigned>(c - 'A') + 10;
    else
      return invalid();
    digest.bytes[i / 2] |= static_cast<std::byte>(i % 2 == 0 ? nibble << 4 : nibble);
  }
  return digest;
}

}  // namespace cairn
