// SPDX-License-Identifier: Apache-2.0
#include "replication/s3/tcp_connect.h"

#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>

#include "replication/s3/messages.h"

namespace cairn::s3 {
namespace {

namespace asio = boost::asio;
using asio::ip::tcp;
using boost::system::error_code;

Error failed_with(const std::string& server, const error_code& error) {
  Error failed = transient_error(server + ": " + error.message());
  failed.sys_errno = error.value();
  return failed;
}

// Closed by exec() from its first moment on: a program may fork in another thread at any time.
error_code open_socket(TcpSocket& socket, const TcpAddress& address) {
  const int descriptor = ::socket(address.protocol().family(), SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (descriptor < 0) return {errno, boost::system::system_category()};
  error_code error;
  socket.assign(address.protocol(), descriptor, error);
  if (error) ::close(descriptor);
  return error;
}

Result<TcpSocket> connected(EventLoop& loop, const TcpAddress& address, const std::string& server, Deadline deadline) {
  TcpSocket socket(loop.context());
  if (const error_code error = open_socket(socket, address)) return failed_with(server, error);
  error_code error;
  bool done = false;
  socket.async_connect(address, [&](error_code failed) {
    error = failed;
    done = true;
  });
  if (!loop.run([&] { return done; }, [&] { return deadline; })) {
    error_code ignored;
    socket.close(ignored);
    loop.drain();
    return transient_error(server + ": no connection in time");
  }
  if (error) return failed_with(server, error);
  error_code ignored;
  socket.set_option(tcp::no_delay(true), ignored);
  return socket;
}

}  // namespace

Result<std::vector<TcpAddress>> addresses_of(const Endpoint& endpoint, const std::string& server, Deadline deadline,
                                             const StopSignal* stop) {
  error_code error;
  if (endpoint.is_address()) {
    const auto address = asio::ip::make_address(endpoint.host, error);
    if (error) return make_error(ErrorCode::invalid_argument, server + ": " + error.message());
    return std::vector{TcpAddress(address, endpoint.port)};
  }
  std::vector<TcpAddress> addresses;
  bool done = false;
  // A loop of its own, which ends with the thread that Asio asks the C library on.
  EventLoop names(stop);
  tcp::resolver resolver(names.context());
  resolver.async_resolve(endpoint.host, std::to_string(endpoint.port), tcp::resolver::numeric_service,
                         [&](error_code failed, const tcp::resolver::results_type& results) {
                           error = failed;
                           for (const auto& result : results) addresses.push_back(result.endpoint());
                           done = true;
                         });
  if (!names.run([&] { return done; }, [&] { return deadline; })) {
    resolver.cancel();
    names.drain();
    return transient_error(server + ": the name service did not answer in time");
  }
  if (error) return transient_error(server + ": no address of this name: " + error.message());
  if (addresses.empty()) return transient_error(server + ": no address of this name");
  return addresses;
}

Result<TcpSocket> connected_to_one(EventLoop& loop, const std::vector<TcpAddress>& addresses, const std::string& server,
                                   Deadline deadline) {
  Error failed = transient_error(server + ": no address");
  for (std::size_t at = 0; at < addresses.size(); ++at) {
    const Deadline now = std::chrono::steady_clock::now();
    const Deadline until = now + (deadline - now) / static_cast<std::int64_t>(addresses.size() - at);
    Result<TcpSocket> socket = connected(loop, addresses[at], server, until);
    if (socket.ok()) return socket;
    failed = std::move(socket).error();
  }
  return failed;
}

}  // namespace cairn::s3
