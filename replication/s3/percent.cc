// SPDX-License-Identifier: Apache-2.0
#include "replication/s3/percent.h"

#include <algorithm>
#include <utility>

#include "replication/s3/messages.h"

namespace cairn::s3 {
namespace {

// The characters' own ranges: <cctype> would ask the locale.
bool is_unreserved(char c) {
  return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '.' ||
         c == '_' || c == '~';
}

// The digit's value, or -1.
int hex_value(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  return -1;
}

}  // namespace

std::string percent_encoded(std::string_view bytes, Slash slash) {
  static constexpr char kHex[] = "0123456789ABCDEF";
  std::string result;
  result.reserve(bytes.size());
  for (const char c : bytes) {
    if (is_unreserved(c) || (c == '/' && slash == Slash::kept)) {
      result += c;
    } else {
      const auto byte = static_cast<unsigned char>(c);
      result += {'%', kHex[byte >> 4], kHex[byte & 15]};
    }
  }
  return result;
}

Result<std::string> percent_decoded(std::string_view text) {
  std::string result;
  result.reserve(text.size());
  for (std::size_t at = 0; at < text.size(); ++at) {
    if (text[at] != '%') {
      result += text[at] == '+' ? ' ' : text[at];
      continue;
    }
    const int high = at + 2 < text.size() ? hex_value(text[at + 1]) : -1;
    const int low = at + 2 < text.size() ? hex_value(text[at + 2]) : -1;
    if (high < 0 || low < 0) {
      return make_error(ErrorCode::corruption,
                        "url-encoded text " + quoted(text) + " has no two digits behind '%' at " + std::to_string(at));
    }
    result += static_cast<char>(high << 4 | low);
    at += 2;
  }
  return result;
}

std::string canonical_query(const std::vector<QueryItem>& items) {
  std::vector<std::pair<std::string, std::string>> encoded;
  encoded.reserve(items.size());
  for (const QueryItem& item : items) {
    encoded.emplace_back(percent_encoded(item.name, Slash::encoded), percent_encoded(item.value, Slash::encoded));
  }
  std::sort(encoded.begin(), encoded.end());
  std::string result;
  for (const auto& [name, value] : encoded) {
    if (!result.empty()) result += '&';
    result.append(name).append("=").append(value);
  }
  return result;
}

}  // namespace cairn::s3
