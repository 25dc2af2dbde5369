// SPDX-License-Identifier: Apache-2.0
//
// The text is known to be JSON before it is taken apart, so that looking for the end of a value needs no grammar.
#include "api/cli/json_members.h"

#include <cmath>
#include <cstddef>
#include <limits>
#include <utility>

namespace cairn::cli {
namespace {

constexpr std::string_view kSpace = " \t\r\n";

std::size_t behind_space(std::string_view text, std::size_t at) {
  const std::size_t found = text.find_first_not_of(kSpace, at);
  return found == std::string_view::npos ? text.size() : found;
}

std::size_t behind_string(std::string_view text, std::size_t at) {
  for (++at; text[at] != '"'; ++at) {
    if (text[at] == '\\') ++at;
  }
  return at + 1;
}

// Where a comma or the brace follows that is not inside of the value.
std::size_t behind_value(std::string_view text, std::size_t at) {
  std::size_t depth = 0;
  while (depth > 0 || (text[at] != ',' && text[at] != '}')) {
    if (text[at] == '"') {
      at = behind_string(text, at);
      continue;
    }
    if (text[at] == '{' || text[at] == '[') ++depth;
    if (text[at] == '}' || text[at] == ']') --depth;
    ++at;
  }
  return at;
}

Error wrong(std::string why) { return {.code = ErrorCode::invalid_argument, .message = std::move(why)}; }

}  // namespace

Result<JsonMembers> members_of(std::string_view text) {
  std::size_t at = behind_space(text, 0);
  // A zero byte would end the text for the parser, and not for what follows here.
  if (text.find('\0') != std::string_view::npos) return wrong("has a zero byte");
  if (!Json::accept(text.begin(), text.end()) || text[at] != '{') return wrong("is no JSON object");
  JsonMembers members;
  at = behind_space(text, at + 1);
  while (text[at] != '}') {
    const std::size_t name_end = behind_string(text, at);
    std::string name = Json::parse(text.substr(at, name_end - at)).get<std::string>();
    at = behind_space(text, behind_space(text, name_end) + 1);  // the colon
    const std::size_t end = behind_value(text, at);
    const std::size_t last = text.find_last_not_of(kSpace, end - 1);
    if (!members.try_emplace(std::move(name), text.substr(at, last + 1 - at)).second) {
      return wrong("has a field twice");
    }
    at = behind_space(text, text[end] == ',' ? end + 1 : end);
  }
  return members;
}

Result<std::optional<std::string>> text_member(const JsonMembers& members, const std::string& field) {
  const auto found = members.find(field);
  if (found == members.end()) return std::optional<std::string>();
  const Json json = Json::parse(found->second);
  if (!json.is_string()) return wrong(field + " is no text");
  return std::optional(json.get<std::string>());
}

Result<std::optional<double>> number_member(const JsonMembers& members, const std::string& field) {
  const auto found = members.find(field);
  if (found == members.end()) return std::optional<double>();
  const auto number = read_exact_number(Json::parse(found->second));
  if (!number) return wrong(field + " is no number");
  return number;
}

Json exact_number(double value) {
  if (std::isfinite(value)) return value;
  return std::isnan(value) ? "NaN" : value < 0 ? "-Infinity" : "Infinity";
}

std::optional<double> read_exact_number(const Json& json) {
  if (json.is_number()) return json.get<double>();
  for (const double value : {std::numeric_limits<double>::quiet_NaN(), std::numeric_limits<double>::infinity(),
                             -std::numeric_limits<double>::infinity()}) {
    if (json == exact_number(value)) return value;
  }
  return {};
}

}  // namespace cairn::cli
