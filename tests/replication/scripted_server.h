// SPDX-License-Identifier: Apache-2.0
//
// A server on loopback that answers request after request as a test wrote it down, well or badly.
#pragma once

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <list>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "replication/s3/uri.h"

namespace cairn::s3 {

// What happens with one request. The default keeps the connection.
struct ScriptedReply {
  std::string bytes;
  bool closes = false;       // the connection, behind `bytes`
  bool before_body = false;  // of the request, which is then not read
  bool hangs = false;        // behind `bytes`, until the client goes
};

inline ScriptedReply reply_of(int status, std::string body, std::string headers = "") {
  return {.bytes = "HTTP/1.1 " + std::to_string(status) + " Said\r\n" + headers +
                   "Content-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body};
}

class ScriptedServer {
 public:
  struct Request {
    std::string head;
    std::string body;
    int connection = 0;  // from 1
  };

  ScriptedServer() : listener_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    ::bind(listener_, reinterpret_cast<sockaddr*>(&address), size);
    ::listen(listener_, 64);
    ::getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &size);
    port_ = ntohs(address.sin_port);
    accepting_ = std::thread([this] { accept_all(); });
  }
  ~ScriptedServer() {
    ::shutdown(listener_, SHUT_RDWR);
    accepting_.join();
    ::close(listener_);
    {
      const std::lock_guard guard(mutex_);
      for (const int socket : sockets_) ::shutdown(socket, SHUT_RDWR);
    }
    for (std::thread& thread : threads_) thread.join();
    for (const int socket : sockets_) ::close(socket);
  }
  ScriptedServer(const ScriptedServer&) = delete;
  ScriptedServer& operator=(const ScriptedServer&) = delete;

  Endpoint endpoint() const { return {.tls = false, .host = "127.0.0.1", .port = port_}; }
  // To the requests in the order in which they come; one too many is answered with 418.
  void then(ScriptedReply reply) {
    const std::lock_guard guard(mutex_);
    script_.push_back(std::move(reply));
  }
  std::vector<Request> requests() const {
    const std::lock_guard guard(mutex_);
    return requests_;
  }

 private:
  const ScriptedReply& next_reply() {
    const std::lock_guard guard(mutex_);
    if (script_.empty()) script_.push_back(reply_of(418, ""));
    said_.splice(said_.end(), script_, script_.begin());
    return said_.back();
  }

  void accept_all() {
    while (true) {
      const int socket = ::accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
      if (socket < 0) return;
      const std::lock_guard guard(mutex_);
      sockets_.push_back(socket);
      threads_.emplace_back([this, socket, number = static_cast<int>(sockets_.size()), &text = texts_.emplace_back()] {
        serve(socket, number, text);
      });
    }
  }

  // False: the client has gone.
  static bool read_some(int socket, std::string& into) {
    char buffer[65536];
    const ssize_t got = ::recv(socket, buffer, sizeof buffer, 0);
    if (got <= 0) return false;
    into.append(buffer, static_cast<std::size_t>(got));
    return true;
  }
  static std::size_t body_bytes(const std::string& head) {
    const auto at = head.find("Content-Length: ");
    std::size_t size = 0;
    if (at != std::string::npos) std::from_chars(head.data() + at + 16, head.data() + head.size(), size);
    return size;
  }

  void serve(int socket, int connection, std::string& text) {
    text.reserve(128 << 10);
    while (true) {
      std::size_t end = 0;
      while ((end = text.find("\r\n\r\n")) == std::string::npos) {
        if (!read_some(socket, text)) return;
      }
      Request request{.head = text.substr(0, end + 4), .body = {}, .connection = connection};
      text.erase(0, end + 4);
      const ScriptedReply& reply = next_reply();
      const std::size_t size = reply.before_body ? 0 : body_bytes(request.head);
      while (text.size() < size) {
        if (!read_some(socket, text)) return;
      }
      request.body = text.substr(0, size);
      text.erase(0, size);
      {
        const std::lock_guard guard(mutex_);
        requests_.push_back(std::move(request));
      }
      for (std::size_t sent = 0; sent < reply.bytes.size();) {
        const ssize_t some = ::send(socket, reply.bytes.data() + sent, reply.bytes.size() - sent, MSG_NOSIGNAL);
        if (some <= 0) return;
        sent += static_cast<std::size_t>(some);
      }
      if (reply.closes || reply.before_body) {
        ::shutdown(socket, SHUT_WR);
        text.clear();
      }
      if (reply.closes || reply.hangs || reply.before_body) {
        // Without an end of file or a reset the client sees no more than this script says.
        while (!reply.before_body && read_some(socket, text)) text.clear();
        return;
      }
    }
  }

  const int listener_;
  std::uint16_t port_ = 0;
  std::thread accepting_;
  mutable std::mutex mutex_;
  std::list<ScriptedReply> script_;
  // Nothing that was said is freed before the end: some tests look for secrets in freed memory.
  std::list<ScriptedReply> said_;
  std::list<std::string> texts_;
  std::vector<Request> requests_;
  std::vector<int> sockets_;
  std::list<std::thread> threads_;
};

}  // namespace cairn::s3
