// SPDX-License-Identifier: Apache-2.0
#ifdef CAIRN_HAVE_POSTGRES
#include "api/src/postgres_result.h"

#include <limits>

#include "engine/base/errors.h"
#include "engine/format/manifest.h"
#include "engine/results/entry_key.h"

namespace cairn {
namespace {

constexpr std::size_t kDimensionsMax = 64;  // as decode_result() has it
constexpr std::size_t kNameBytesMax = 255;

Error damaged(const postgres::ResultRow& row, const std::string& why) {
  return make_error(ErrorCode::corruption, "result '" + printable(row.name.substr(0, 64)) + "': " + why);
}

}  // namespace

Result<ResultEnvelope> envelope_of(const postgres::ResultRow& row, std::optional<std::uint64_t> left_ns,
                                   std::uint64_t now_ns) {
  const std::string key = EntryKey(EntrySpace::results).text(row.name_space).rest(row.name).bytes();
  if (row.key != postgres::ResultKey{postgres::entry_id(key)}) return damaged(row, "its id is that of another key");
  if (row.serializer.empty() || row.serializer.size() > kNameBytesMax) return damaged(row, "it has no serializer");
  if (row.dtype.has_value() != (row.serializer == "tensor")) {
    return damaged(row, "a dtype is of a tensor, and a tensor has one");
  }
  ResultEnvelope envelope{.value = {.serializer = row.serializer, .bytes = row.bytes},
                          .experiment = row.experiment,
                          .created_ns = row.created_ns};
  if (row.dtype) {
    TensorLayout& tensor = envelope.value.tensor.emplace();
    const auto dtype = parse_dtype(*row.dtype);
    if (!dtype.ok()) return damaged(row, "'" + printable(row.dtype->substr(0, 64)) + "' is no dtype");
    if (row.shape.size() > kDimensionsMax) return damaged(row, "a shape has at most 64 dimensions");
    tensor.dtype = *dtype;
    for (const std::int64_t size : row.shape) {
      if (size < 0) return damaged(row, "its shape has a negative number");
      tensor.shape.push_back(static_cast<std::uint64_t>(size));
    }
  }
  if (left_ns) {
    // What has no end within reach, on a clock that hostile rows cannot overflow.
    constexpr std::uint64_t kTimeMax = std::numeric_limits<std::int64_t>::max();
    if (*left_ns == 0 || *left_ns > kTimeMax - std::min(now_ns, kTimeMax))
      return damaged(row, "its time makes no sense");
    envelope.expires_store_ns = now_ns + *left_ns;
  }
  if (row.cost_ns) {
    if (*row.cost_ns == 0) return damaged(row, "its cost is 0");
    envelope.cost_ns = *row.cost_ns;
  }
  return envelope;
}

}  // namespace cairn
#endif
