// SPDX-License-Identifier: Apache-2.0
//
// A store that is mirrored to storage which is always there, at once: what is left is what mirroring costs the process
// that writes. Packs are taken and forgotten; what a mirror asks for again is kept.
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "api/src/bucket_mirror.h"
#include "api/src/running_mirrors.h"
#include "bench/ingest/measure.h"

namespace bench {

class ForgetfulStorage final : public cairn::ObjectStorage {
 public:
  cairn::Status put(std::string_view key, Parts parts) override {
    const std::lock_guard lock(mutex_);
    std::vector<std::byte>& kept = objects_[std::string(key)];
    if (key.starts_with("packs/")) return {};
    for (const auto& part : parts) kept.insert(kept.end(), part.begin(), part.end());
    return {};
  }
  cairn::Result<bool> put_if_absent(std::string_view key, Parts parts) override {
    check(put(key, parts));
    return true;
  }
  cairn::Result<std::optional<std::vector<std::byte>>> get(std::string_view key, std::uint64_t) override {
    const std::lock_guard lock(mutex_);
    const auto at = objects_.find(std::string(key));
    return at == objects_.end() ? std::nullopt : std::optional(at->second);
  }
  cairn::Result<std::optional<std::vector<std::byte>>> get_range(std::string_view key, const Range&) override {
    return get(key, 0);
  }
  cairn::Result<std::optional<std::uint64_t>> size_of(std::string_view) override {
    return std::optional<std::uint64_t>();
  }
  cairn::Result<std::vector<Listed>> list(std::string_view prefix, std::string_view after) override {
    const std::lock_guard lock(mutex_);
    std::vector<Listed> page;
    for (const auto& [key, bytes] : objects_) {
      if (key.starts_with(prefix) && key > after) page.push_back({.key = key, .bytes = bytes.size()});
    }
    return page;
  }
  cairn::Result<std::vector<NotRemoved>> remove(const std::vector<std::string>& keys) override {
    const std::lock_guard lock(mutex_);
    for (const std::string& key : keys) objects_.erase(key);
    return std::vector<NotRemoved>();
  }

 private:
  std::mutex mutex_;
  std::map<std::string, std::vector<std::byte>> objects_;
};

// In a folder of its own below `folder`, which is removed with it. With `mirroring`, a mirror of it is kept up to date.
inline cairn::Store mirrored_store(const std::string& folder, std::uint64_t budget_bytes,
                                   const std::optional<cairn::MirroringOptions>& mirroring) {
  std::string path = folder + "/cairn-XXXXXX";
  if (::mkdtemp(path.data()) == nullptr) die("cannot make a folder below " + folder);
  auto opened = cairn::StoreImpl::open_or_create(
      cairn::posix_file_system(), path, {.mode = cairn::OpenMode::exclusive, .writer = {.budget_bytes = budget_bytes}},
      {});
  check(opened);
  (*opened)->destroy_when_closed();
  if (mirroring) {
    auto storage = std::make_unique<ForgetfulStorage>();
    auto mirror = std::make_unique<cairn::BucketMirror>(**opened, cairn::MirrorInfo(), std::move(storage));
    check((*opened)->running_mirrors().start("remote", std::move(mirror), *mirroring));
  }
  cairn::Store store = cairn::StoreImpl::handle(std::move(opened).value());
  check(store.warm_up());
  return store;
}

}  // namespace bench
