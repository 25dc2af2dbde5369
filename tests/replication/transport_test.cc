// SPDX-License-Identifier: Apache-2.0
//
// Connections: kept, given up and opened again as they should be, and never trusted with more than was asked for.
#include "replication/s3/transport.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <fstream>
#include <new>
#include <thread>

#include "engine/base/sanitizers.h"
#include "replication/s3/endpoint_exchange.h"
#include "tests/replication/freed_memory.h"
#include "tests/replication/scripted_server.h"

namespace cairn::s3 {
namespace {

using std::chrono::milliseconds;
using ::testing::HasSubstr;

std::span<const std::byte> bytes_of(std::string_view text) { return std::as_bytes(std::span(text)); }

class TransportTest : public ::testing::Test {
 protected:
  Transport& transport(TransportOptions options = {}) {
    if (!transport_) {
      auto created = Transport::create(std::move(options));
      EXPECT_TRUE(created.ok());
      transport_ = *std::move(created);
    }
    return *transport_;
  }
  HttpRequest request(std::string_view method = "GET") const {
    return {.method = method,
            .endpoint = server_.endpoint(),
            .host = {},
            .target = "/bucket/key?a=b",
            .headers = {},
            .body = {},
            .reply_bytes_max = 1000,
            .time_max = {}};
  }
  // The reply's body, or the error's words.
  std::string text(const HttpRequest& request) {
    const Result<HttpReply> reply = transport().exchange(request);
    return reply.ok() ? std::string(reply->text()) : reply.error().message;
  }

