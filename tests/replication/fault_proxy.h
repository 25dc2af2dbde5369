// SPDX-License-Identifier: Apache-2.0
//
// Stands between a client of S3 and a server, and does to chosen requests what networks, proxies and servers do.
#pragma once

#include <atomic>
#include <functional>
#include <mutex>
#include <string>

#include "replication/s3/uri.h"
#include "tests/replication/loopback_server.h"

namespace cairn::testing {

enum class WireFault : std::uint8_t {
  none,
  refused,       // the connection is reset, and the server knows nothing of the request
  answer_lost,   // the server did it, and the connection is reset
  cut_request,   // the server gets the first bytes, and then the end of the connection
  cut_reply,     // the client does
  hang,          // the server does it, and the client hears nothing until it gives up
  slow,          // the reply comes in pieces
  slow_down,     // 503 SlowDown in place of the server
  error_body,    // 200 with the body of an error, in place of the server
  flip_request,  // one bit of the body, or of the head where there is none
  flip_reply     // one bit of the body, where there is one
};
inline constexpr std::size_t kWireFaults = 11;
const char* name_of(WireFault fault);

class FaultProxy {
 public:
  struct Plan {
    WireFault fault = WireFault::none;
    std::size_t at = 0;  // which byte, of as many as there are, or bit
  };
  // Asked for each request with its number from 0, from any thread.
  using Choose = std::function<Plan(std::size_t number)>;

  // `flips_heads`: of requests without a body. The server has to look at signatures for that to be noticed.
  FaultProxy(const s3::Endpoint& server, bool flips_heads);

  s3::Endpoint endpoint() const;
  // Begins to count anew.
  void restart(Choose choose);
  std::size_t requests() const { return requests_.load(); }
  // That met what was chosen for them.
  std::size_t faults() const { return faults_.load(); }

 private:
  class Exchange;
  void serve(TcpSocket& client);
  Plan next();

  const s3::Endpoint server_;
  const bool flips_heads_;
  std::mutex mutex_;
  Choose choose_;  // guarded by mutex_
  std::atomic<std::size_t> requests_ = 0;
  std::atomic<std::size_t> faults_ = 0;
  LoopbackServer listener_;  // last: its threads use the others
};

}  // namespace cairn::testing
