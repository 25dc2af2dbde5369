// SPDX-License-Identifier: Apache-2.0
#include "replication/postgres/errors.h"

#include <algorithm>

namespace cairn::postgres {
namespace {

constexpr std::size_t kPlainBytesMax = 300;
constexpr std::size_t kStateBytes = 5;
constexpr std::string_view kStateBegins = " (SQLSTATE ";

struct Treatment {
  std::string_view state;  // a SQLSTATE, or the class that its first two characters are
  ErrorCode code;
  bool retryable;
};
// The first that fits.
constexpr Treatment kTreatments[] = {
    {"08", ErrorCode::io, true},                     // the connection
    {"0A", ErrorCode::unsupported, false},           // not supported
    {"22", ErrorCode::invalid_argument, false},      // data that a type does not take
    {"23", ErrorCode::conflict, false},              // a constraint
    {"25P02", ErrorCode::conflict, true},            // behind an error in the same transaction
    {"25P03", ErrorCode::io, true},                  // idle in transaction for too long
    {"25", ErrorCode::unsupported, false},           // of read-only servers, mostly
    {"28", ErrorCode::invalid_argument, false},      // who we are
    {"3D000", ErrorCode::not_found, false},          // no such database
    {"3F000", ErrorCode::not_found, false},          // no such schema
    {"40", ErrorCode::conflict, true},               // serialization, deadlock
    {"42P01", ErrorCode::not_found, false},          // no such table
    {"42501", ErrorCode::invalid_argument, false},   // not allowed
    {"42", ErrorCode::unsupported, false},           // another schema than we know
    {"53100", ErrorCode::no_space, true},            // disk full
    {"53200", ErrorCode::resource_exhausted, true},  // out of memory
    {"53", ErrorCode::overloaded, true},             // too many connections
    {"54", ErrorCode::resource_exhausted, false},    // larger than a limit of the server
    {"55", ErrorCode::io, true},                     // a lock that is not to be had
    {"57014", ErrorCode::io, true},                  // the statement took too long
    {"57", ErrorCode::io, true},                     // the server ends, or begins
    {"58", ErrorCode::io, true},                     // its operating system refused
    {"XX001", ErrorCode::corruption, false},         // its data are damaged
    {"XX002", ErrorCode::corruption, false},         // its index is damaged
};

bool is_state_character(char c) { return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z'); }

// In "FATAL:  28P01: password authentication failed": two blanks, five characters and a colon, in any language.
std::string_view state_in_words(std::string_view words) {
  for (std::size_t at = words.find(":  "); at != std::string_view::npos; at = words.find(":  ", at + 1)) {
    const std::string_view behind = words.substr(at + 3);
    if (behind.size() > kStateBytes && behind[kStateBytes] == ':' &&
        std::ranges::all_of(behind.substr(0, kStateBytes), is_state_character)) {
      return behind.substr(0, kStateBytes);
    }
  }
  return {};
}

}  // namespace

std::string plain(std::string_view text) {
  static constexpr char kHex[] = "0123456789abcdef";
  while (!text.empty() && (text.back() == '\n' || text.back() == ' ')) text.remove_suffix(1);
  std::string result;
  for (const char c : text.substr(0, kPlainBytesMax)) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '\n' || c == '\t') {
      if (!result.ends_with(' ')) result += ' ';
    } else if (byte >= 0x20 && byte < 0x7f) {
      result += c;
    } else {
      result += {'\\', 'x', kHex[byte >> 4], kHex[byte & 15]};
    }
  }
  if (text.size() > kPlainBytesMax) result += "...";
  return result;
}

Error error_of(std::string_view sqlstate, std::string_view words) {
  Error error = make_error(ErrorCode::io, "PostgreSQL: " + plain(words));
  if (sqlstate.size() == kStateBytes && std::ranges::all_of(sqlstate, is_state_character)) {
    error.message.append(kStateBegins).append(sqlstate).append(")");
  }
  const auto* const fits = std::ranges::find_if(
      kTreatments, [&](const Treatment& treatment) { return sqlstate.starts_with(treatment.state); });
  if (fits != std::end(kTreatments)) {
    error.code = fits->code;
    error.retryable = fits->retryable;
  }
  return error;
}

Error error_of_connection(std::string_view words) {
  const std::string_view state = state_in_words(words);
  // Behind the server's message is where in its source it is from.
  words = words.substr(0, words.find("\nLOCATION:"));
  if (!state.empty()) return error_of(state, words);
  Error error = error_of({}, words);
  error.retryable = words.find("certificate") == std::string_view::npos;
  return error;
}

std::string_view sqlstate_in(std::string_view message) {
  const std::size_t at = message.rfind(kStateBegins);
  if (at == std::string_view::npos) return {};
  return message.substr(at + kStateBegins.size()).substr(0, kStateBytes);
}

}  // namespace cairn::postgres
