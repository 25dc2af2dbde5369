// SPDX-License-Identifier: Apache-2.0
#include "replication/s3/http_exchange.h"

namespace cairn::s3 {

std::optional<std::string_view> HttpReply::header(std::string_view name) const {
  for (const Header& header : headers) {
    if (header.name == name) return header.value;
  }
  return std::nullopt;
}

}  // namespace cairn::s3
