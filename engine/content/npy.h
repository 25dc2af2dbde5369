// SPDX-License-Identifier: Apache-2.0
//
// NumPy's .npy: one array behind a header that is a Python dict literal.
// Format: https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html
#pragma once

#include "engine/content/tensor_collector.h"

namespace cairn {

bool looks_like_npy(Bytes head) noexcept;

// Scans the array in `length` bytes at `offset` of the source (a whole .npy file, or a
// stored entry of an .npz) and adds it under `name`. Object arrays are pickles, and are
// not touched; nor are structured ones.
Result<ScanOutcome> scan_npy(const ByteSource& source, std::uint64_t offset, std::uint64_t length, std::string name,
                             TensorCollector& tensors);

}  // namespace cairn
