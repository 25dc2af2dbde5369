// SPDX-License-Identifier: Apache-2.0
//
// Percent encoding as Signature Version 4 demands it: a signature holds only when both sides encode every byte alike.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "cairn/result.h"

namespace cairn::s3 {

// Whether '/' separates, as in a path, or is a byte like any other, as in a query.
enum class Slash : bool { encoded, kept };

// Letters, digits and "-._~" stay (RFC 3986, unreserved); every other byte becomes %XX in capitals.
std::string percent_encoded(std::string_view bytes, Slash slash);

// What url-encoded text in a listing means: %XX is a byte, '+' a space. An error of code `corruption` names the
// place of a '%' that no two hexadecimal digits follow.
Result<std::string> percent_decoded(std::string_view text);

// A part of a query. One without a value, such as ?uploads, has an empty value.
struct QueryItem {
  std::string name;
  std::string value;
};

// "name=value&…", encoded, sorted by encoded name and then by encoded value. This text is both signed and sent, so that
// nothing on the way can tell them apart. An item without a value ends with '='.
std::string canonical_query(const std::vector<QueryItem>& items);

}  // namespace cairn::s3
