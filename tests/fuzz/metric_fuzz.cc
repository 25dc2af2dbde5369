// SPDX-License-Identifier: Apache-2.0
//
// Blocks of metrics as hostile bytes: what decodes is whole, and encodes to a block of the same rows.
#include <cstdint>
#include <cstdlib>

#include "engine/results/metric_block.h"

namespace cairn {
namespace {

void require(bool condition) {
  if (!condition) std::abort();
}

void fuzz(Bytes block) {
  const auto head = read_metric_block_head(block);
  const auto rows = decode_metric_block(block);
  require(head.ok() || !rows.ok());
  if (!rows.ok()) {
    require(rows.error().code == ErrorCode::corruption || rows.error().code == ErrorCode::unsupported);
    return;
  }
  require(rows->rows() == head->rows && rows->columns().size() == head->columns.size());
  for (const MetricColumn& column : rows->columns()) {
    require(column.count() == column.reals.size() + column.integers.size() + column.texts.size());
    for (const std::uint32_t text : column.texts) require(text < column.dictionary.size());
    for (const std::uint32_t row : column.rows) require(row < rows->rows());
  }
  const auto again = encode_metric_block(*rows);
  require(again.ok());
  const auto back = decode_metric_block(*again);
  require(back.ok() && back->points() == rows->points() && back->steps() == rows->steps() &&
          back->times_ns() == rows->times_ns());
}

}  // namespace
}  // namespace cairn

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  cairn::fuzz(std::as_bytes(std::span(data, size)));
  return 0;
}
