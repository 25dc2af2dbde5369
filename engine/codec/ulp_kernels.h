// SPDX-License-Identifier: Apache-2.0
//
// The vector forms of ulp.h: each does a whole number of elements from the front and says how
// many; the scalar form does the rest.
#pragma once

#include "engine/codec/bit_sink.h"
#include "engine/codec/ulp.h"

namespace cairn {

#if CAIRN_X86_SIMD
// For elements of 1, 2 or 4 bytes; 0 for others.
std::size_t split_differences_avx512(const std::byte* content, const std::byte* base, std::size_t count,
                                     ElementLayout layout, std::byte* tokens, BitSink& sink) noexcept;
// `bit` is where the low bits have been read to. Stops before a token that does not exist or asks for more low bits
// than there are.
std::size_t join_differences_avx512(Bytes tokens, Bytes low_bits, std::uint64_t& bit, const std::byte* base,
                                    ElementLayout layout, std::byte* content) noexcept;
std::size_t exponent_contexts_avx512(const std::byte* base, std::size_t count, ElementLayout layout, unsigned top,
                                     unsigned contexts, std::byte* out) noexcept;
#endif

}  // namespace cairn
