// SPDX-License-Identifier: Apache-2.0
//
// safetensors: eight bytes of header length, a JSON header, the tensors' bytes.
// Format: https://github.com/huggingface/safetensors (README, "Format").
#pragma once

#include "engine/content/tensor_collector.h"

namespace cairn {

// Whether a file of `file_bytes` that begins with `head` can be safetensors: a header that
// fits, and that begins as a JSON object does.
bool looks_like_safetensors(Bytes head, std::uint64_t file_bytes) noexcept;
Result<ScanOutcome> scan_safetensors(const ByteSource& source, TensorCollector& tensors);

// The name of a dtype in a safetensors header; empty when there is none.
std::string_view safetensors_type_name(DType dtype) noexcept;

}  // namespace cairn
