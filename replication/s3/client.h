// SPDX-License-Identifier: Apache-2.0
//
// One bucket of S3-compatible storage: what can be done to it and to the objects in it.
#pragma once

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "cairn/result.h"
#include "replication/retry.h"
#include "replication/s3/bucket_requests.h"
#include "replication/s3/replies.h"

namespace cairn::s3 {

// What servers take for one part, but for the last.
inline constexpr std::uint64_t kPartBytesMin = 5 << 20;
inline constexpr std::uint64_t kPartBytesMax = std::uint64_t{5} << 30;

struct ClientOptions {
  BucketPlace place;
  RetryPolicy retry{};
  // Over TLS nothing can change a body. Without it the server compares the body with a SHA-256 that is signed, which
  // costs the client 2 to 3 ns a byte where the processor has no instructions for it.
  bool sign_payload_without_tls = true;
  // Of multipart uploads and of large objects read in ranges; servers take no less than 5 MiB. An upload holds
  // `parallel_max` of them in memory.
  std::uint64_t part_bytes = 16 << 20;
  unsigned parallel_max = 4;
};

// Names of small letters, digits and '-'; values of printable ASCII. Servers keep them as x-amz-meta-NAME, 2 KiB in
// all.
using Metadata = std::map<std::string, std::string>;

struct ObjectOptions {
  std::string content_type{};  // empty: the server's default
  Metadata metadata{};
};
struct ObjectInfo {
  std::uint64_t size = 0;
  std::string etag;  // with its quotes; may be empty
  std::string content_type;
  Metadata metadata;
};

// Any thread; calls block, and as many run beside each other as the transport has connections. Errors name the bucket
// and key, and never hold a secret. What is retryable was tried again before a call ends with it.
class Client {
 public:
  using Parts = std::span<const std::span<const std::byte>>;

  // Errors: the place is none. Nothing is sent.
  static Result<std::unique_ptr<Client>> create(ClientOptions options, ClientSurroundings surroundings);

  // In one request, up to the server's limit (S3: 5 GiB). The object's ETag, which may be empty.
  Result<std::string> put(std::string_view key, Parts parts, const ObjectOptions& options = {});

  // False: there is something under this key, which stays. When an answer was lost on the way, what is there is
  // compared with `parts`: of several who put the same bytes, more than one may be told that it put them.
  //
  // A server that does not know conditions (it answers 501 NotImplemented, which is remembered) is asked whether there
  // is something, and then told to put: of several at the same time the last wins, and all of them are told that they
  // put it.
  Result<bool> put_if_absent(std::string_view key, Parts parts, const ObjectOptions& options = {});
  // Whether the server has answered 501 NotImplemented to a condition.
  bool conditions_unsupported() const noexcept { return conditions_unsupported_.load(); }

  // Nothing: there is no such object; that there is no such bucket is an error. A larger object than `bytes_max`:
  // resource_exhausted.
  Result<std::optional<std::vector<std::byte>>> get(std::string_view key, std::uint64_t bytes_max);
  // Exactly `length` bytes, not 0. An object that ends before: corruption.
  Result<std::optional<std::vector<std::byte>>> get_range(std::string_view key, std::uint64_t offset,
                                                          std::uint64_t length);
  // get(), in ranges beside each other where the object is larger than a part. One that is replaced meanwhile is a
  // retryable conflict.
  Result<std::optional<std::vector<std::byte>>> get_in_ranges(std::string_view key, std::uint64_t bytes_max);
  // HEAD has no body to tell what is missing: without the bucket, too, the answer is nothing.
  Result<std::optional<ObjectInfo>> head(std::string_view key);

  struct ListOptions {
    std::string prefix{};
    std::string after{};      // keys greater than this alone
    std::string delimiter{};  // keys with it behind the prefix are folded into common_prefixes
    std::string token{};      // `next_token` of the page before, with the other fields unchanged
    unsigned keys_max = 1000;
  };
  Result<ListPage> list(const ListOptions& options);

  // Those that could not be removed; a key that was not there is removed.
  Result<std::vector<KeyError>> remove(const std::vector<std::string>& keys);

  // Within the bucket, by the server, up to its limit (S3: 5 GiB), with the metadata. No source: not_found.
  Status copy(std::string_view from, std::string_view to);

  // Fills the buffer, and returns less than its size at the end of the content alone. One thread at a time, in order.
  using ContentSource = std::function<Result<std::size_t>(std::span<std::byte>)>;
  // In parts beside each other, or in one request where one part has it all. `bytes_expected` may be less or more than
  // there are; parts grow so that 10,000 of them have that many, and more than 10,000 of 5 GiB are an invalid_argument.
  // On failure the upload is aborted; where that fails too, the error says so, and pending_uploads() has it.
  Result<std::string> put_in_parts(std::string_view key, const ContentSource& source, std::uint64_t bytes_expected = 0,
                                   const ObjectOptions& options = {});
  // Uploads that were begun below a prefix, and neither completed nor aborted.
  Result<std::vector<PendingUpload>> pending_uploads(std::string_view prefix);
  // One that is gone already is aborted.
  Status abort_upload(const PendingUpload& upload);
  // Those begun before `time`; how many. One whose time the server does not tell stays.
  Result<std::size_t> abort_uploads(std::string_view prefix, Time begun_before);

  // Unless it is there and one's own. A region other than us-east-1 is told to the server.
  Status create_bucket();

  // A URL that does it for whoever has it, for 1 s to 7 days.
  Result<std::string> presigned_get(std::string_view key, std::chrono::seconds valid_for);
  Result<std::string> presigned_put(std::string_view key, std::chrono::seconds valid_for);

 private:
  Client(ClientOptions options, ClientSurroundings surroundings);
  Result<BucketReply> put_once(std::string_view key, Parts parts, const ObjectOptions& options, bool if_absent);
  Result<bool> put_where_nothing_is(std::string_view key, Parts parts, const ObjectOptions& options);
  Result<std::optional<std::vector<std::byte>>> get_if(std::string_view key, const std::string& etag,
                                                       std::uint64_t offset, std::uint64_t length);
  Status remove_batch(const std::vector<std::string>& keys, std::vector<KeyError>& failed);
  Result<std::string> begin_upload(std::string_view key, const ObjectOptions& options);
  Result<std::string> complete_upload(const PendingUpload& upload, const std::vector<std::string>& etags,
                                      std::uint64_t bytes);

  const ClientOptions options_;
  BucketRequests requests_;
  std::atomic<bool> conditions_unsupported_ = false;
};

}  // namespace cairn::s3
