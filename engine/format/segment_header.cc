// SPDX-License-Identifier: Apache-2.0
//
// The first page of every segment: which store it belongs to and how it is read.
#include <algorithm>

#include "engine/base/aligned_buffer.h"
#include "engine/base/endian.h"
#include "engine/base/errors.h"
#include "engine/format/field_reader.h"
#include "engine/format/page_header.h"
#include "engine/format/record.h"

namespace cairn {
namespace {

constexpr std::string_view kName = "segment header";
constexpr std::string_view kMagic = "CAIRNSEG";

// Magic, checksum and version keep their places in every later version, so that an older
// reader can tell a newer segment from a damaged one.
enum Offset : std::size_t {
  kVersion = 16,
  kSegment = 20,
  kStore = 24,
  kDigest = 40,
  kBlockBytes = 44,
  kSegmentBytes = 48,
  kEnd = 56,
};

}  // namespace

std::uint64_t store_tag_of(const StoreUuid& uuid) noexcept { return load_le<std::uint64_t>(uuid.data()); }

void encode_segment_header(const SegmentHeader& header, MutableBytes page) {
  CAIRN_INVARIANT(page.size() == kPageBytes);
  begin_header(kMagic, page);
  store_le(page.data() + kVersion, header.format_version);
  store_le(page.data() + kSegment, header.segment);
  std::copy(header.store.begin(), header.store.end(), page.begin() + kStore);
  page[kDigest] = static_cast<std::byte>(header.digest);
  store_le(page.data() + kBlockBytes, header.block_bytes);
  store_le(page.data() + kSegmentBytes, header.segment_bytes);
  seal_header(page);
}

Result<SegmentHeader> decode_segment_header(Bytes page) {
  CAIRN_CHECK(check_magic(kName, kMagic, page, kPageBytes));
  page = page.first(kPageBytes);
  CAIRN_CHECK(check_seal(kName, page));
  SegmentHeader header;
  header.format_version = load_le<std::uint32_t>(page.data() + kVersion);
  if (header.format_version > kFormatVersion) return newer_version(kName, header.format_version, kFormatVersion);
  if (header.format_version == 0) return wrong_field(kName, "format_version", kVersion, "is zero");
  header.segment = load_le<std::uint32_t>(page.data() + kSegment);
  if (header.segment == 0) return wrong_field(kName, "segment", kSegment, "is zero; segments count from 1");
  std::copy_n(page.begin() + kStore, header.store.size(), header.store.begin());
  const auto digest = std::to_integer<std::uint8_t>(page[kDigest]);
  if (digest != static_cast<std::uint8_t>(DigestKind::blake3) &&
      digest != static_cast<std::uint8_t>(DigestKind::xxh3_128)) {
    return wrong_field(kName, "digest", kDigest, "is no kind of digest");
  }
  header.digest = static_cast<DigestKind>(digest);
  header.block_bytes = load_le<std::uint32_t>(page.data() + kBlockBytes);
  if (header.block_bytes == 0) return wrong_field(kName, "block_bytes", kBlockBytes, "is zero");
  header.segment_bytes = load_le<std::uint64_t>(page.data() + kSegmentBytes);
  if (header.segment_bytes == 0) return wrong_field(kName, "segment_bytes", kSegmentBytes, "is zero");
  if (!all_zero(page.subspan(kDigest + 1, kBlockBytes - kDigest - 1))) {
    return wrong_field(kName, "reserved", kDigest + 1, "is not zero");
  }
  if (!all_zero(page.subspan(kEnd))) return wrong_field(kName, "padding", kEnd, "is not zero");
  return header;
}

}  // namespace cairn
