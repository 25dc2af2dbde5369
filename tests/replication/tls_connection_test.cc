// SPDX-License-Identifier: Apache-2.0
//
// Connections that are kept for another request: not those that the server has ended, or said more on than it was
// asked for.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <thread>

#include "replication/s3/connection.h"
#include "replication/s3/transport.h"
#include "tests/replication/scripted_server.h"
#include "tests/replication/tls_server.h"
#include "tests/support/scratch_folder.h"

namespace cairn::s3 {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

Deadline in(milliseconds time) { return std::chrono::steady_clock::now() + time; }

class TlsConnectionTest : public ::testing::Test {
 protected:
  void SetUp() override { open(); }
  void open() {
    connection_.reset();
    auto tls = TlsContext::create(ca_file_);
    ASSERT_TRUE(tls.ok()) << tls.error().message;
    auto opened = Connection::open(server_.endpoint(), *tls, in(seconds(10)));
    ASSERT_TRUE(opened.ok()) << opened.error().message;
    connection_ = *std::move(opened);
  }
  HttpRequest request(std::string_view path) const {
    return {.method = "GET",
            .endpoint = server_.endpoint(),
            .host = {},
            .target = path,
            .headers = {},
            .body = {},
            .reply_bytes_max = 1000,
            .time_max = {}};
  }
  std::string text(std::string_view path) {
    const auto outcome = connection_->exchange(request(path), seconds(10), in(seconds(10)));
    return outcome.reply.ok() ? std::string(outcome.reply->text()) : outcome.reply.error().message;
  }
  // What the server sent a moment ago arrives at some time.
  static bool ends_up_unusable(Connection& connection) {
    for (const Deadline limit = in(seconds(10)); std::chrono::steady_clock::now() < limit;) {
      if (!connection.reusable()) return true;
      std::this_thread::yield();
    }
    return false;
  }

  const testing::ScratchFolder folder_;
  const std::string ca_file_ = folder_ / "ca.pem";
  TlsServer server_{ca_file_};
  std::unique_ptr<Connection> connection_;
};

TEST_F(TlsConnectionTest, ServesRequestAfterRequest) {
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(text("/"), "fine");
    EXPECT_TRUE(connection_->reusable());
  }
}

TEST_F(TlsConnectionTest, IsNotUsedAgainOnceTheServerHasEndedIt) {
  for (const bool with_close_notify : {true, false}) {
    open();
    EXPECT_EQ(text("/"), "fine");
    EXPECT_TRUE(connection_->reusable());
    server_.end(with_close_notify);
    EXPECT_TRUE(ends_up_unusable(*connection_)) << with_close_notify;
  }
}

TEST_F(TlsConnectionTest, IsNotUsedAgainWithMoreBehindTheReply) {
  for (const char* path : {TlsServer::kWithSurplus, TlsServer::kWithEnd}) {
    open();
    EXPECT_EQ(text(path), "fine");
    EXPECT_TRUE(ends_up_unusable(*connection_)) << path;
  }
}

TEST_F(TlsConnectionTest, OneThatTheServerEndedIsReplacedForWhatMayBeSentOnce) {
  connection_.reset();
  auto transport = Transport::create({.ca_file = ca_file_});
  ASSERT_TRUE(transport.ok());
  HttpRequest once = request(TlsServer::kWithEnd);
  once.idempotent = false;
  for (int i = 0; i < 3; ++i) {
    const auto reply = (*transport)->exchange(once);
    ASSERT_TRUE(reply.ok()) << reply.error().message;
    EXPECT_EQ(reply->text(), "fine");
  }
  EXPECT_EQ((*transport)->counts().connections, 3U);
}

TEST(PlainConnectionTest, IsNotUsedAgainWithMoreBehindTheReply) {
  ScriptedServer server;
  server.then({.bytes = reply_of(200, "fine").bytes + "HTTP/1.1 "});
  auto tls = TlsContext::create({});
  ASSERT_TRUE(tls.ok());
  auto opened = Connection::open(server.endpoint(), *tls, in(seconds(10)));
  ASSERT_TRUE(opened.ok()) << opened.error().message;
  const HttpRequest request{.method = "GET",
                            .endpoint = server.endpoint(),
                            .host = {},
                            .target = "/",
                            .headers = {},
                            .body = {},
                            .reply_bytes_max = 1000,
                            .time_max = {}};
  EXPECT_TRUE((*opened)->exchange(request, seconds(10), in(seconds(10))).reply.ok());
  EXPECT_FALSE((*opened)->reusable());
}

}  // namespace
}  // namespace cairn::s3
