// SPDX-License-Identifier: Apache-2.0
#include "engine/content/zip_directory.h"

#include <algorithm>
#include <array>

#include "engine/base/endian.h"

namespace cairn {
namespace {

constexpr std::uint32_t kLocalSignature = 0x04034b50;
constexpr std::uint32_t kCentralSignature = 0x02014b50;
constexpr std::uint32_t kEndSignature = 0x06054b50;
constexpr std::uint32_t kEnd64Signature = 0x06064b50;
constexpr std::uint32_t kLocator64Signature = 0x07064b50;
constexpr std::uint64_t kLocalBytes = 30;
constexpr std::uint64_t kCentralBytes = 46;
constexpr std::uint64_t kEndBytes = 22;
constexpr std::uint64_t kEnd64Bytes = 56;
constexpr std::uint64_t kLocator64Bytes = 20;
constexpr std::uint64_t kCommentMax = 65535;
constexpr std::uint16_t kExtra64 = 1;
// In a field of four bytes: the value is in the Zip64 extra field.
constexpr std::uint32_t kSee64 = 0xffffffff;

template <class T>
T field(Bytes record, std::size_t at) noexcept {
  return load_le<T>(record.data() + at);
}

// Where the central directory lies in the file. `base` is the number of bytes in front of
// the archive: all its offsets count from there.
struct Location {
  std::uint64_t at = 0;
  std::uint64_t bytes = 0;
  std::uint64_t base = 0;
};

// The directory ends where its end record (Zip64 or plain) begins, so its true place
// follows from its size; the stated offset then tells the base.
std::optional<Location> place(std::uint64_t end_at, std::uint64_t bytes, std::uint64_t stated_at) noexcept {
  if (bytes > end_at || stated_at > end_at - bytes) return std::nullopt;
  const std::uint64_t at = end_at - bytes;
  return Location{.at = at, .bytes = bytes, .base = at - stated_at};
}

Result<std::optional<Location>> locate_zip64(const ByteSource& source, std::uint64_t end_at) {
  if (end_at < kLocator64Bytes + kEnd64Bytes) return std::optional<Location>();
  std::array<std::byte, kLocator64Bytes> locator{};
  CAIRN_CHECK(source.read_at(end_at - kLocator64Bytes, locator));
  if (field<std::uint32_t>(locator, 0) != kLocator64Signature) return std::optional<Location>();
  // With bytes in front, the stated place is wrong, and the usual one is right.
  const std::uint64_t last = end_at - kLocator64Bytes - kEnd64Bytes;
  for (const std::uint64_t at : {field<std::uint64_t>(locator, 8), last}) {
    if (at > last) continue;
    std::array<std::byte, kEnd64Bytes> record{};
    CAIRN_CHECK(source.read_at(at, record));
    if (field<std::uint32_t>(record, 0) != kEnd64Signature) continue;
    if (auto found = place(at, field<std::uint64_t>(record, 40), field<std::uint64_t>(record, 48))) return found;
  }
  return std::optional<Location>();
}

Result<std::optional<Location>> locate_directory(const ByteSource& source) {
  const std::uint64_t tail_bytes = std::min(source.size(), kEndBytes + kCommentMax);
  if (tail_bytes < kEndBytes) return std::optional<Location>();
  std::vector<std::byte> buffer(tail_bytes);
  const std::uint64_t tail_at = source.size() - tail_bytes;
  CAIRN_CHECK(source.read_at(tail_at, buffer));
  std::optional<Location> empty;
  for (std::uint64_t i = tail_bytes - kEndBytes + 1; i-- > 0;) {
    const Bytes record = Bytes(buffer).subspan(i);
    if (field<std::uint32_t>(record, 0) != kEndSignature) continue;
    if (field<std::uint16_t>(record, 20) > record.size() - kEndBytes) continue;
    const auto bytes = field<std::uint32_t>(record, 12);
    const auto stated_at = field<std::uint32_t>(record, 16);
    // Writers may add Zip64 records that are not needed; then both say the same.
    CAIRN_TRY(auto found, locate_zip64(source, tail_at + i));
    if (!found) found = place(tail_at + i, bytes, stated_at);
    if (!found) continue;
    if (found->bytes >= kCentralBytes) {
      std::array<std::byte, 4> signature{};
      CAIRN_CHECK(source.read_at(found->at, signature));
      if (field<std::uint32_t>(signature, 0) == kCentralSignature) return found;
    } else if (found->bytes == 0 && !empty) {
      // An archive of nothing, or what merely looks like an end inside a comment.
      empty = found;
    }
  }
  return empty;
}

// Replaces the fields that say "see Zip64", in the order the standard gives.
bool apply_zip64(Bytes extra, std::initializer_list<std::uint64_t*> values) noexcept {
  while (extra.size() >= 4) {
    const auto id = field<std::uint16_t>(extra, 0);
    const auto bytes = field<std::uint16_t>(extra, 2);
    if (bytes > extra.size() - 4) break;
    if (id == kExtra64) {
      ByteReader reader(extra.subspan(4, bytes));
      for (std::uint64_t* value : values) {
        if (*value != kSee64) continue;
        const auto wide = reader.get<std::uint64_t>();
        if (!wide) return false;
        *value = *wide;
      }
      return true;
    }
    extra = extra.subspan(4 + bytes);
  }
  return std::none_of(values.begin(), values.end(), [](const std::uint64_t* value) { return *value == kSee64; });
}

}  // namespace

bool looks_like_zip(Bytes head) noexcept {
  return head.size() >= 4 && (load_le<std::uint32_t>(head.data()) == kLocalSignature ||
                              load_le<std::uint32_t>(head.data()) == kEndSignature);
}

Result<ZipDirectory> read_zip_directory(const ByteSource& source, TensorCollector& tensors) {
  ZipDirectory directory;
  CAIRN_TRY(const auto found, locate_directory(source));
  if (!found) {
    directory.broken = "it has no ZIP directory: cut off, or damaged";
    return directory;
  }
  if (!tensors.charge(found->bytes)) {
    directory.broken = TensorCollector::over_budget().broken;
    return directory;
  }
  std::vector<std::byte> buffer(found->bytes);
  CAIRN_CHECK(source.read_at(found->at, buffer));
  Bytes rest = buffer;
  while (rest.size() >= kCentralBytes && field<std::uint32_t>(rest, 0) == kCentralSignature) {
    const std::size_t name_bytes = field<std::uint16_t>(rest, 28);
    const std::size_t extra_bytes = field<std::uint16_t>(rest, 30);
    const std::size_t record_bytes = kCentralBytes + name_bytes + extra_bytes + field<std::uint16_t>(rest, 32);
    if (record_bytes > rest.size()) break;
    std::uint64_t packed = field<std::uint32_t>(rest, 20);
    std::uint64_t unpacked = field<std::uint32_t>(rest, 24);
    std::uint64_t header_at = field<std::uint32_t>(rest, 42);
    const bool encrypted = (field<std::uint16_t>(rest, 8) & 1) != 0;
    const bool plain = field<std::uint16_t>(rest, 10) == 0;
    const auto name = as_text(rest.subspan(kCentralBytes, name_bytes));
    const bool sound =
        apply_zip64(rest.subspan(kCentralBytes + name_bytes, extra_bytes), {&unpacked, &packed, &header_at}) &&
        !__builtin_add_overflow(header_at, found->base, &header_at);
    if (!tensors.charge(3 * sizeof(ZipEntry) + name.size())) {
      directory = {.broken = TensorCollector::over_budget().broken, .entries = {}};
      return directory;
    }
    directory.entries.push_back({.name = std::string(name),
                                 .bytes = packed,
                                 .header_at = header_at,
                                 .stored = sound && plain && !encrypted && packed == unpacked});
    rest = rest.subspan(record_bytes);
  }
  if (!rest.empty()) directory.broken = "its ZIP directory is damaged";
  tensors.refund(found->bytes);
  return directory;
}

Result<std::optional<std::uint64_t>> locate_zip_entry(const ByteSource& source, const ZipEntry& entry) {
  const std::optional<std::uint64_t> nowhere;
  const std::uint64_t size = source.size();
  if (entry.header_at > size || size - entry.header_at < kLocalBytes) return nowhere;
  std::array<std::byte, kLocalBytes> header{};
  CAIRN_CHECK(source.read_at(entry.header_at, header));
  if (field<std::uint32_t>(header, 0) != kLocalSignature) return nowhere;
  const std::uint64_t data_at =
      entry.header_at + kLocalBytes + field<std::uint16_t>(header, 26) + field<std::uint16_t>(header, 28);
  if (data_at > size || entry.bytes > size - data_at) return nowhere;
  return std::optional(data_at);
}

}  // namespace cairn
