// SPDX-License-Identifier: Apache-2.0
#include "replication/s3/open_storage.h"

#include <utility>

#include "replication/s3/s3_storage.h"

namespace cairn::s3 {
namespace {

// Owns the client that S3Storage borrows.
class OwningStorage final : public ObjectStorage {
 public:
  OwningStorage(std::unique_ptr<OpenClient> client, std::unique_ptr<S3Storage> storage)
      : client_(std::move(client)), storage_(std::move(storage)) {}

  Status put(std::string_view key, Parts parts) override { return storage_->put(key, parts); }
  Result<bool> put_if_absent(std::string_view key, Parts parts) override { return storage_->put_if_absent(key, parts); }
  Result<std::optional<std::vector<std::byte>>> get(std::string_view key, std::uint64_t bytes_max) override {
    return storage_->get(key, bytes_max);
  }
  Result<std::optional<std::vector<std::byte>>> get_range(std::string_view key, const Range& range) override {
    return storage_->get_range(key, range);
  }
  Result<std::optional<std::uint64_t>> size_of(std::string_view key) override { return storage_->size_of(key); }
  Result<std::vector<Listed>> list(std::string_view prefix, std::string_view after) override {
    return storage_->list(prefix, after);
  }
  Result<std::vector<NotRemoved>> remove(const std::vector<std::string>& keys) override {
    return storage_->remove(keys);
  }

 private:
  const std::unique_ptr<OpenClient> client_;
  const std::unique_ptr<S3Storage> storage_;
};

}  // namespace

Result<std::unique_ptr<ObjectStorage>> open_storage(const StorageAddress& address) {
  CAIRN_TRY(std::unique_ptr<OpenClient> client, OpenClient::open(address));
  CAIRN_TRY(std::unique_ptr<S3Storage> storage,
            S3Storage::create(client->client(), {.prefix = client->prefix(), .create_bucket = address.create_bucket}));
  return std::unique_ptr<ObjectStorage>(std::make_unique<OwningStorage>(std::move(client), std::move(storage)));
}

}  // namespace cairn::s3
