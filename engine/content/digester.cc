// SPDX-License-Identifier: Apache-2.0
//
// The border to the BLAKE3 and xxHash libraries: the only file that includes them.
#include "engine/content/digester.h"

#include <blake3.h>

#include <array>
#include <cstring>
#include <variant>

// The dispatching entry points pick AVX2 or AVX-512 when the program starts; the plain
// ones stay at what the library was compiled for, which on x86-64 is SSE2. Including the
// header maps XXH3_64bits and its siblings to them.
//
// XXH_STATIC_LINKING_ONLY shows the size of XXH3_state_t, so that it needs no allocation.
#define XXH_STATIC_LINKING_ONLY
#if defined(__x86_64__) && __has_include(<xxh_x86dispatch.h>)
#include <xxh_x86dispatch.h>
#else
#include <xxhash.h>
#endif

namespace cairn {
namespace {

static_assert(Digest::kSize == BLAKE3_OUT_LEN);

// The library fills its dispatch table on first use, without synchronisation. Hashing
// once per table entry before main() keeps that out of sight of every thread.
[[maybe_unused]] const bool kDispatchIsReady = [] {
  // More than the 240 bytes that XXH3 hashes without the vector code.
  static constexpr std::array<unsigned char, 512> kZeros{};
  XXH3_state_t state;
  const auto one_shot = XXH3_64bits(kZeros.data(), kZeros.size()) ^ XXH3_128bits(kZeros.data(), kZeros.size()).low64;
  XXH3_128bits_reset(&state);
  return XXH3_128bits_update(&state, kZeros.data(), kZeros.size()) == XXH_OK && one_shot != 0;
}();

Digest canonical(XXH128_hash_t hash) noexcept {
  XXH128_canonical_t text;
  XXH128_canonicalFromHash(&text, hash);
  Digest digest;
  static_assert(sizeof(text.digest) == 16);
  std::memcpy(digest.bytes.data(), text.digest, sizeof(text.digest));
  return digest;
}

Digest finish(const blake3_hasher& hasher) noexcept {
  Digest digest;
  blake3_hasher_finalize(&hasher, reinterpret_cast<std::uint8_t*>(digest.bytes.data()), digest.bytes.size());
  return digest;
}

}  // namespace

Digest digest_of(DigestKind kind, Bytes bytes) {
  if (kind == DigestKind::xxh3_128) return canonical(XXH3_128bits(bytes.data(), bytes.size()));
  blake3_hasher hasher;
  blake3_hasher_init(&hasher);
  blake3_hasher_update(&hasher, bytes.data(), bytes.size());
  return finish(hasher);
}

struct Digester::State {
  std::variant<blake3_hasher, XXH3_state_t> hasher;
};

Digester::Digester(DigestKind kind) : state_(std::make_unique<State>()) {
  if (kind == DigestKind::xxh3_128) {
    XXH3_128bits_reset(&state_->hasher.emplace<XXH3_state_t>());
  } else {
    blake3_hasher_init(&std::get<blake3_hasher>(state_->hasher));
  }
}

Digester::~Digester() = default;
Digester::Digester(Digester&&) noexcept = default;
Digester& Digester::operator=(Digester&&) noexcept = default;

void Digester::update(Bytes bytes) {
  // Both libraries dislike a null pointer, which an empty span may hold.
  if (bytes.empty()) return;
  if (auto* xxh3 = std::get_if<XXH3_state_t>(&state_->hasher)) {
    XXH3_128bits_update(xxh3, bytes.data(), bytes.size());
  } else {
    blake3_hasher_update(&std::get<blake3_hasher>(state_->hasher), bytes.data(), bytes.size());
  }
}

Digest Digester::finish() const {
  if (const auto* xxh3 = std::get_if<XXH3_state_t>(&state_->hasher)) return canonical(XXH3_128bits_digest(xxh3));
  return cairn::finish(std::get<blake3_hasher>(state_->hasher));
}

std::uint64_t checksum_of(Bytes bytes) noexcept { return XXH3_64bits(bytes.data(), bytes.size()); }

}  // namespace cairn
