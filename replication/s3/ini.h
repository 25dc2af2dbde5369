// SPDX-License-Identifier: Apache-2.0
//
// The files ~/.aws/credentials and ~/.aws/config: sections of "name = value". They hold secrets, so their text is
// borrowed, never copied, and no error repeats a line of it.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "cairn/result.h"

namespace cairn::s3 {

inline constexpr std::size_t kIniBytesMax = 1 << 20;

// Views into the text that was parsed, which must outlive it.
class Ini {
 public:
  // As AWS's own tools read them: '#' and ';' begin a comment at the start of a line or behind a space, a line that
  // begins with a space goes on with the property before it (which is left out here, nothing of ours has one), names
  // are not sensitive to case, and of two properties of a name the last holds. `file` is what errors call it; they
  // give the number of the line.
  static Result<Ini> parse(std::string_view text, std::string_view file);

  // The section's name as it is between the brackets, without spaces at its ends: "default", "profile dev".
  bool has_section(std::string_view section) const;
  std::optional<std::string_view> value(std::string_view section, std::string_view name) const;

 private:
  struct Property {
    std::string_view section;
    std::string_view name;  // empty: the section itself
    std::string_view value;
  };
  std::vector<Property> properties_;
};

}  // namespace cairn::s3
