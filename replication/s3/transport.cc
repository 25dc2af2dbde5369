// SPDX-License-Identifier: Apache-2.0
#include "replication/s3/transport.h"

#include <unistd.h>

#include <algorithm>

#include "replication/s3/messages.h"

namespace cairn::s3 {
namespace {

Deadline now() { return std::chrono::steady_clock::now(); }

}  // namespace

Result<std::unique_ptr<Transport>> Transport::create(TransportOptions options) {
  if (options.connections_max == 0) {
    return make_error(ErrorCode::invalid_argument, "a transport with no connections can send nothing");
  }
  CAIRN_TRY(TlsContext tls, TlsContext::create(options.ca_file));
  return std::unique_ptr<Transport>(new Transport(std::move(options), std::move(tls)));
}

Transport::Transport(TransportOptions options, TlsContext tls)
    : options_(std::move(options)), tls_(std::move(tls)), process_(::getpid()) {}

Transport::~Transport() {
  if (::getpid() == process_) return;
  // Closing them here would take them out of the parent's event loops, which the processes share.
  for (auto& [name, server] : servers_) {
    for (Kept& kept : server.kept) static_cast<void>(kept.connection.release());
  }
}

Transport::Server& Transport::server_of(const Endpoint& endpoint) {
  const std::lock_guard guard(mutex_);
  return servers_[(endpoint.tls ? "https://" : "http://") + endpoint.authority()];
}

Result<std::unique_ptr<Connection>> Transport::take(Server& server, const HttpRequest& request, Deadline deadline) {
  std::vector<Kept> expired;  // closed after the lock is released
  std::unique_lock lock(mutex_);
  if (!server.freed.wait_until(lock, deadline, [&] { return server.in_use < options_.connections_max; })) {
    return transient_error("server " + quoted(request.endpoint.authority()) + ": all " +
                           std::to_string(options_.connections_max) + " connections were in use for too long");
  }
  ++server.in_use;
  const auto fresh = std::find_if(server.kept.begin(), server.kept.end(),
                                  [time = now()](const Kept& kept) { return time < kept.until; });
  std::move(server.kept.begin(), fresh, std::back_inserter(expired));
  server.kept.erase(server.kept.begin(), fresh);
  std::unique_ptr<Connection> connection;
  while (!connection && !server.kept.empty()) {
    Kept& last = server.kept.back();
    if (last.connection->reusable()) {
      connection = std::move(last.connection);
    } else {
      expired.push_back(std::move(last));
    }
    server.kept.pop_back();
  }
  lock.unlock();
  return connection;
}

void Transport::give_back(Server& server, std::unique_ptr<Connection> connection) {
  const bool keep = connection && connection->reusable();
  Kept surplus;  // closed after the lock is released
  {
    const std::lock_guard guard(mutex_);
    --server.in_use;
    if (keep) server.kept.push_back({std::move(connection), now() + options_.kept_time_max});
    // The place of one that is kept is free for another.
    if (server.kept.size() + server.in_use > options_.connections_max) {
      surplus = std::move(server.kept.front());
      server.kept.erase(server.kept.begin());
    }
  }
  server.freed.notify_one();
}

Result<HttpReply> Transport::exchange(const HttpRequest& request) {
  if (::getpid() != process_) {
    return make_error(ErrorCode::invalid_argument, "these connections belong to process " + std::to_string(process_) +
                                                       ", which this one was forked from");
  }
  const Deadline deadline = now() + request.time_max.value_or(options_.request_time_max);
  Server& server = server_of(request.endpoint);
  CAIRN_TRY(std::unique_ptr<Connection> connection, take(server, request, deadline));
  const bool was_kept = connection != nullptr;
  for (bool is_again = false;; is_again = true) {
    if (!connection) {
      Result<std::unique_ptr<Connection>> opened =
          Connection::open(request.endpoint, tls_, std::min(deadline, now() + options_.connect_time_max));
      if (!opened.ok()) {
        give_back(server, nullptr);
        return std::move(opened).error();
      }
      connection = *std::move(opened);
      ++connections_;
    }
    ++requests_;
    Connection::Outcome outcome = connection->exchange(request, options_.idle_time_max, deadline);
    const bool died_unheard = !outcome.reply.ok() && !outcome.began && outcome.reply.error().retryable;
    if (died_unheard && was_kept && !is_again && request.idempotent && now() < deadline) {
      connection.reset();
      continue;
    }
    give_back(server, std::move(connection));
    return std::move(outcome.reply);
  }
}

}  // namespace cairn::s3
