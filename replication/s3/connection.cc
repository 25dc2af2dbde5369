// SPDX-License-Identifier: Apache-2.0
#include "replication/s3/connection.h"

#include <openssl/bio.h>
#include <openssl/crypto.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <poll.h>

#include <algorithm>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ssl/stream.hpp>
#include <boost/beast/core/buffers_suffix.hpp>
#include <boost/beast/core/flat_static_buffer.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/read.hpp>
#include <cctype>
#include <cerrno>
#include <cstring>

#include "replication/s3/event_loop.h"
#include "replication/s3/messages.h"
#include "replication/s3/tcp_connect.h"

namespace cairn::s3 {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = boost::beast::http;
using asio::ip::tcp;
using boost::system::error_code;

constexpr std::size_t kReadBytes = 64 << 10;
constexpr std::uint32_t kHeadBytesMax = 32 << 10;
constexpr std::size_t kReservedBytesMax = 64 << 20;
// How long a server that closed its side while it was being sent a body may take to say why.
constexpr std::chrono::milliseconds kLastWords{1000};

// A body in memory, without a copy of what is there already when the length is known.
struct BytesBody {
  using value_type = std::vector<std::byte>;
  class reader {
   public:
    template <bool is_request, class Fields>
    reader(http::header<is_request, Fields>& /*header*/, value_type& body) : body_(body) {}
    void init(const boost::optional<std::uint64_t>& length, error_code& error) {
      error = {};
      // One whose length is not known begins with room for all that an endpoint for credentials may answer.
      body_.reserve(std::min<std::uint64_t>(length.value_or(kReadBytes), kReservedBytesMax));
    }
    template <class Buffers>
    std::size_t put(const Buffers& buffers, error_code& error) {
      error = {};
      std::size_t size = 0;
      for (auto it = asio::buffer_sequence_begin(buffers); it != asio::buffer_sequence_end(buffers); ++it) {
        const asio::const_buffer buffer = *it;
        const auto* const bytes = static_cast<const std::byte*>(buffer.data());
        body_.insert(body_.end(), bytes, bytes + buffer.size());
        size += buffer.size();
      }
      return size;
    }
    void finish(error_code& error) { error = {}; }

   private:
    value_type& body_;
  };
};
using Parser = http::response_parser<BytesBody>;

bool is_safe(std::string_view text) {
  return std::none_of(text.begin(), text.end(),
                      [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; });
}

// The head of a request: a header may be a secret, so it is wiped.
class RequestHead {
 public:
  explicit RequestHead(const HttpRequest& request) {
    std::uint64_t body_bytes = 0;
    for (const auto part : request.body) body_bytes += part.size();
    const std::string length = std::to_string(body_bytes);
    const std::string host = request.host.empty() ? request.endpoint.authority() : std::string(request.host);
    std::size_t size = 128 + request.method.size() + request.target.size() + host.size() + length.size();
    for (const HeaderView& header : request.headers) size += header.name.size() + header.value.size() + 4;
    text_.reserve(size);
    text_.append(request.method).append(" ").append(request.target).append(" HTTP/1.1\r\nHost: ").append(host);
    text_.append("\r\nUser-Agent: cairn\r\n");
    for (const HeaderView& header : request.headers) {
      text_.append(header.name).append(": ").append(header.value).append("\r\n");
    }
    if (body_bytes != 0 || request.method == "PUT" || request.method == "POST") {
      text_.append("Content-Length: ").append(length).append("\r\n");
    }
    text_.append("\r\n");
  }
  ~RequestHead() { OPENSSL_cleanse(text_.data(), text_.size()); }
  RequestHead(const RequestHead&) = delete;
  RequestHead& operator=(const RequestHead&) = delete;
  const std::string& text() const { return text_; }

