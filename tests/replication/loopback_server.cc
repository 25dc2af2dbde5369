// SPDX-License-Identifier: Apache-2.0
#include "tests/replication/loopback_server.h"

#include <sys/socket.h>

#include <utility>

namespace cairn::testing {

using boost::asio::ip::tcp;

LoopbackServer::LoopbackServer(std::function<void(TcpSocket&)> serve)
    : serve_(std::move(serve)),
      acceptor_(context_, tcp::endpoint(boost::asio::ip::address_v4::loopback(), 0)),
      port_(acceptor_.local_endpoint().port()),
      accepting_([this] { accept_all(); }) {}

LoopbackServer::~LoopbackServer() {
  ::shutdown(acceptor_.native_handle(), SHUT_RDWR);
  accepting_.join();
  {
    const std::lock_guard lock(mutex_);
    ends_ = true;
    for (const int socket : watched_) ::shutdown(socket, SHUT_RDWR);
  }
  for (std::thread& thread : threads_) thread.join();
}

void LoopbackServer::watch(TcpSocket& socket) {
  const std::lock_guard lock(mutex_);
  watched_.insert(socket.native_handle());
  if (ends_) ::shutdown(socket.native_handle(), SHUT_RDWR);
}

void LoopbackServer::forget(TcpSocket& socket) {
  const std::lock_guard lock(mutex_);
  watched_.erase(socket.native_handle());
}

void LoopbackServer::accept_all() {
  while (true) {
    boost::system::error_code error;
    TcpSocket socket(context_);
    acceptor_.accept(socket, error);
    if (error) return;
    threads_.emplace_back([this, socket = std::move(socket)]() mutable {
      boost::system::error_code ignored;
      socket.set_option(tcp::no_delay(true), ignored);
      watch(socket);
      serve_(socket);
      forget(socket);
      socket.close(ignored);
    });
  }
}

}  // namespace cairn::testing
