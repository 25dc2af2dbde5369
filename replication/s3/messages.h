// SPDX-License-Identifier: Apache-2.0
//
// How the S3 client words its errors: what came from elsewhere is quoted, shortened and safe to show anywhere.
#pragma once

#include <string>
#include <string_view>
#include <utility>

#include "cairn/result.h"

namespace cairn::s3 {

inline Error make_error(ErrorCode code, std::string message) {
  return Error{.code = code, .message = std::move(message)};
}
inline Error transient_error(std::string message) {
  return Error{.code = ErrorCode::io, .message = std::move(message), .retryable = true};
}

// `text` in single quotes, at most 200 bytes of it. Everything but printable ASCII is shown as \xNN: a reply's words
// can then neither move a terminal's cursor nor break a line of a log.
std::string quoted(std::string_view text);

}  // namespace cairn::s3
