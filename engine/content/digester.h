// SPDX-License-Identifier: Apache-2.0
//
// Computes digests (cairn/digest.h) with the official BLAKE3 and xxHash implementations.
#pragma once

#include <memory>
#include <string_view>

#include "cairn/digest.h"
#include "engine/base/bytes.h"

namespace cairn {

// The digest of a whole byte string. Any thread.
Digest digest_of(DigestKind kind, Bytes bytes);

// The digest of a byte string that arrives in parts. Owned by one thread at a time.
class Digester {
 public:
  explicit Digester(DigestKind kind);
  ~Digester();
  Digester(Digester&&) noexcept;
  Digester& operator=(Digester&&) noexcept;

  void update(Bytes bytes);
  // The digest of everything so far; more may follow.
  Digest finish() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

// XXH3-64, seed 0: the checksum of headers and payloads in the log.
std::uint64_t checksum_of(Bytes bytes) noexcept;

}  // namespace cairn
