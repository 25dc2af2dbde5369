// SPDX-License-Identifier: Apache-2.0
//
// Storage that hands every call on to another: what is put in between overrides the calls that it has something to do
// with.
#pragma once

#include "replication/object_storage.h"

namespace cairn {

class ForwardingStorage : public ObjectStorage {
 public:
  // Borrowed.
  explicit ForwardingStorage(ObjectStorage& to) : to_(to) {}

  Status put(std::string_view key, Parts parts) override { return to_.put(key, parts); }
  Result<bool> put_if_absent(std::string_view key, Parts parts) override { return to_.put_if_absent(key, parts); }
  Result<std::optional<std::vector<std::byte>>> get(std::string_view key, std::uint64_t bytes_max) override {
    return to_.get(key, bytes_max);
  }
  Result<std::optional<std::vector<std::byte>>> get_range(std::string_view key, const Range& range) override {
    return to_.get_range(key, range);
  }
  Result<std::optional<std::uint64_t>> size_of(std::string_view key) override { return to_.size_of(key); }
  Result<std::vector<Listed>> list(std::string_view prefix, std::string_view after) override {
    return to_.list(prefix, after);
  }
  Result<std::vector<NotRemoved>> remove(const std::vector<std::string>& keys) override { return to_.remove(keys); }
  void stop() override { to_.stop(); }

 private:
  ObjectStorage& to_;
};

}  // namespace cairn
