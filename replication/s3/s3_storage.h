// SPDX-License-Identifier: Apache-2.0
//
// What a mirror needs of a remote, kept below a prefix of a bucket.
#pragma once

#include <memory>
#include <string>

#include "cairn/result.h"
#include "replication/object_storage.h"
#include "replication/s3/client.h"

namespace cairn::s3 {

struct S3StorageOptions {
  std::string prefix{};  // as in Location; empty: the whole bucket
  // A bucket that is missing is created by the first call that puts something, and until then it reads as empty.
  // Otherwise it is an error of every call but size_of(), which cannot tell.
  bool create_bucket = false;
};

// As the contract of ObjectStorage has it, with what Client::put_if_absent() says of servers that know no conditions.
class S3Storage final : public ObjectStorage {
 public:
  // The client is borrowed. A prefix as Location has it, or an error.
  static Result<std::unique_ptr<S3Storage>> create(Client& client, const S3StorageOptions& options);

  Status put(std::string_view key, Parts parts) override;
  Result<bool> put_if_absent(std::string_view key, Parts parts) override;
  Result<std::optional<std::vector<std::byte>>> get(std::string_view key, std::uint64_t bytes_max) override;
  Result<std::optional<std::vector<std::byte>>> get_range(std::string_view key, const Range& range) override;
  Result<std::optional<std::uint64_t>> size_of(std::string_view key) override;
  Result<std::vector<Listed>> list(std::string_view prefix, std::string_view after) override;
  Result<std::vector<NotRemoved>> remove(const std::vector<std::string>& keys) override;

 private:
  S3Storage(Client& client, const S3StorageOptions& options);
  std::string full(std::string_view key) const { return base_ + std::string(key); }
  // An error that means that there is no bucket, in the calls that say nothing else with it.
  bool may_create(const Error& error) const { return create_bucket_ && error.code == ErrorCode::not_found; }

  Client& client_;
  const std::string base_;  // the prefix with its '/', or nothing
  const bool create_bucket_;
};

}  // namespace cairn::s3
