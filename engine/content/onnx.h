// SPDX-License-Identifier: Apache-2.0
//
// ONNX: a protobuf message whose graph holds initializers, the weights.
// Format: https://github.com/onnx/onnx/blob/main/onnx/onnx.proto
#pragma once

#include "engine/content/tensor_collector.h"

namespace cairn {

// ONNX has no magic number. A file whose name says .onnx may hold fields that are not
// known; any other file must hold nothing else than what a model can.
enum class OnnxRigour : std::uint8_t { named, unnamed };

// Whether it begins as exporters begin: with the version, a small number.
bool looks_like_onnx(Bytes head) noexcept;

// Initializers with raw_data become tensors. Those with typed or external data, and the
// constants inside nodes, stay in the skeleton.
Result<ScanOutcome> scan_onnx(const ByteSource& source, OnnxRigour rigour, TensorCollector& tensors);

}  // namespace cairn
