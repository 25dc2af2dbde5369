// SPDX-License-Identifier: Apache-2.0
//
// What Artifacts works on: a client of one bucket, and how a name becomes a key in it.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "cairn/artifacts.h"
#include "replication/s3/open_client.h"

namespace cairn {

// 0 where the server did not say.
std::int64_t modified_ns(const std::optional<s3::Time>& modified) noexcept;
ArtifactInfo artifact_info(const std::string& name, s3::ObjectInfo info);

class ArtifactBucket {
 public:
  ArtifactBucket(std::unique_ptr<s3::OpenClient> opened, std::string url, const ArtifactsOptions& options)
      : ArtifactBucket(opened->client(), opened->prefix(), std::move(url), options) {
    opened_ = std::move(opened);
  }
  // The client is borrowed. `url`: what errors say.
  ArtifactBucket(s3::Client& client, const std::string& prefix, std::string url, const ArtifactsOptions& options)
      : client_(client), base_(prefix.empty() ? "" : prefix + "/"), url_(std::move(url)), options_(options) {}

  static Artifacts artifacts_of(std::unique_ptr<ArtifactBucket> bucket) { return Artifacts(std::move(bucket)); }

  s3::Client& client() noexcept { return client_; }
  const ArtifactsOptions& options() const noexcept { return options_; }

  // invalid_argument: it is empty.
  Result<std::string> key_of(const std::string& name) const;
  std::string prefix_of(const std::string& names) const { return base_ + names; }
  std::string name_of(const std::string& key) const { return key.substr(base_.size()); }
  Error not_found(const std::string& name) const;

  // Whether `error` means that there is no bucket and this made one, so that the same is worth trying again.
  Result<bool> made_bucket_after(const Error& error);
  // Whether a put may find that there is no bucket.
  bool may_be_missing() const noexcept { return options_.create_bucket && !is_there_.load(); }
  void note_there() noexcept { is_there_.store(true); }

 private:
  std::unique_ptr<s3::OpenClient> opened_;
  s3::Client& client_;
  const std::string base_;  // the prefix with its '/', or nothing
  const std::string url_;
  const ArtifactsOptions options_;
  std::atomic<bool> is_there_ = false;
};

}  // namespace cairn
