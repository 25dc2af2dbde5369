// SPDX-License-Identifier: Apache-2.0
//
// How a client puts large objects: in parts, some of them at a time, all of them or none.
#include <algorithm>
#include <mutex>
#include <utility>

#include "replication/s3/client.h"
#include "replication/s3/messages.h"
#include "replication/s3/object_headers.h"
#include "replication/s3/parallel.h"
#include "replication/s3/request_bodies.h"
#include "replication/s3/xml.h"

namespace cairn::s3 {
namespace {

constexpr unsigned kUploadPagesMax = 10'000;

// The content in parts, to whoever asks for the next one.
class PartReader {
 public:
  PartReader(const Client::ContentSource& source, std::vector<std::byte> first)
      : source_(source), next_(std::move(first)), part_bytes_(next_.size()) {}

  struct Part {
    std::size_t number = 0;  // from 0
    std::vector<std::byte> bytes;
  };
  // `bytes` of the part that is given back are written over. Nothing: there are no more.
  Result<std::optional<Part>> next(Part part) {
    const std::lock_guard guard(mutex_);
    if (ended_) return std::optional<Part>();
    part.number = count_;
    if (count_ == 0) {
      part.bytes = std::move(next_);
    } else {
      part.bytes.resize(part_bytes_);
      Result<std::size_t> size = source_(part.bytes);
      ended_ = !size.ok() || *size < part_bytes_;
      if (!size.ok()) return std::move(size).error();
      part.bytes.resize(std::min(*size, part_bytes_));
      if (part.bytes.empty()) return std::optional<Part>();
    }
    if (count_ == kPartsMax) {
      return make_error(ErrorCode::invalid_argument,
                        "the content has more than 10000 parts of " + std::to_string(part_bytes_) + " bytes");
    }
    ++count_;
    bytes_ += part.bytes.size();
    return std::optional<Part>(std::move(part));
  }
  // Nobody gets another part.
  void stop() {
    const std::lock_guard guard(mutex_);
    ended_ = true;
  }
  std::uint64_t bytes() const { return bytes_; }

