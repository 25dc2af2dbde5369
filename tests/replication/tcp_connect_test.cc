// SPDX-License-Identifier: Apache-2.0
//
// Connections to servers with several addresses, some of which do not answer.
#include "replication/s3/tcp_connect.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>

#include "tests/replication/scripted_server.h"

namespace cairn::s3 {
namespace {

using std::chrono::milliseconds;
using ::testing::HasSubstr;

// An address whose listener has no room left, so that whoever connects hears nothing.
class SilentAddress {
 public:
  SilentAddress() : listener_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    address_.sin_family = AF_INET;
    address_.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address_;
    ::bind(listener_, reinterpret_cast<sockaddr*>(&address_), size);
    ::listen(listener_, 0);
    ::getsockname(listener_, reinterpret_cast<sockaddr*>(&address_), &size);
    for (int& client : clients_) {
      client = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
      ::connect(client, reinterpret_cast<const sockaddr*>(&address_), size);
    }
  }
  ~SilentAddress() {
    for (const int client : clients_) ::close(client);
    ::close(listener_);
  }
  SilentAddress(const SilentAddress&) = delete;
  SilentAddress& operator=(const SilentAddress&) = delete;

  TcpAddress address() const { return {boost::asio::ip::address_v4::loopback(), ntohs(address_.sin_port)}; }

 private:
  const int listener_;
  sockaddr_in address_{};
  std::array<int, 4> clients_{};
};

TcpAddress address_of(const ScriptedServer& server) {
  return {boost::asio::ip::address_v4::loopback(), server.endpoint().port};
}
Deadline in(milliseconds time) { return std::chrono::steady_clock::now() + time; }

TEST(TcpConnectTest, AnAddressThatIsSilentLeavesTimeForTheNext) {
  const SilentAddress silent;
  const ScriptedServer server;
  EventLoop loop(nullptr);
  const auto nobody = connected_to_one(loop, {silent.address()}, "server 's'", in(milliseconds(20)));
  ASSERT_FALSE(nobody.ok());
  EXPECT_EQ(nobody.error().message, "server 's': no connection in time");
  EXPECT_TRUE(nobody.error().retryable);
  const auto socket = connected_to_one(loop, {silent.address(), silent.address(), address_of(server)}, "server 's'",
                                       in(milliseconds(1500)));
  ASSERT_TRUE(socket.ok()) << socket.error().message;
  EXPECT_EQ(socket->remote_endpoint(), address_of(server));
}

TEST(TcpConnectTest, AnAddressThatRefusesLeavesItsTimeToTheNext) {
  TcpAddress refusing;
  {
    const ScriptedServer gone;
    refusing = address_of(gone);
  }
  const ScriptedServer server;
  EventLoop loop(nullptr);
  const auto socket = connected_to_one(loop, {refusing, address_of(server)}, "server 's'", in(milliseconds(10'000)));
  ASSERT_TRUE(socket.ok()) << socket.error().message;
  const auto nobody = connected_to_one(loop, {refusing, refusing}, "server 's'", in(milliseconds(10'000)));
  ASSERT_FALSE(nobody.ok());
  EXPECT_EQ(nobody.error().sys_errno, ECONNREFUSED);
  EXPECT_THAT(nobody.error().message, HasSubstr("server 's': Connection refused"));
}

TEST(TcpConnectTest, NoProgramThatIsStartedInheritsASocket) {
  const ScriptedServer server;
  EventLoop loop(nullptr);
  auto socket = connected_to_one(loop, {address_of(server)}, "server 's'", in(milliseconds(10'000)));
  ASSERT_TRUE(socket.ok()) << socket.error().message;
  EXPECT_NE(::fcntl(socket->native_handle(), F_GETFD) & FD_CLOEXEC, 0);
}

}  // namespace
}  // namespace cairn::s3
