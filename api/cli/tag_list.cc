// SPDX-License-Identifier: Apache-2.0
#include "api/cli/tag_list.h"

#include "api/cli/format.h"

namespace cairn::cli {

Result<Tags> parse_tags(const std::vector<std::string>& texts) {
  Tags tags;
  for (const std::string& text : texts) {
    const std::size_t equals = text.find('=');
    if (equals == 0 || equals == std::string::npos) {
      return Error{.code = ErrorCode::invalid_argument,
                   .message = "'" + printable(text) + "' is no tag: write KEY=VALUE"};
    }
    const std::string key = text.substr(0, equals);
    if (!tags.emplace(key, text.substr(equals + 1)).second) {
      return Error{.code = ErrorCode::invalid_argument, .message = "tag '" + printable(key) + "' is given twice"};
    }
  }
  return tags;
}

}  // namespace cairn::cli
