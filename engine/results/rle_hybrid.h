// SPDX-License-Identifier: Apache-2.0
//
// Parquet's encoding of small numbers: runs of one value, and groups of eight packed in bits.
// Format: https://parquet.apache.org/docs/file-format/data-pages/encodings/
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "engine/base/bytes.h"

namespace cairn {

// Appends `values`, each of at most `width` bits (1 to 32).
inline void put_rle_hybrid(std::span<const std::uint32_t> values, unsigned width, std::vector<std::byte>& out) {
  // A run as short as a group of eight is no larger than it.
  constexpr std::size_t kGroup = 8;
  const auto varint = [&](std::uint64_t value) {
    for (; value >= 128; value >>= 7) out.push_back(static_cast<std::byte>((value & 127) | 128));
    out.push_back(static_cast<std::byte>(value));
  };
  const auto run_at = [&](std::size_t at, std::size_t most) {
    std::size_t end = at;
    while (end < values.size() && end - at < most && values[end] == values[at]) ++end;
    return end - at;
  };
  for (std::size_t at = 0; at < values.size();) {
    if (run_at(at, kGroup) == kGroup) {
      const std::size_t run = run_at(at, values.size());
      varint(std::uint64_t{run} << 1);
      for (unsigned bits = 0; bits < width; bits += 8) out.push_back(static_cast<std::byte>(values[at] >> bits));
      at += run;
      continue;
    }
    std::size_t end = at;
    while (end < values.size() && run_at(end, kGroup) < kGroup) end += kGroup;
    const std::size_t groups = (end - at) / kGroup;
    varint(std::uint64_t{groups} << 1 | 1);
    std::uint64_t pending = 0;
    unsigned bits = 0;
    for (std::size_t i = at; i < end; ++i) {
      // The last group is filled up with zeros.
      pending |= std::uint64_t{i < values.size() ? values[i] : 0} << bits;
      for (bits += width; bits >= 8; bits -= 8, pending >>= 8) out.push_back(static_cast<std::byte>(pending));
    }
    at = end;
  }
}

}  // namespace cairn
