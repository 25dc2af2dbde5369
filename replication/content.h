// SPDX-License-Identifier: Apache-2.0
//
// What a mirror carries: content, which is the same in every store that has it, and statements, which are one store's.
// Their bytes are those of the log (docs/format/record.md); a mirror moves them and asks Formats what they mean.
#pragma once

#include <array>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "cairn/digest.h"
#include "cairn/result.h"

namespace cairn::mirror {

using Bytes = std::span<const std::byte>;

// Of a record's kind, a mirror needs to know these alone.
inline constexpr std::uint8_t kBlock = 1;
inline constexpr std::uint8_t kBlob = 2;

// A block or an object. What is referred to as a blob may be a single block, of the same digest.
struct ContentId {
  std::uint8_t kind = kBlock;
  Digest digest;
  friend auto operator<=>(const ContentId&, const ContentId&) = default;
};
struct ContentIdHash {
  std::size_t operator()(const ContentId& id) const noexcept { return std::hash<Digest>()(id.digest) + id.kind; }
};

struct Content {
  ContentId id;
  std::uint8_t codec = 0;           // of a block
  std::uint32_t logical_bytes = 0;  // once decoded
  std::uint64_t checksum = 0;       // of the payload, as the log has it
  std::vector<Digest> bases = {};   // of a delta block: those that it is the difference from
  Bytes payload;
  std::shared_ptr<const void> hold = {};  // keeps the payload's memory
  // Of a block that Destination::check() has looked at, for put(): what it is once decoded, if that is kept, and by
  // whom.
  bool checked = false;
  Bytes decoded = {};
  std::shared_ptr<const void> hold_decoded = {};
};

// What makes content visible: a ref, a root, an entry, or that one is gone. A later one of the same kind and key
// replaces an earlier one.
struct Statement {
  std::uint8_t kind = 0;
  bool removed = false;  // a tombstone; it has no payload
  std::string key;       // any bytes
  std::vector<std::byte> payload;
  friend bool operator==(const Statement&, const Statement&) = default;
};

// How far a store's log has been mirrored. Ordered as the log is.
struct Cursor {
  std::uint32_t segment = 0;
  std::uint64_t offset = 0;
  friend auto operator<=>(const Cursor&, const Cursor&) = default;
};

// What is fixed when a store is created.
struct StoreFacts {
  std::array<std::byte, 16> uuid{};
  DigestKind digest = DigestKind::blake3;
  std::uint32_t block_bytes = 0;
  std::uint64_t segment_bytes = 0;
  friend bool operator==(const StoreFacts&, const StoreFacts&) = default;
};

// What only the engine knows of the bytes that a mirror moves. Any thread. All bytes are hostile.
class Formats {
 public:
  virtual ~Formats() = default;
  virtual DigestKind digest_kind() const = 0;
  virtual Digest digest_of(Bytes bytes) const = 0;
  // What an object is made of. corruption when its payload makes no sense.
  virtual Result<std::vector<ContentId>> parts_of(const ContentId& object, Bytes payload) const = 0;
  // Whether an object is what its id says, as far as that follows from its payload, and matches its checksum.
  virtual Status check_object(const Content& object) const = 0;
  // Whether the bytes of a block or object match its checksum, as the log has it.
  virtual bool matches_checksum(const Content& content) const = 0;
  // What a statement that is no tombstone needs to be true.
  virtual Result<std::vector<ContentId>> needs_of(const Statement& statement) const = 0;
};

}  // namespace cairn::mirror
