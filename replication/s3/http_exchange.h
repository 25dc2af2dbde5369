// SPDX-License-Identifier: Apache-2.0
//
// One request and its reply over HTTP, whatever carries it: connections in a process, a script in a test.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "cairn/result.h"
#include "replication/s3/sigv4.h"
#include "replication/s3/uri.h"

namespace cairn::s3 {

// Borrowed: a value may be a secret, of which no copy is made but the one that is sent.
struct HeaderView {
  std::string_view name;
  std::string_view value;
};

// Everything in it is borrowed for the call.
struct HttpRequest {
  std::string_view method;
  Endpoint endpoint;                    // where the connection goes; over TLS, whose certificate is demanded
  std::string_view host;                // the Host header; empty: as the endpoint has it
  std::string_view target;              // encoded path and query, sent as it is
  std::span<const HeaderView> headers;  // beside Host and Content-Length
  std::span<const std::span<const std::byte>> body;  // the parts one behind the other
  std::uint64_t reply_bytes_max = 0;  // of a body; a reply that is no success may have kRefusalBytesMax all the same
  // Whether doing it twice is as good as once, so that it may be sent again on another connection.
  bool idempotent = true;
  std::optional<std::chrono::milliseconds> time_max;  // in place of the transport's own
};
inline constexpr std::uint64_t kRefusalBytesMax = 1 << 20;

struct HttpReply {
  int status = 0;
  std::vector<Header> headers;  // names in small letters
  std::vector<std::byte> body;  // whole: as long as the reply said it would be

  // The first of that name.
  std::optional<std::string_view> header(std::string_view name) const;
  std::string_view text() const { return {reinterpret_cast<const char*>(body.data()), body.size()}; }
};

// Any thread. A reply of any status is a value; an error means that none came in whole, and whether the server did what
// it was asked is not known. No error holds a header's value, or a body.
class HttpExchange {
 public:
  virtual ~HttpExchange() = default;
  virtual Result<HttpReply> exchange(const HttpRequest& request) = 0;
};

}  // namespace cairn::s3
