// SPDX-License-Identifier: Apache-2.0
//
// Stands between a client and a PostgreSQL server, sees their messages one by one, and does to one of them what a test
// wants.
#pragma once

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cstdint>
#include <functional>
#include <string>
#include <thread>

namespace cairn::postgres {

// One connection after the other, without TLS.
class MessageProxy {
 public:
  enum class Do : std::uint8_t {
    pass,
    cut,   // both connections end before the message is passed on
    hang,  // nothing is passed on any more, until the client ends its connection
  };
  // Asked for each message, with its number in the connection.
  using Decide = std::function<Do(std::size_t number)>;

  MessageProxy(int server_port, Decide decide) : server_port_(server_port), decide_(std::move(decide)) {
    listener_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address = loopback(0);
    socklen_t size = sizeof address;
    if (::bind(listener_, reinterpret_cast<sockaddr*>(&address), size) != 0 || ::listen(listener_, 8) != 0)
      std::abort();
    ::getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &size);
    port_ = std::to_string(ntohs(address.sin_port));
    thread_ = std::thread([this] { serve(); });
  }
  ~MessageProxy() {
    ended_ = true;
    ::shutdown(listener_, SHUT_RDWR);  // wakes accept()
    thread_.join();
    ::close(listener_);
  }
  MessageProxy(const MessageProxy&) = delete;
  MessageProxy& operator=(const MessageProxy&) = delete;

  const std::string& port() const { return port_; }

 private:
  struct Side {
    int socket = -1;
    bool untyped = false;  // a client's first message has no type in front
    std::string bytes;     // that are no whole message yet
  };

  static sockaddr_in loopback(int port) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    address.sin_port = htons(static_cast<std::uint16_t>(port));
    return address;
  }

  void serve() {
    while (!ended_) {
      std::array<Side, 2> sides;
      sides[0] = {.socket = ::accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC), .untyped = true, .bytes = {}};
      if (sides[0].socket < 0) return;
      sides[1].socket = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
      const sockaddr_in server = loopback(server_port_);
      // Each message is written by itself, and none waits for the answer to the one before.
      const int at_once = 1;
      for (const Side& side : sides) ::setsockopt(side.socket, IPPROTO_TCP, TCP_NODELAY, &at_once, sizeof at_once);
      if (::connect(sides[1].socket, reinterpret_cast<const sockaddr*>(&server), sizeof server) == 0) carry(sides);
      for (const Side& side : sides) ::close(side.socket);
    }
  }

  void carry(std::array<Side, 2>& sides) {
    std::size_t number = 0;
    for (bool hangs = false;;) {
      std::array<pollfd, 2> ready = {pollfd{sides[0].socket, POLLIN, 0}, pollfd{sides[1].socket, POLLIN, 0}};
      // While it hangs, the server is not listened to.
      if (::poll(ready.data(), hangs ? 1 : 2, -1) < 0) return;
      for (std::size_t from = 0; from < 2; ++from) {
        if (ready[from].revents == 0) continue;
        char buffer[16384];
        const ssize_t got = ::read(sides[from].socket, buffer, sizeof buffer);
        if (got <= 0) return;
        if (hangs) continue;
        sides[from].bytes.append(buffer, static_cast<std::size_t>(got));
        for (std::string message; !hangs && !(message = take_message(sides[from])).empty(); ++number) {
          const Do what = decide_(number);
          if (what == Do::cut) return;
          hangs = what == Do::hang;
          if (!hangs && !write_all(sides[1 - from].socket, message)) return;
        }
      }
    }
  }

  static std::string take_message(Side& side) {
    const std::size_t head = side.untyped ? 0 : 1;
    if (side.bytes.size() < head + 4) return {};
    std::size_t size = 0;
    for (std::size_t i = 0; i < 4; ++i) size = size << 8 | static_cast<unsigned char>(side.bytes[head + i]);
    if (side.bytes.size() < head + size) return {};
    side.untyped = false;
    std::string message = side.bytes.substr(0, head + size);
    side.bytes.erase(0, head + size);
    return message;
  }

  static bool write_all(int socket, std::string_view bytes) {
    while (!bytes.empty()) {
      const ssize_t wrote = ::send(socket, bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (wrote <= 0) return false;
      bytes.remove_prefix(static_cast<std::size_t>(wrote));
    }
    return true;
  }

  const int server_port_;
  const Decide decide_;
  int listener_ = -1;
  std::string port_;
  std::atomic<bool> ended_ = false;
  std::thread thread_;
};

}  // namespace cairn::postgres
