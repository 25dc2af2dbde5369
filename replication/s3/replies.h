// SPDX-License-Identifier: Apache-2.0
//
// What S3 answers in XML to requests that it did: pages of listings, multipart uploads, batch deletes. A reply of
// status 200 may be an error all the same (it can come after the header of success was sent), which is returned as one.
// A reply that is cut, damaged or not to the question is a transient error.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "cairn/result.h"
#include "replication/s3/time_text.h"

namespace cairn::s3 {

struct ListedObject {
  std::string key;
  std::uint64_t size = 0;
  std::string etag;  // as the server has it, with its quotes; may be empty
  std::optional<Time> modified;
};
struct ListPage {
  std::vector<ListedObject> objects;
  std::vector<std::string> common_prefixes;
  std::string next_token;  // empty: this was the last page
};
// Of ListObjectsV2 with encoding-type=url, which a server may ignore: it says whether it did. Everything in a page
// begins with `prefix`: nothing outside of what was asked for is ever taken for listed, say to be deleted.
Result<ListPage> read_list_page(std::string_view body, std::string_view prefix);

// InitiateMultipartUpload: the upload's id.
Result<std::string> read_upload_id(std::string_view body);

// CompleteMultipartUpload, CopyObject or UploadPartCopy: the ETag, which may be empty: Ceph's first answer to a
// completion can be, and HEAD has it.
Result<std::string> read_result_etag(std::string_view body);

struct KeyError {
  std::string key;
  Error error;
};
// DeleteObjects, not in its quiet mode: what was not deleted of what was asked for. A key of which the reply says
// nothing is among them; one that was not there is not, nor is one that nobody asked about.
Result<std::vector<KeyError>> read_delete_result(std::string_view body, const std::vector<std::string>& keys);

struct PendingUpload {
  std::string key;
  std::string id;
  std::optional<Time> initiated;
};
struct UploadPage {
  std::vector<PendingUpload> uploads;
  bool is_last = true;
  std::string next_key;  // key-marker and upload-id-marker of the next page
  std::string next_id;
};
// ListMultipartUploads with encoding-type=url; every key begins with `prefix`.
Result<UploadPage> read_upload_page(std::string_view body, std::string_view prefix);

}  // namespace cairn::s3
