// SPDX-License-Identifier: Apache-2.0
#include "replication/s3/parallel.h"

#include <algorithm>
#include <atomic>
#include <mutex>
#include <system_error>
#include <thread>
#include <vector>

namespace cairn::s3 {

Status for_each_beside(std::uint64_t count, unsigned threads, const std::function<Status(std::uint64_t)>& work) {
  std::atomic<std::uint64_t> next = 0;
  std::atomic<bool> failed = false;
  std::mutex mutex;
  Status result;
  const auto take_part = [&] {
    while (!failed.load()) {
      const std::uint64_t number = next.fetch_add(1);
      if (number >= count) return;
      Status status = work(number);
      if (status.ok() || failed.exchange(true)) continue;
      const std::lock_guard guard(mutex);
      result = std::move(status);
    }
  };
  std::vector<std::thread> others;
  try {
    while (others.size() + 1 < std::min<std::uint64_t>(threads, count)) others.emplace_back(take_part);
  } catch (const std::system_error&) {
    // The process may have no more threads.
  }
  take_part();
  for (std::thread& other : others) other.join();
  return result;
}

}  // namespace cairn::s3
