// SPDX-License-Identifier: Apache-2.0
#include "replication/s3/open_client.h"

#include <utility>

#include "replication/s3/credential_sources.h"
#include "replication/s3/endpoint_exchange.h"
#include "replication/s3/transport.h"

namespace cairn::s3 {
namespace {

constexpr std::string_view kUsualRegion = "us-east-1";

}  // namespace

// In the order in which the later ones borrow from the earlier.
struct OpenClient::Parts {
  explicit Parts(const std::string& ca_file)
      : surroundings(system_surroundings(direct_exchange(ca_file))),
        credentials(usual_sources(surroundings), surroundings.now) {}

  const Surroundings surroundings;
  CredentialChain credentials;
  std::unique_ptr<Transport> transport{};
  std::unique_ptr<Client> client{};
};

OpenClient::OpenClient(const std::string& ca_file) : parts_(std::make_unique<Parts>(ca_file)) {}
OpenClient::~OpenClient() = default;

Client& OpenClient::client() noexcept { return *parts_->client; }
void OpenClient::stop() { parts_->transport->stop(); }

Result<std::unique_ptr<OpenClient>> OpenClient::open(const StorageAddress& address, ClientOptions options) {
  CAIRN_TRY(Location location, parse_location(address.url));
  std::unique_ptr<OpenClient> opened(new OpenClient(address.ca_file));
  Parts& parts = *opened->parts_;
  BucketPlace place{.endpoint = {}, .region = address.region, .bucket = location.bucket};
  if (place.region.empty()) {
    CAIRN_TRY(const auto configured, configured_region(parts.surroundings));
    place.region = configured.value_or(std::string(kUsualRegion));
  }
  CAIRN_CHECK(check_region(place.region));
  const std::string url = address.endpoint.empty() ? configured_endpoint(parts.surroundings) : address.endpoint;
  if (url.empty()) {
    CAIRN_TRY(place.endpoint, aws_endpoint(place.region));
  } else {
    CAIRN_TRY(place.endpoint, parse_endpoint(url));
  }
  options.place = std::move(place);
  CAIRN_TRY(parts.transport, Transport::create({.ca_file = address.ca_file}));
  RetryClock retry_clock = system_retry_clock();
  retry_clock.sleep = [&stop = parts.transport->stop_signal()](std::chrono::milliseconds time) {
    return stop.sleep(time);
  };
  CAIRN_TRY(parts.client, Client::create(std::move(options), {.http = *parts.transport,
                                                              .credentials = parts.credentials,
                                                              .now = parts.surroundings.now,
                                                              .retry_clock = std::move(retry_clock)}));
  opened->prefix_ = std::move(location.prefix);
  return opened;
}

Status check_address(const StorageAddress& address) {
  CAIRN_TRY(const Location location, parse_location(address.url));
  CAIRN_CHECK(check_bucket(location.bucket));
  if (!address.region.empty()) CAIRN_CHECK(check_region(address.region));
  if (address.endpoint.empty()) return {};
  CAIRN_TRY(const Endpoint endpoint, parse_endpoint(address.endpoint));
  return {};
}

}  // namespace cairn::s3
