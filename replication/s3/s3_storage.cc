// SPDX-License-Identifier: Apache-2.0
#include "replication/s3/s3_storage.h"

#include "replication/s3/messages.h"

namespace cairn::s3 {
namespace {}  // namespace

Result<std::unique_ptr<S3Storage>> S3Storage::create(Client& client, const S3StorageOptions& options) {
  if (options.prefix.size() > kPrefixBytesMax || options.prefix.starts_with('/') || options.prefix.ends_with('/')) {
    return make_error(ErrorCode::invalid_argument,
                      "prefix " + quoted(options.prefix) + " has more than 512 bytes, or '/' at one of its ends");
  }
  return std::unique_ptr<S3Storage>(new S3Storage(client, options));
}

S3Storage::S3Storage(Client& client, const S3StorageOptions& options)
    : client_(client),
      base_(options.prefix.empty() ? std::string() : options.prefix + "/"),
      create_bucket_(options.create_bucket) {}

Status S3Storage::put(std::string_view key, Parts parts) {
  Result<std::string> done = client_.put(full(key), parts);
  if (!done.ok() && may_create(done.error())) {
    CAIRN_CHECK(client_.create_bucket());
    done = client_.put(full(key), parts);
  }
  if (!done.ok()) return std::move(done).error();
  return {};
}

Result<bool> S3Storage::put_if_absent(std::string_view key, Parts parts) {
  Result<bool> done = client_.put_if_absent(full(key), parts);
  if (done.ok() || !may_create(done.error())) return done;
  CAIRN_CHECK(client_.create_bucket());
  return client_.put_if_absent(full(key), parts);
}

Result<std::optional<std::vector<std::byte>>> S3Storage::get(std::string_view key, std::uint64_t bytes_max) {
  Result<std::optional<std::vector<std::byte>>> got = client_.get(full(key), bytes_max);
  if (!got.ok() && may_create(got.error())) return std::optional<std::vector<std::byte>>();
  return got;
}

Result<std::optional<std::vector<std::byte>>> S3Storage::get_range(std::string_view key, const Range& range) {
  Result<std::optional<std::vector<std::byte>>> got = client_.get_range(full(key), range.offset, range.length);
  if (!got.ok() && may_create(got.error())) return std::optional<std::vector<std::byte>>();
  return got;
}

Result<std::optional<std::uint64_t>> S3Storage::size_of(std::string_view key) {
  CAIRN_TRY(const std::optional<ObjectInfo> info, client_.head(full(key)));
  if (!info) return std::optional<std::uint64_t>();
  return std::optional<std::uint64_t>(info->size);
}

Result<std::vector<ObjectStorage::Listed>> S3Storage::list(std::string_view prefix, std::string_view after) {
  Result<ListPage> page = client_.list_after(full(prefix), after.empty() ? base_ : full(after));
  if (!page.ok() && may_create(page.error())) return std::vector<Listed>();
  if (!page.ok()) return std::move(page).error();
  std::vector<Listed> listed;
  listed.reserve(page->objects.size());
  for (const ListedObject& object : page->objects) {
    listed.push_back({.key = object.key.substr(base_.size()), .bytes = object.size, .modified = object.modified});
  }
  return listed;
}

Result<std::vector<ObjectStorage::NotRemoved>> S3Storage::remove(const std::vector<std::string>& keys) {
  std::vector<std::string> all;
  all.reserve(keys.size());
  for (const std::string& key : keys) all.push_back(full(key));
  Result<std::vector<KeyError>> failed = client_.remove(all);
  if (!failed.ok() && may_create(failed.error())) return std::vector<NotRemoved>();
  if (!failed.ok()) return std::move(failed).error();
  std::vector<NotRemoved> result;
  for (KeyError& error : *failed) {
    result.push_back({.key = error.key.substr(base_.size()), .error = std::move(error.error)});
  }
  return result;
}

}  // namespace cairn::s3
