// SPDX-License-Identifier: Apache-2.0
#include "tests/replication/fault_proxy.h"

#include <sys/socket.h>

#include <array>
#include <boost/asio/write.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/read.hpp>
#include <boost/beast/http/string_body.hpp>
#include <boost/beast/http/write.hpp>
#include <optional>
#include <sstream>
#include <thread>

namespace cairn::testing {
namespace {

namespace asio = boost::asio;
namespace http = boost::beast::http;
using boost::system::error_code;

constexpr std::uint64_t kBodyBytesMax = 256u << 20;
constexpr std::array<const char*, kWireFaults> kNames = {"none",       "refused",      "answer lost", "cut request",
                                                         "cut reply",  "hang",         "slow",        "slow down",
                                                         "error body", "flip request", "flip reply"};

std::string error_reply(const char* status, const char* code) {
  const std::string body = std::string("<?xml version=\"1.0\"?><Error><Code>") + code +
                           "</Code><Message>planned by a test</Message></Error>";
  return std::string("HTTP/1.1 ") + status +
         "\r\nContent-Type: application/xml\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body;
}

template <class Message>
std::string text_of(const Message& message) {
  std::ostringstream text;
  text << message;
  return std::move(text).str();
}

// In the part of `text` from `begin` on.
void flip(std::string& text, std::size_t begin, std::size_t at) {
  const std::size_t bits = (text.size() - begin) * 8;
  if (bits == 0) return;
  text[begin + at % bits / 8] = static_cast<char>(text[begin + at % bits / 8] ^ (1 << at % 8));
}

bool send(TcpSocket& socket, std::string_view text) {
  error_code error;
  asio::write(socket, asio::buffer(text.data(), text.size()), error);
  return !error;
}

// The other side learns at once, and reads nothing more.
void reset(TcpSocket& socket) {
  error_code ignored;
  socket.set_option(asio::socket_base::linger(true, 0), ignored);
}

}  // namespace

const char* name_of(WireFault fault) { return kNames.at(static_cast<std::size_t>(fault)); }

// The requests of one connection, one after the other.
class FaultProxy::Exchange {
 public:
  Exchange(FaultProxy& proxy, TcpSocket& client) : proxy_(proxy), client_(client), server_(proxy.listener_.context()) {}
  ~Exchange() { disconnect(); }

  // False: the connection is over.
  bool next() {
    http::request_parser<http::string_body> request;
    request.body_limit(kBodyBytesMax);
    error_code error;
    http::read(client_, from_client_, request, error);
    if (error) return false;
    const Plan plan = proxy_.next();
    std::string text = text_of(request.get());
    const std::size_t body_bytes = request.get().body().size();
    switch (plan.fault) {
      case WireFault::refused: reset(client_); return false;
      case WireFault::slow_down: return send(client_, error_reply("503 Slow Down", "SlowDown"));
      case WireFault::error_body: return send(client_, error_reply("200 OK", "InternalError"));
      case WireFault::flip_request:
        if (body_bytes > 0 || proxy_.flips_heads_) flip(text, body_bytes > 0 ? text.size() - body_bytes : 0, plan.at);
        break;
      case WireFault::cut_request:
        if (connect()) send(server_, std::string_view(text).substr(0, plan.at % text.size()));
        reset(client_);
        return false;
      default: break;
    }
    const auto reply = ask(text, request.get().method() == http::verb::head);
    return reply && answer(*reply, plan) && request.get().keep_alive();
  }

 private:
  struct Reply {
    std::string text;
    std::size_t body_bytes = 0;
    bool keeps = false;
  };

  bool connect() {
    if (server_.is_open()) return true;
    error_code error;
    server_.connect({asio::ip::make_address(proxy_.server_.host), proxy_.server_.port}, error);
    if (error) return false;
    server_.set_option(asio::ip::tcp::no_delay(true), error);
    proxy_.listener_.watch(server_);
    return true;
  }
  void disconnect() {
    if (!server_.is_open()) return;
    proxy_.listener_.forget(server_);
    error_code ignored;
    server_.close(ignored);
    from_server_.clear();
  }

  std::optional<Reply> ask(const std::string& request, bool is_head) {
    if (!connect() || !send(server_, request)) return std::nullopt;
    http::response_parser<http::string_body> reply;
    reply.body_limit(kBodyBytesMax);
    reply.skip(is_head);
    error_code error;
    http::read(server_, from_server_, reply, error);
    if (error) return std::nullopt;
    const Reply result{
        .text = text_of(reply.get()), .body_bytes = reply.get().body().size(), .keeps = reply.keep_alive()};
    if (!result.keeps) disconnect();
    return result;
  }

  bool answer(const Reply& reply, const Plan& plan) {
    std::string text = reply.text;
    switch (plan.fault) {
      case WireFault::answer_lost: reset(client_); return false;
      case WireFault::cut_reply: send(client_, std::string_view(text).substr(0, plan.at % text.size())); return false;
      case WireFault::hang: {
        char byte = 0;
        error_code error;
        client_.read_some(asio::buffer(&byte, 1), error);
        return false;
      }
      case WireFault::slow: {
        const std::size_t piece = text.size() / 8 + 1;
        for (std::size_t at = 0; at < text.size(); at += piece) {
          if (!send(client_, std::string_view(text).substr(at, piece))) return false;
          std::this_thread::sleep_for(std::chrono::milliseconds(1));
        }
        return reply.keeps;
      }
      case WireFault::flip_reply:
        if (reply.body_bytes > 0) flip(text, text.size() - reply.body_bytes, plan.at);
        return send(client_, text) && reply.keeps;
      default: return send(client_, text) && reply.keeps;
    }
  }

  FaultProxy& proxy_;
  TcpSocket& client_;
  TcpSocket server_;
  boost::beast::flat_buffer from_client_, from_server_;
};

FaultProxy::FaultProxy(const s3::Endpoint& server, bool flips_heads)
    : server_(server), flips_heads_(flips_heads), listener_([this](TcpSocket& client) { serve(client); }) {}

s3::Endpoint FaultProxy::endpoint() const { return {.tls = false, .host = "127.0.0.1", .port = listener_.port()}; }

void FaultProxy::restart(Choose choose) {
  const std::lock_guard lock(mutex_);
  choose_ = std::move(choose);
  requests_ = 0;
  faults_ = 0;
}

FaultProxy::Plan FaultProxy::next() {
  const std::lock_guard lock(mutex_);
  const std::size_t number = requests_++;
  const Plan plan = choose_ ? choose_(number) : Plan();
  if (plan.fault != WireFault::none) ++faults_;
  return plan;
}

void FaultProxy::serve(TcpSocket& client) {
  Exchange exchange(*this, client);
  while (exchange.next()) {
  }
}

}  // namespace cairn::testing