 private:
  std::string text_;
};

Status check_head(const HttpRequest& request) {
  bool safe = is_safe(request.method) && is_safe(request.target) && is_safe(request.host) &&
              request.target.starts_with('/') && request.target.find(' ') == std::string_view::npos;
  for (const HeaderView& header : request.headers) safe = safe && is_safe(header.name) && is_safe(header.value);
  if (safe) return {};
  return make_error(ErrorCode::invalid_argument, "a request whose head holds a control character, or no path");
}

HttpReply to_reply(Parser& parser) {
  HttpReply reply;
  reply.status = static_cast<int>(parser.get().result_int());
  for (const auto& field : parser.get()) {
    std::string name(field.name_string());
    for (char& c : name) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    reply.headers.push_back({std::move(name), std::string(field.value())});
  }
  reply.body = std::move(parser.get().body());
  return reply;
}

tcp::socket& socket_of(tcp::socket& stream) { return stream; }
tcp::socket& socket_of(asio::ssl::stream<tcp::socket>& stream) { return stream.next_layer(); }

template <class Stream>
class StreamConnection final : public Connection {
 public:
  StreamConnection(std::unique_ptr<EventLoop> loop, Stream stream, std::string server)
      : loop_(std::move(loop)), stream_(std::move(stream)), server_(std::move(server)) {}
  ~StreamConnection() override {
    close();
    // What it read may have been a secret.
    buffer_.clear();
    OPENSSL_cleanse(buffer_.prepare(kReadBytes).data(), kReadBytes);
  }

  Outcome exchange(const HttpRequest& request, std::chrono::milliseconds idle, Deadline deadline) override;
  bool reusable() override;
  void close() {
    error_code ignored;
    socket_of(stream_).close(ignored);
    keep_ = false;
  }

 private:
  struct Exchange {
    beast::buffers_suffix<std::vector<asio::const_buffer>> unsent;
    std::size_t unsent_bytes;
    std::optional<Parser> parser{};
    Deadline moved = std::chrono::steady_clock::now();
    bool writing = false;
    bool reading = false;
    bool began = false;
    std::optional<error_code> write_error{};
    std::optional<error_code> read_error{};
  };
  void write_more(Exchange& exchange);
  void read_more(Exchange& exchange);
  void next_parser(Exchange& exchange, const HttpRequest& request);
  Error error_of(const Exchange& exchange, bool in_time, Deadline deadline) const;

