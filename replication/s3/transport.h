// SPDX-License-Identifier: Apache-2.0
//
// HTTP to any number of servers, over connections that are kept for the next request.
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "cairn/result.h"
#include "replication/s3/connection.h"
#include "replication/s3/http_exchange.h"
#include "replication/s3/tls_context.h"

namespace cairn::s3 {

struct TransportOptions {
  // Certificates in PEM that are trusted in place of the platform's, such as those of an authority of one's own.
  std::string ca_file{};
  // For the name, the connection and the handshake together.
  std::chrono::milliseconds connect_time_max{10'000};
  // Without a byte either way. A server may be silent for as long as it takes to put a large upload together.
  std::chrono::milliseconds idle_time_max{60'000};
  // For a request with everything, waiting for a connection included.
  std::chrono::milliseconds request_time_max{600'000};
  // To one server at a time, those in use and those kept; whoever wants one more waits.
  std::size_t connections_max = 64;
  // Kept without use for no longer than this: servers and what is between close them without a word after a minute.
  std::chrono::milliseconds kept_time_max{45'000};
};

// Any thread; a call blocks, and drives a connection of its own. No redirect is followed and no proxy is used. A
// request that dies on a kept connection before anything of its reply came is sent once more, on a new one, if it is
// idempotent; nothing else is repeated here.
//
// A process that forks uses and destroys it in the parent alone: the child's calls are refused, and its destructor
// leaves the connections, which the parent still uses, alone.
class Transport final : public HttpExchange {
 public:
  static Result<std::unique_ptr<Transport>> create(TransportOptions options);
  ~Transport() override;
  Transport(const Transport&) = delete;
  Transport& operator=(const Transport&) = delete;

  Result<HttpReply> exchange(const HttpRequest& request) override;

  // Requests under way end within a moment, and they and all later ones fail with cancelled. A name service that hangs
  // is still waited for.
  void stop();
  StopSignal& stop_signal() noexcept { return stop_; }

  struct Counts {
    std::uint64_t requests = 0;     // sent, those sent again included
    std::uint64_t connections = 0;  // opened
  };
  Counts counts() const noexcept { return {.requests = requests_.load(), .connections = connections_.load()}; }

 private:
  struct Kept {
    std::unique_ptr<Connection> connection;
    Deadline until;
  };
  struct Server {
    std::vector<Kept> kept;  // used last is last; has room for those in use
    std::size_t in_use = 0;
    std::condition_variable freed;
  };
  Transport(TransportOptions options, TlsContext tls);

  // The place for one connection to a server, given back with the connection in it, whatever ends its use.
  struct Place;
  // The place, and a kept connection if there is a good one.
  Status take(Place& place, const HttpRequest& request, Deadline deadline);
  void give_back(Server& server, std::unique_ptr<Connection> connection) noexcept;
  Server& server_of(const Endpoint& endpoint);
  Result<std::unique_ptr<Connection>> open(const Endpoint& endpoint, Deadline deadline);

  const TransportOptions options_;
  const TlsContext tls_;
  const int process_;
  StopSignal stop_;
  std::atomic<std::uint64_t> requests_ = 0;
  std::atomic<std::uint64_t> connections_ = 0;
  std::mutex mutex_;
  std::map<std::string, std::unique_ptr<Server>> servers_;
};

}  // namespace cairn::s3
