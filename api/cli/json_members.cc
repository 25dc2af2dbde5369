// SPDX-License-Identifier: Apache-2.0
//
// The text is known to be JSON before it is taken apart, so that looking for the end of a value needs no grammar.
#include "api/cli/json_members.h"

#include <cstddef>
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

}  // namespace cairn::cli
