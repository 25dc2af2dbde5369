// SPDX-License-Identifier: Apache-2.0
//
// What every ObjectStorage keeps to, whatever is behind it: the claims are in storage_contract.cc, and whoever has a
// storage instantiates them.
#pragma once

#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <string>

#include "replication/object_storage.h"

namespace cairn::testing {

struct StorageUnderTest {
  std::string name;
  // One that is empty. Objects of others do not concern it.
  std::function<std::unique_ptr<ObjectStorage>()> make;
  // Where each takes its time, there are fewer.
  int many = 1'100;
  // Of several who put_if_absent at the same time one wins.
  bool has_conditions = true;
};

class StorageContract : public ::testing::TestWithParam<StorageUnderTest> {
 protected:
  void SetUp() override { storage_ = GetParam().make(); }
  ObjectStorage& storage() { return *storage_; }
  Status put(const std::string& key, std::string_view content);
  Result<bool> put_if_absent(const std::string& key, std::string_view content);
  // In words, where there is no such object or an error.
  std::string read(const std::string& key);
  std::string read_range(const std::string& key, std::uint64_t offset, std::uint64_t length);
  // Page after page, until there are no more.
  std::vector<ObjectStorage::Listed> list(const std::string& prefix, std::string after = "");
  std::vector<std::string> keys(const std::string& prefix, const std::string& after = "");

 private:
  std::unique_ptr<ObjectStorage> storage_;
};

}  // namespace cairn::testing
