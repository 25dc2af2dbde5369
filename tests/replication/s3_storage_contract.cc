// SPDX-License-Identifier: Apache-2.0
//
// S3 on a real server, which s3_server_test.py starts and names in the environment, keeps to what every storage does.
#include <cstdlib>

#include "replication/s3/open_storage.h"
#include "tests/replication/storage_contract.h"

namespace cairn::testing {
namespace {

std::string variable(const char* name) {
  const char* const value = std::getenv(name);
  return value == nullptr ? "" : value;
}

// Below a prefix of its own each, in one bucket.
std::unique_ptr<ObjectStorage> make() {
  static int number = 0;
  ::setenv("AWS_ACCESS_KEY_ID", variable("CAIRN_S3_KEY").c_str(), 1);
  ::setenv("AWS_SECRET_ACCESS_KEY", variable("CAIRN_S3_SECRET").c_str(), 1);
  auto storage = s3::open_storage({.url = "s3://cairn-contract/storage/" + std::to_string(++number),
                                   .endpoint = variable("CAIRN_S3_ENDPOINT"),
                                   .create_bucket = true});
  EXPECT_TRUE(storage.ok()) << storage.error().message;
  return storage.ok() ? *std::move(storage) : nullptr;
}

StorageUnderTest server() {
  const std::string many = variable("CAIRN_S3_MANY");
  StorageUnderTest server{.name = "s3", .make = make};
  if (!many.empty()) server.many = std::stoi(many);
  server.has_conditions = variable("CAIRN_S3_CONDITIONS") == "yes";
  return server;
}

INSTANTIATE_TEST_SUITE_P(Server, StorageContract, ::testing::Values(server()),
                         [](const auto& kind) { return kind.param.name; });

}  // namespace
}  // namespace cairn::testing
