// SPDX-License-Identifier: Apache-2.0
#include "replication/s3/endpoint_exchange.h"

#include <openssl/crypto.h>

#include "replication/s3/connection.h"

namespace cairn::s3 {

EndpointExchange direct_exchange(std::string ca_file) {
  return [ca_file = std::move(ca_file)](const EndpointRequest& request) -> Result<EndpointReply> {
    const Deadline deadline = std::chrono::steady_clock::now() + request.timeout;
    CAIRN_TRY(const TlsContext tls, TlsContext::create(ca_file));
    CAIRN_TRY(const std::unique_ptr<Connection> connection, Connection::open(request.endpoint, tls, deadline));
    std::vector<HeaderView> headers;
    for (const EndpointHeader& header : request.headers) headers.push_back({header.name, header.value.reveal()});
    const HttpRequest sent{.method = request.method,
                           .endpoint = request.endpoint,
                           .host = {},
                           .target = request.path,
                           .headers = headers,
                           .body = {},
                           .reply_bytes_max = kEndpointReplyBytesMax,
                           .time_max = {}};
    Connection::Outcome outcome = connection->exchange(sent, request.timeout, deadline);
    if (!outcome.reply.ok()) return std::move(outcome.reply).error();
    HttpReply& reply = *outcome.reply;
    EndpointReply result{.status = reply.status, .body = {}};
    // What a refusal says is of no use to anyone.
    if (reply.status / 100 == 2) result.body = Secret(reply.text());
    OPENSSL_cleanse(reply.body.data(), reply.body.size());
    return result;
  };
}

}  // namespace cairn::s3
