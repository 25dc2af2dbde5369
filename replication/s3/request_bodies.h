// SPDX-License-Identifier: Apache-2.0
//
// The XML that two requests have for a body: batch deletes and the end of a multipart upload.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "cairn/result.h"

namespace cairn::s3 {

inline constexpr std::size_t kBatchDeleteMax = 1000;
inline constexpr std::size_t kPartsMax = 10'000;

// Whether DeleteObjects can name this key: XML has no control characters but tab, line feed and carriage return, and
// no bytes that are not UTF-8. Another key needs a DELETE of its own.
bool fits_batch_delete(std::string_view key);

// Of 1 to 1,000 keys that fit. Not quiet: the reply answers each.
Result<std::string> batch_delete_body(const std::vector<std::string>& keys);

struct UploadedPart {
  std::uint32_t number = 0;  // from 1
  std::string etag;          // as the server gave it
};
// Of 1 to 10,000 parts in the order of their numbers.
Result<std::string> complete_upload_body(const std::vector<UploadedPart>& parts);

}  // namespace cairn::s3
