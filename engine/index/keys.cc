// SPDX-License-Identifier: Apache-2.0
#include "engine/index/keys.h"

#include <vector>

#include "engine/base/endian.h"
#include "engine/base/errors.h"

namespace cairn {
namespace {

constexpr std::uint8_t kStateVersion = 3;

// In the byte of the codec, whose numbers are small.
constexpr std::uint8_t kQuarantinedFlag = 0x80, kUncountedFlag = 0x40;
constexpr std::uint8_t kCodecMask = 0x3f;

std::string to_string(const std::vector<std::byte>& bytes) { return std::string(as_text(bytes)); }

void append_digest(std::string& key, const Digest& digest) { key.append(as_text(digest.bytes)); }

// Behind what is escaped two zero bytes end it, and a zero byte inside it is followed by 0xff, so
// that it sorts bytewise and none is a prefix of another's key.
void append_escaped(std::string& key, std::string_view text) {
  for (const char c : text) {
    key.push_back(c);
    if (c == '\0') key.push_back('\xff');
  }
}

// Big-endian, so that numbers sort bytewise.
void append_number(std::string& key, std::uint64_t number) {
  for (int shift = 56; shift >= 0; shift -= 8) key.push_back(static_cast<char>(number >> shift));
}

Error damaged(std::string_view what, std::size_t offset) {
  return make_error(ErrorCode::corruption,
                    "index: " + std::string(what) + " is damaged at byte " + std::to_string(offset) + " of its value");
}

}  // namespace

std::string block_key(const Digest& digest) {
  std::string key(kBlockPrefix);
  append_digest(key, digest);
  return key;
}

std::string object_key(RecordKind kind, const Digest& id) {
  std::string key(kObjectPrefix);
  key.push_back(static_cast<char>(kind));
  append_digest(key, id);
  return key;
}

std::string count_key(RecordKind kind, const Digest& id) {
  return kind == RecordKind::block || kind == RecordKind::blob ? block_key(id) : object_key(kind, id);
}

std::string segment_key(std::uint32_t segment) {
  std::string key(kSegmentPrefix);
  append_number(key, segment);
  return key;
}

std::string segment_check_key(std::uint32_t segment) {
  std::string key(kSegmentCheckPrefix);
  append_number(key, segment);
  return key;
}

std::string dead_object_key(RecordKind kind, const Digest& id) {
  std::string key = object_key(kind, id);
  key.replace(0, kObjectPrefix.size(), kDeadObjectPrefix);
  return key;
}

std::string record_key(const Digest& key, const RecordLocation& at) {
  return at.kind == RecordKind::block ? block_key(key) : object_key(at.kind, key);
}

std::string versions_prefix(std::string_view name) {
  std::string key(kRefPrefix);
  append_escaped(key, name);
  key.append(2, '\0');
  return key;
}

std::string version_key(std::string_view name, std::uint64_t version) {
  std::string key = versions_prefix(name);
  append_number(key, version);
  return key;
}

std::string seen_key(std::string_view path) {
  std::string key(kSeenPrefix);
  key.append(path);
  return key;
}

std::string roots_prefix(const Digest& id) {
  std::string key(kRootPrefix);
  append_digest(key, id);
  return key;
}

std::string root_key(const Root& root) {
  std::string key = roots_prefix(root.id);
  key.push_back(static_cast<char>(root.kind));
  key.append(root.name);  // the last part: needs no end
  return key;
}

std::string entry_key(std::string_view key) { return std::string(kEntryPrefix).append(key); }

std::string index_key_prefix(std::string_view prefix) {
  std::string key(kIndexKeyPrefix);
  append_escaped(key, prefix);
  return key;
}

std::string index_key_key(std::string_view index_key, std::string_view key) {
  return index_key_prefix(index_key).append(2, '\0').append(key);
}

std::optional<std::pair<std::string, std::string_view>> parse_index_key(std::string_view key) {
  if (!key.starts_with(kIndexKeyPrefix)) return std::nullopt;
  std::string index_key;
  for (std::size_t i = kIndexKeyPrefix.size(); i < key.size(); ++i) {
    index_key.push_back(key[i]);
    if (key[i] != '\0') continue;
    if (++i == key.size()) return std::nullopt;
    if (key[i] == '\xff') continue;
    if (key[i] != '\0') return std::nullopt;
    index_key.pop_back();
    return std::pair(std::move(index_key), key.substr(i + 1));
  }
  return std::nullopt;
}

std::optional<std::pair<RecordKind, Digest>> parse_record_key(std::string_view key) {
  RecordKind kind = RecordKind::block;
  std::size_t digest_at = kBlockPrefix.size();
  const bool object = key.starts_with(kObjectPrefix) || key.starts_with(kDeadObjectPrefix);
  if (object && key.size() > kObjectPrefix.size()) {
    const auto number = static_cast<std::uint8_t>(key[kObjectPrefix.size()]);
    if (!record_kind_is_valid(number)) return std::nullopt;
    kind = static_cast<RecordKind>(number);
    digest_at = kObjectPrefix.size() + 1;
  } else if (!key.starts_with(kBlockPrefix)) {
    return std::nullopt;
  }
  if (key.size() != digest_at + Digest::kSize) return std::nullopt;
  Digest digest;
  std::memcpy(digest.bytes.data(), key.data() + digest_at, Digest::kSize);
  return std::pair{kind, digest};
}

std::string encode_location(const RecordLocation& at) {
  std::vector<std::byte> bytes;
  bytes.reserve(45);
  ByteWriter out(bytes);
  out.put(static_cast<std::uint8_t>((at.codec & kCodecMask) | (at.quarantined ? kQuarantinedFlag : 0) |
                                    (at.uncounted ? kUncountedFlag : 0)));
  out.put(at.segment);
  out.put(at.offset);
  out.put(at.stored_bytes);
  out.put(at.logical_bytes);
  out.put(at.checksum);
  out.put(at.sequence);
  out.put(at.references);
  return to_string(bytes);
}

Result<RecordLocation> decode_location(RecordKind kind, std::string_view value) {
  ByteReader in(as_bytes(value));
  const auto codec = in.get<std::uint8_t>();
  const auto segment = in.get<std::uint32_t>();
  const auto offset = in.get<std::uint64_t>();
  const auto stored_bytes = in.get<std::uint32_t>();
  const auto logical_bytes = in.get<std::uint32_t>();
  const auto checksum = in.get<std::uint64_t>();
  const auto sequence = in.get<std::uint64_t>();
  const auto references = in.get<std::uint64_t>();
  if (!in.exhausted()) return damaged("a record's location", in.offset());
  return RecordLocation{.kind = kind,
                        .codec = static_cast<std::uint8_t>(*codec & kCodecMask),
                        .segment = *segment,
                        .offset = *offset,
                        .stored_bytes = *stored_bytes,
                        .logical_bytes = *logical_bytes,
                        .checksum = *checksum,
                        .sequence = *sequence,
                        .references = *references,
                        .quarantined = (*codec & kQuarantinedFlag) != 0,
                        .uncounted = (*codec & kUncountedFlag) != 0};
}

std::string encode_seen(const SeenFile& seen) {
  std::vector<std::byte> bytes;
  ByteWriter out(bytes);
  out.put(seen.device);
  out.put(seen.inode);
  out.put(seen.size);
  out.put(static_cast<std::uint64_t>(seen.mtime_ns));
  out.put(static_cast<std::uint64_t>(seen.ctime_ns));
  out.put_bytes(seen.blob.bytes);
  out.put(static_cast<std::uint8_t>(seen.is_model));
  out.put(seen.tensors);
  out.put_string(seen.note);
  return to_string(bytes);
}

Result<SeenFile> decode_seen(std::string_view value) {
  ByteReader in(as_bytes(value));
  const auto device = in.get<std::uint64_t>();
  const auto inode = in.get<std::uint64_t>();
  const auto size = in.get<std::uint64_t>();
  const auto mtime_ns = in.get<std::uint64_t>();
  const auto ctime_ns = in.get<std::uint64_t>();
  const auto blob = in.get_bytes(Digest::kSize);
  const auto is_model = in.get<std::uint8_t>();
  const auto tensors = in.get<std::uint32_t>();
  const auto note = in.get_string();
  if (!in.exhausted() || *is_model > 1) return damaged("the memory of a file", in.offset());
  SeenFile seen{.device = *device,
                .inode = *inode,
                .size = *size,
                .mtime_ns = static_cast<std::int64_t>(*mtime_ns),
                .ctime_ns = static_cast<std::int64_t>(*ctime_ns),
                .blob = {},
                .is_model = *is_model == 1,
                .tensors = *tensors,
                .note = std::string(*note)};
  std::memcpy(seen.blob.bytes.data(), blob->data(), Digest::kSize);
  return seen;
}

std::string encode_use(const SegmentUse& use) {
  std::vector<std::byte> bytes;
  ByteWriter out(bytes);
  out.put(use.record_bytes);
  out.put(use.live_bytes);
  out.put(use.tombstone_bytes);
  return to_string(bytes);
}

Result<SegmentUse> decode_use(std::string_view value) {
  ByteReader in(as_bytes(value));
  const auto record_bytes = in.get<std::uint64_t>();
  const auto live_bytes = in.get<std::uint64_t>();
  const auto tombstone_bytes = in.get<std::uint64_t>();
  if (!in.exhausted()) return damaged("a segment's use", in.offset());
  return SegmentUse{.record_bytes = *record_bytes, .live_bytes = *live_bytes, .tombstone_bytes = *tombstone_bytes};
}

std::string encode_segment_check(const SegmentCheck& check) {
  std::vector<std::byte> bytes;
  ByteWriter out(bytes);
  out.put(check.number);
  out.put(static_cast<std::uint64_t>(check.time_ns));
  return to_string(bytes);
}

Result<SegmentCheck> decode_segment_check(std::string_view value) {
  ByteReader in(as_bytes(value));
  const auto number = in.get<std::uint64_t>();
  const auto time_ns = in.get<std::uint64_t>();
  if (!in.exhausted()) return damaged("when a segment was verified", in.offset());
  return SegmentCheck{.number = *number, .time_ns = static_cast<std::int64_t>(*time_ns)};
}

std::string encode_placed(const RecordPlace& place, Bytes payload) {
  std::vector<std::byte> bytes;
  ByteWriter out(bytes);
  out.put(place.segment);
  out.put(place.offset);
  out.put_bytes(payload);
  return to_string(bytes);
}

Result<PlacedPayload> decode_placed(std::string_view value) {
  constexpr std::size_t kPlaceBytes = sizeof(std::uint32_t) + sizeof(std::uint64_t);
  if (value.size() < kPlaceBytes) return damaged("a place", value.size());
  ByteReader in(as_bytes(value.substr(0, kPlaceBytes)));
  const auto segment = in.get<std::uint32_t>();
  const auto offset = in.get<std::uint64_t>();
  return PlacedPayload{.place = {*segment, *offset}, .payload = as_bytes(value.substr(kPlaceBytes))};
}

std::optional<std::uint32_t> parse_segment_key(std::string_view key) {
  const bool known = key.starts_with(kSegmentPrefix) || key.starts_with(kSegmentCheckPrefix);
  if (!known || key.size() != kSegmentPrefix.size() + sizeof(std::uint64_t)) return {};
  std::uint64_t number = 0;
  for (const char byte : key.substr(kSegmentPrefix.size())) number = number << 8 | static_cast<unsigned char>(byte);
  if (number > UINT32_MAX) return {};
  return static_cast<std::uint32_t>(number);
}

std::string encode_state(const IndexState& state) {
  std::vector<std::byte> bytes;
  ByteWriter out(bytes);
  out.put(kStateVersion);
  out.put(state.applied.segment);
  out.put(state.applied.offset);
  out.put(state.next_sequence);
  out.put(state.highest_sequence);
  out.put(state.quarantined);
  out.put(state.uncounted);
  return to_string(bytes);
}

Result<IndexState> decode_state(std::string_view value) {
  ByteReader in(as_bytes(value));
  const auto version = in.get<std::uint8_t>();
  if (version && *version > kStateVersion) {
    return make_error(ErrorCode::unsupported,
                      "index: written by a newer version of Cairn (index version " + std::to_string(*version) + ")");
  }
  const auto segment = in.get<std::uint32_t>();
  const auto offset = in.get<std::uint64_t>();
  const auto next_sequence = in.get<std::uint64_t>();
  const auto highest_sequence = in.get<std::uint64_t>();
  const auto quarantined = in.get<std::uint64_t>();
  const auto uncounted = in.get<std::uint64_t>();
  if (!in.exhausted() || *version != kStateVersion) return damaged("the applied position", in.offset());
  return IndexState{.applied = {*segment, *offset},
                    .next_sequence = *next_sequence,
                    .highest_sequence = *highest_sequence,
                    .quarantined = *quarantined,
                    .uncounted = *uncounted};
}

std::string encode_clock(const StoreClock& clock) {
  std::vector<std::byte> bytes;
  ByteWriter out(bytes);
  out.put(clock.store_time_ns);
  out.put(clock.boot);
  out.put(clock.boot_time_ns);
  return to_string(bytes);
}

Result<StoreClock> decode_clock(std::string_view value) {
  ByteReader in(as_bytes(value));
  const auto store_time_ns = in.get<std::uint64_t>();
  const auto boot = in.get<std::uint64_t>();
  const auto boot_time_ns = in.get<std::uint64_t>();
  if (!in.exhausted()) return damaged("the clock", in.offset());
  return StoreClock{.store_time_ns = *store_time_ns, .boot = *boot, .boot_time_ns = *boot_time_ns};
}

Result<Placed<StoredEntry>> decode_placed_entry(std::string_view key, std::string_view value) {
  CAIRN_TRY(const PlacedPayload placed, decode_placed(value));
  CAIRN_TRY(StoredEntry entry, decode_entry_body(key, placed.payload));
  if (entry.removed) return make_error(ErrorCode::corruption, "index: an entry's value is damaged");
  return Placed<StoredEntry>(std::move(entry), placed.place);
}

}  // namespace cairn
