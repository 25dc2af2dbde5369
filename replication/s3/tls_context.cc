// SPDX-License-Identifier: Apache-2.0
#include "replication/s3/tls_context.h"

#include <openssl/err.h>
#include <openssl/ssl.h>

#include "replication/s3/messages.h"

namespace cairn::s3 {
namespace {

std::string openssl_words() {
  const char* const words = ERR_reason_error_string(ERR_peek_last_error());
  ERR_clear_error();
  return words == nullptr ? "unknown error" : words;
}

}  // namespace

void TlsContext::Free::operator()(ssl_ctx_st* context) const noexcept { SSL_CTX_free(context); }

Result<TlsContext> TlsContext::create(const std::string& ca_file) {
  TlsContext result(SSL_CTX_new(TLS_client_method()));
  SSL_CTX* const context = result.native();
  if (context == nullptr || SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION) != 1) {
    return make_error(ErrorCode::unsupported, "this platform's OpenSSL has no TLS 1.2: " + openssl_words());
  }
  SSL_CTX_set_verify(context, SSL_VERIFY_PEER, nullptr);
  const int loaded =
      ca_file.empty() ? SSL_CTX_set_default_verify_paths(context) : SSL_CTX_load_verify_file(context, ca_file.c_str());
  if (loaded != 1) {
    return make_error(ErrorCode::invalid_argument,
                      "the certificates in " + (ca_file.empty() ? std::string("the platform's place") : ca_file) +
                          " cannot be read: " + openssl_words());
  }
  return result;
}

}  // namespace cairn::s3
