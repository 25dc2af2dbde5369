// SPDX-License-Identifier: Apache-2.0
//
// What every ModelFile promises, whatever the input was: shared by tests and fuzzers.
#pragma once

#include <string>

#include "engine/content/tensor_collector.h"

namespace cairn::testing {

// What is broken; empty when nothing is.
inline std::string broken_promise(const ModelFile& file, std::uint64_t file_bytes) {
  std::uint64_t end = 0;
  for (const TensorRegion& region : file.tensors) {
    if (region.offset < end) return "regions overlap or are not sorted";
    if (region.offset > file_bytes || region.length > file_bytes - region.offset) return "a region leaves the file";
    if (!dtype_is_valid(static_cast<std::uint8_t>(region.dtype))) return "an element type does not exist";
    if (!element_count(region.shape)) return "a shape overflows";
    if (dtype_bits(region.dtype) != 0 && byte_count(region.dtype, region.shape) != region.length) {
      return "a length is not its shape's";
    }
    end = region.offset + region.length;
  }
  if (file.format == ModelFormat::opaque && !file.tensors.empty()) return "an opaque file has tensors";
  for (const char c : file.note) {
    if (static_cast<unsigned char>(c) < 0x20 || static_cast<unsigned char>(c) >= 0x7f) {
      return "the note is no printable line";
    }
  }
  return {};
}

}  // namespace cairn::testing
