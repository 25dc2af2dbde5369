// SPDX-License-Identifier: Apache-2.0
//
// Where the parsers of model files put what they find. It alone decides which tensors are
// sound, so that no parser can break what ModelFile promises: regions sorted, inside the
// file, without overlap, and of the length that shape and type ask for.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "engine/content/model_file.h"

namespace cairn {

// No framework makes tensors of more dimensions.
inline constexpr std::size_t kDimensionsMax = 64;
// All memory that parsing one file may take, the result included.
inline constexpr std::uint64_t kParseMemoryMax = 192 * MiB;

// The product of the dimensions: 1 for none, 0 if any is 0, nothing if it overflows.
std::optional<std::uint64_t> element_count(const std::vector<std::uint64_t>& shape) noexcept;
// The bytes that `shape` elements take, packed kinds rounded up to a whole byte; nothing
// on overflow, and for types whose elements have no fixed size.
std::optional<std::uint64_t> byte_count(DType dtype, const std::vector<std::uint64_t>& shape) noexcept;

// A name from a hostile file for a one-line message: quoted, shortened, printable.
std::string quoted(std::string_view name);

// What a parser says of a file: parsed, or why its structure cannot be followed.
struct ScanOutcome {
  std::string broken;  // empty: parsed
  static ScanOutcome parsed() { return {}; }
  static ScanOutcome because(std::string why) { return {std::move(why)}; }
};

class TensorCollector {
 public:
  explicit TensorCollector(std::uint64_t file_bytes, std::uint64_t memory_bytes = kParseMemoryMax)
      : file_bytes_(file_bytes), memory_left_(memory_bytes) {}

  std::uint64_t file_bytes() const noexcept { return file_bytes_; }

  // Claims memory before it is taken. False, and for good, once the limit is passed: the
  // parser then gives up with over_budget().
  bool charge(std::uint64_t bytes) noexcept;
  // Gives claimed memory back, once it is free again.
  void refund(std::uint64_t bytes) noexcept { memory_left_ += bytes; }
  bool exhausted() const noexcept { return exhausted_; }
  static ScanOutcome over_budget();

  // Takes the region if it is sound by itself; otherwise its bytes stay in the skeleton,
  // with a remark. The claim for its memory is made here: false when that failed.
  bool add(TensorRegion region);
  // Something about a part of the file. The first is kept, the others are counted.
  void remark(std::string text);

  // Sorts, drops all but the first name of regions that are exactly equal, and of regions
  // that overlap keeps the one that begins first (the longer of two that begin together).
  ModelFile finish(ModelFormat format) &&;

 private:
  std::uint64_t file_bytes_;
  std::uint64_t memory_left_;
  bool exhausted_ = false;
  std::vector<TensorRegion> regions_;
  std::string remark_;
  std::uint64_t more_remarks_ = 0;
};

}  // namespace cairn
