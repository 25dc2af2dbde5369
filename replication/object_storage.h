// SPDX-License-Identifier: Apache-2.0
//
// What a mirror needs of wherever objects are kept under keys: S3, or memory in the tests. Everything else (packs,
// indexes, journals, which of them count) is built on these few calls, so that it is the same for every remote.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "cairn/result.h"

namespace cairn {

// Any thread; calls block. An object is put whole or not at all, and read as it was last put: what was acknowledged is
// seen by every call that begins afterwards. Errors name the key and say in `retryable` whether the same call may
// succeed later; after an error of a call that changes something, the outcome is unknown, and the call may be repeated.
class ObjectStorage {
 public:
  virtual ~ObjectStorage() = default;

  // The parts one behind the other, borrowed for the call.
  using Parts = std::span<const std::span<const std::byte>>;
  virtual Status put(std::string_view key, Parts parts) = 0;
  // False: there is something under this key, which stays as it was. Of several at the same time one wins.
  virtual Result<bool> put_if_absent(std::string_view key, Parts parts) = 0;

  struct Range {
    std::uint64_t offset = 0;
    std::uint64_t length = 0;  // not 0
  };
  // Nothing: there is no such object. `bytes_max` bounds what is taken into memory: a larger object is refused with
  // resource_exhausted.
  virtual Result<std::optional<std::vector<std::byte>>> get(std::string_view key, std::uint64_t bytes_max) = 0;
  // Exactly `range.length` bytes; of an object that ends before, corruption.
  virtual Result<std::optional<std::vector<std::byte>>> get_range(std::string_view key, const Range& range) = 0;
  // Its size in bytes.
  virtual Result<std::optional<std::uint64_t>> size_of(std::string_view key) = 0;

  struct Listed {
    std::string key;
    std::uint64_t bytes = 0;
    // When it was last put, by the remote's clock; nothing where that does not say.
    std::optional<std::chrono::sys_seconds> modified = {};
  };
  // Keys that begin with `prefix` and are greater than `after` (empty: from the first), bytewise ascending: some of
  // them, at least one if there are any. Empty: there are no more.
  virtual Result<std::vector<Listed>> list(std::string_view prefix, std::string_view after) = 0;

  struct NotRemoved {
    std::string key;
    Error error;
  };
  // What could not be removed of these; a key that was not there is removed. An error when the call as a whole failed.
  virtual Result<std::vector<NotRemoved>> remove(const std::vector<std::string>& keys) = 0;

  // Nobody waits any more: calls under way end soon, and they and all later ones fail. For good.
  virtual void stop() {}
};

}  // namespace cairn
