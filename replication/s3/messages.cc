// SPDX-License-Identifier: Apache-2.0
#include "replication/s3/messages.h"

namespace cairn::s3 {
namespace {

constexpr std::size_t kQuotedBytesMax = 200;

}  // namespace

std::string quoted(std::string_view text) {
  static constexpr char kHex[] = "0123456789abcdef";
  std::string result = "'";
  for (const char c : text.substr(0, kQuotedBytesMax)) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte >= 0x20 && byte < 0x7f) {
      result += c;
    } else {
      result += {'\\', 'x', kHex[byte >> 4], kHex[byte & 15]};
    }
  }
  if (text.size() > kQuotedBytesMax) result += "...";
  return result + "'";
}

}  // namespace cairn::s3
