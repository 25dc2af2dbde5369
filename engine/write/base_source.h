// SPDX-License-Identifier: Apache-2.0
//
// What blocks that come in may be kept as the difference from: known to who stands above, who
// can read the store and knows which tensors are alike.
#pragma once

#include <memory>
#include <optional>

#include "cairn/digest.h"
#include "engine/base/bytes.h"

namespace cairn {

// A block and its content, whose digest was verified.
struct Base {
  Digest digest;
  std::shared_ptr<const void> hold;
  Bytes content;
};

// Of the tensors of one file.
class BaseSource {
 public:
  virtual ~BaseSource() = default;

  // For block `number` of a tensor, of `bytes`: one of that size which is_fit_as_base(), or nothing
  // when there is none or trying it does not promise anything. Any thread.
  virtual std::optional<Base> find(std::size_t tensor, std::size_t number, std::uint32_t bytes) = 0;
  // What became of that. Any thread.
  virtual void tried(std::size_t tensor, std::uint32_t bytes, bool smaller) = 0;
  // The thread that appends: `block` is in the log as the difference from `base`.
  virtual void relies(const Digest& block, const Digest& base) = 0;
};

// Where a block stands that is to be prepared.
struct BlockPlace {
  BaseSource* bases = nullptr;  // null: it is kept whole
  std::size_t tensor = 0, number = 0;
};

}  // namespace cairn
