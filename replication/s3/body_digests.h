// SPDX-License-Identifier: Apache-2.0
//
// The digests of a body that requests carry.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>

#include "cairn/result.h"

namespace cairn::s3 {

// Of the parts one behind the other, in hexadecimal.
Result<std::string> sha256_hex_of(std::span<const std::span<const std::byte>> parts);
// In base 64: S3 demands Content-MD5 of a batch delete. An error where the platform has no MD5, as with FIPS.
Result<std::string> md5_base64(std::string_view body);

}  // namespace cairn::s3
