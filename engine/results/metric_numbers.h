// SPDX-License-Identifier: Apache-2.0
//
// A column of numbers as bytes: differences that are small, cut into planes of bytes, each compressed on its own
// (docs/format/metrics.md).
#pragma once

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "cairn/result.h"
#include "engine/base/endian.h"

namespace cairn {

// What the words are: of integers, small magnitudes are likely; floats are cut so that sign and exponent are apart.
enum class WordKind : std::uint8_t { integer64, float32, float64 };

// Appends the smallest of the encodings that are tried. The same words give the same bytes with the same zstd.
void encode_numbers(std::span<const std::uint64_t> words, WordKind kind, std::vector<std::byte>& out);

// Reads what encode_numbers() made of `count` words, which is all of `body`. Corruption, which names `field` and its
// offset behind `offset`, when it is anything else.
Result<std::vector<std::uint64_t>> decode_numbers(Bytes body, std::size_t count, WordKind kind, std::string_view field,
                                                  std::uint64_t offset);

}  // namespace cairn
