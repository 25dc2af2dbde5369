// SPDX-License-Identifier: Apache-2.0
//
// The payload of CodecId::delta, behind what names its bases: a block as its difference from another
// of the same size, or from what several others predict (docs/format/codecs.md).
#pragma once

#include <span>

#include "cairn/dtype.h"
#include "engine/base/bytes.h"
#include "engine/codec/buffer.h"
#include "engine/codec/rans.h"

namespace cairn {

// Keep one per thread.
class DeltaEncoder {
 public:
  // One base, or three: see Predictor. Each has the size of `content`, which is not empty. The payload
  // is good until the next call; it can be larger than the content. Empty: three bases do not predict it.
  Bytes encode(Bytes content, std::span<const Bytes> bases, DType dtype, SimdLevel level);

 private:
  Buffer predicted_, tokens_, contexts_, payload_;
  RansEncoder rans_;
};

// Keep one per thread.
class DeltaDecoder {
 public:
  // Why a payload was refused, or nullptr when it decoded to exactly into.size() bytes.
  const char* decode(Bytes payload, std::span<const Bytes> bases, MutableBytes into, SimdLevel level);

 private:
  Buffer predicted_, tokens_, contexts_;
  RansDecoder rans_;
};

}  // namespace cairn