  ScriptedServer server_;
  std::unique_ptr<Transport> transport_;
};

TEST_F(TransportTest, ARequestIsSentAsItIsAndItsPartsOneBehindTheOther) {
  server_.then(reply_of(200, "fine", "X-Some: thing\r\n"));
  const std::vector<std::span<const std::byte>> parts = {bytes_of("one "), bytes_of(""), bytes_of("two")};
  const std::vector<HeaderView> headers = {{"range", "bytes=0-1"}};
  HttpRequest put = request("PUT");
  put.host = "bucket.example";
  put.headers = headers;
  put.body = parts;
  const Result<HttpReply> reply = transport().exchange(put);
  ASSERT_TRUE(reply.ok()) << reply.error().message;
  EXPECT_EQ(reply->status, 200);
  EXPECT_EQ(reply->text(), "fine");
  EXPECT_EQ(reply->header("x-some"), "thing");
  const auto seen = server_.requests().at(0);
  EXPECT_EQ(seen.head,
            "PUT /bucket/key?a=b HTTP/1.1\r\nHost: bucket.example\r\nUser-Agent: cairn\r\n"
            "range: bytes=0-1\r\nContent-Length: 7\r\n\r\n");
  EXPECT_EQ(seen.body, "one two");
}

TEST_F(TransportTest, AConnectionServesRequestAfterRequestUntilTheServerEndsIt) {
  for (int i = 0; i < 3; ++i) server_.then(reply_of(200, "fine"));
  server_.then(reply_of(200, "last", "Connection: close\r\n"));
  server_.then(reply_of(404, "other"));
  for (int i = 0; i < 3; ++i) EXPECT_EQ(text(request()), "fine");
  EXPECT_EQ(text(request()), "last");
  EXPECT_EQ(text(request()), "other");
  EXPECT_EQ(transport().counts().connections, 2U);
  EXPECT_EQ(server_.requests().at(4).connection, 2);
}

TEST_F(TransportTest, AKeptConnectionThatDiesUnheardIsReplacedOnceForAnIdempotentRequest) {
  server_.then(reply_of(200, "first"));
  server_.then({.bytes = "", .closes = true});
  server_.then(reply_of(200, "again"));
  EXPECT_EQ(text(request()), "first");
  EXPECT_EQ(text(request()), "again");
  EXPECT_EQ(transport().counts().requests, 3U);
}

TEST_F(TransportTest, AnotherRequestIsNotSentTwice) {
  server_.then(reply_of(200, "first"));
  server_.then({.bytes = "", .closes = true});
  EXPECT_EQ(text(request()), "first");
  HttpRequest once = request("POST");
  once.idempotent = false;
  const Result<HttpReply> reply = transport().exchange(once);
  ASSERT_FALSE(reply.ok());
  EXPECT_TRUE(reply.error().retryable);
  EXPECT_THAT(reply.error().message, HasSubstr("closed the connection without a reply"));
  EXPECT_EQ(server_.requests().size(), 2U);
}

TEST_F(TransportTest, AReplyThatBeganIsNotAskedForAgain) {
  server_.then(reply_of(200, "first"));
  server_.then({.bytes = "HTTP/1.1 200 OK\r\nContent-Le", .closes = true});
  EXPECT_EQ(text(request()), "first");
  EXPECT_THAT(text(request()), HasSubstr("closed the connection in the middle of its reply"));
  EXPECT_EQ(server_.requests().size(), 2U);
}

TEST_F(TransportTest, AReplyCutAtAnyByteIsNoReply) {
  const std::string whole = reply_of(200, "0123456789", "ETag: \"x\"\r\n").bytes;
  for (std::size_t size = 0; size < whole.size(); ++size) {
    SCOPED_TRACE(size);
    server_.then({.bytes = whole.substr(0, size), .closes = true});
    const Result<HttpReply> reply = transport().exchange(request());
    ASSERT_FALSE(reply.ok());
    EXPECT_TRUE(reply.error().retryable);
  }
  server_.then({.bytes = whole, .closes = true});
  EXPECT_EQ(text(request()), "0123456789");
}

TEST_F(TransportTest, ChunkedRepliesAreReadWholeOrNotAtAll) {
  const std::string head = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
  server_.then({.bytes = head + "4\r\nfine\r\n1\r\n!\r\n0\r\n\r\n"});
  server_.then({.bytes = head + "4\r\nfine\r\n", .closes = true});
  EXPECT_EQ(text(request()), "fine!");
  EXPECT_THAT(text(request()), HasSubstr("in the middle of its reply"));
}

TEST_F(TransportTest, ABodyThatEndsWithTheConnectionIsTrustedWhenItRefusesAlone) {
  server_.then({.bytes = "HTTP/1.1 200 OK\r\n\r\nwho knows", .closes = true});
  server_.then({.bytes = "HTTP/1.0 502 Bad\r\n\r\na proxy's page", .closes = true});
  EXPECT_THAT(text(request()), HasSubstr("does not say how long its reply is"));
  EXPECT_EQ(text(request()), "a proxy's page");
}

TEST_F(TransportTest, WhatIsNoHttpIsSaidToBeNone) {
  for (const char* garbage : {"SSH-2.0-OpenSSH_9.2\r\n\r\n", "HTTP/1.1 abc\r\n\r\n",
                              "HTTP/1.1 200 OK\r\nno colon\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n"}) {
    SCOPED_TRACE(garbage);
    server_.then({.bytes = garbage, .closes = true});
    EXPECT_THAT(text(request()), HasSubstr("what is no HTTP"));
  }
}

TEST_F(TransportTest, HeadsAndBodiesHaveBounds) {
  server_.then({.bytes = "HTTP/1.1 200 OK\r\nX: " + std::string(40'000, 'x') + "\r\n\r\n", .closes = true});
  EXPECT_THAT(text(request()), HasSubstr("what is no HTTP: header limit"));
  server_.then(reply_of(200, std::string(1001, 'x')));
  const Result<HttpReply> large = transport().exchange(request());
  ASSERT_FALSE(large.ok());
  EXPECT_EQ(large.error().code, ErrorCode::resource_exhausted);
  EXPECT_FALSE(large.error().retryable);
  server_.then({.bytes = "HTTP/1.1 200 OK\r\nContent-Length: 99999999999999\r\n\r\n", .hangs = true});
  const Result<HttpReply> huge = transport().exchange(request());
  ASSERT_FALSE(huge.ok());
  EXPECT_EQ(huge.error().code, ErrorCode::resource_exhausted);
  server_.then(reply_of(200, std::string(1000, 'x')));
  EXPECT_EQ(text(request()), std::string(1000, 'x'));
}

TEST_F(TransportTest, SilenceEndsARequestAndItsConnection) {
  transport({.idle_time_max = milliseconds(30)});
  server_.then({.bytes = "", .hangs = true});
  server_.then({.bytes = "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf", .hangs = true});
  EXPECT_THAT(text(request()), HasSubstr("was silent for too long"));
  EXPECT_THAT(text(request()), HasSubstr("was silent for too long"));
  server_.then(reply_of(200, "fine"));
  EXPECT_EQ(text(request()), "fine");
  EXPECT_EQ(transport().counts().connections, 3U);
}

TEST_F(TransportTest, StoppingEndsWhatIsUnderWayAndAllThatFollows) {
  transport();
  server_.then({.bytes = "", .hangs = true});
  std::thread stopping([this] {
    while (server_.requests().empty()) std::this_thread::yield();
    transport().stop();
  });
  const auto stopped = transport().exchange(request());
  stopping.join();
  ASSERT_FALSE(stopped.ok());
  EXPECT_EQ(stopped.error().code, ErrorCode::cancelled) << stopped.error().message;
  EXPECT_FALSE(stopped.error().retryable);
  EXPECT_EQ(transport().exchange(request()).error().code, ErrorCode::cancelled);
  EXPECT_EQ(server_.requests().size(), 1U);
}

TEST_F(TransportTest, WhoeverWaitsForAConnectionIsStoppedToo) {
  transport({.connections_max = 1});
  server_.then({.bytes = "", .hangs = true});
  std::thread first([this] { EXPECT_EQ(transport().exchange(request()).error().code, ErrorCode::cancelled); });
  while (server_.requests().empty()) std::this_thread::yield();
  std::thread second([this] { EXPECT_EQ(transport().exchange(request()).error().code, ErrorCode::cancelled); });
  transport().stop();
  first.join();
  second.join();
  EXPECT_EQ(server_.requests().size(), 1U);
}

TEST_F(TransportTest, ARequestHasATimeOfItsOwn) {
  server_.then({.bytes = "", .hangs = true});
  HttpRequest hurried = request();
  hurried.time_max = milliseconds(20);
  EXPECT_THAT(text(hurried), HasSubstr("took longer than the request may take"));
}

TEST_F(TransportTest, AServerMayRefuseABodyBeforeItHasIt) {
  ScriptedReply refusal = reply_of(403, "not you", "Connection: close\r\n");
  refusal.before_body = true;
  server_.then(refusal);
  const std::string large(64 << 20, 'x');
  const std::vector<std::span<const std::byte>> parts = {bytes_of(large)};
  HttpRequest put = request("PUT");
  put.body = parts;
  const Result<HttpReply> reply = transport().exchange(put);
  ASSERT_TRUE(reply.ok()) << reply.error().message;
  EXPECT_EQ(reply->status, 403);
  EXPECT_EQ(reply->text(), "not you");
}

TEST_F(TransportTest, RepliesToHeadHaveALengthAndNoBody) {
  server_.then({.bytes = "HTTP/1.1 200 OK\r\nContent-Length: 123456789\r\n\r\n"});
  server_.then(reply_of(200, "next"));
  const Result<HttpReply> head = transport().exchange(request("HEAD"));
  ASSERT_TRUE(head.ok()) << head.error().message;
  EXPECT_EQ(head->header("content-length"), "123456789");
  EXPECT_TRUE(head->body.empty());
  EXPECT_EQ(text(request()), "next");
  EXPECT_EQ(transport().counts().connections, 1U);
}

TEST_F(TransportTest, InterimRepliesArePassedOver) {
  server_.then(
      {.bytes = "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early\r\nLink: x\r\n\r\n" + reply_of(200, "fine").bytes});
  EXPECT_EQ(text(request()), "fine");
  std::string many;
  for (int i = 0; i < 100; ++i) many += "HTTP/1.1 100 Continue\r\n\r\n";
  server_.then({.bytes = many, .closes = true});
  EXPECT_THAT(text(request()), HasSubstr("heads that announce a reply"));
}

TEST_F(TransportTest, WhatComesBehindAReplyEndsTheConnection) {
  server_.then({.bytes = reply_of(200, "fine").bytes + reply_of(200, "not asked for").bytes});
  server_.then(reply_of(200, "asked for"));
  EXPECT_EQ(text(request()), "fine");
  EXPECT_EQ(text(request()), "asked for");
}

TEST_F(TransportTest, NoMoreConnectionsAreOpenThanMayBe) {
  transport({.connections_max = 2});
  for (int i = 0; i < 40; ++i) server_.then(reply_of(200, "fine"));
  std::vector<std::thread> threads;
  for (int i = 0; i < 8; ++i) {
    threads.emplace_back([this] {
      for (int n = 0; n < 5; ++n) EXPECT_EQ(text(request()), "fine");
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_LE(transport().counts().connections, 2U);
  EXPECT_EQ(transport().counts().requests, 40U);
}

TEST_F(TransportTest, WhoeverWaitsForAConnectionWaitsNoLongerThanItsRequestMay) {
  transport({.connections_max = 1});
  server_.then({.bytes = "", .hangs = true});
  std::thread first([this] {
    HttpRequest slow = request();
    slow.time_max = milliseconds(200);
    EXPECT_THAT(text(slow), HasSubstr("took longer"));
  });
  while (server_.requests().empty()) std::this_thread::yield();
  HttpRequest second = request();
  second.time_max = milliseconds(10);
  EXPECT_THAT(text(second), HasSubstr("all 1 connections were in use"));
  first.join();
}

TEST_F(TransportTest, KeptConnectionsAreNotKeptForEver) {
  transport({.kept_time_max = milliseconds(0)});
  server_.then(reply_of(200, "fine"));
  server_.then(reply_of(200, "fine"));
  EXPECT_EQ(text(request()), "fine");
  EXPECT_EQ(text(request()), "fine");
  EXPECT_EQ(transport().counts().connections, 2U);
}

TEST_F(TransportTest, NobodyThereIsARetryableErrorThatNamesTheServer) {
  HttpRequest to_nobody = request();
  {
    const ScriptedServer gone;
    to_nobody.endpoint = gone.endpoint();
  }
  const Result<HttpReply> reply = transport().exchange(to_nobody);
  ASSERT_FALSE(reply.ok());
  EXPECT_TRUE(reply.error().retryable);
  EXPECT_EQ(reply.error().sys_errno, ECONNREFUSED);
  EXPECT_THAT(reply.error().message, HasSubstr("server '" + to_nobody.endpoint.authority() + "': Connection refused"));
}

TEST_F(TransportTest, AHeadThatSmugglesIsNotSent) {
  for (const HeaderView& header : {HeaderView{"x", "a\r\nb: c"}, HeaderView{"x\n", "a"}}) {
    HttpRequest bad = request();
    bad.headers = std::span(&header, 1);
    const Result<HttpReply> reply = transport().exchange(bad);
    ASSERT_FALSE(reply.ok());
    EXPECT_EQ(reply.error().code, ErrorCode::invalid_argument);
  }
  HttpRequest bad = request();
  bad.target = "/a b";
  EXPECT_FALSE(transport().exchange(bad).ok());
  EXPECT_TRUE(server_.requests().empty());
}

TEST_F(TransportTest, AServerWithoutTlsIsToldFromOneThatIsNotTrusted) {
  server_.then({.bytes = "HTTP/1.1 400 Bad\r\n\r\n", .closes = true});
  HttpRequest over_tls = request();
  over_tls.endpoint.tls = true;
  over_tls.time_max = milliseconds(100);
  const Result<HttpReply> reply = transport().exchange(over_tls);
  ASSERT_FALSE(reply.ok());
  EXPECT_THAT(reply.error().message, HasSubstr("TLS handshake"));
}

TEST_F(TransportTest, ACaFileThatIsNoneIsRefusedByName) {
  const auto created = Transport::create({.ca_file = "/nowhere/ca.pem"});
  ASSERT_FALSE(created.ok());
  EXPECT_THAT(created.error().message, HasSubstr("/nowhere/ca.pem"));
}

TEST_F(TransportTest, AChildLeavesItsParentsConnectionsAlone) {
  server_.then(reply_of(200, "parent"));
  server_.then(reply_of(200, "parent"));
  EXPECT_EQ(text(request()), "parent");
  const pid_t child = ::fork();
  if (child == 0) {
    const bool refused = !transport_->exchange(request()).ok();
    transport_.reset();
    ::_exit(refused ? 0 : 1);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0);
  EXPECT_EQ(text(request()), "parent");
  EXPECT_EQ(transport().counts().connections, 1U);
}

// Whether a thread of this process waits for something.
bool is_asleep(pid_t thread) {
  std::ifstream file("/proc/self/task/" + std::to_string(thread) + "/stat");
  std::string stat;
  std::getline(file, stat);
  const auto name_end = stat.rfind(") ");
  return name_end != std::string::npos && stat.substr(name_end + 2, 1) == "S";
}

TEST_F(TransportTest, AChildDoesNotWaitForThreadsThatWaitInItsParent) {
  transport({.connections_max = 1});
  server_.then({.bytes = "", .hangs = true});
  HttpRequest slow = request();
  slow.time_max = milliseconds(1000);
  std::thread first([&] { EXPECT_THAT(text(slow), HasSubstr("took longer")); });
  while (server_.requests().empty()) std::this_thread::yield();
  server_.then(reply_of(200, "second"));
  std::atomic<pid_t> waiting = 0;
  std::thread second([&] {
    waiting = ::gettid();
    EXPECT_EQ(text(request()), "second");
  });
  while (waiting == 0 || !is_asleep(waiting)) std::this_thread::yield();
  const pid_t child = ::fork();
  if (child == 0) {
    ::alarm(20);
    transport_.reset();
    ::_exit(0);
  }
  int status = 0;
  EXPECT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0);
  first.join();
  second.join();
}

TEST_F(TransportTest, AnExceptionGivesTheConnectionsPlaceBack) {
  if (CAIRN_THREAD_SANITIZER) GTEST_SKIP() << "TSan's own operators new";
  transport({.connections_max = 1});
  constexpr std::size_t kLarge = 3'000'000;
  server_.then({.bytes = "HTTP/1.1 200 OK\r\nContent-Length: " + std::to_string(kLarge) + "\r\n\r\nx", .hangs = true});
  server_.then(reply_of(200, "next"));
  HttpRequest large = request();
  large.reply_bytes_max = kLarge;
  large.time_max = milliseconds(10'000);
  {
    const NoLargeMemory none(kLarge);
    EXPECT_THROW(static_cast<void>(transport().exchange(large)), std::bad_alloc);
  }
  HttpRequest next = request();
  next.time_max = milliseconds(10'000);
  EXPECT_EQ(text(next), "next");
}

TEST_F(TransportTest, CredentialsLeaveNothingBehindInMemory) {
  const std::string canary = "canary-9f8e7d6c5b";
  server_.then(reply_of(200, "{\"SecretAccessKey\": \"" + canary + "\"}"));
  const EndpointExchange exchange = direct_exchange({});
  EndpointRequest asked{
      .method = "GET", .endpoint = server_.endpoint(), .path = "/role", .headers = {}, .timeout = milliseconds(5000)};
  asked.headers.push_back({"Authorization", Secret(canary)});
  const FreedMemoryWatch watch(canary);
  const Result<EndpointReply> reply = exchange(asked);
  EXPECT_EQ(watch.found(), 0U);
  ASSERT_TRUE(reply.ok()) << reply.error().message;
  EXPECT_TRUE(reply->body.reveal().find(canary) != std::string_view::npos);
}

}  // namespace
}  // namespace cairn::s3
