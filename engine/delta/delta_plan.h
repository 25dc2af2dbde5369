// SPDX-License-Identifier: Apache-2.0
//
// What is known of a delta before its first piece, by who writes it and who reads it.
#pragma once

#include <cstdint>
#include <vector>

#include "cairn/delta_kind.h"
#include "cairn/result.h"
#include "engine/base/bytes.h"
#include "engine/delta/element_type.h"

namespace cairn {

// Pieces are cut from the tensor's first byte on. Part of the format.
inline constexpr std::uint64_t kDeltaPieceBytes = MiB;

struct DeltaPlan {
  DeltaKind kind = DeltaKind::raw_difference;  // not whole
  DType dtype = DType::opaque;
  std::vector<std::uint64_t> shape;
  std::uint64_t bytes = 0;  // of the tensor
  std::uint32_t axis = 0;   // of axis_scaled
  std::uint64_t step = 0;   // of int8 and int16: see Size

  std::uint64_t elements() const noexcept { return bytes / element_type(dtype).width; }
};

// invalid_argument when the kind does not suit the tensor, or its shape, dtype and bytes do not go together.
Status check_plan(const DeltaPlan& plan);

std::size_t stream_count(const DeltaPlan& plan) noexcept;
// The bytes that a stream has if that follows from the plan; nothing when it varies.
bool fixed_stream_bytes(const DeltaPlan& plan, std::size_t stream, std::uint64_t& bytes) noexcept;
// What a stream's elements are to whoever compresses it.
DType stream_dtype(const DeltaPlan& plan, std::size_t stream) noexcept;

// Streams of the lossy kinds: see LossyEncoder.
inline constexpr std::size_t kStepStream = 0, kSizeStream = 3;
constexpr std::size_t place_stream(DeltaKind kind) noexcept { return kind == DeltaKind::sparse ? 0 : 1; }
constexpr std::size_t value_stream(DeltaKind kind) noexcept { return place_stream(kind) + 1; }

}  // namespace cairn
