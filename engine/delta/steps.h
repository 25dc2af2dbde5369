// SPDX-License-Identifier: Apache-2.0
//
// The arithmetic of lossy deltas: an element is the base's plus a number of steps. Integers are computed as
// integers of 64 bits that wrap around, floats as doubles, each operation rounded to nearest even, and the sum rounded
// to the element's type. Whoever writes a delta reconstructs with the reader's arithmetic and looks how far off it is:
// nothing here need be exact, only the same everywhere.
#pragma once

#include <cstdint>

#include "cairn/dtype.h"
#include "engine/base/bytes.h"

namespace cairn {

// How large a step or a difference is: of integers an integer, of floats the bits of a double that is not negative. In
// both cases the larger number is the larger size.
using Size = std::uint64_t;
// Of a difference from or to what is no finite number.
inline constexpr Size kNoSize = ~Size{0};

// The largest size that is not above `bound`, which is not negative; and back, rounded up.
Size size_within(DType dtype, double bound) noexcept;
double to_double_up(DType dtype, Size size) noexcept;
// Whether a step can be so large: of floats, a finite one.
bool is_step(DType dtype, Size size) noexcept;

// The size of the steps of which `steps` reach `range`.
Size step_for(DType dtype, Size range, unsigned steps) noexcept;
// The size of steps that leave no more than `error`, where the elements' own precision allows it.
Size step_within(DType dtype, Size error) noexcept;

// In what follows `dtype` is a type that lossy kinds suit. Views hold the same whole elements, as many as there are
// sizes or steps.

// How far apart the elements are, rounded up; 0 of equal bits, whatever they mean.
void distances(DType dtype, Bytes a, Bytes b, Size* out);
// The number of steps, at most `most` in either direction, that leads closest to `target`.
void count_steps(DType dtype, Bytes target, Bytes base, const Size* step, int most, std::int16_t* steps);
// No steps leave the base's bits as they are.
void take_steps(DType dtype, Bytes base, const Size* step, const std::int16_t* steps, MutableBytes into);

}  // namespace cairn
