// SPDX-License-Identifier: Apache-2.0
//
// Tensors as NumPy files: version 1.0 of the format,
// https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html
#pragma once

#include <string>

#include "cairn/archive.h"

namespace cairn::cli {

struct NpyHeader {
  std::string bytes;  // what comes before the tensor's bytes
  std::string note;   // how the elements are represented when NumPy lacks their type
};

// The elements follow little-endian and in the order they are stored in. What NumPy has no
// type for is written as unsigned integers of the same width (bf16, fp8), and what has no
// fixed width as plain bytes. Fails for more dimensions than the format can hold.
Result<NpyHeader> make_npy_header(const TensorInfo& tensor);

}  // namespace cairn::cli
