// SPDX-License-Identifier: Apache-2.0
//
// Object storage in memory, whose calls fail where a test wants them to.
#pragma once

#include <atomic>
#include <chrono>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "replication/object_storage.h"

namespace cairn::testing {

class MemoryStorage final : public ObjectStorage {
 public:
  enum class Fault : std::uint8_t {
    none,
    refused,         // nothing happened
    answer_lost,     // it was done, and the caller does not learn of it
    flipped_answer,  // one bit of what is read is another
    cut_answer       // the last byte of what is read is missing
  };
  // Asked before each call, with its number from 0 and its name.
  std::function<Fault(std::size_t call, const std::string& what)> fault;
  // Called before each call begins, and may call: what somebody else does meanwhile.
  std::function<void(std::string_view what, std::string_view key)> between;

  Status put(std::string_view key, Parts parts) override {
    return change("put", key, [&] {
      objects_[std::string(key)] = joined(parts);
      modified_[std::string(key)] = time;
      return Status();
    });
  }
  Result<bool> put_if_absent(std::string_view key, Parts parts) override {
    bool fresh = false;
    CAIRN_CHECK(change("put_if_absent", key, [&] {
      fresh = objects_.try_emplace(std::string(key), joined(parts)).second;
      if (fresh) modified_[std::string(key)] = time;
      return Status();
    }));
    return fresh;
  }
  Result<std::optional<std::vector<std::byte>>> get(std::string_view key, std::uint64_t bytes_max) override {
    somebody_else("get", key);
    const std::lock_guard lock(mutex_);
    const Fault now = next("get");
    if (now == Fault::refused || now == Fault::answer_lost) return failed("get");
    const auto at = objects_.find(std::string(key));
    if (at == objects_.end()) return std::optional<std::vector<std::byte>>();
    if (at->second.size() > bytes_max) return Error{.code = ErrorCode::resource_exhausted, .message = "too large"};
    return std::optional(answer(now, at->second));
  }
  Result<std::optional<std::vector<std::byte>>> get_range(std::string_view key, const Range& range) override {
    somebody_else("get_range", key);
    const std::lock_guard lock(mutex_);
    const Fault now = next("get_range");
    if (now == Fault::refused || now == Fault::answer_lost) return failed("get_range");
    const auto at = objects_.find(std::string(key));
    if (at == objects_.end()) return std::optional<std::vector<std::byte>>();
    if (range.offset + range.length > at->second.size()) {
      return Error{.code = ErrorCode::corruption, .message = std::string(key) + " ends before"};
    }
    const auto begin = at->second.begin() + static_cast<std::ptrdiff_t>(range.offset);
    return std::optional(answer(now, {begin, begin + static_cast<std::ptrdiff_t>(range.length)}));
  }
  Result<std::optional<std::uint64_t>> size_of(std::string_view key) override {
    somebody_else("size_of", key);
    const std::lock_guard lock(mutex_);
    if (next("size_of") != Fault::none) return failed("size_of");
    const auto at = objects_.find(std::string(key));
    return at == objects_.end() ? std::nullopt : std::optional<std::uint64_t>(at->second.size());
  }
  Result<std::vector<Listed>> list(std::string_view prefix, std::string_view after) override {
    somebody_else("list", prefix);
    const std::lock_guard lock(mutex_);
    if (next("list") != Fault::none) return failed("list");
    std::vector<Listed> page;
    for (auto at = objects_.lower_bound(std::string(prefix)); at != objects_.end() && page.size() < kPage; ++at) {
      if (!at->first.starts_with(prefix)) break;
      if (at->first > after) {
        page.push_back({.key = at->first, .bytes = at->second.size(), .modified = modified_[at->first]});
      }
    }
    return page;
  }
  Result<std::vector<NotRemoved>> remove(const std::vector<std::string>& keys) override {
    std::vector<NotRemoved> left;
    CAIRN_CHECK(change("remove", keys.empty() ? std::string() : keys.front(), [&] {
      for (const std::string& key : keys) {
        if (may_remove) {
          objects_.erase(key);
        } else {
          left.push_back({.key = key, .error = {.code = ErrorCode::io, .message = "denied"}});
        }
      }
      return Status();
    }));
    return left;
  }

  bool may_remove = true;
  // By its clock; only a test moves it, from whichever thread.
  std::chrono::sys_seconds time{std::chrono::hours(1000)};
  void pass(std::chrono::seconds seconds) {
    const std::lock_guard lock(mutex_);
    time += seconds;
  }

  // Of everything under a prefix, and the calls so far.
  std::size_t count(std::string_view prefix) const {
    std::size_t found = 0;
    for (const auto& [key, bytes] : objects_) found += key.starts_with(prefix) ? 1 : 0;
    return found;
  }
  std::uint64_t bytes(std::string_view prefix) const {
    std::uint64_t sum = 0;
    for (const auto& [key, bytes] : objects_) sum += key.starts_with(prefix) ? bytes.size() : 0;
    return sum;
  }
  std::map<std::string, std::vector<std::byte>>& objects() { return objects_; }
  // All that it has, and when it was put.
  struct State {
    std::map<std::string, std::vector<std::byte>> objects;
    std::map<std::string, std::chrono::sys_seconds> modified;
    std::chrono::sys_seconds time;
  };
  State state() const { return {.objects = objects_, .modified = modified_, .time = time}; }
  void set(const State& state) {
    objects_ = state.objects;
    modified_ = state.modified;
    time = state.time;
  }
  std::size_t calls() const { return calls_; }
  void restart() { calls_ = 0; }

 private:
  static constexpr std::size_t kPage = 3;

  static std::vector<std::byte> joined(Parts parts) {
    std::vector<std::byte> bytes;
    for (const auto& part : parts) bytes.insert(bytes.end(), part.begin(), part.end());
    return bytes;
  }
  void somebody_else(std::string_view what, std::string_view key) {
    if (between) between(what, key);
  }
  Fault next(const std::string& what) {
    const std::size_t call = calls_++;
    return fault ? fault(call, what) : Fault::none;
  }
  static Error failed(const std::string& what) {
    return Error{.code = ErrorCode::io, .message = what + ": the connection was reset", .retryable = true};
  }
  Status change(const std::string& what, std::string_view key, const std::function<Status()>& act) {
    somebody_else(what, key);
    const std::lock_guard lock(mutex_);
    const Fault now = next(what);
    if (now == Fault::refused) return failed(what);
    CAIRN_CHECK(act());
    return now == Fault::none ? Status() : Status(failed(what));
  }
  static std::vector<std::byte> answer(Fault fault, std::vector<std::byte> bytes) {
    if (fault == Fault::flipped_answer && !bytes.empty()) bytes[bytes.size() / 2] ^= std::byte{4};
    if (fault == Fault::cut_answer && !bytes.empty()) bytes.pop_back();
    return bytes;
  }

  std::mutex mutex_;
  std::map<std::string, std::vector<std::byte>> objects_;
  std::map<std::string, std::chrono::sys_seconds> modified_;  // when they were put
  std::atomic<std::size_t> calls_ = 0;
};

}  // namespace cairn::testing
