// SPDX-License-Identifier: Apache-2.0
//
// Artifacts: what is asked of a bucket besides its objects' content. That is in artifact_transfers.cc.
#include "cairn/artifacts.h"

#ifdef CAIRN_HAVE_S3
#include <algorithm>
#include <limits>
#include <utility>

#include "api/src/artifact_bucket.h"
#include "engine/base/errors.h"
#include "engine/base/progress_meter.h"
#include "engine/format/manifest.h"

namespace cairn {
namespace {

constexpr std::size_t kPageMax = 1000;

// A server may say anything of its objects' sizes.
std::uint64_t sum(std::uint64_t a, std::uint64_t b) {
  return b > std::numeric_limits<std::uint64_t>::max() - a ? std::numeric_limits<std::uint64_t>::max() : a + b;
}

// Page after page of the objects below a prefix, each page given to `visit`.
Status walk(ArtifactBucket& bucket, const std::string& prefix,
            const std::function<Status(const std::vector<s3::ListedObject>&)>& visit) {
  s3::ListPage page;
  std::string after = bucket.prefix_of("");
  do {
    CAIRN_TRY(page, bucket.client().list_after(bucket.prefix_of(prefix), after));
    if (page.objects.empty()) return {};
    after = page.objects.back().key;
    CAIRN_CHECK(visit(page.objects));
  } while (!page.next_token.empty());
  return {};
}

}  // namespace

std::int64_t modified_ns(const std::optional<s3::Time>& modified) noexcept {
  using std::chrono::nanoseconds;
  // A server may say any year up to 9999; nanoseconds end in 2262.
  constexpr auto kLast = std::chrono::floor<std::chrono::seconds>(nanoseconds::max());
  return modified ? nanoseconds(std::min(modified->time_since_epoch(), kLast)).count() : 0;
}

ArtifactInfo artifact_info(const std::string& name, s3::ObjectInfo info) {
  return {.name = name,
          .bytes = info.size,
          .etag = std::move(info.etag),
          .modified_ns = modified_ns(info.modified),
          .content = {.content_type = std::move(info.content_type), .metadata = std::move(info.metadata)}};
}

Result<std::string> ArtifactBucket::key_of(const std::string& name) const {
  if (!name.empty()) return base_ + name;
  return make_error(ErrorCode::invalid_argument, "an artifact's name is not empty");
}

Error ArtifactBucket::not_found(const std::string& name) const {
  return make_error(ErrorCode::not_found, "no artifact '" + printable(name) + "' at " + printable(url_));
}

Result<bool> ArtifactBucket::made_bucket_after(const Error& error) {
  if (!may_be_missing() || error.code != ErrorCode::not_found) return false;
  CAIRN_CHECK(client_.create_bucket());
  return true;
}

Artifacts::Artifacts(std::unique_ptr<ArtifactBucket> bucket) : bucket_(std::move(bucket)) {}
Artifacts::Artifacts(Artifacts&&) noexcept = default;
Artifacts& Artifacts::operator=(Artifacts&&) noexcept = default;
Artifacts::~Artifacts() = default;

Result<Artifacts> Artifacts::open(const ArtifactPlace& place, const ArtifactsOptions& options) {
  const s3::StorageAddress address{
      .url = place.url, .endpoint = place.endpoint, .region = place.region, .ca_file = place.ca_file};
  CAIRN_CHECK(s3::check_address(address));
  CAIRN_TRY(
      auto opened,
      s3::OpenClient::open(address, {.place = {}, .part_bytes = options.part_bytes, .parallel_max = options.parallel}));
  return Artifacts(std::make_unique<ArtifactBucket>(std::move(opened), place.url, options));
}

Result<ArtifactInfo> Artifacts::stat(const std::string& name) {
  CAIRN_TRY(const std::string key, bucket_->key_of(name));
  CAIRN_TRY(std::optional<s3::ObjectInfo> info, bucket_->client().head(key));
  if (!info) return bucket_->not_found(name);
  return artifact_info(name, *std::move(info));
}

Result<ArtifactPage> Artifacts::list(const std::string& prefix, const std::string& cursor, std::size_t count) {
  ArtifactPage result;
  if (count == 0) return result;
  CAIRN_TRY(const s3::ListPage page,
            bucket_->client().list_after(bucket_->prefix_of(prefix), bucket_->prefix_of(cursor),
                                         static_cast<unsigned>(std::min(count, kPageMax))));
  for (const s3::ListedObject& object : page.objects) {
    // A server may give more than it was asked for.
    if (result.artifacts.size() == count) break;
    result.artifacts.push_back({.name = bucket_->name_of(object.key),
                                .bytes = object.size,
                                .etag = object.etag,
                                .modified_ns = modified_ns(object.modified),
                                .content = {}});
  }
  const bool has_more = !page.next_token.empty() || result.artifacts.size() < page.objects.size();
  if (has_more && !result.artifacts.empty()) result.next = result.artifacts.back().name;
  return result;
}

Result<ArtifactTotal> Artifacts::total(const std::string& prefix) {
  ArtifactTotal total;
  CAIRN_CHECK(walk(*bucket_, prefix, [&](const std::vector<s3::ListedObject>& objects) -> Status {
    total.artifacts += objects.size();
    for (const s3::ListedObject& object : objects) total.bytes = sum(total.bytes, object.size);
    return {};
  }));
  return total;
}

Status Artifacts::copy(const std::string& from, const std::string& to) {
  CAIRN_TRY(const std::string source, bucket_->key_of(from));
  CAIRN_TRY(const std::string target, bucket_->key_of(to));
  return bucket_->client().copy(source, target);
}

Result<bool> Artifacts::remove(const std::string& name) {
  CAIRN_TRY(const std::string key, bucket_->key_of(name));
  // What removes a key says nothing of whether it was there.
  CAIRN_TRY(const std::optional<s3::ObjectInfo> info, bucket_->client().head(key));
  if (!info) return false;
  CAIRN_TRY(std::vector<s3::KeyError> failed, bucket_->client().remove({key}));
  if (!failed.empty()) return std::move(failed.front().error);
  return true;
}

Result<ArtifactRemoveReport> Artifacts::remove_all(const std::string& prefix, bool dry_run, const Progress& progress) {
  if (prefix.empty()) {
    return make_error(ErrorCode::invalid_argument, "which artifacts are to be removed? An empty prefix is that of all");
  }
  ArtifactRemoveReport report;
  ProgressMeter meter(progress, "remove", 0);
  const auto visit = [&](const std::vector<s3::ListedObject>& objects) -> Status {
    CAIRN_CHECK(meter.check_stop());
    std::map<std::string, std::uint64_t> bytes;  // of those that are gone
    std::vector<std::string> keys;
    for (const s3::ListedObject& object : objects) {
      bytes.emplace(object.key, object.size);
      keys.push_back(object.key);
    }
    std::vector<s3::KeyError> failed;
    if (!dry_run) {
      CAIRN_TRY(failed, bucket_->client().remove(keys));
    }
    for (s3::KeyError& one : failed) {
      bytes.erase(one.key);
      report.failed.push_back({.name = bucket_->name_of(one.key), .error = std::move(one.error)});
    }
    report.removed += bytes.size();
    for (const auto& [key, size] : bytes) {
      report.removed_bytes = sum(report.removed_bytes, size);
      meter.file_done();
    }
    meter.add(0);
    return {};
  };
  CAIRN_CHECK(walk(*bucket_, prefix, visit));
  return report;
}

Result<std::string> Artifacts::url_to_get(const std::string& name, std::chrono::seconds valid_for) {
  CAIRN_TRY(const std::string key, bucket_->key_of(name));
  return bucket_->client().presigned_get(key, valid_for);
}

Result<std::string> Artifacts::url_to_put(const std::string& name, std::chrono::seconds valid_for) {
  CAIRN_TRY(const std::string key, bucket_->key_of(name));
  return bucket_->client().presigned_put(key, valid_for);
}

Result<std::uint64_t> Artifacts::abort_uploads(const std::string& prefix, std::chrono::seconds older_than) {
  const auto now = std::chrono::floor<std::chrono::seconds>(std::chrono::system_clock::now());
  if (older_than.count() < 0) return make_error(ErrorCode::invalid_argument, "no upload is begun in the future");
  const s3::Time begun_before = now - std::min(older_than, now.time_since_epoch());
  CAIRN_TRY(const std::size_t aborted, bucket_->client().abort_uploads(bucket_->prefix_of(prefix), begun_before));
  return std::uint64_t{aborted};
}

}  // namespace cairn
#endif
