// SPDX-License-Identifier: Apache-2.0
//
// One connection to a server, over TCP or TLS, that carries one request after the other.
#pragma once

#include <chrono>
#include <memory>

#include "cairn/result.h"
#include "replication/s3/http_exchange.h"
#include "replication/s3/tls_context.h"
#include "replication/stop_signal.h"

namespace cairn::s3 {

using Deadline = std::chrono::steady_clock::time_point;

// Used by one thread at a time: each call drives the connection's own event loop until it is done.
class Connection {
 public:
  // `tls` is borrowed for the call, and asked only where the endpoint wants it. Errors name the server; one about its
  // certificate says what is wrong with it and is not retryable, others are. A name service that hangs is waited
  // for as long as the C library does, past `deadline`. When `stop` is stopped, waiting here and in exchange() ends
  // with an error; null: nothing stops it. Borrowed.
  static Result<std::unique_ptr<Connection>> open(const Endpoint& endpoint, const TlsContext& tls, Deadline deadline,
                                                  const StopSignal* stop = nullptr);
  virtual ~Connection() = default;
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  struct Outcome {
    Result<HttpReply> reply;
    bool began = false;  // something of a reply has come
  };
  // Sends and reads at the same time, so that a server may refuse a body before it has all of it. Ends with an error
  // when no byte has moved for `idle`, at `deadline`, and for a reply that is none or too long.
  virtual Outcome exchange(const HttpRequest& request, std::chrono::milliseconds idle, Deadline deadline) = 0;

  // Whether another request may follow: the last was sent and answered in whole, the server keeps the connection, and
  // has neither closed it nor sent anything since.
  virtual bool reusable() = 0;

 protected:
  Connection() = default;
};

}  // namespace cairn::s3
