// SPDX-License-Identifier: Apache-2.0
#include "api/cli/result_line.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <utility>
#include <vector>

#include "api/cli/base64.h"
#include "api/cli/json_fields.h"
#include "api/cli/json_members.h"

namespace cairn::cli {
namespace {

constexpr std::size_t kKeyBytesMax = 2048, kNameBytesMax = 255;
constexpr std::size_t kValueBytesMax = std::size_t{64} << 20;
constexpr double kSecondsMax = 9e9;

// --- Writing ---

void add_name(Json& fields, const std::string& field, const std::string& name) {
  if (is_utf8(name)) {
    fields[field] = name;
  } else {
    fields[field + "_base64"] = base64_of(name);
  }
}

// Whether JSON can stand in a line as it is, and is told from what is around it. Tabs are the only control characters
// that may.
bool fits_a_line(std::string_view json) {
  const auto is_blank = [](char c) { return c == ' ' || c == '\t'; };
  return !json.empty() && !is_blank(json.front()) && !is_blank(json.back()) && !json.starts_with("\xef\xbb\xbf") &&
         std::ranges::none_of(json, [](char c) { return static_cast<unsigned char>(c) < 0x20 && c != '\t'; });
}

// --- Reading ---

Error wrong(std::string why) { return {.code = ErrorCode::invalid_argument, .message = std::move(why)}; }

Result<std::optional<std::string>> base64_member(const JsonMembers& members, const std::string& field) {
  CAIRN_TRY(const auto text, text_member(members, field));
  if (!text) return text;
  auto bytes = from_base64(*text);
  if (!bytes) return wrong(field + " is no base64");
  return bytes;
}

// As text or in base64; empty when it is neither.
Result<std::string> name_member(const JsonMembers& members, const std::string& field, std::size_t bytes_max) {
  CAIRN_TRY(auto text, text_member(members, field));
  CAIRN_TRY(auto bytes, base64_member(members, field + "_base64"));
  if (text && bytes) return wrong(field + " is there twice, as text and in base64");
  std::string name = text ? std::move(*text) : bytes ? std::move(*bytes) : std::string();
  if (name.size() > bytes_max) return wrong(fmt::format("{} has more than {} bytes", field, bytes_max));
  return name;
}

Result<std::string> value_member(const JsonMembers& members) {
  std::vector<std::string> values;
  if (const auto json = members.find("json"); json != members.end()) values.emplace_back(json->second);
  CAIRN_TRY(auto text, text_member(members, "json_text"));
  if (text) values.push_back(std::move(*text));
  CAIRN_TRY(auto bytes, base64_member(members, "base64"));
  if (bytes) values.push_back(std::move(*bytes));
  if (values.size() != 1) return wrong("has not one value: json, json_text or base64");
  return std::move(values.front());
}

Result<TensorLayout> tensor_members(const JsonMembers& members, std::size_t bytes) {
  CAIRN_TRY(const auto dtype, text_member(members, "dtype"));
  const auto shape = members.find("shape");
  if (!dtype || shape == members.end()) return wrong("a tensor has a dtype and a shape");
  TensorLayout tensor;
  CAIRN_TRY(tensor.dtype, parse_dtype(*dtype));
  const Json extents = Json::parse(shape->second);
  if (!extents.is_array()) return wrong("shape is no list");
  std::uint64_t total_bits = dtype_bits(tensor.dtype);
  const bool is_fixed = total_bits != 0;
  for (const Json& extent : extents) {
    if (!extent.is_number_unsigned()) return wrong("shape has what is no whole number of 64 bits");
    tensor.shape.push_back(extent.get<std::uint64_t>());
    if (__builtin_mul_overflow(total_bits, tensor.shape.back(), &total_bits)) return wrong("shape is too large");
  }
  if (!is_fixed || (total_bits / 8 + (total_bits % 8 != 0 ? 1 : 0)) == bytes) return tensor;
  return wrong(fmt::format("{} {} does not have {} bytes", *dtype, shape_text(tensor.shape), bytes));
}

Result<std::optional<std::chrono::nanoseconds>> seconds_member(const JsonMembers& members, const std::string& field) {
  std::optional<std::chrono::nanoseconds> time;
  const auto found = members.find(field);
  if (found == members.end()) return time;
  const Json json = Json::parse(found->second);
  const double seconds = json.is_number() ? json.get<double>() : 0;
  if (!(seconds > 0 && seconds <= kSecondsMax)) return wrong(field + " is not above 0 and at most 9e9");
  time = std::chrono::nanoseconds(std::max(1LL, std::llround(seconds * 1e9)));
  return time;
}

// As the store sees it: the parser takes a zero byte for the end, and a byte order mark for nothing.
bool is_whole_json(std::string_view text) {
  return text.find('\0') == std::string_view::npos && !text.starts_with("\xef\xbb\xbf") && Json::accept(text);
}

}  // namespace

std::size_t ResultLine::bytes() const {
  const std::size_t layout = value.tensor ? 8 * value.tensor->shape.size() : 0;
  return value.bytes.size() + value.serializer.size() + experiment.size() + layout;
}

std::string line_of(const std::string& name_space, const ResultInfo& info, const ResultValue& value) {
  Json fields = {{"schema_version", kSchemaVersion}};
  add_name(fields, "namespace", name_space);
  add_name(fields, "key", info.key);
  add_name(fields, "serializer", value.serializer);
  if (value.tensor) {
    fields["dtype"] = dtype_name(value.tensor->dtype);
    fields["shape"] = value.tensor->shape;
  }
  if (!info.experiment.empty()) add_name(fields, "experiment", info.experiment);
  fields["version"] = info.version;
  fields["created"] = utc_text(info.created_ns);
  if (info.time_left) fields["seconds_left"] = std::chrono::duration<double>(*info.time_left).count();
  if (info.cost) fields["cost_seconds"] = std::chrono::duration<double>(*info.cost).count();
  const std::string_view text = value.text();
  const bool is_json = value.serializer == "json" && is_utf8(text);
  if (is_json && fits_a_line(text)) {
    std::string line = json_text(fields);
    line.back() = ',';  // instead of the brace
    return line.append("\"json\":").append(text) + "}\n";
  }
  fields[is_json ? "json_text" : "base64"] = is_json ? std::string(text) : base64_of(text);
  return json_text(fields) + "\n";
}

Result<ResultLine> read_result_line(std::string_view text) {
  CAIRN_TRY(const JsonMembers members, members_of(text));
  if (const auto schema = members.find("schema_version"); schema != members.end() && schema->second != "1") {
    return wrong("its schema_version is not 1");
  }
  ResultLine line;
  CAIRN_TRY(line.name_space, name_member(members, "namespace", kNameBytesMax));
  CAIRN_TRY(line.key, name_member(members, "key", kKeyBytesMax));
  if (line.key.empty()) return wrong("has no key");
  CAIRN_TRY(line.experiment, name_member(members, "experiment", kNameBytesMax));
  CAIRN_TRY(line.value.serializer, name_member(members, "serializer", kNameBytesMax));
  if (line.value.serializer.empty()) return wrong("has no serializer");
  CAIRN_TRY(const std::string value, value_member(members));
  if (value.size() > kValueBytesMax) return wrong("its value has more than 64 MiB");
  if (line.value.serializer == "json" && !is_whole_json(value)) return wrong("its value is no JSON");
  const auto bytes = std::as_bytes(std::span(value));
  line.value.bytes.assign(bytes.begin(), bytes.end());
  if (line.value.serializer == "tensor") {
    CAIRN_TRY(line.value.tensor, tensor_members(members, value.size()));
  }
  CAIRN_TRY(line.ttl, seconds_member(members, "seconds_left"));
  CAIRN_TRY(line.cost, seconds_member(members, "cost_seconds"));
  return line;
}

}  // namespace cairn::cli
