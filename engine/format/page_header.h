// SPDX-License-Identifier: Apache-2.0
//
// What the segment header, the group head and the segment footer share: eight bytes of
// magic, then the XXH3-64 of everything after those first sixteen bytes.
#pragma once

#include <array>
#include <string_view>

#include "cairn/result.h"
#include "engine/base/bytes.h"

namespace cairn {

inline constexpr std::size_t kMagicBytes = 8;
inline constexpr std::size_t kPrefixBytes = 16;

// Zeroes `into`, then writes the magic. The caller fills in the fields and seals.
void begin_header(std::string_view magic, MutableBytes into) noexcept;
// Computes the checksum: the last thing done to a header.
void seal_header(MutableBytes header) noexcept;

// Whether the bytes start with this magic, are at least `size_min` long, and match their checksum.
Status check_magic(std::string_view structure, std::string_view magic, Bytes header, std::size_t size_min);
Status check_seal(std::string_view structure, Bytes header);

}  // namespace cairn
