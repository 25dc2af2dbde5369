// SPDX-License-Identifier: Apache-2.0
//
// A result as one line of JSON: what `results export` writes and `results import` reads.
//
// Fields: schema_version, namespace, key, serializer, experiment, version, created, with a TTL seconds_left, and with a
// cost cost_seconds. Of a tensor also dtype and shape. The value is in one of three: json, as JSON, byte for byte;
// json_text, the same as a string, where line breaks or spaces around it would be lost; base64, everything else. Of a
// name that is no UTF-8 there is the base64, in a field with that at its end: key_base64.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>

#include "cairn/results.h"

namespace cairn::cli {

struct ResultLine {
  std::string name_space, key, experiment;
  ResultValue value;
  std::optional<std::chrono::nanoseconds> ttl, cost;

  // What it takes in the store, at least.
  std::size_t bytes() const;
};

// Ends in a line break.
std::string line_of(const std::string& name_space, const ResultInfo& info, const ResultValue& value);

// Hostile text: invalid_argument says what is wrong. What it takes would be put, as far as one can say without the
// store. Fields that mean nothing here are passed over, version and created among them.
Result<ResultLine> read_result_line(std::string_view line);

}  // namespace cairn::cli
