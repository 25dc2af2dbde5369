// SPDX-License-Identifier: Apache-2.0
#include "replication/s3/hmac.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/sha.h>

#include <limits>

#include "replication/s3/messages.h"

namespace cairn::s3 {
namespace {

const unsigned char* as_octets(const void* bytes) { return static_cast<const unsigned char*>(bytes); }

}  // namespace

Result<std::string> sha256_hex(std::span<const std::byte> bytes) {
  std::array<char, SHA256_DIGEST_LENGTH> digest{};
  if (EVP_Digest(bytes.data(), bytes.size(), reinterpret_cast<unsigned char*>(digest.data()), nullptr, EVP_sha256(),
                 nullptr) != 1) {
    return make_error(ErrorCode::unsupported, "this platform's OpenSSL computes no SHA-256");
  }
  return to_hex({digest.data(), digest.size()});
}

Result<Secret> hmac_sha256(std::string_view key, std::string_view text) {
  if (key.size() > static_cast<std::size_t>(std::numeric_limits<int>::max())) {
    return make_error(ErrorCode::invalid_argument, "a key for HMAC is longer than 2 GiB");
  }
  Secret mac = Secret::zeros(SHA256_DIGEST_LENGTH);
  // OpenSSL takes no null pointer for an empty text.
  const void* data = text.empty() ? "" : text.data();
  if (HMAC(EVP_sha256(), key.data(), static_cast<int>(key.size()), as_octets(data), text.size(),
           reinterpret_cast<unsigned char*>(mac.data()), nullptr) == nullptr) {
    return make_error(ErrorCode::unsupported, "this platform's OpenSSL computes no HMAC-SHA-256");
  }
  return mac;
}

std::string to_hex(std::string_view bytes) {
  static constexpr char kHex[] = "0123456789abcdef";
  std::string result;
  result.reserve(bytes.size() * 2);
  for (const char c : bytes) {
    const auto byte = static_cast<unsigned char>(c);
    result += {kHex[byte >> 4], kHex[byte & 15]};
  }
  return result;
}

}  // namespace cairn::s3
