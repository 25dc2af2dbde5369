// SPDX-License-Identifier: Apache-2.0
//
// In place of a network: answers each request as a test says, and keeps what was asked.
#pragma once

#include <gtest/gtest.h>

#include <functional>
#include <mutex>
#include <string>
#include <vector>

#include "replication/s3/client.h"

namespace cairn::s3 {

class ScriptedExchange final : public HttpExchange {
 public:
  struct Request {
    std::string method;
    std::string server;  // "http://host:port"
    std::string target;
    std::vector<Header> headers;
    std::string body;
    std::string header(std::string_view name) const {
      for (const Header& header : headers) {
        if (header.name == name) return header.value;
      }
      return "";
    }
  };
  using Answer = std::function<Result<HttpReply>(const Request&)>;

  // Those in `script` one after the other, then `otherwise`.
  Result<HttpReply> exchange(const HttpRequest& request) override {
    Request seen{.method = std::string(request.method),
                 .server = (request.endpoint.tls ? "https://" : "http://") + request.endpoint.authority(),
                 .target = std::string(request.target),
                 .headers = {},
                 .body = {}};
    for (const HeaderView& header : request.headers) {
      seen.headers.push_back({std::string(header.name), std::string(header.value)});
    }
    for (const auto part : request.body) seen.body.append(reinterpret_cast<const char*>(part.data()), part.size());
    Answer answer;
    {
      const std::lock_guard guard(mutex_);
      requests.push_back(seen);
      const std::size_t number = requests.size() - 1;
      answer = number < script.size() ? script[number] : otherwise;
    }
    Result<HttpReply> reply = answer ? answer(seen) : Result<HttpReply>(Error{.message = "the script has ended"});
    if (reply.ok() && reply->status / 100 == 2 && reply->body.size() > request.reply_bytes_max) {
      return Error{.code = ErrorCode::resource_exhausted, .message = "too long"};
    }
    return reply;
  }

  // "PUT /bucket/key", one after the other.
  std::vector<std::string> lines() const {
    std::vector<std::string> result;
    for (const Request& request : requests) result.push_back(request.method + " " + request.target);
    return result;
  }

  std::vector<Answer> script;
  Answer otherwise;
  std::vector<Request> requests;

 private:
  std::mutex mutex_;
};

inline HttpReply http_reply(int status, std::string_view body = "", std::vector<Header> headers = {}) {
  HttpReply reply{.status = status, .headers = std::move(headers), .body = {}};
  const auto bytes = std::as_bytes(std::span(body));
  reply.body.assign(bytes.begin(), bytes.end());
  return reply;
}
inline ScriptedExchange::Answer says(int status, std::string body = "", std::vector<Header> headers = {}) {
  return [=](const ScriptedExchange::Request&) -> Result<HttpReply> { return http_reply(status, body, headers); };
}
inline ScriptedExchange::Answer refuses(int status, const std::string& code, const std::string& more = "",
                                        std::vector<Header> headers = {}) {
  return says(status, "<Error><Code>" + code + "</Code>" + more + "</Error>", std::move(headers));
}
inline ScriptedExchange::Answer breaks() {
  return [](const ScriptedExchange::Request&) -> Result<HttpReply> {
    return Error{.message = "the connection broke", .retryable = true};
  };
}

// A client of the bucket "models" with time, chance and credentials of its own.
class ClientTest : public ::testing::Test {
 protected:
  Client& client(std::function<void(ClientOptions&)> change = {}) {
    if (!client_) {
      ClientOptions options{.place = {.endpoint = {.tls = false, .host = "server", .port = 80}, .bucket = "models"}};
      options.retry.attempts_max = 4;
      if (change) change(options);
      auto created = Client::create(std::move(options), {.http = http_,
                                                         .credentials = credentials_,
                                                         .now = [] { return Time(std::chrono::hours(400'000)); },
                                                         .retry_clock = clock()});
      EXPECT_TRUE(created.ok());
      client_ = *std::move(created);
    }
    return *client_;
  }
  RetryClock clock() {
    return {.now = [this] { return now_; },
            .sleep =
                [this](std::chrono::milliseconds time) {
                  const std::lock_guard guard(mutex_);
                  waits_.push_back(time);
                  return true;
                },
            .random = [] { return 0.0; }};
  }
  static constexpr const char* kCanary = "canary-of-a-secret-key";

  ScriptedExchange http_;
  std::string key_id_ = "KEY1";
  std::optional<Time> expires_;
  int asked_ = 0;
  CredentialChain credentials_{
      {[this]() -> Result<std::optional<Credentials>> {
        ++asked_;
        return std::optional(
            Credentials{.key = {.id = key_id_, .secret = Secret(kCanary), .session_token = Secret(kCanary)},
                        .expires = expires_,
                        .source = "a test"});
      }},
      [] { return Time(std::chrono::hours(400'000)); }};
  std::chrono::steady_clock::time_point now_{};
  std::mutex mutex_;
  std::vector<std::chrono::milliseconds> waits_;
  std::unique_ptr<Client> client_;
};

inline std::span<const std::byte> bytes_of(std::string_view text) { return std::as_bytes(std::span(text)); }
inline std::string text_of(const std::vector<std::byte>& bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

}  // namespace cairn::s3
