// SPDX-License-Identifier: Apache-2.0
//
// Storage that is sent and asked for no more than so many bytes a second, on average: what a mirror may take of a line
// that others use too.
#pragma once

#include <chrono>
#include <mutex>

#include "replication/forwarding_storage.h"
#include "replication/retry.h"
#include "replication/stop_signal.h"

namespace cairn {

// Any thread. Bytes are those of objects. Those in one direction do not count in the other.
class ThrottledStorage final : public ForwardingStorage {
 public:
  // `to` is borrowed. `bytes_per_second` is not 0. `clock` is for tests; null: the system's.
  ThrottledStorage(ObjectStorage& to, std::uint64_t bytes_per_second, const RetryClock* clock = nullptr);

  Status put(std::string_view key, Parts parts) override;
  Result<bool> put_if_absent(std::string_view key, Parts parts) override;
  Result<std::optional<std::vector<std::byte>>> get(std::string_view key, std::uint64_t bytes_max) override;
  Result<std::optional<std::vector<std::byte>>> get_range(std::string_view key, const Range& range) override;
  void stop() override;

 private:
  // A call goes at once, and waits for what it cost: what is put behind it is not held up in the middle of its own.
  class Pace {
   public:
    void pay(ThrottledStorage& storage, std::uint64_t bytes);

   private:
    std::mutex mutex_;
    std::chrono::steady_clock::time_point paid_{};  // when all of it is
  };

  const std::uint64_t bytes_per_second_;
  const RetryClock clock_;
  StopSignal stop_;
  Pace out_, in_;
};

}  // namespace cairn
