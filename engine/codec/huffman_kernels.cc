// SPDX-License-Identifier: Apache-2.0
#include "engine/codec/huffman_kernels.h"

#include "engine/base/endian.h"

namespace cairn {
namespace {

// Bits on their way out: fewer than 8 stay between two appends.
struct BitSink {
  std::byte* out;
  std::uint64_t pending = 0;
  unsigned count = 0;

  // At most 56 bits.
  void append(std::uint64_t bits, unsigned length) noexcept {
    pending |= bits << count;
    count += length;
    store_le(out, pending);
    out += count / 8;
    pending >>= count & ~7U;
    count &= 7U;
  }
  std::byte* finish() noexcept {
    if (count != 0) *out++ = static_cast<std::byte>(pending);
    return out;
  }
};

void encode_scalar(Bytes bytes, const HuffmanCode& code, BitSink& sink) noexcept {
  std::size_t i = 0;
  for (; i + 4 <= bytes.size(); i += 4) {
    std::uint64_t bits = 0;
    unsigned length = 0;
    for (std::size_t k = 0; k < 4; ++k) {
      const auto byte = std::to_integer<unsigned>(bytes[i + k]);
      bits |= static_cast<std::uint64_t>(code.bits[byte]) << length;
      length += code.length[byte];
    }
    sink.append(bits, length);
  }
  for (; i < bytes.size(); ++i) {
    const auto byte = std::to_integer<unsigned>(bytes[i]);
    sink.append(code.bits[byte], code.length[byte]);
  }
}

}  // namespace

void count_missing(Bytes plane, ByteCounts& counts, SimdLevel) noexcept {
  std::array<std::uint8_t, 256> occurs{};
  for (const std::byte byte : plane) occurs[std::to_integer<unsigned>(byte)] = 1;
  for (std::size_t i = 0; i < counts.size(); ++i) {
    if (counts[i] == 0) counts[i] = occurs[i];
  }
}

std::byte* encode_stream(Bytes bytes, const HuffmanCode& code, std::byte* out, SimdLevel) noexcept {
  BitSink sink{out};
  encode_scalar(bytes, code, sink);
  return sink.finish();
}

}  // namespace cairn