  std::unique_ptr<EventLoop> loop_;  // outlives the stream
  Stream stream_;
  beast::flat_static_buffer<kReadBytes> buffer_;
  std::string server_;
  bool keep_ = true;
};

template <class Stream>
void StreamConnection<Stream>::write_more(Exchange& exchange) {
  exchange.writing = true;
  stream_.async_write_some(exchange.unsent, [this, &exchange](error_code error, std::size_t size) {
    exchange.writing = false;
    exchange.moved = std::chrono::steady_clock::now();
    if (error) {
      exchange.write_error = error;
      return;
    }
    exchange.unsent.consume(size);
    exchange.unsent_bytes -= size;
    if (exchange.unsent_bytes != 0) write_more(exchange);
  });
}

template <class Stream>
void StreamConnection<Stream>::read_more(Exchange& exchange) {
  exchange.reading = true;
  http::async_read_some(stream_, buffer_, *exchange.parser, [this, &exchange](error_code error, std::size_t /*size*/) {
    exchange.reading = false;
    exchange.moved = std::chrono::steady_clock::now();
    exchange.began = exchange.began || exchange.parser->got_some();
    if (error == http::error::need_more) error = {};
    if (error) {
      exchange.read_error = error;
    } else if (!exchange.parser->is_done()) {
      read_more(exchange);
    }
  });
}

template <class Stream>
void StreamConnection<Stream>::next_parser(Exchange& exchange, const HttpRequest& request) {
  exchange.parser.emplace();
  exchange.parser->header_limit(kHeadBytesMax);
  exchange.parser->body_limit(std::max(request.reply_bytes_max, kRefusalBytesMax));
  exchange.parser->skip(request.method == "HEAD");
}

template <class Stream>
Connection::Outcome StreamConnection<Stream>::exchange(const HttpRequest& request, std::chrono::milliseconds idle,
                                                       Deadline deadline) {
  if (Status status = check_head(request); !status.ok()) return {.reply = std::move(status).error()};
  const RequestHead head(request);
  std::vector<asio::const_buffer> buffers = {asio::buffer(head.text())};
  for (const auto part : request.body) {
    if (!part.empty()) buffers.emplace_back(part.data(), part.size());
  }
  const std::size_t bytes = asio::buffer_size(buffers);
  Exchange exchange{.unsent = beast::buffers_suffix(buffers), .unsent_bytes = bytes};
  keep_ = false;
  write_more(exchange);
  bool in_time = true;
  // A server may say 100 Continue, or anything else below 200, before its reply.
  for (int heads = 0; heads < 8; ++heads) {
    next_parser(exchange, request);
    read_more(exchange);
    in_time = loop_->run([&] { return !exchange.reading; },
                         [&] {
                           const auto patience = exchange.write_error ? std::min(idle, kLastWords) : idle;
                           return std::min(deadline, exchange.moved + patience);
                         });
    const bool interim = in_time && !exchange.read_error && exchange.parser->get().result_int() / 100 == 1 &&
                         exchange.parser->get().result_int() != 101;
    if (!interim) break;
  }
  if (exchange.reading || exchange.writing || exchange.write_error || exchange.read_error) {
    close();
    loop_->drain();
  }
  const bool whole = in_time && exchange.parser->is_done() && exchange.parser->get().result_int() >= 200;
  if (!whole) return {.reply = error_of(exchange, in_time, deadline), .began = exchange.began};

  const unsigned status = exchange.parser->get().result_int();
  // Where nothing tells how long the body is, one that was cut is taken for whole.
  const bool length_is_known = !exchange.parser->need_eof() || request.method == "HEAD";
  keep_ = socket_of(stream_).is_open() && exchange.unsent_bytes == 0 && exchange.parser->keep_alive() &&
          buffer_.size() == 0;
  if (!keep_) close();
  HttpReply reply = to_reply(*exchange.parser);
  if (status / 100 == 2 && !length_is_known) {
    return {.reply = transient_error(server_ + " does not say how long its reply is"), .began = true};
  }
  if (status / 100 == 2 && reply.body.size() > request.reply_bytes_max) {
    return {.reply = make_error(ErrorCode::resource_exhausted,
                                server_ + " answered with " + std::to_string(reply.body.size()) + " bytes; at most " +
                                    std::to_string(request.reply_bytes_max) + " are taken"),
            .began = true};
  }
  return {.reply = std::move(reply), .began = true};
}

template <class Stream>
Error StreamConnection<Stream>::error_of(const Exchange& exchange, bool in_time, Deadline deadline) const {
  if (exchange.read_error == http::error::body_limit) {
    return make_error(ErrorCode::resource_exhausted, server_ + " answered with more bytes than are taken");
  }
  const error_code error = exchange.write_error && (!in_time || !exchange.began)
                               ? *exchange.write_error
                               : exchange.read_error.value_or(error_code());
  if (!in_time && !exchange.write_error) {
    return transient_error(server_ + (std::chrono::steady_clock::now() >= deadline
                                          ? " took longer than the request may take"
                                          : " was silent for too long"));
  }
  if (!error) return transient_error(server_ + " answered with heads that announce a reply, and none");
  if (error == http::error::end_of_stream || error == http::error::partial_message || error == asio::error::eof ||
      error == asio::ssl::error::stream_truncated) {
    return transient_error(server_ + " closed the connection " +
                           (exchange.began ? "in the middle of its reply" : "without a reply"));
  }
  const bool ours = error.category() == http::make_error_code(http::error::bad_method).category();
  Error result = transient_error(server_ + (ours ? " answered with what is no HTTP: " : ": ") + error.message());
  if (error.category() == boost::system::system_category()) result.sys_errno = error.value();
  return result;
}

// What the stream has read beyond the last reply.
bool has_unread(const tcp::socket& /*stream*/) { return false; }
bool has_unread(asio::ssl::stream<tcp::socket>& stream) {
  SSL* const ssl = stream.native_handle();
  return SSL_has_pending(ssl) == 1 || BIO_ctrl_pending(SSL_get_rbio(ssl)) != 0 || SSL_get_shutdown(ssl) != 0;
}

template <class Stream>
bool StreamConnection<Stream>::reusable() {
  if (!keep_ || !socket_of(stream_).is_open()) return false;
  // Over TLS, too, what comes behind a reply is most likely an end. Tickets of TLS 1.3 are sent before the first reply;
  // a server that sends them later is connected to anew.
  pollfd socket{.fd = socket_of(stream_).native_handle(), .events = POLLIN | POLLRDHUP, .revents = 0};
  const bool usable = ::poll(&socket, 1, 0) == 0 && !has_unread(stream_);
  if (!usable) close();
  return usable;
}

Status expect_name(SSL* ssl, const Endpoint& endpoint) {
  const char* const host = endpoint.host.c_str();
  bool accepted = false;
  if (endpoint.is_address()) {
    accepted = X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), host) == 1;
  } else {
    SSL_set_hostflags(ssl, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
    accepted = SSL_set1_host(ssl, host) == 1 && SSL_set_tlsext_host_name(ssl, host) == 1;
  }
  if (accepted) return {};
  return make_error(ErrorCode::invalid_argument, "host " + quoted(endpoint.host) + " can have no certificate");
}

