// SPDX-License-Identifier: Apache-2.0
#include "replication/bucket.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "replication/errors.h"

namespace cairn::mirror {
namespace {

constexpr std::string_view kHexDigits = "0123456789abcdef";
constexpr std::string_view kMarkerBegin = "cairn mirror 1\ndigest ";
constexpr std::uint64_t kMarkerBytesMax = 256;

std::string digest_key(std::string_view prefix, const Formats& formats, const Digest& name) {
  return std::string(prefix) + to_hex(formats.digest_kind(), name);
}

}  // namespace

std::string hex(Bytes bytes) {
  std::string text;
  for (const std::byte byte : bytes) {
    text += kHexDigits[std::to_integer<unsigned>(byte) >> 4];
    text += kHexDigits[std::to_integer<unsigned>(byte) & 15];
  }
  return text;
}

bool from_hex(std::string_view text, std::span<std::byte> bytes) {
  if (text.size() != 2 * bytes.size()) return false;
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    const std::size_t high = kHexDigits.find(text[2 * i]);
    const std::size_t low = kHexDigits.find(text[2 * i + 1]);
    if (high == std::string_view::npos || low == std::string_view::npos) return false;
    bytes[i] = static_cast<std::byte>(high << 4 | low);
  }
  return true;
}

std::string pack_key(const Formats& formats, const Digest& name) { return digest_key(kPacksPrefix, formats, name); }
std::string index_key(const Formats& formats, const Digest& name) { return digest_key(kIndexPrefix, formats, name); }
std::string journal_prefix(const Uuid& store) { return std::string(kStoresPrefix) + hex(store) + "/journal/"; }

Result<std::optional<DigestKind>> read_marker(ObjectStorage& storage) {
  CAIRN_TRY(const auto marker, storage.get(kMarkerKey, kMarkerBytesMax));
  if (!marker) return std::optional<DigestKind>();
  std::string_view text(reinterpret_cast<const char*>(marker->data()), marker->size());
  if (!text.starts_with(kMarkerBegin)) {
    const bool newer = text.starts_with("cairn mirror ");
    return make_error(newer ? ErrorCode::unsupported : ErrorCode::corruption,
                      newer ? "the mirror is of a newer version than this program knows"
                            : "'cairn-mirror' is there, and is not the marker of a mirror");
  }
  text.remove_prefix(kMarkerBegin.size());
  if (text.ends_with('\n')) text.remove_suffix(1);
  const auto kind = parse_digest_kind(text);
  if (!kind.ok()) return make_error(ErrorCode::corruption, "the marker of the mirror names a digest that there is not");
  return std::optional(*kind);
}

Status require_marker(ObjectStorage& storage, DigestKind digest) {
  CAIRN_TRY(auto found, read_marker(storage));
  if (!found) {
    const std::string text = std::string(kMarkerBegin) + std::string(digest_kind_name(digest)) + "\n";
    const Bytes bytes = std::as_bytes(std::span(text));
    CAIRN_TRY(const bool written, storage.put_if_absent(kMarkerKey, std::span(&bytes, 1)));
    // Somebody else was first.
    if (!written) {
      CAIRN_TRY(found, read_marker(storage));
    }
  }
  if (!found || *found == digest) return {};
  return make_error(ErrorCode::unsupported, "the mirror is of stores with digest " +
                                                std::string(digest_kind_name(*found)) + ", and this one has " +
                                                std::string(digest_kind_name(digest)));
}

Result<std::vector<ObjectStorage::Listed>> list_all(ObjectStorage& storage, std::string_view prefix) {
  std::vector<ObjectStorage::Listed> all;
  for (;;) {
    CAIRN_TRY(auto page, storage.list(prefix, all.empty() ? std::string_view() : all.back().key));
    if (page.empty()) return all;
    // A server that repeats itself would be asked for ever.
    if (!all.empty() && page.front().key <= all.back().key) {
      return make_error(ErrorCode::corruption, "the listing of '" + std::string(prefix) + "' goes backwards");
    }
    std::ranges::move(page, std::back_inserter(all));
  }
}

Result<std::vector<std::byte>> get_whole(ObjectStorage& storage, const std::string& key, std::uint64_t bytes_max) {
  CAIRN_TRY(auto bytes, storage.get(key, bytes_max));
  if (!bytes) return make_error(ErrorCode::corruption, "'" + key + "' is missing in the mirror");
  return *std::move(bytes);
}

}  // namespace cairn::mirror
