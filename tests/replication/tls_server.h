// SPDX-License-Identifier: Apache-2.0
//
// A TLS server on loopback with a certificate of its own, which ends connections in the ways in which servers do.
#pragma once

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <sys/socket.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>

#include "replication/s3/uri.h"

namespace cairn::s3 {

// Serves one connection after the other. Each request is answered with 200 and "fine".
class TlsServer {
 public:
  // What comes with the reply to a request whose path it is: in the same segment.
  static constexpr const char* kWithSurplus = "/surplus";
  static constexpr const char* kWithEnd = "/end";

  // Its certificate is in `ca_file` from then on.
  explicit TlsServer(const std::string& ca_file)
      : context_(SSL_CTX_new(TLS_server_method())), listener_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    make_certificate(ca_file);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    ::bind(listener_, reinterpret_cast<sockaddr*>(&address), size);
    ::listen(listener_, 64);
    ::getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &size);
    port_ = ntohs(address.sin_port);
    thread_ = std::thread([this] { serve_all(); });
  }
  // The clients have gone before.
  ~TlsServer() {
    ::shutdown(listener_, SHUT_RDWR);
    thread_.join();
    ::close(listener_);
    SSL_CTX_free(context_);
  }
  TlsServer(const TlsServer&) = delete;
  TlsServer& operator=(const TlsServer&) = delete;

  Endpoint endpoint() const { return {.tls = true, .host = "127.0.0.1", .port = port_}; }
  // Ends the connection in use, with TLS's word for it or without.
  void end(bool with_close_notify) {
    const std::lock_guard guard(mutex_);
    if (with_close_notify) SSL_shutdown(in_use_);
    ::shutdown(SSL_get_fd(in_use_), SHUT_WR);
  }

 private:
  void make_certificate(const std::string& ca_file) {
    EVP_PKEY* const key = EVP_EC_gen("P-256");
    X509* const certificate = X509_new();
    X509_set_version(certificate, 2);
    ASN1_INTEGER_set(X509_get_serialNumber(certificate), 1);
    X509_gmtime_adj(X509_getm_notBefore(certificate), -3600);
    X509_gmtime_adj(X509_getm_notAfter(certificate), 86'400);
    X509_set_pubkey(certificate, key);
    X509_NAME* const name = X509_get_subject_name(certificate);
    X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, reinterpret_cast<const unsigned char*>("a test"), -1, -1, 0);
    X509_set_issuer_name(certificate, name);
    X509_EXTENSION* const names = X509V3_EXT_conf_nid(nullptr, nullptr, NID_subject_alt_name, "IP:127.0.0.1");
    X509_add_ext(certificate, names, -1);
    X509_EXTENSION_free(names);
    X509_sign(certificate, key, EVP_sha256());
    SSL_CTX_use_certificate(context_, certificate);
    SSL_CTX_use_PrivateKey(context_, key);
    if (std::FILE* const file = std::fopen(ca_file.c_str(), "w")) {
      PEM_write_X509(file, certificate);
      std::fclose(file);
    }
    X509_free(certificate);
    EVP_PKEY_free(key);
  }

  void serve_all() {
    // OpenSSL writes to a client that has gone as to a file.
    sigset_t broken_pipe{};
    sigemptyset(&broken_pipe);
    sigaddset(&broken_pipe, SIGPIPE);
    pthread_sigmask(SIG_BLOCK, &broken_pipe, nullptr);
    while (true) {
      const int socket = ::accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
      if (socket < 0) return;
      SSL* const ssl = SSL_new(context_);
      SSL_set_fd(ssl, socket);
      if (SSL_accept(ssl) == 1) serve(ssl, socket);
      {
        const std::lock_guard guard(mutex_);
        in_use_ = nullptr;
      }
      SSL_free(ssl);
      ::close(socket);
    }
  }
  void serve(SSL* ssl, int socket) {
    std::string text;
    char buffer[4096];
    while (true) {
      // Waits outside of the lock, and in the socket alone: end() writes to the connection meanwhile.
      if (::recv(socket, buffer, 1, MSG_PEEK) <= 0) return;
      const std::lock_guard guard(mutex_);
      const int got = SSL_read(ssl, buffer, sizeof buffer);
      if (got <= 0) return;
      in_use_ = ssl;
      text.append(buffer, static_cast<std::size_t>(got));
      const auto end = text.find("\r\n\r\n");
      if (end == std::string::npos) continue;
      const std::string head = text.substr(0, end);
      text.erase(0, end + 4);
      const int corked = 1;
      ::setsockopt(socket, IPPROTO_TCP, TCP_CORK, &corked, sizeof corked);
      static constexpr std::string_view kReply = "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nfine";
      SSL_write(ssl, kReply.data(), static_cast<int>(kReply.size()));
      if (head.find(kWithSurplus) != std::string::npos) SSL_write(ssl, kReply.data(), static_cast<int>(kReply.size()));
      if (head.find(kWithEnd) != std::string::npos) SSL_shutdown(ssl);
      const int uncorked = 0;
      ::setsockopt(socket, IPPROTO_TCP, TCP_CORK, &uncorked, sizeof uncorked);
    }
  }

  SSL_CTX* const context_;
  const int listener_;
  std::uint16_t port_ = 0;
  std::mutex mutex_;
  SSL* in_use_ = nullptr;
  std::thread thread_;
};

}  // namespace cairn::s3
