// SPDX-License-Identifier: Apache-2.0
//
// A client with all that it works with, as this process's surroundings have it: connections, credentials, the time.
#pragma once

#include <memory>
#include <string>

#include "cairn/result.h"
#include "replication/s3/client.h"

namespace cairn::s3 {

struct StorageAddress {
  std::string url;         // "s3://bucket/prefix"
  std::string endpoint{};  // empty: Amazon's own for the region
  std::string region{};    // empty: what the environment and ~/.aws say, or us-east-1
  std::string ca_file{};   // in PEM; empty: what the platform trusts
  bool create_bucket = false;
};

// An address that makes sense, or why not. Asks nothing.
Status check_address(const StorageAddress& address);

// Any thread may use the client; connections are kept between calls.
class OpenClient {
 public:
  // Asks nothing yet: the first call of the client does. The place in `options` is what the address says.
  static Result<std::unique_ptr<OpenClient>> open(const StorageAddress& address, ClientOptions options = {});
  ~OpenClient();
  OpenClient(const OpenClient&) = delete;
  OpenClient& operator=(const OpenClient&) = delete;

  Client& client() noexcept;
  // Calls of the client that are under way end within a moment, and they and all later ones fail with cancelled.
  void stop();
  const std::string& prefix() const noexcept { return prefix_; }  // of the address; as in Location

 private:
  explicit OpenClient(const std::string& ca_file);
  struct Parts;
  std::unique_ptr<Parts> parts_;
  std::string prefix_;
};

}  // namespace cairn::s3