Result<std::unique_ptr<Connection>> secured(std::unique_ptr<EventLoop> loop, tcp::socket socket,
                                            const Endpoint& endpoint, const TlsContext& tls, std::string server,
                                            Deadline deadline) {
  SSL_CTX_up_ref(tls.native());
  asio::ssl::context context(tls.native());
  asio::ssl::stream<tcp::socket> stream(std::move(socket), context);
  CAIRN_CHECK(expect_name(stream.native_handle(), endpoint));
  error_code error;
  bool done = false;
  stream.async_handshake(asio::ssl::stream_base::client, [&](error_code failed) {
    error = failed;
    done = true;
  });
  if (!loop->run([&] { return done; }, [&] { return deadline; })) {
    error_code ignored;
    stream.next_layer().close(ignored);
    loop->drain();
    return transient_error(server + ": no TLS handshake in time");
  }
  if (const long verdict = SSL_get_verify_result(stream.native_handle()); error && verdict != X509_V_OK) {
    return make_error(ErrorCode::io, server + ": its certificate is not trusted: " +
                                         std::string(X509_verify_cert_error_string(verdict)));
  }
  if (error) return transient_error(server + ": TLS handshake: " + error.message());
  return std::unique_ptr<Connection>(std::make_unique<StreamConnection<asio::ssl::stream<tcp::socket>>>(
      std::move(loop), std::move(stream), std::move(server)));
}

Result<std::unique_ptr<Connection>> opened(const Endpoint& endpoint, const TlsContext& tls, Deadline deadline,
                                           const StopSignal* stop) {
  const std::string server = "server " + quoted(endpoint.authority());
  auto loop = std::make_unique<EventLoop>(stop);
  CAIRN_TRY(const std::vector<tcp::endpoint> addresses, addresses_of(endpoint, server, deadline, stop));
  CAIRN_TRY(tcp::socket socket, connected_to_one(*loop, addresses, server, deadline));
  if (endpoint.tls) return secured(std::move(loop), std::move(socket), endpoint, tls, server, deadline);
  return std::unique_ptr<Connection>(
      std::make_unique<StreamConnection<tcp::socket>>(std::move(loop), std::move(socket), server));
}

}  // namespace

Result<std::unique_ptr<Connection>> Connection::open(const Endpoint& endpoint, const TlsContext& tls, Deadline deadline,
                                                     const StopSignal* stop) {
  try {
    return opened(endpoint, tls, deadline, stop);
  } catch (const boost::system::system_error& error) {
    // No descriptors are left, or no threads for the name service.
    return Error{.code = ErrorCode::io,
                 .message = "server " + quoted(endpoint.authority()) + ": " + error.code().message(),
                 .sys_errno = error.code().value(),
                 .retryable = true};
  }
}

}  // namespace cairn::s3
