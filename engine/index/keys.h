// SPDX-License-Identifier: Apache-2.0
//
// The index's keys and values as bytes (docs/format/index.md). No I/O, no RocksDB. Keys
// sort bytewise in the order in which the index is walked.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "engine/index/index.h"

namespace cairn {

// The first byte of a key says what it is about. Frozen numbers.
inline constexpr std::string_view kPositionKey{"\x01", 1};
inline constexpr std::string_view kBlockPrefix{"\x02", 1};
inline constexpr std::string_view kObjectPrefix{"\x03", 1};
inline constexpr std::string_view kRefPrefix{"\x04", 1};
inline constexpr std::string_view kSeenPrefix{"\x05", 1};
inline constexpr std::string_view kRootPrefix{"\x06", 1};
inline constexpr std::string_view kReclaimedKey{"\x07", 1};
inline constexpr std::string_view kSegmentPrefix{"\x08", 1};
inline constexpr std::string_view kDeadObjectPrefix{"\x09", 1};
inline constexpr std::string_view kDoubtKey{"\x0a", 1};
inline constexpr std::string_view kSegmentCheckPrefix{"\x0b", 1};
inline constexpr std::string_view kEntryPrefix{"\x0c", 1};
inline constexpr std::string_view kIndexKeyPrefix{"\x0d", 1};
inline constexpr std::string_view kClockKey{"\x0e", 1};

std::string block_key(const Digest& digest);
std::string object_key(RecordKind kind, const Digest& id);
// Under which the references to a block or object are counted: a blob manifest's are its block's.
std::string count_key(RecordKind kind, const Digest& id);
std::string segment_key(std::uint32_t segment);
std::string segment_check_key(std::uint32_t segment);
std::string dead_object_key(RecordKind kind, const Digest& id);
// The key of `at`, which is a block or an object.
std::string record_key(const Digest& key, const RecordLocation& at);
// Every version of a name has this prefix, and no other name's version has it.
std::string versions_prefix(std::string_view name);
std::string version_key(std::string_view name, std::uint64_t version);
std::string seen_key(std::string_view path);
// Every root of `id` has this prefix.
std::string roots_prefix(const Digest& id);
std::string root_key(const Root& root);
std::string entry_key(std::string_view key);
// Every index key that starts with `prefix` is in a key that starts with this.
std::string index_key_prefix(std::string_view prefix);
std::string index_key_key(std::string_view index_key, std::string_view key);
// The index key and the entry's key in index_key_key(); nothing when it is none.
std::optional<std::pair<std::string, std::string_view>> parse_index_key(std::string_view key);

// The kind and digest in a block's or object's key; nothing when it is neither.
std::optional<std::pair<RecordKind, Digest>> parse_record_key(std::string_view key);

// How far the log has been applied; changes in the same batch as what was applied.
struct IndexState {
  Position applied;
  std::uint64_t next_sequence = 0;
  // The highest sequence of any record ever applied: a record above it replaces whatever
  // has its key, so that only carried or repeated records cost a read before the write.
  std::uint64_t highest_sequence = 0;
  // How many records are quarantined, and the parts of how many objects are not counted.
  std::uint64_t quarantined = 0, uncounted = 0;
  friend bool operator==(const IndexState&, const IndexState&) = default;
};

// A location's kind is in its key and not repeated in the value.
std::string encode_location(const RecordLocation& at);
std::string encode_seen(const SeenFile& seen);
std::string encode_use(const SegmentUse& use);
std::string encode_segment_check(const SegmentCheck& check);
// A place, then the payload as in the log.
std::string encode_placed(const RecordPlace& place, Bytes payload);
std::string encode_state(const IndexState& state);
std::string encode_clock(const StoreClock& clock);

// ErrorCode::corruption when the value is not one that encode_* wrote, or unsupported
// when a newer version of Cairn did.
Result<RecordLocation> decode_location(RecordKind kind, std::string_view value);
Result<SeenFile> decode_seen(std::string_view value);
Result<SegmentUse> decode_use(std::string_view value);
Result<SegmentCheck> decode_segment_check(std::string_view value);
struct PlacedPayload {
  RecordPlace place;
  Bytes payload;
};
Result<PlacedPayload> decode_placed(std::string_view value);
// The segment in segment_key() or segment_check_key().
std::optional<std::uint32_t> parse_segment_key(std::string_view key);
Result<IndexState> decode_state(std::string_view value);
Result<StoreClock> decode_clock(std::string_view value);
// The value of entry_key(key): a place, then all but the key.
Result<Placed<StoredEntry>> decode_placed_entry(std::string_view key, std::string_view value);

}  // namespace cairn
