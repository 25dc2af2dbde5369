// SPDX-License-Identifier: Apache-2.0
#include "replication/outgoing.h"

#include <algorithm>

#include "replication/errors.h"
#include "replication/fields.h"

namespace cairn::mirror {
namespace {

constexpr std::string_view kMagic = "cairn outgoing 1";
constexpr std::string_view kMade = "made ";
constexpr std::string_view kOut = "out ";
// Some 700,000 packs.
constexpr std::uint64_t kNoteBytesMax = 64u << 20;
constexpr int kListingsMax = 5;

Error damaged(const std::string& why) { return make_error(ErrorCode::corruption, "note of what is outgoing: " + why); }

bool is_content_key(std::string_view key) { return key.starts_with(kPacksPrefix) || key.starts_with(kIndexPrefix); }

std::string_view next_line(std::string_view& rest) {
  const std::size_t end = std::min(rest.find('\n'), rest.size());
  const std::string_view line = rest.substr(0, end);
  rest.remove_prefix(std::min(end + 1, rest.size()));
  return line;
}

// Nothing: it is gone by now.
Result<std::optional<OutgoingNote>> read_note(ObjectStorage& storage, const Formats& formats, const std::string& key) {
  CAIRN_TRY(const auto bytes, storage.get(key, kNoteBytesMax));
  if (!bytes) return std::optional<OutgoingNote>();
  if (note_key(formats, *bytes) != key) {
    return make_error(ErrorCode::corruption, "'" + key +
                                                 "' in the mirror is not what its name says: what it named may not be "
                                                 "relied on. Where nobody else uses the mirror now, remove it");
  }
  auto note = decode_note(*bytes);
  if (!note.ok()) return make_error(note.error().code, "'" + key + "': " + note.error().message);
  return std::optional(std::move(note).value());
}

}  // namespace

std::vector<std::byte> encode_note(const OutgoingNote& note) {
  std::vector<std::byte> bytes;
  append(bytes, kMagic);
  append(bytes, std::string_view("\n"));
  for (const std::string& key : note.made) append(bytes, std::string_view(std::string(kMade) + key + "\n"));
  for (const std::string& key : note.outgoing) append(bytes, std::string_view(std::string(kOut) + key + "\n"));
  return bytes;
}

Result<OutgoingNote> decode_note(Bytes bytes) {
  std::string_view rest(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  if (!rest.ends_with('\n') || next_line(rest) != kMagic) return damaged("it does not begin or end as one");
  OutgoingNote note;
  while (!rest.empty()) {
    const std::string_view line = next_line(rest);
    const bool made = line.starts_with(kMade), out = line.starts_with(kOut);
    const std::string_view key = made ? line.substr(kMade.size()) : out ? line.substr(kOut.size()) : "";
    if (!is_content_key(key)) return damaged("a line names no pack and no index");
    (made ? note.made : note.outgoing).emplace_back(key);
  }
  return note;
}

std::string note_key(const Formats& formats, Bytes note) {
  return std::string(kReclaimPrefix) + to_hex(formats.digest_kind(), formats.digest_of(note));
}

Result<Outgoing> read_outgoing(ObjectStorage& storage, const Formats& formats) {
  for (int listings = 1;; ++listings) {
    Outgoing outgoing;
    CAIRN_TRY(outgoing.listed, list_all(storage, kReclaimPrefix));
    bool all_there = true;
    for (const ObjectStorage::Listed& one : outgoing.listed) {
      if (!parse_digest(formats.digest_kind(), std::string_view(one.key).substr(kReclaimPrefix.size())).ok()) continue;
      CAIRN_TRY(auto note, read_note(storage, formats, one.key));
      all_there = all_there && note;
      if (!note) break;
      outgoing.keys.insert(note->outgoing.begin(), note->outgoing.end());
      outgoing.made.insert(note->made.begin(), note->made.end());
      outgoing.notes.push_back({.at = one, .note = *std::move(note)});
    }
    if (all_there) return outgoing;
    // What was listed is gone by now: what it named is removed.
    if (listings == kListingsMax) {
      return Error{.code = ErrorCode::conflict, .message = "the mirror is being reclaimed", .retryable = true};
    }
  }
}

Result<bool> is_unchanged(ObjectStorage& storage, const Outgoing& before) {
  CAIRN_TRY(const auto listed, list_all(storage, kReclaimPrefix));
  return std::ranges::equal(listed, before.listed, {}, &ObjectStorage::Listed::key, &ObjectStorage::Listed::key);
}

std::vector<std::byte> salt_of(const Formats& formats, const Outgoing& outgoing) {
  if (outgoing.listed.empty()) return {};
  std::vector<std::byte> names, salt;
  for (const ObjectStorage::Listed& one : outgoing.listed) append(names, std::string_view(one.key + "\n"));
  append(salt, formats.digest_of(names));
  return salt;
}

}  // namespace cairn::mirror
