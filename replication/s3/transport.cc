// SPDX-License-Identifier: Apache-2.0
#include "replication/s3/transport.h"

#include <unistd.h>

#include <algorithm>

#include "replication/s3/messages.h"

namespace cairn::s3 {
namespace {

Deadline now() { return std::chrono::steady_clock::now(); }

Error stopped() { return make_error(ErrorCode::cancelled, "requests to the server were stopped"); }

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
  // Closing connections here would take them out of the parent's event loops, which the processes share, and threads
  // of the parent's that wait for one would be waited for.
  for (auto& [name, server] : servers_) static_cast<void>(server.release());
}

Transport::Server& Transport::server_of(const Endpoint& endpoint) {
  const std::lock_guard guard(mutex_);
  std::unique_ptr<Server>& server = servers_[(endpoint.tls ? "https://" : "http://") + endpoint.authority()];
  if (!server) server = std::make_unique<Server>();
  return *server;
}

struct Transport::Place {
  Place(Transport& its_transport, Server& its_server) : transport(its_transport), server(its_server) {}
  ~Place() {
    if (taken) transport.give_back(server, std::move(connection));
  }
  Place(const Place&) = delete;
  Place& operator=(const Place&) = delete;

  Transport& transport;
  Server& server;
  std::unique_ptr<Connection> connection;
  bool taken = false;
};

Status Transport::take(Place& place, const HttpRequest& request, Deadline deadline) {
  Server& server = place.server;
  std::vector<Kept> expired;  // closed after the lock is released
  std::unique_lock lock(mutex_);
  const auto free = [&] { return stop_.stopped() || server.in_use < options_.connections_max; };
  if (!server.freed.wait_until(lock, deadline, free)) {
    return transient_error("server " + quoted(request.endpoint.authority()) + ": all " +
                           std::to_string(options_.connections_max) + " connections were in use for too long");
  }
  if (stop_.stopped()) return stopped();
  // Nothing behind these two needs memory, so that every place that is taken is given back.
  expired.reserve(server.kept.size());
  server.kept.reserve(server.kept.size() + server.in_use + 1);
  ++server.in_use;
  place.taken = true;
  const auto fresh = std::find_if(server.kept.begin(), server.kept.end(),
                                  [time = now()](const Kept& kept) { return time < kept.until; });
  std::move(server.kept.begin(), fresh, std::back_inserter(expired));
  server.kept.erase(server.kept.begin(), fresh);
  while (!place.connection && !server.kept.empty()) {
    Kept& last = server.kept.back();
    if (last.connection->reusable()) {
      place.connection = std::move(last.connection);
    } else {
      expired.push_back(std::move(last));
    }
    server.kept.pop_back();
  }
  return {};
}

void Transport::give_back(Server& server, std::unique_ptr<Connection> connection) noexcept {
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

void Transport::stop() {
  stop_.stop();
  const std::lock_guard guard(mutex_);
  for (auto& [name, server] : servers_) server->freed.notify_all();
}

Result<std::unique_ptr<Connection>> Transport::open(const Endpoint& endpoint, Deadline deadline) {
  auto opened = Connection::open(endpoint, tls_, deadline, &stop_);
  if (!opened.ok() && stop_.stopped()) return stopped();
  return opened;
}

Result<HttpReply> Transport::exchange(const HttpRequest& request) {
  if (::getpid() != process_) {
    return make_error(ErrorCode::invalid_argument, "these connections belong to process " + std::to_string(process_) +
                                                       ", which this one was forked from");
  }
  const Deadline deadline = now() + request.time_max.value_or(options_.request_time_max);
  Place place(*this, server_of(request.endpoint));
  CAIRN_CHECK(take(place, request, deadline));
  const bool was_kept = place.connection != nullptr;
  for (bool is_again = false;; is_again = true) {
    if (!place.connection) {
      const Deadline connected_by = std::min(deadline, now() + options_.connect_time_max);
      CAIRN_TRY(place.connection, open(request.endpoint, connected_by));
      ++connections_;
    }
    ++requests_;
    Connection::Outcome outcome = place.connection->exchange(request, options_.idle_time_max, deadline);
    if (!outcome.reply.ok() && stop_.stopped()) return stopped();
    const bool died_unheard = !outcome.reply.ok() && !outcome.began && outcome.reply.error().retryable;
    if (died_unheard && was_kept && !is_again && request.idempotent && now() < deadline) {
      place.connection.reset();
      continue;
    }
    return std::move(outcome.reply);
  }
}

}  // namespace cairn::s3
