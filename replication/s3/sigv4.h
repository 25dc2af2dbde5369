// SPDX-License-Identifier: Apache-2.0
//
// AWS Signature Version 4: what shows a server that a request comes from the holder of a key, and that nobody changed
// what was signed of it.
#pragma once

#include <chrono>
#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "cairn/result.h"
#include "replication/s3/percent.h"
#include "replication/s3/time_text.h"
#include "replication/s3/uri.h"
#include "replication/secret.h"

namespace cairn::s3 {

struct AccessKey {
  std::string id;        // public: it is part of every request
  Secret secret;         // never leaves the process
  Secret session_token;  // empty for a long-lived key; sent with each request otherwise
};

struct Header {
  std::string name;
  std::string value;
};

// The header that carries a session token.
inline constexpr const char* kTokenHeader = "x-amz-security-token";
// In place of a digest, for a body that is digested otherwise (over TLS) or not known yet (in a URL).
inline constexpr std::string_view kUnsignedPayload = "UNSIGNED-PAYLOAD";
// SHA-256 of a body, in hexadecimal. An error only where the platform's OpenSSL has no SHA-256.
Result<std::string> payload_hash(std::span<const std::byte> body);

struct Request {
  std::string method;  // "GET"
  Target target;
  std::vector<QueryItem> query;
  // Those to be signed, beside host and x-amz-*, which signing adds: a header that means something belongs here
  // (x-amz-meta-…, range, if-none-match), one that the transport sets or a proxy may change does not.
  std::vector<Header> headers;
  std::string payload_hash{kUnsignedPayload};
};

// The headers that turn `request` into a signed one: x-amz-content-sha256, x-amz-date, x-amz-security-token where there
// is one, and Authorization, which is last. They go out beside Host and `request.headers`, unchanged; the query as
// canonical_query() writes it. A server accepts them for about 15 minutes around `now`.
//
// The token's value is a copy, which the caller wipes once it is sent.
//
// Errors of code `invalid_argument` name what cannot be sent, such as a line break in a header's value. None holds
// anything of the key but its id.
Result<std::vector<Header>> sign(const Request& request, const AccessKey& key, std::string_view region, Time now);

// What AWS accepts at most.
inline constexpr std::chrono::seconds kPresignMax = std::chrono::hours(24 * 7);

// A URL that lets whoever has it do `request`, with its headers if it has any, from `now` for the time `valid_for`, of
// 1 s to 7 days. It ends with the credentials that signed it, if these end sooner. The payload is not signed.
Result<std::string> presigned_url(const Endpoint& endpoint, const Request& request, const AccessKey& key,
                                  std::string_view region, Time now, std::chrono::seconds valid_for);

}  // namespace cairn::s3
