// SPDX-License-Identifier: Apache-2.0
#include "replication/s3/request_bodies.h"

#include "replication/s3/messages.h"
#include "replication/s3/uri.h"

namespace cairn::s3 {
namespace {

// Of valid UTF-8 (RFC 3629) and none of XML's forbidden characters; 0 for anything else.
std::size_t character_bytes(std::string_view text) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned char lead = byte(0);
  if (lead < 0x80) return lead >= 0x20 || lead == '\t' || lead == '\n' || lead == '\r' ? 1 : 0;
  const std::size_t bytes = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : 2;
  if (lead < 0xc2 || lead > 0xf4 || text.size() < bytes) return 0;
  char32_t value = lead & (0xffu >> (bytes + 1));
  for (std::size_t i = 1; i < bytes; ++i) {
    if ((byte(i) & 0xc0) != 0x80) return 0;
    value = value << 6 | (byte(i) & 0x3fu);
  }
  constexpr char32_t kSmallest[] = {0, 0, 0x80, 0x800, 0x10000};
  const bool is_forbidden = value < kSmallest[bytes] || value > 0x10ffff || (value >= 0xd800 && value <= 0xdfff) ||
                            value == 0xfffe || value == 0xffff;
  return is_forbidden ? 0 : bytes;
}

std::string escaped(std::string_view text) {
  std::string result;
  for (const char c : text) {
    switch (c) {
      case '&': result += "&amp;"; break;
      case '<': result += "&lt;"; break;
      case '>': result += "&gt;"; break;
      case '"': result += "&quot;"; break;
      // A reader of XML turns a bare one into a line feed, and a key into another.
      case '\r': result += "&#13;"; break;
      default: result += c;
    }
  }
  return result;
}

Error refused(std::string message) { return make_error(ErrorCode::invalid_argument, std::move(message)); }

}  // namespace

bool fits_batch_delete(std::string_view key) {
  while (!key.empty()) {
    const std::size_t bytes = character_bytes(key);
    if (bytes == 0) return false;
    key.remove_prefix(bytes);
  }
  return true;
}

Result<std::string> batch_delete_body(const std::vector<std::string>& keys) {
  if (keys.empty() || keys.size() > kBatchDeleteMax) {
    return refused("a batch delete has 1 to 1000 keys, not " + std::to_string(keys.size()));
  }
  std::string body = "<Delete xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">";
  for (const std::string& key : keys) {
    CAIRN_CHECK(check_key(key));
    if (!fits_batch_delete(key)) return refused("key " + quoted(key) + " cannot be written in XML");
    body += "<Object><Key>" + escaped(key) + "</Key></Object>";
  }
  return body + "</Delete>";
}

Result<std::string> complete_upload_body(const std::vector<UploadedPart>& parts) {
  if (parts.empty() || parts.size() > kPartsMax) {
    return refused("an upload has 1 to 10000 parts, not " + std::to_string(parts.size()));
  }
  std::string body = "<CompleteMultipartUpload xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">";
  std::uint32_t last = 0;
  for (const UploadedPart& part : parts) {
    if (part.number <= last || part.number > kPartsMax) {
      return refused("part " + std::to_string(part.number) + " behind part " + std::to_string(last));
    }
    if (part.etag.empty() || !fits_batch_delete(part.etag)) {
      return refused("part " + std::to_string(part.number) + " has no usable ETag");
    }
    last = part.number;
    body += "<Part><PartNumber>" + std::to_string(part.number) + "</PartNumber><ETag>" + escaped(part.etag) +
            "</ETag></Part>";
  }
  return body + "</CompleteMultipartUpload>";
}

}  // namespace cairn::s3
