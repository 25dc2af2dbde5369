// SPDX-License-Identifier: Apache-2.0
//
// The inner loops of Huffman encoding that have a vector form. All levels agree to the bit.
#pragma once

#include "engine/codec/huffman.h"

namespace cairn {

// Sets the count of every byte that occurs in `plane` and has count 0 to 1.
void count_missing(Bytes plane, ByteCounts& counts, SimdLevel level) noexcept;

// Writes the codes of `bytes` one after the other from the lowest bit of out[0] on, pads
// the last byte with zero bits and returns the end. May write up to 64 bytes past it.
std::byte* encode_stream(Bytes bytes, const HuffmanCode& code, std::byte* out, SimdLevel level) noexcept;

}  // namespace cairn
