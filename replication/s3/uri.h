// SPDX-License-Identifier: Apache-2.0
//
// Where a request goes: endpoints, buckets and keys as people write them, and the host and path that a request has.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "cairn/result.h"

namespace cairn::s3 {

// S3's own limit, in bytes.
inline constexpr std::size_t kKeyBytesMax = 1024;
// Of the prefix of a mirror: keys below it have the rest.
inline constexpr std::size_t kPrefixBytesMax = 512;

// A server: "https://s3.eu-central-1.amazonaws.com", "http://[::1]:7480".
struct Endpoint {
  bool tls = true;
  std::string host;  // in small letters; an IPv6 address without its brackets
  std::uint16_t port = 443;

  // As the Host header says it: with brackets around an IPv6 address, and with the port unless it is the scheme's own.
  std::string authority() const;
  bool is_address() const;  // an IPv4 or IPv6 address rather than a name
};

// Scheme, host and port, and nothing else: a user, a path, a query or a fragment is refused, each by its name. The
// error never repeats an endpoint with a user in it, since a password may follow.
Result<Endpoint> parse_endpoint(std::string_view url);

// One word of letters, digits, '-' and '_': it becomes part of a host name and of what is signed.
Status check_region(std::string_view region);
// Amazon's own server for a region, over TLS.
Result<Endpoint> aws_endpoint(std::string_view region);

// 3 to 63 of small letters, digits, '-' and '.', as AWS allows them for new buckets.
Status check_bucket(std::string_view bucket);
// 1 to 1,024 bytes, of any value.
Status check_key(std::string_view key);

// "s3://bucket/some/prefix", taken literally: nothing in it is percent-decoded. The prefix has no '/' at its ends.
struct Location {
  std::string bucket;
  std::string prefix;
};
Result<Location> parse_location(std::string_view text);

enum class Addressing : std::uint8_t {
  path,         // https://host/bucket/key: needs nothing but the host's own name
  virtual_host  // https://bucket.host/key: needs a name for each bucket, and a certificate that covers it
};
// What works without being told: virtual_host at AWS, path elsewhere and for a bucket with '.' in its name, which no
// wildcard certificate covers.
Addressing usual_addressing(const Endpoint& endpoint, std::string_view bucket);

struct Target {
  std::string host;  // the Host header; signed
  std::string path;  // percent-encoded, begins with '/'; signed and sent as it is
};
// `key` empty: the bucket itself. Errors: a bucket or key that is none, or an address that cannot have a bucket put
// before it.
Result<Target> request_target(const Endpoint& endpoint, Addressing addressing, std::string_view bucket,
                              std::string_view key);

}  // namespace cairn::s3
