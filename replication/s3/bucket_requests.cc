// SPDX-License-Identifier: Apache-2.0
#include "replication/s3/bucket_requests.h"

#include <charconv>
#include <utility>

#include "replication/s3/body_digests.h"
#include "replication/s3/messages.h"

namespace cairn::s3 {
namespace {

constexpr int kMovesMax = 3;
constexpr std::uint32_t kRetryAfterMax = 3600;

// More than any call may take.
constexpr std::chrono::hours kForEver{24 * 365 * 100};

// In seconds, and for ever where it is above an hour; the form that is a date is not read, and its sender is waited for
// as for anyone.
std::optional<std::chrono::milliseconds> retry_after(const HttpReply& reply) {
  const auto text = reply.header("retry-after");
  if (!text) return std::nullopt;
  std::uint32_t seconds = 0;
  const auto [end, error] = std::from_chars(text->data(), text->data() + text->size(), seconds);
  if (error == std::errc::invalid_argument || end != text->data() + text->size()) return std::nullopt;
  if (error != std::errc() || seconds > kRetryAfterMax) return kForEver;
  return std::chrono::seconds(seconds);
}

bool at_aws(const Endpoint& endpoint) {
  return endpoint.host.ends_with(".amazonaws.com") || endpoint.host.ends_with(".amazonaws.com.cn");
}

// Scheme and authority of a URL.
std::string_view without_path(std::string_view url) {
  const auto scheme = url.find("://");
  if (scheme == std::string_view::npos) return url;
  return url.substr(0, url.find_first_of("/?#", scheme + 3));
}

// A full quota is still full in a minute, and whoever needs the space says when to try again.
Error for_retry(Error error) {
  error.retryable = error.retryable && error.code != ErrorCode::no_space;
  return error;
}

ErrorReply refusal_in(const HttpReply& reply) {
  ErrorReply refusal = read_error_reply(reply.status, reply.text());
  if (const auto region = reply.header("x-amz-bucket-region"); region && refusal.region.empty()) {
    refusal.region = *region;
  }
  return refusal;
}

}  // namespace

BucketRequests::BucketRequests(BucketPlace place, RetryPolicy retry, bool sign_payload_without_tls,
                               ClientSurroundings surroundings)
    : bucket_(std::move(place.bucket)),
      retry_(retry),
      sign_payload_without_tls_(sign_payload_without_tls),
      surroundings_(std::move(surroundings)),
      place_{.endpoint = place.endpoint,
             .region = std::move(place.region),
             .addressing = place.addressing.value_or(usual_addressing(place.endpoint, bucket_))} {}

BucketRequests::Place BucketRequests::place() const {
  const std::lock_guard guard(mutex_);
  return place_;
}

bool BucketRequests::was_accepted(const std::string& key_id) const {
  const std::lock_guard guard(mutex_);
  return accepted_key_ == key_id;
}

void BucketRequests::accept(const std::string& key_id) {
  const std::lock_guard guard(mutex_);
  if (accepted_key_ != key_id) accepted_key_ = key_id;
}

std::string BucketRequests::region() const { return place().region; }

std::string BucketRequests::describe(std::string_view what, std::string_view key) const {
  std::string result = std::string(what) + " s3://" + bucket_;
  if (key.empty()) return result;
  // Without the quotes around it, which would stand in the middle.
  const std::string shown = quoted(key);
  return result + "/" + shown.substr(1, shown.size() - 2);
}

Result<HttpReply> BucketRequests::attempt(const BucketRequest& request, const Place& place, const AccessKey& key,
                                          std::optional<std::string>& payload) {
  CAIRN_TRY(Target target, request_target(place.endpoint, place.addressing, bucket_, request.key));
  Request to_sign{
      .method = request.method, .target = std::move(target), .query = request.query, .headers = request.headers};
  if (!place.endpoint.tls && sign_payload_without_tls_) {
    if (!payload) {
      CAIRN_TRY(payload, sha256_hex_of(request.body));
    }
    to_sign.payload_hash = *payload;
  }
  CAIRN_TRY(std::vector<Header> added, sign(to_sign, key, place.region, surroundings_.now()));
  std::optional<WipedAtEnd> token;
  for (Header& header : added) {
    if (header.name == kTokenHeader) token.emplace(header.value);
  }
  std::vector<HeaderView> headers;
  for (const Header& header : request.headers) headers.push_back({header.name, header.value});
  for (const Header& header : added) headers.push_back({header.name, header.value});
  const std::string query = canonical_query(request.query);
  const std::string path = to_sign.target.path + (query.empty() ? "" : "?" + query);
  Endpoint server = place.endpoint;
  if (place.addressing == Addressing::virtual_host) server.host = bucket_ + "." + server.host;
  return surroundings_.http.exchange({.method = request.method,
                                      .endpoint = std::move(server),
                                      .host = to_sign.target.host,
                                      .target = path,
                                      .headers = headers,
                                      .body = request.body,
                                      .reply_bytes_max = request.reply_bytes_max,
                                      .idempotent = request.idempotent,
                                      .time_max = {}});
}

Result<bool> BucketRequests::follow(const ErrorReply& refusal, const HttpReply& reply, const Place& from) {
  Place to = from;
  if (!refusal.region.empty()) {
    CAIRN_CHECK(check_region(refusal.region));
    to.region = refusal.region;
  }
  const auto location = reply.header("location");
  if (at_aws(from.endpoint)) {
    // There, the region alone says where: what a reply names besides is the bucket's own host.
    CAIRN_TRY(to.endpoint, aws_endpoint(to.region));
  } else if (location && !location->starts_with('/')) {
    CAIRN_TRY(to.endpoint, parse_endpoint(without_path(*location)));
    if (from.endpoint.tls && !to.endpoint.tls) {
      return make_error(ErrorCode::invalid_argument, "the server leads from TLS to plain HTTP at " +
                                                         quoted(to.endpoint.authority()) + ", which is not followed");
    }
    if (to.endpoint.host.starts_with(bucket_ + ".")) to.endpoint.host.erase(0, bucket_.size() + 1);
  }
  const bool is_new = to.region != from.region || to.endpoint.tls != from.endpoint.tls ||
                      to.endpoint.authority() != from.endpoint.authority();
  if (!is_new) return false;
  const std::lock_guard guard(mutex_);
  place_ = to;
  return true;
}

BucketReply BucketRequests::send(const BucketRequest& request) {
  const std::string what = describe(request.what, request.key);
  BucketReply result;
  std::optional<std::string> payload;
  Retry retry(retry_, surroundings_.retry_clock);
  int moves = 0;
  bool renewed = false;
  while (true) {
    result.error.reset();
    result.refusal.reset();
    result.refusal_code.clear();
    Result<Credentials> credentials = surroundings_.credentials.get();
    if (!credentials.ok()) {
      result.error = std::move(credentials).error().with_context(what);
      if (retry.again(*result.error)) continue;
      return result;
    }
    const Place from = place();
    Result<HttpReply> answered = attempt(request, from, credentials->key, payload);
    std::optional<std::chrono::milliseconds> wait_min;
    if (!answered.ok()) {
      result.error = std::move(answered).error().with_context(what);
      result.earlier_unknown = true;
    } else if (result.reply = *std::move(answered); result.reply.status / 100 == 2) {
      accept(credentials->key.id);
      if (!request.read) return result;
      Status read = request.read(result.reply);
      if (read.ok()) return result;
      result.error = std::move(read).error().with_context(what);
      result.earlier_unknown = true;
    } else {
      const ErrorReply refusal = refusal_in(result.reply);
      result.refusal = refusal_of(refusal);
      result.refusal_code = refusal.code;
      result.error = to_error(refusal, what);
      wait_min = retry_after(result.reply);
      const bool names_region = !refusal.region.empty() && refusal.region != from.region;
      // The reply to HEAD says it in a header alone.
      if (*result.refusal == Refusal::elsewhere || (names_region && result.reply.status == 400)) {
        Result<bool> moved = moves++ < kMovesMax ? follow(refusal, result.reply, from) : Result<bool>(false);
        if (moved.ok() && *moved) continue;
        if (!moved.ok()) result.error = std::move(moved).error().with_context(what);
      }
      if (*result.refusal == Refusal::expired_credentials || *result.refusal == Refusal::bad_credentials) {
        surroundings_.credentials.forget(credentials->key.id);
        // A key that was good a moment ago makes a request that was changed on its way as likely as one that was
        // revoked.
        const bool may_help = *result.refusal == Refusal::expired_credentials || credentials->expires.has_value() ||
                              was_accepted(credentials->key.id);
        if (may_help && !std::exchange(renewed, true)) continue;
        return result;
      }
      // Whether a server that failed had done it before, it does not say.
      if (result.reply.status >= 500) result.earlier_unknown = true;
    }
    if (!retry.again(for_retry(*result.error), wait_min)) {
      result.error = retry.last_error(*std::move(result.error));
      return result;
    }
  }
}

Result<std::string> BucketRequests::presigned(const std::string& method, std::string_view key,
                                              std::chrono::seconds valid_for) {
  const std::string what = describe("presign " + method, key);
  Result<Credentials> credentials = surroundings_.credentials.get();
  if (!credentials.ok()) return std::move(credentials).error().with_context(what);
  const Place at = place();
  CAIRN_TRY(Target target, request_target(at.endpoint, at.addressing, bucket_, key));
  return presigned_url(at.endpoint, {.method = method, .target = std::move(target), .query = {}, .headers = {}},
                       credentials->key, at.region, surroundings_.now(), valid_for);
}

}  // namespace cairn::s3
