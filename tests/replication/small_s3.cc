// SPDX-License-Identifier: Apache-2.0
#include "tests/replication/small_s3.h"

#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/read.hpp>
#include <boost/beast/http/string_body.hpp>
#include <boost/beast/http/write.hpp>
#include <charconv>

#include "replication/s3/percent.h"
#include "replication/s3/sigv4.h"

namespace cairn::testing {
namespace {

namespace http = boost::beast::http;
using s3::percent_encoded;
using s3::Slash;

std::string decoded(std::string_view text) { return s3::percent_decoded(text).value_or(std::string("?")); }

std::string digest_of(std::string_view bytes) {
  return *s3::payload_hash(std::as_bytes(std::span(bytes.data(), bytes.size())));
}
std::string etag_of(std::string_view bytes) { return "\"" + digest_of(bytes).substr(0, 32) + "\""; }
std::uint64_t number_in(std::string_view text) {
  std::uint64_t number = 0;
  std::from_chars(text.data(), text.data() + text.size(), number);
  return number;
}
std::string element(const char* name, const std::string& content) {
  return std::string("<") + name + ">" + content + "</" + name + ">";
}

}  // namespace

struct SmallS3::Asked {
  http::verb method;
  std::string key;  // empty: the bucket
  std::map<std::string, std::string> query;
  std::string range, if_match;
  bool if_none_match = false;
  std::string body;
};
struct SmallS3::Answer {
  unsigned status = 200;
  std::string body{};
  std::map<std::string, std::string> headers{};

