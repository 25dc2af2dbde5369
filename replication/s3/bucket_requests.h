// SPDX-License-Identifier: Apache-2.0
//
// Requests to one bucket, each done until it is answered: signed, sent where the bucket is, with credentials that hold,
// and again as long as that can help.
#pragma once

#include <cstdint>
#include <functional>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "cairn/result.h"
#include "replication/retry.h"
#include "replication/s3/credentials.h"
#include "replication/s3/error_reply.h"
#include "replication/s3/http_exchange.h"

namespace cairn::s3 {

struct BucketPlace {
  Endpoint endpoint;
  std::string region = "us-east-1";
  std::string bucket;
  std::optional<Addressing> addressing{};  // nothing: usual_addressing()
};

// What a client works with, borrowed as long as it lives.
struct ClientSurroundings {
  HttpExchange& http;
  CredentialChain& credentials;
  std::function<Time()> now;
  RetryClock retry_clock;
};

// What is asked, and of which object; `key` empty: the bucket.
struct BucketRequest {
  std::string_view what;  // for errors: "put"
  std::string method;
  std::string_view key{};
  std::vector<QueryItem> query{};
  std::vector<Header> headers{};  // all of them are signed
  std::span<const std::span<const std::byte>> body{};
  std::uint64_t reply_bytes_max = kRefusalBytesMax;
  // Whether the transport may send it again by itself. The client does in any case, and knows that it did.
  bool idempotent = true;
  // Reads a reply of success; its error is as one of the server's, so that a retryable one is asked for again.
  std::function<Status(const HttpReply&)> read{};
};

struct BucketReply {
  HttpReply reply;  // of success, where there is no error
  std::optional<Error> error{};
  std::optional<Refusal> refusal{};  // what the error is, where the server said it in a reply of its own
  std::string refusal_code{};
  // An earlier attempt ended without an answer, so that it may have been done before this one.
  bool earlier_unknown = false;
};

// Any thread.
class BucketRequests {
 public:
  BucketRequests(BucketPlace place, RetryPolicy retry, bool sign_payload_without_tls, ClientSurroundings surroundings);
  BucketRequests(const BucketRequests&) = delete;
  BucketRequests& operator=(const BucketRequests&) = delete;

  // Blocks. A server that says that the bucket is in another region, or at another endpoint, is believed, and
  // remembered; from TLS none leads to plain HTTP. Credentials that a server calls expired are asked for anew, once,
  // and so are those that it calls unknown if they are of a session or were good before.
  BucketReply send(const BucketRequest& request);

  Result<std::string> presigned(const std::string& method, std::string_view key, std::chrono::seconds valid_for);

  // "put s3://bucket/key"
  std::string describe(std::string_view what, std::string_view key) const;
  const std::string& bucket() const noexcept { return bucket_; }
  std::string region() const;

 private:
  struct Place {
    Endpoint endpoint;
    std::string region;
    Addressing addressing = Addressing::path;
  };
  Place place() const;
  Result<HttpReply> attempt(const BucketRequest& request, const Place& place, const AccessKey& key,
                            std::optional<std::string>& payload);
  // Whether there is another place to ask, and it is known from now on.
  Result<bool> follow(const ErrorReply& refusal, const HttpReply& reply, const Place& from);

  bool was_accepted(const std::string& key_id) const;
  void accept(const std::string& key_id);

  const std::string bucket_;
  const RetryPolicy retry_;
  const bool sign_payload_without_tls_;
  const ClientSurroundings surroundings_;
  mutable std::mutex mutex_;
  Place place_;
  std::string accepted_key_;  // the id of the last key that a server did something for
};

}  // namespace cairn::s3
