// SPDX-License-Identifier: Apache-2.0
//
// PyTorch's files (.pt, .pth, .bin, .ckpt): a ZIP of one pickle, data.pkl, and one stored
// entry for each storage, data/KEY.
#pragma once

#include "engine/content/zip_directory.h"

namespace cairn {

// The formats before ZIP: a pickle that begins with a magic number.
bool looks_like_legacy_pytorch(Bytes head) noexcept;
bool is_pytorch(const ZipDirectory& directory) noexcept;

// Tensors that are row-major and do not overlap another become regions under the names
// that lead to them; what they leave of a storage becomes regions of one dimension, named
// after the entry. The pickle is scanned, never run.
Result<ScanOutcome> scan_pytorch(const ByteSource& source, const ZipDirectory& directory, TensorCollector& tensors);

}  // namespace cairn
