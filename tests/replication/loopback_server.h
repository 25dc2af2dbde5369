// SPDX-License-Identifier: Apache-2.0
//
// A listener on loopback in this process, and a thread for each of its connections.
#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <functional>
#include <list>
#include <mutex>
#include <set>
#include <thread>

namespace cairn::testing {

using TcpSocket = boost::asio::ip::tcp::socket;

class LoopbackServer {
 public:
  // `serve` has a thread of its own, and returns when the socket fails: at the latest when this is destroyed.
  explicit LoopbackServer(std::function<void(TcpSocket&)> serve);
  ~LoopbackServer();
  LoopbackServer(const LoopbackServer&) = delete;
  LoopbackServer& operator=(const LoopbackServer&) = delete;

  std::uint16_t port() const noexcept { return port_; }
  boost::asio::io_context& context() noexcept { return context_; }
  // While it is watched, a socket is shut down when this is destroyed.
  void watch(TcpSocket& socket);
  void forget(TcpSocket& socket);

 private:
  void accept_all();

  const std::function<void(TcpSocket&)> serve_;
  boost::asio::io_context context_;
  boost::asio::ip::tcp::acceptor acceptor_;
  std::uint16_t port_;
  std::mutex mutex_;
  bool ends_ = false;
  std::set<int> watched_;
  std::list<std::thread> threads_;
  std::thread accepting_;
};

}  // namespace cairn::testing