 private:
  const Client::ContentSource& source_;
  std::mutex mutex_;
  std::vector<std::byte> next_;
  const std::size_t part_bytes_;
  std::size_t count_ = 0;
  std::uint64_t bytes_ = 0;
  bool ended_ = false;
};

// Servers end the ETag of an object that was put in parts with their number.
bool is_of_parts(std::string_view etag, std::size_t parts) {
  if (etag.ends_with('"')) etag.remove_suffix(1);
  return etag.ends_with("-" + std::to_string(parts));
}

}  // namespace

Result<std::string> Client::begin_upload(std::string_view key, const ObjectOptions& options) {
  CAIRN_TRY(std::vector<Header> headers, headers_of(options));
  std::string id;
  // Sent again by the client after an error, it may leave an upload behind that nobody knows: pending_uploads() does.
  BucketReply reply = requests_.send({.what = "begin upload",
                                      .method = "POST",
                                      .key = key,
                                      .query = {{"uploads", ""}},
                                      .headers = std::move(headers),
                                      .idempotent = false,
                                      .read = [&](const HttpReply& answer) -> Status {
                                        CAIRN_TRY(id, read_upload_id(answer.text()));
                                        return {};
                                      }});
  if (reply.error) return *std::move(reply.error);
  return id;
}

Result<std::string> Client::complete_upload(const PendingUpload& upload, const std::vector<std::string>& etags,
                                            std::uint64_t bytes) {
  std::vector<UploadedPart> parts;
  parts.reserve(etags.size());
  for (const std::string& etag : etags) {
    parts.push_back({.number = static_cast<std::uint32_t>(parts.size() + 1), .etag = etag});
  }
  CAIRN_TRY(const std::string text, complete_upload_body(parts));
  const std::span<const std::byte> body = std::as_bytes(std::span(text));
  std::string etag;
  BucketReply reply = requests_.send({.what = "complete upload",
                                      .method = "POST",
                                      .key = upload.key,
                                      .query = {{"uploadId", upload.id}},
                                      .body = Parts(&body, 1),
                                      // Done twice, it says that the upload is gone: only this client knows what of.
                                      .idempotent = false,
                                      .read = [&](const HttpReply& answer) -> Status {
                                        CAIRN_TRY(etag, read_result_etag(answer.text()));
                                        return {};
                                      }});
  // Gone after an attempt without an answer: that one completed it, if the object is there.
  const bool may_be_done = reply.refusal == Refusal::no_such_upload && reply.earlier_unknown;
  if (reply.error && !may_be_done) return *std::move(reply.error);
  if (!reply.error && !etag.empty()) return etag;
  CAIRN_TRY(const std::optional<ObjectInfo> info, head(upload.key));
  const bool is_it = info && info->size == bytes && (!may_be_done || is_of_parts(info->etag, etags.size()));
  if (is_it) return info->etag;
  if (reply.error) return *std::move(reply.error);
  return transient_error(requests_.describe("complete upload", upload.key) + ": the object is not there afterwards");
}

Result<std::string> Client::put_in_parts(std::string_view key, const ContentSource& source,
                                         std::uint64_t bytes_expected, const ObjectOptions& options) {
  CAIRN_CHECK(check_key(key));
  const std::uint64_t part_bytes = std::max(options_.part_bytes, bytes_expected / kPartsMax + 1);
  if (part_bytes > kPartBytesMax) {
    return make_error(ErrorCode::invalid_argument, requests_.describe("put", key) + ": " +
                                                       std::to_string(bytes_expected) +
                                                       " bytes are more than 10000 parts of 5 GiB hold");
  }
  std::vector<std::byte> first(part_bytes);
  CAIRN_TRY(const std::size_t first_bytes, source(first));
  if (first_bytes < part_bytes) {
    const auto body = std::span<const std::byte>(first).first(first_bytes);
    return put(key, Parts(&body, 1), options);
  }
  CAIRN_TRY(const std::string id, begin_upload(key, options));
  const PendingUpload upload{.key = std::string(key), .id = id, .initiated = {}};
  PartReader reader(source, std::move(first));
  std::mutex mutex;
  std::vector<std::string> etags;
  const auto upload_parts = [&](std::uint64_t /*thread*/) -> Status {
    PartReader::Part room;
    while (true) {
      CAIRN_TRY(std::optional<PartReader::Part> part, reader.next(std::exchange(room, {})));
      if (!part) return {};
      const std::span<const std::byte> body = part->bytes;
      BucketReply reply = requests_.send({.what = "upload part " + std::to_string(part->number + 1),
                                          .method = "PUT",
                                          .key = key,
                                          .query = {{"partNumber", std::to_string(part->number + 1)}, {"uploadId", id}},
                                          .body = Parts(&body, 1),
                                          .read = check_put});
      if (reply.error) {
        reader.stop();
        return *std::move(reply.error);
      }
      const std::lock_guard guard(mutex);
      etags.resize(std::max(etags.size(), part->number + 1));
      etags[part->number] = reply.reply.header("etag").value_or("");
      room = *std::move(part);
    }
  };
  Status sent = for_each_beside(options_.parallel_max, options_.parallel_max, upload_parts);
  Result<std::string> completed =
      sent.ok() ? complete_upload(upload, etags, reader.bytes()) : Result<std::string>(std::move(sent).error());
  if (completed.ok()) return completed;
  if (const Status aborted = abort_upload(upload); !aborted.ok()) {
    completed.error().message += "; and it could not be aborted: " + aborted.error().message;
  }
  return completed;
}

Result<std::vector<PendingUpload>> Client::pending_uploads(std::string_view prefix) {
  std::vector<PendingUpload> uploads;
  UploadPage page{.uploads = {}, .is_last = false, .next_key = {}, .next_id = {}};
  for (unsigned pages = 0; !page.is_last && pages < kUploadPagesMax; ++pages) {
    std::vector<QueryItem> query = {{"uploads", ""}, {"encoding-type", "url"}, {"prefix", std::string(prefix)}};
    if (!page.next_key.empty()) query.push_back({"key-marker", page.next_key});
    if (!page.next_id.empty()) query.push_back({"upload-id-marker", page.next_id});
    BucketReply reply = requests_.send({.what = "list uploads in",
                                        .method = "GET",
                                        .query = std::move(query),
                                        .reply_bytes_max = kReplyBytesMax,
                                        .read = [&](const HttpReply& answer) -> Status {
                                          CAIRN_TRY(page, read_upload_page(answer.text(), prefix));
                                          return {};
                                        }});
    if (reply.error) return *std::move(reply.error);
    std::move(page.uploads.begin(), page.uploads.end(), std::back_inserter(uploads));
  }
  return uploads;
}

Status Client::abort_upload(const PendingUpload& upload) {
  BucketReply reply = requests_.send(
      {.what = "abort upload", .method = "DELETE", .key = upload.key, .query = {{"uploadId", upload.id}}});
  const bool is_gone = reply.refusal == Refusal::no_such_upload || reply.refusal == Refusal::no_such_key;
  if (!reply.error || is_gone) return {};
  return *std::move(reply.error);
}

Result<std::size_t> Client::abort_uploads(std::string_view prefix, Time begun_before) {
  CAIRN_TRY(const std::vector<PendingUpload> uploads, pending_uploads(prefix));
  std::size_t aborted = 0;
  for (const PendingUpload& upload : uploads) {
    if (!upload.initiated || *upload.initiated >= begun_before) continue;
    CAIRN_CHECK(abort_upload(upload));
    ++aborted;
  }
  return aborted;
}

}  // namespace cairn::s3
