// SPDX-License-Identifier: Apache-2.0
//
// NumPy's .npz: a ZIP of .npy arrays.
#pragma once

#include "engine/content/zip_directory.h"

namespace cairn {

bool is_npz(const ZipDirectory& directory) noexcept;
// Each stored array becomes a tensor named after its entry, without ".npy".
Result<ScanOutcome> scan_npz(const ByteSource& source, const ZipDirectory& directory, TensorCollector& tensors);

}  // namespace cairn