  static Answer error(unsigned status, const char* code) {
    return {.status = status, .body = element("Error", element("Code", code))};
  }
};

SmallS3::SmallS3() : listener_([this](TcpSocket& client) { serve(client); }) {}

s3::Endpoint SmallS3::endpoint() const { return {.tls = false, .host = "127.0.0.1", .port = listener_.port()}; }

void SmallS3::clear() {
  const std::lock_guard lock(mutex_);
  objects_.clear();
  uploads_.clear();
}

void SmallS3::serve(TcpSocket& client) {
  boost::beast::flat_buffer buffer;
  boost::system::error_code error;
  while (true) {
    http::request_parser<http::string_body> parser;
    parser.body_limit(256u << 20);
    http::read(client, buffer, parser, error);
    if (error) return;
    auto& request = parser.get();
    Asked asked{.method = request.method(),
                .range = std::string(request["range"]),
                .if_match = std::string(request["if-match"]),
                .if_none_match = request["if-none-match"] == "*",
                .body = std::move(request.body())};
    const std::string target(request.target());
    const std::size_t question = std::min(target.find('?'), target.size());
    const std::size_t slash = std::min(target.find('/', 1), question);
    asked.key = decoded(
        std::string_view(target).substr(std::min(slash + 1, question), question - std::min(slash + 1, question)));
    for (std::size_t at = question + 1; at < target.size();) {
      const std::size_t end = std::min(target.find('&', at), target.size());
      const std::size_t equals = std::min(target.find('=', at), end);
      asked.query[decoded(std::string_view(target).substr(at, equals - at))] =
          decoded(std::string_view(target).substr(std::min(equals + 1, end), end - std::min(equals + 1, end)));
      at = end + 1;
    }
    const std::string digest(request["x-amz-content-sha256"]);
    const bool is_good = digest == s3::kUnsignedPayload || digest == digest_of(asked.body);
    const Answer answered = is_good ? answer(asked) : Answer::error(400, "XAmzContentSHA256Mismatch");
    http::response<http::string_body> reply{static_cast<http::status>(answered.status), 11, answered.body};
    for (const auto& [name, value] : answered.headers) reply.set(name, value);
    reply.content_length(answered.body.size());
    if (asked.method == http::verb::head) {
      http::response_serializer<http::string_body> head(reply);
      http::write_header(client, head, error);
    } else {
      http::write(client, reply, error);
    }
    if (error || !request.keep_alive()) return;
  }
}

SmallS3::Answer SmallS3::answer(const Asked& asked) {
  const std::lock_guard lock(mutex_);
  if (asked.key.empty()) return answer_bucket(asked);
  if (asked.query.contains("uploads") || asked.query.contains("uploadId")) return answer_upload(asked);
  switch (asked.method) {
    case http::verb::put:
      if (asked.if_none_match && objects_.contains(asked.key)) return Answer::error(412, "PreconditionFailed");
      objects_[asked.key] = asked.body;
      return {.headers = {{"ETag", etag_of(asked.body)}}};
    case http::verb::get:
    case http::verb::head: return get(asked);
    case http::verb::delete_: objects_.erase(asked.key); return {.status = 204};
    default: return Answer::error(405, "MethodNotAllowed");
  }
}

SmallS3::Answer SmallS3::answer_bucket(const Asked& asked) {
  if (asked.method == http::verb::put) return {};
  if (asked.method == http::verb::post) return remove_all(asked);
  return asked.query.contains("uploads") ? list_uploads() : list(asked);
}

SmallS3::Answer SmallS3::get(const Asked& asked) {
  const auto found = objects_.find(asked.key);
  if (found == objects_.end()) return Answer::error(404, "NoSuchKey");
  const std::string& content = found->second;
  if (!asked.if_match.empty() && asked.if_match != etag_of(content)) return Answer::error(412, "PreconditionFailed");
  Answer answer{.body = content, .headers = {{"ETag", etag_of(content)}}};
  if (!asked.range.starts_with("bytes=")) return answer;
  const std::uint64_t first = number_in(std::string_view(asked.range).substr(6));
  const std::uint64_t last = std::min<std::uint64_t>(
      number_in(std::string_view(asked.range).substr(asked.range.find('-') + 1)), content.size() - 1);
  if (first >= content.size()) return Answer::error(416, "InvalidRange");
  answer.status = 206;
  answer.body = content.substr(first, last - first + 1);
  answer.headers["Content-Range"] =
      "bytes " + std::to_string(first) + "-" + std::to_string(last) + "/" + std::to_string(content.size());
  return answer;
}

SmallS3::Answer SmallS3::list(const Asked& asked) {
  const auto value = [&](const char* name) {
    const auto at = asked.query.find(name);
    return at == asked.query.end() ? std::string() : at->second;
  };
  const std::string prefix = value("prefix"), after = std::max(value("start-after"), value("continuation-token"));
  // Few, so that there are many pages.
  constexpr std::size_t kPage = 5;
  std::string contents, last;
  std::size_t count = 0;
  bool truncated = false;
  for (auto at = objects_.lower_bound(prefix); at != objects_.end() && at->first.starts_with(prefix); ++at) {
    if (at->first <= after) continue;
    truncated = count == kPage;
    if (truncated) break;
    contents += element("Contents", element("Key", percent_encoded(at->first, Slash::kept)) +
                                        element("Size", std::to_string(at->second.size())));
    last = at->first;
    ++count;
  }
  return {.body = element("ListBucketResult",
                          element("EncodingType", "url") + element("IsTruncated", truncated ? "true" : "false") +
                              (truncated ? element("NextContinuationToken", last) : "") + contents)};
}

SmallS3::Answer SmallS3::remove_all(const Asked& asked) {
  std::string deleted;
  const std::string_view body = asked.body;
  for (std::size_t at = body.find("<Key>"); at != std::string::npos; at = body.find("<Key>", at + 1)) {
    const std::string key(body.substr(at + 5, body.find("</Key>", at) - at - 5));
    objects_.erase(key);
    deleted += element("Deleted", element("Key", key));
  }
  return {.body = element("DeleteResult", deleted)};
}

SmallS3::Answer SmallS3::list_uploads() {
  std::string uploads;
  for (const auto& [id, upload] : uploads_) {
    uploads += element("Upload", element("Key", upload.key) + element("UploadId", id) +
                                     element("Initiated", "2020-01-01T00:00:00.000Z"));
  }
  return {.body = element("ListMultipartUploadsResult", element("IsTruncated", "false") + uploads)};
}

SmallS3::Answer SmallS3::answer_upload(const Asked& asked) {
  if (asked.query.contains("uploads")) {
    const std::string id = "upload-" + std::to_string(++uploads_begun_);
    uploads_[id] = {.key = asked.key, .parts = {}};
    return {.body = element("InitiateMultipartUploadResult", element("UploadId", id))};
  }
  const auto found = uploads_.find(asked.query.at("uploadId"));
  if (found == uploads_.end()) return Answer::error(404, "NoSuchUpload");
  if (asked.method == http::verb::put) {
    found->second.parts[static_cast<unsigned>(number_in(asked.query.at("partNumber")))] = asked.body;
    return {.headers = {{"ETag", etag_of(asked.body)}}};
  }
  if (asked.method == http::verb::post) {
    std::string& object = objects_[asked.key];
    object.clear();
    for (const auto& [number, part] : found->second.parts) object += part;
    uploads_.erase(found);
    return {.body = element("CompleteMultipartUploadResult", element("ETag", "\"" + etag_of(object) + "\""))};
  }
  uploads_.erase(found);
  return {.status = 204};
}

}  // namespace cairn::testing
