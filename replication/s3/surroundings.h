// SPDX-License-Identifier: Apache-2.0
//
// What credentials are found in: the environment, files, endpoints and the time, each replaceable by a test's.
#pragma once

#include <chrono>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "cairn/result.h"
#include "replication/s3/time_text.h"
#include "replication/s3/uri.h"
#include "replication/secret.h"

namespace cairn::s3 {

struct EndpointHeader {
  std::string name;
  Secret value;
};

// A request to an endpoint that hands out credentials. It goes there directly: no proxy, no redirect is followed.
struct EndpointRequest {
  std::string method;
  Endpoint endpoint;
  std::string path;  // with its query
  std::vector<EndpointHeader> headers;
  std::chrono::milliseconds timeout;
};
struct EndpointReply {
  int status = 0;
  Secret body;  // at most kEndpointReplyBytesMax
};
inline constexpr std::size_t kEndpointReplyBytesMax = 64 << 10;
// An error: there was no reply at all.
using EndpointExchange = std::function<Result<EndpointReply>(const EndpointRequest&)>;

// Any thread may call these.
struct Surroundings {
  // Borrowed until the variable is set again; nothing for one that is not set.
  std::function<std::optional<std::string_view>(const std::string& name)> variable;
  // The whole file; nothing where there is none. Errors name it.
  std::function<Result<std::optional<Secret>>(const std::string& path)> file;
  EndpointExchange exchange;
  std::function<Time()> now;
};

// Those of this process. Files are regular ones of at most 1 MiB.
Surroundings system_surroundings(EndpointExchange exchange);

}  // namespace cairn::s3
