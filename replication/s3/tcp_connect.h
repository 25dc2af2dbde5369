// SPDX-License-Identifier: Apache-2.0
//
// From an endpoint to a TCP connection: its addresses, and the first of them that answers.
#pragma once

#include <boost/asio/ip/tcp.hpp>
#include <string>
#include <vector>

#include "cairn/result.h"
#include "replication/s3/connection.h"
#include "replication/s3/event_loop.h"
#include "replication/s3/uri.h"

namespace cairn::s3 {

using TcpAddress = boost::asio::ip::tcp::endpoint;
using TcpSocket = boost::asio::ip::tcp::socket;

// At least one. `server` is how errors name it. A name service that hangs is waited for past `deadline`.
Result<std::vector<TcpAddress>> addresses_of(const Endpoint& endpoint, const std::string& server, Deadline deadline,
                                             const StopSignal* stop = nullptr);

// One after the other, each with an equal share of the time that is left. The error is the last one's.
Result<TcpSocket> connected_to_one(EventLoop& loop, const std::vector<TcpAddress>& addresses, const std::string& server,
                                   Deadline deadline);

}  // namespace cairn::s3
