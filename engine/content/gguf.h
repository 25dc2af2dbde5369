// SPDX-License-Identifier: Apache-2.0
//
// GGUF, versions 1 to 3, little-endian: metadata, tensor descriptions, aligned data.
// Format: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md
#pragma once

#include "engine/content/tensor_collector.h"

namespace cairn {

bool looks_like_gguf(Bytes head) noexcept;
Result<ScanOutcome> scan_gguf(const ByteSource& source, TensorCollector& tensors);

}  // namespace cairn
