// SPDX-License-Identifier: Apache-2.0
#include "replication/s3/open_storage.h"

#include <utility>

#include "replication/forwarding_storage.h"
#include "replication/s3/s3_storage.h"

namespace cairn::s3 {
namespace {

// Owns the client that S3Storage borrows.
class OwningStorage final : public ForwardingStorage {
 public:
  OwningStorage(std::unique_ptr<OpenClient> client, std::unique_ptr<S3Storage> storage)
      : ForwardingStorage(*storage), client_(std::move(client)), storage_(std::move(storage)) {}
  void stop() override { client_->stop(); }

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
