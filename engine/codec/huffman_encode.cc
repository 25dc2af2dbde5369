// SPDX-License-Identifier: Apache-2.0
//
// The body of a Huffman-coded plane: code lengths, stream sizes, streams.
#include <algorithm>

#include "engine/base/endian.h"
#include "engine/codec/huffman.h"
#include "engine/codec/huffman_kernels.h"

namespace cairn {
namespace {

// 32 bytes of which bit b of byte i says that byte 8i + b has a code; then the lengths of
// those codes, ascending by byte, four bits each, the lower half of a byte first.
std::byte* write_lengths(const HuffmanCode& code, std::byte* out) noexcept {
  std::fill_n(out, kHuffmanPresentBytes, std::byte{0});
  std::byte* const nibbles = out + kHuffmanPresentBytes;
  std::size_t present = 0;
  for (std::size_t i = 0; i < code.length.size(); ++i) {
    if (code.length[i] == 0) continue;
    out[i / 8] |= static_cast<std::byte>(1U << (i % 8));
    const auto nibble = static_cast<std::byte>(code.length[i]);
    if (present % 2 == 0) {
      nibbles[present / 2] = nibble;
    } else {
      nibbles[present / 2] |= nibble << 4;
    }
    ++present;
  }
  return nibbles + (present + 1) / 2;
}

}  // namespace

std::size_t huffman_encode(Bytes plane, const HuffmanCode& code, std::byte* out, SimdLevel level) noexcept {
  std::byte* const sizes = write_lengths(code, out);
  std::byte* at = sizes + kHuffmanSizesBytes;
  const std::size_t share = (plane.size() + kHuffmanStreams - 1) / kHuffmanStreams;
  for (std::size_t stream = 0; stream < kHuffmanStreams; ++stream) {
    const std::size_t from = std::min(stream * share, plane.size());
    const std::size_t to = std::min(from + share, plane.size());
    std::byte* const end = encode_stream(plane.subspan(from, to - from), code, at, level);
    if (stream + 1 < kHuffmanStreams) store_le(sizes + 4 * stream, static_cast<std::uint32_t>(end - at));
    at = end;
  }
  return static_cast<std::size_t>(at - out);
}

}  // namespace cairn
