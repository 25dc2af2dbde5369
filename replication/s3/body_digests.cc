// SPDX-License-Identifier: Apache-2.0
#include "replication/s3/body_digests.h"

#include <openssl/evp.h>

#include <array>
#include <memory>

#include "replication/s3/hmac.h"
#include "replication/s3/messages.h"

namespace cairn::s3 {
namespace {

struct FreeContext {
  void operator()(EVP_MD_CTX* context) const noexcept { EVP_MD_CTX_free(context); }
};

}  // namespace

Result<std::string> sha256_hex_of(std::span<const std::span<const std::byte>> parts) {
  const std::unique_ptr<EVP_MD_CTX, FreeContext> context(EVP_MD_CTX_new());
  bool done = context && EVP_DigestInit_ex(context.get(), EVP_sha256(), nullptr) == 1;
  for (const auto part : parts) done = done && EVP_DigestUpdate(context.get(), part.data(), part.size()) == 1;
  std::array<char, 32> digest{};
  if (!done || EVP_DigestFinal_ex(context.get(), reinterpret_cast<unsigned char*>(digest.data()), nullptr) != 1) {
    return make_error(ErrorCode::unsupported, "this platform's OpenSSL computes no SHA-256");
  }
  return to_hex({digest.data(), digest.size()});
}

Result<std::string> md5_base64(std::string_view body) {
  std::array<unsigned char, 16> digest{};
  if (EVP_Digest(body.data(), body.size(), digest.data(), nullptr, EVP_md5(), nullptr) != 1) {
    return make_error(ErrorCode::unsupported, "this platform's OpenSSL computes no MD5, which a batch delete needs");
  }
  std::array<unsigned char, 25> text{};  // 24 characters and a NUL
  const int size = EVP_EncodeBlock(text.data(), digest.data(), static_cast<int>(digest.size()));
  return std::string(reinterpret_cast<const char*>(text.data()), static_cast<std::size_t>(size));
}

}  // namespace cairn::s3
