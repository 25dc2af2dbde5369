// SPDX-License-Identifier: Apache-2.0
//
// Magic and checksum of headers. The checksum covers the padding too, so that no byte of
// a page can change unnoticed.
#include "engine/format/page_header.h"

#include <algorithm>

#include "engine/base/endian.h"
#include "engine/content/digester.h"
#include "engine/format/field_reader.h"

namespace cairn {

void begin_header(std::string_view magic, MutableBytes into) noexcept {
  std::fill(into.begin(), into.end(), std::byte{0});
  const auto bytes = as_bytes(magic);
  std::copy(bytes.begin(), bytes.end(), into.begin());
}

void seal_header(MutableBytes header) noexcept {
  store_le(header.data() + kMagicBytes, checksum_of(header.subspan(kPrefixBytes)));
}

Status check_magic(std::string_view structure, std::string_view magic, Bytes header, std::size_t size_min) {
  if (header.size() < size_min) {
    return wrong_field(structure, "size", 0,
                       "is " + std::to_string(header.size()) + " bytes instead of " + std::to_string(size_min));
  }
  if (as_text(header.first(kMagicBytes)) != magic) return wrong_field(structure, "magic", 0, "is not there");
  return {};
}

Status check_seal(std::string_view structure, Bytes header) {
  if (load_le<std::uint64_t>(header.data() + kMagicBytes) == checksum_of(header.subspan(kPrefixBytes))) return {};
  return wrong_field(structure, "checksum", kMagicBytes, "does not match the bytes it covers");
}

}  // namespace cairn
