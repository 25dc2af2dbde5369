// SPDX-License-Identifier: Apache-2.0
#include "replication/s3/object_headers.h"

#include <algorithm>
#include <charconv>

#include "replication/s3/error_reply.h"
#include "replication/s3/messages.h"
#include "replication/s3/time_text.h"

namespace cairn::s3 {
namespace {

constexpr std::string_view kMetadataPrefix = "x-amz-meta-";
constexpr std::size_t kMetadataBytesMax = 2048;

bool is_name(std::string_view name) {
  return !name.empty() && std::all_of(name.begin(), name.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-';
  });
}
// Spaces at the ends are lost on the way, and others folded into one.
bool is_value(std::string_view value) {
  return !value.starts_with(' ') && !value.ends_with(' ') && value.find("  ") == std::string_view::npos &&
         std::all_of(value.begin(), value.end(), [](char c) { return c >= 0x20 && c < 0x7f; });
}

}  // namespace

Result<std::vector<Header>> headers_of(const ObjectOptions& options) {
  std::vector<Header> headers;
  if (!options.content_type.empty()) {
    if (!is_value(options.content_type)) {
      return make_error(ErrorCode::invalid_argument, "content type " + quoted(options.content_type) + " is none");
    }
    headers.push_back({"content-type", options.content_type});
  }
  std::size_t bytes = 0;
  for (const auto& [name, value] : options.metadata) {
    if (!is_name(name)) {
      return make_error(ErrorCode::invalid_argument,
                        "metadata name " + quoted(name) + " has other than small letters, digits and '-'");
    }
    if (!is_value(value)) {
      return make_error(ErrorCode::invalid_argument,
                        "the value of metadata " + name + " has other than printable ASCII, or spaces that are lost");
    }
    bytes += name.size() + value.size();
    headers.push_back({std::string(kMetadataPrefix) + name, value});
  }
  if (bytes > kMetadataBytesMax) {
    return make_error(ErrorCode::invalid_argument,
                      "the metadata has " + std::to_string(bytes) + " bytes; S3 allows 2048");
  }
  return headers;
}

Result<ObjectInfo> info_of(const HttpReply& reply) {
  ObjectInfo info;
  const std::string_view length = reply.header("content-length").value_or("");
  const auto [end, error] = std::from_chars(length.data(), length.data() + length.size(), info.size);
  if (length.empty() || error != std::errc() || end != length.data() + length.size()) {
    return transient_error("the reply does not tell the object's size");
  }
  info.etag = reply.header("etag").value_or("");
  info.content_type = reply.header("content-type").value_or("");
  info.modified = read_http_time(reply.header("last-modified").value_or(""));
  for (const Header& header : reply.headers) {
    if (header.name.starts_with(kMetadataPrefix)) {
      info.metadata[header.name.substr(kMetadataPrefix.size())] = header.value;
    }
  }
  return info;
}

Status check_put(const HttpReply& reply) {
  if (reply.body.empty()) return {};
  const ErrorReply refusal = read_error_reply(reply.status, reply.text());
  if (refusal.code.empty() && reply.header("etag")) return {};
  Error error = to_error(refusal, "behind the header of success");
  error.retryable = true;
  return error;
}

}  // namespace cairn::s3
