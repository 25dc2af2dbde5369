// SPDX-License-Identifier: Apache-2.0
//
// What PostgreSQL says went wrong, as an Error of Cairn's: the one place where libpq's words and SQLSTATEs are
// translated.
#pragma once

#include <string>
#include <string_view>
#include <utility>

#include "cairn/result.h"

namespace cairn::postgres {

inline Error make_error(ErrorCode code, std::string message) {
  return Error{.code = code, .message = std::move(message)};
}

// `text` in one line, at most 300 bytes of it, and nothing in it that moves a terminal's cursor: it comes from
// elsewhere.
std::string plain(std::string_view text);

// Of a server's answer. `words` is its primary message alone: details may quote rows.
Error error_of(std::string_view sqlstate, std::string_view words);

// Of a connection that was not made, or is no more. `words` is PQerrorMessage() at PQERRORS_VERBOSE, where the server's
// SQLSTATE is in the text; without one, nobody answered, and trying again may help, unless a certificate is the reason.
Error error_of_connection(std::string_view words);

// The SQLSTATE of Error::message, as error_of() puts it there; empty when there is none.
std::string_view sqlstate_in(std::string_view message);

}  // namespace cairn::postgres
