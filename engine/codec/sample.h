// SPDX-License-Identifier: Apache-2.0
//
// What to try on a block, decided from a few KiB of it, so that content which will not
// shrink costs little more than being looked at. The decision uses integers only: it is
// the same on every machine.
#pragma once

#include "engine/codec/block_codec.h"
#include "engine/codec/float_split.h"

namespace cairn {

struct Plan {
  CodecId codec = CodecId::raw;  // raw, zstd or float_split
  PlaneLayout layout;            // for float_split
  PlaneMask coded = 0;
};

// Looks at samples of `content`, spread over it evenly. Keeps scratch memory between calls.
class Sampler {
 public:
  Sampler();
  ~Sampler();
  Sampler(const Sampler&) = delete;
  Sampler& operator=(const Sampler&) = delete;

  Plan plan(Bytes content, DType dtype, SimdLevel level);

 private:
  struct Scratch;
  std::unique_ptr<Scratch> scratch_;
};

}  // namespace cairn
