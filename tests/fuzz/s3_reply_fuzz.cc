// SPDX-License-Identifier: Apache-2.0
//
// Replies of an S3 server as hostile bytes: what is listed lies below the prefix, every key asked for is answered, and
// whatever is refused says so in words that are safe to show.
#include <algorithm>
#include <cstdint>
#include <cstdlib>

#include "replication/s3/error_reply.h"
#include "replication/s3/replies.h"
#include "replication/s3/uri.h"

namespace {

using namespace cairn::s3;

void require(bool condition) {
  if (!condition) std::abort();
}

void require_safe(const cairn::Error& error) {
  require(!error.message.empty() && error.message.size() < 4096);
  for (const char c : error.message) require(c >= 0x20 && c < 0x7f);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view body(reinterpret_cast<const char*>(data), size);
  if (const auto page = read_list_page(body, "p/"); page.ok()) {
    for (const ListedObject& object : page->objects)
      require(check_key(object.key).ok() && object.key.starts_with("p/"));
    for (const std::string& common : page->common_prefixes) require(common.starts_with("p/"));
  } else {
    require_safe(page.error());
  }
  if (const auto page = read_upload_page(body, "p/"); page.ok()) {
    for (const PendingUpload& upload : page->uploads) require(!upload.id.empty() && upload.key.starts_with("p/"));
    require(page->is_last || !page->next_key.empty());
  } else {
    require_safe(page.error());
  }
  if (const auto failed = read_delete_result(body, {"p/a", "p/b"}); failed.ok()) {
    require(failed->size() <= 2);
    for (const KeyError& key : *failed) require_safe(key.error);
  } else {
    require_safe(failed.error());
  }
  if (const auto id = read_upload_id(body); !id.ok()) require_safe(id.error());
  if (const auto etag = read_result_etag(body); !etag.ok()) require_safe(etag.error());
  for (const int status : {200, 301, 403, 404, 503}) require_safe(to_error(read_error_reply(status, body), "get k"));
  return 0;
}
