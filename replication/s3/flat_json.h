// SPDX-License-Identifier: Apache-2.0
//
// A JSON object of texts, as credential endpoints answer. Read by hand, because a JSON library leaves copies of what it
// reads in freed memory.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "cairn/result.h"
#include "replication/secret.h"

namespace cairn::s3 {

class FlatJson {
 public:
  // Values other than texts are left out, whatever is in them. At most 64 KiB and 64 levels; nothing but spaces may
  // follow. The error of code `corruption` names the offset and repeats nothing.
  static Result<FlatJson> parse(std::string_view text);

  // The text of the last member of this name, or nothing. Borrowed from this object.
  const Secret* text(std::string_view name) const;

 private:
  struct Member {
    Secret name;
    Secret value;
  };
  std::vector<Member> members_;
};

}  // namespace cairn::s3
