// SPDX-License-Identifier: Apache-2.0
#include "engine/results/result_value.h"

#include <bit>
#include <cmath>
#include <limits>

#include <nlohmann/json.hpp>

#include "engine/base/bytes.h"
#include "engine/format/field_reader.h"

namespace cairn {
namespace {

// What has no cost is written as version 1, what has one as 2, and of 3 the bytes are content.
constexpr std::uint8_t kVersion = 3, kContentVersion = 3;
constexpr std::uint8_t kRowMajor = 0;
constexpr std::size_t kDimensionsMax = 64;

}  // namespace

std::string encode(const ResultEnvelope& envelope) {
  std::vector<std::byte> bytes;
  ByteWriter out(bytes);
  const bool has_cost = envelope.cost_ns != 0;
  const bool is_content = envelope.content_bytes != 0;
  out.put(static_cast<std::uint8_t>(is_content ? kContentVersion : has_cost ? 2 : 1));
  out.put_string(envelope.value.serializer);
  out.put_string(envelope.experiment);
  out.put(static_cast<std::uint64_t>(envelope.created_ns));
  out.put(envelope.expires_store_ns);
  if (has_cost || is_content) {
    out.put(envelope.cost_ns);
    out.put(std::bit_cast<std::uint64_t>(envelope.eviction_clock));
  }
  const auto& tensor = envelope.value.tensor;
  out.put(static_cast<std::uint8_t>(tensor ? 1 : 0));
  if (tensor) {
    out.put(static_cast<std::uint8_t>(tensor->dtype));
    out.put(kRowMajor);
    out.put(static_cast<std::uint32_t>(tensor->shape.size()));
    for (const std::uint64_t dimension : tensor->shape) out.put(dimension);
  }
  if (is_content) {
    out.put(envelope.content_bytes);
    return std::string(as_text(bytes));
  }
  out.put(static_cast<std::uint32_t>(envelope.value.bytes.size()));
  out.put_bytes(envelope.value.bytes);
  return std::string(as_text(bytes));
}

Result<ResultEnvelope> decode_result(std::string_view bytes) {
  FieldReader in("result", as_bytes(bytes));
  CAIRN_TRY(const auto version, in.get<std::uint8_t>("version"));
  if (version > kVersion) return newer_version("result", version, kVersion);
  if (version == 0) return in.wrong("is zero");
  ResultEnvelope envelope;
  CAIRN_TRY(envelope.value.serializer, in.get_string("serializer"));
  CAIRN_TRY(envelope.experiment, in.get_string("experiment"));
  CAIRN_TRY(envelope.created_ns, in.get_signed("created_ns"));
  CAIRN_TRY(envelope.expires_store_ns, in.get<std::uint64_t>("expires_store_ns"));
  if (version >= 2) {
    CAIRN_TRY(envelope.cost_ns, in.get<std::uint64_t>("cost_ns"));
    if (envelope.cost_ns == 0 && version != kContentVersion) return in.wrong("is zero");
    CAIRN_TRY(const auto clock, in.get<std::uint64_t>("eviction_clock"));
    envelope.eviction_clock = std::bit_cast<double>(clock);
    if (!std::isfinite(envelope.eviction_clock) || envelope.eviction_clock < 0) return in.wrong("is no time per byte");
    if (envelope.cost_ns == 0 && clock != 0) return in.wrong("is of what has no cost");
  }
  CAIRN_TRY(const bool is_tensor, in.get_bool("is a tensor"));
  if (is_tensor) {
    TensorLayout tensor;
    CAIRN_TRY(const auto dtype, in.get<std::uint8_t>("dtype"));
    tensor.dtype = static_cast<DType>(dtype);
    if (!dtype_is_valid(dtype)) return in.wrong("is no dtype");
    CAIRN_TRY(const auto order, in.get<std::uint8_t>("order"));
    if (order != kRowMajor) return in.wrong("is not row-major");
    CAIRN_TRY(const auto dimensions, in.get_count("dimensions", sizeof(std::uint64_t)));
    if (dimensions > kDimensionsMax) return in.wrong("is above 64");
    for (std::uint32_t i = 0; i < dimensions; ++i) {
      CAIRN_TRY(const auto dimension, in.get<std::uint64_t>("dimension"));
      tensor.shape.push_back(dimension);
    }
    envelope.value.tensor = std::move(tensor);
  }
  if (version == kContentVersion) {
    CAIRN_TRY(envelope.content_bytes, in.get<std::uint64_t>("content_bytes"));
    if (envelope.content_bytes == 0) return in.wrong("is zero");
    CAIRN_CHECK(in.expect_end());
    return envelope;
  }
  CAIRN_TRY(const Bytes content, in.get_bytes("bytes"));
  envelope.value.bytes.assign(content.begin(), content.end());
  CAIRN_CHECK(in.expect_end());
  return envelope;
}

// The parser takes a zero byte for the end, and a byte order mark for nothing.
bool is_json(std::string_view text) {
  return text.find('\0') == std::string_view::npos && !text.starts_with("\xef\xbb\xbf") &&
         nlohmann::json::accept(text.begin(), text.end());
}

}  // namespace cairn
