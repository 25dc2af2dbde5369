// SPDX-License-Identifier: Apache-2.0
//
// How a client removes objects: a thousand at a time, and by themselves those whose keys XML cannot name.
#include <algorithm>

#include "replication/s3/body_digests.h"
#include "replication/s3/client.h"
#include "replication/s3/request_bodies.h"
#include "replication/s3/xml.h"

namespace cairn::s3 {

Status Client::remove_batch(const std::vector<std::string>& keys, std::vector<KeyError>& failed) {
  CAIRN_TRY(const std::string text, batch_delete_body(keys));
  CAIRN_TRY(std::string md5, md5_base64(text));
  const std::span<const std::byte> body = std::as_bytes(std::span(text));
  std::vector<KeyError> not_removed;
  BucketReply reply = requests_.send({.what = "delete from",
                                      .method = "POST",
                                      .query = {{"delete", ""}},
                                      .headers = {{"content-md5", std::move(md5)}},
                                      .body = Parts(&body, 1),
                                      .reply_bytes_max = kReplyBytesMax,
                                      .read = [&](const HttpReply& answer) -> Status {
                                        CAIRN_TRY(not_removed, read_delete_result(answer.text(), keys));
                                        return {};
                                      }});
  if (reply.error) return *std::move(reply.error);
  std::move(not_removed.begin(), not_removed.end(), std::back_inserter(failed));
  return {};
}

Result<std::vector<KeyError>> Client::remove(const std::vector<std::string>& keys) {
  std::vector<KeyError> failed;
  std::vector<std::string> batch;
  for (const std::string& key : keys) {
    CAIRN_CHECK(check_key(key));
  }
  for (const std::string& key : keys) {
    if (fits_batch_delete(key)) {
      batch.push_back(key);
      if (batch.size() < kBatchDeleteMax) continue;
      CAIRN_CHECK(remove_batch(batch, failed));
      batch.clear();
      continue;
    }
    BucketReply reply = requests_.send({.what = "delete", .method = "DELETE", .key = key});
    if (reply.error && reply.refusal != Refusal::no_such_key) failed.push_back({key, *std::move(reply.error)});
  }
  if (!batch.empty()) CAIRN_CHECK(remove_batch(batch, failed));
  return failed;
}

}  // namespace cairn::s3
