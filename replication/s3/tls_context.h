// SPDX-License-Identifier: Apache-2.0
//
// Whom connections trust, and which TLS they speak: 1.2 or newer, with the chain and the host name verified.
#pragma once

#include <memory>
#include <string>

#include "cairn/result.h"

struct ssl_ctx_st;  // OpenSSL's SSL_CTX

namespace cairn::s3 {

// Any thread, once it is there.
class TlsContext {
 public:
  // `ca_file`: certificates in PEM, the only ones to be trusted. Empty: those of the platform, which SSL_CERT_FILE and
  // SSL_CERT_DIR may replace. Errors name the file.
  static Result<TlsContext> create(const std::string& ca_file);

  ssl_ctx_st* native() const noexcept { return context_.get(); }

 private:
  struct Free {
    void operator()(ssl_ctx_st* context) const noexcept;
  };
  explicit TlsContext(ssl_ctx_st* context) : context_(context) {}

  std::unique_ptr<ssl_ctx_st, Free> context_;
};

}  // namespace cairn::s3
