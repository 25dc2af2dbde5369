// SPDX-License-Identifier: Apache-2.0
//
// What an S3 server says when it does not do what it was asked, and what that means here.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "cairn/result.h"

namespace cairn::s3 {

// The server's words. Empty where it said nothing: HEAD has no body, and a proxy's page is not S3's.
struct ErrorReply {
  int status = 0;  // of HTTP; 200 for an error that came after the header of success
  std::string code;
  std::string message;
  std::string request_id;  // what the server's operator asks for
  std::string region;      // where the bucket is; from the body here, from x-amz-bucket-region by the caller
  std::string endpoint;    // where to ask instead
};

// Never fails: what makes no sense is left out, and the status speaks alone. Of the body nothing else is kept, since
// some servers repeat the whole request, with its session token, in it.
ErrorReply read_error_reply(int status, std::string_view body);

// What a client can do about it.
enum class Refusal : std::uint8_t {
  no_such_key,
  no_such_bucket,
  no_such_upload,
  denied,               // the credentials are good, and may not do this
  bad_credentials,      // unknown key, or another secret
  expired_credentials,  // CredentialChain::forget(), and again
  clock_skew,           // the request's time is too far from the server's
  elsewhere,            // another region or endpoint has the bucket
  precondition,         // If-Match or If-None-Match did not hold
  race,                 // another request to the same thing was under way
  already_exists,       // the bucket
  not_implemented,      // by this server; there may be a way round
  throttled,            // too many requests
  server_fault,         // and no fault of ours
  damaged_in_transit,   // what arrived is not what its digest says
  quota,                // of space
  invalid               // everything else
};

Refusal refusal_of(const ErrorReply& reply);

// `what` says what was being done: "put s3://bucket/key". The message has the server's code and words, quoted.
Error to_error(const ErrorReply& reply, std::string_view what);

}  // namespace cairn::s3
