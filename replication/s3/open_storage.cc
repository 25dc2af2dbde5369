// SPDX-License-Identifier: Apache-2.0
#include "replication/s3/open_storage.h"

#include <chrono>
#include <utility>

#include "replication/s3/client.h"
#include "replication/s3/credential_sources.h"
#include "replication/s3/endpoint_exchange.h"
#include "replication/s3/s3_storage.h"
#include "replication/s3/transport.h"

namespace cairn::s3 {
namespace {

constexpr std::string_view kUsualRegion = "us-east-1";

// Owns what S3Storage borrows, in the order in which that is borrowed.
class OwningStorage final : public ObjectStorage {
 public:
  explicit OwningStorage(const std::string& ca_file)
      : surroundings_(system_surroundings(direct_exchange(ca_file))),
        credentials_(usual_sources(surroundings_), surroundings_.now) {}

  Status open(const StorageAddress& address) {
    CAIRN_TRY(Location location, parse_location(address.url));
    BucketPlace place{.endpoint = {}, .region = address.region, .bucket = location.bucket};
    if (place.region.empty()) {
      CAIRN_TRY(const auto configured, configured_region(surroundings_));
      place.region = configured.value_or(std::string(kUsualRegion));
    }
    CAIRN_CHECK(check_region(place.region));
    if (address.endpoint.empty()) {
      CAIRN_TRY(place.endpoint, aws_endpoint(place.region));
    } else {
      CAIRN_TRY(place.endpoint, parse_endpoint(address.endpoint));
    }
    CAIRN_TRY(transport_, Transport::create({.ca_file = address.ca_file}));
    CAIRN_TRY(client_, Client::create({.place = std::move(place)}, {.http = *transport_,
                                                                    .credentials = credentials_,
                                                                    .now = surroundings_.now,
                                                                    .retry_clock = system_retry_clock()}));
    CAIRN_TRY(storage_, S3Storage::create(
                            *client_, {.prefix = std::move(location.prefix), .create_bucket = address.create_bucket}));
    return {};
  }

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
  const Surroundings surroundings_;
  CredentialChain credentials_;
  std::unique_ptr<Transport> transport_;
  std::unique_ptr<Client> client_;
  std::unique_ptr<S3Storage> storage_;
};

}  // namespace

Status check_address(const StorageAddress& address) {
  CAIRN_TRY(const Location location, parse_location(address.url));
  CAIRN_CHECK(check_bucket(location.bucket));
  if (!address.region.empty()) CAIRN_CHECK(check_region(address.region));
  if (address.endpoint.empty()) return {};
  CAIRN_TRY(const Endpoint endpoint, parse_endpoint(address.endpoint));
  return {};
}

Result<std::unique_ptr<ObjectStorage>> open_storage(const StorageAddress& address) {
  auto storage = std::make_unique<OwningStorage>(address.ca_file);
  CAIRN_CHECK(storage->open(address));
  return std::unique_ptr<ObjectStorage>(std::move(storage));
}

}  // namespace cairn::s3
