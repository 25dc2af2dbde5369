// SPDX-License-Identifier: Apache-2.0
//
// Encodes one block of content, and decodes it again. An encoded block is described by
// its codec id alone: whatever else the decoder needs (dtype, plane sizes, tables) is in
// the payload. The decoder of every id ever written stays forever.
#pragma once

#include <memory>
#include <span>
#include <vector>

#include "cairn/dtype.h"
#include "cairn/result.h"
#include "engine/base/bytes.h"

namespace cairn {

// Frozen numbers: written in the log.
enum class CodecId : std::uint8_t {
  raw = 0,       // the content itself
  constant = 1,  // one pattern of 1, 2, 4 or 8 bytes, repeated; zero is the common one
  lz4 = 2,
  zstd = 3,
  float_split = 4,  // byte planes of floats, each raw, constant or entropy-coded
  delta = 5,        // the difference from other blocks, its bases
};
std::string_view codec_name(CodecId codec) noexcept;  // "raw", …; "unknown" for a bad value

enum class CodecChoice : std::uint8_t { automatic, none, lz4, zstd };

struct EncodeOptions {
  CodecChoice choice = CodecChoice::automatic;
  int zstd_level = 3;  // 1 to 19, for CodecChoice::zstd and the zstd that automatic picks
};

struct Encoded {
  CodecId codec = CodecId::raw;
  // The payload. For CodecId::raw it is the content that was passed in (borrowed, not
  // copied); otherwise it lies in the encoder and is valid until its next call.
  Bytes payload;
};

// Encodes blocks of at most 16 MiB. Holds scratch memory for its calls: keep one per
// thread. Never fails: what does not get smaller is raw, and encoding random bytes costs
// little more than sampling them. The result depends only on the arguments, so the same
// content encodes the same on every machine (SIMD paths agree with the scalar one).
class BlockEncoder {
 public:
  BlockEncoder();
  ~BlockEncoder();
  BlockEncoder(BlockEncoder&&) noexcept;
  BlockEncoder& operator=(BlockEncoder&&) noexcept;

  // `dtype` says what the bytes are when that is known, DType::opaque when not.
  Encoded encode(Bytes content, DType dtype, const EncodeOptions& options);

  // The same as a difference from others, its bases, which have the content's size: from the only one
  // or from what three predict together (engine/codec/predict.h). CodecId::delta, or raw when it does not get
  // smaller. Whether it is smaller than what encode() finds is for the caller to compare.
  Encoded encode_delta(Bytes content, DType dtype, std::span<const Bytes> bases);

 private:
  struct Scratch;
  std::unique_ptr<Scratch> scratch_;
};

// The other way. Keep one per thread. `into` has the block's exact logical size. The
// payload may be hostile: any payload that does not decode to exactly `into.size()` bytes
// is ErrorCode::corruption, memory stays bounded by a small multiple of into.size(), and
// nothing outside `into` is written. On failure `into` holds rubbish.
class BlockDecoder {
 public:
  BlockDecoder();
  ~BlockDecoder();
  BlockDecoder(BlockDecoder&&) noexcept;
  BlockDecoder& operator=(BlockDecoder&&) noexcept;

  // `bases` are those of a delta, in the order in which it was made from them; its own content is
  // ErrorCode::corruption when their number or sizes are not what the payload asks for.
  Status decode(CodecId codec, Bytes payload, MutableBytes into, std::span<const Bytes> bases = {});

 private:
  struct Scratch;
  std::unique_ptr<Scratch> scratch_;
};

}  // namespace cairn
