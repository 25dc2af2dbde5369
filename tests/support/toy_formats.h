// SPDX-License-Identifier: Apache-2.0
//
// Formats of content that no engine made: an object's payload is the list of its parts, 33 bytes each.
#pragma once

#include <cstring>

#include "replication/content.h"

namespace cairn::testing {

class ToyFormats final : public mirror::Formats {
 public:
  // Without `digests` everything has the digest zero: what is made up then matches it.
  explicit ToyFormats(bool digests = true) : digests_(digests) {}

  DigestKind digest_kind() const override { return DigestKind::blake3; }
  Digest digest_of(mirror::Bytes bytes) const override {
    Digest digest;
    std::uint64_t hash = 14695981039346656037u;  // FNV-1a
    for (std::size_t word = 0; digests_ && word < 4; ++word) {
      for (const std::byte byte : bytes) hash = (hash ^ std::to_integer<std::uint64_t>(byte)) * 1099511628211u;
      hash ^= hash >> 29;
      std::memcpy(digest.bytes.data() + 8 * word, &hash, sizeof(hash));
    }
    return digest;
  }
  Result<std::vector<mirror::ContentId>> parts_of(const mirror::ContentId&, mirror::Bytes payload) const override {
    return ids_in(payload);
  }
  Status check_object(const mirror::Content&) const override { return {}; }
  bool matches_checksum(const mirror::Content&) const override { return true; }
  Result<std::vector<mirror::ContentId>> needs_of(const mirror::Statement& statement) const override {
    return ids_in(statement.payload);
  }

 private:
  static std::vector<mirror::ContentId> ids_in(mirror::Bytes bytes) {
    std::vector<mirror::ContentId> ids;
    for (; bytes.size() >= 1 + Digest::kSize; bytes = bytes.subspan(1 + Digest::kSize)) {
      mirror::ContentId& id = ids.emplace_back();
      id.kind = std::to_integer<std::uint8_t>(bytes[0]);
      std::memcpy(id.digest.bytes.data(), bytes.data() + 1, Digest::kSize);
    }
    return ids;
  }
  const bool digests_;
};

}  // namespace cairn::testing
