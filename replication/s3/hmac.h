// SPDX-License-Identifier: Apache-2.0
//
// SHA-256 and HMAC-SHA-256 by OpenSSL, whose failures become errors here.
#pragma once

#include <array>
#include <cstddef>
#include <span>
#include <string>
#include <string_view>

#include "cairn/result.h"
#include "replication/secret.h"

namespace cairn::s3 {

Result<std::string> sha256_hex(std::span<const std::byte> bytes);
// 32 bytes. `key` is borrowed and not kept.
Result<Secret> hmac_sha256(std::string_view key, std::string_view text);
std::string to_hex(std::string_view bytes);

}  // namespace cairn::s3
