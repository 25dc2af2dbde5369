// SPDX-License-Identifier: Apache-2.0
#include "replication/throttled_storage.h"

#include <algorithm>

#include "replication/errors.h"

namespace cairn {
namespace {

// Of an object at a rate near 0; what is behind it waits for no longer.
constexpr double kSecondsMax = 1e6;

std::uint64_t bytes_of(ObjectStorage::Parts parts) {
  std::uint64_t bytes = 0;
  for (const auto& part : parts) bytes += part.size();
  return bytes;
}

Error stopped() { return mirror::make_error(ErrorCode::cancelled, "requests to the mirror were stopped"); }

}  // namespace

ThrottledStorage::ThrottledStorage(ObjectStorage& to, std::uint64_t bytes_per_second, const RetryClock* clock)
    : ForwardingStorage(to),
      bytes_per_second_(bytes_per_second),
      clock_(clock != nullptr
                 ? *clock
                 : RetryClock{.now = [] { return std::chrono::steady_clock::now(); },
                              .sleep = [this](std::chrono::milliseconds time) { return stop_.sleep(time); },
                              .random = {}}) {}

void ThrottledStorage::Pace::pay(ThrottledStorage& storage, std::uint64_t bytes) {
  const double seconds = static_cast<double>(bytes) / static_cast<double>(storage.bytes_per_second_);
  const auto price = std::chrono::duration_cast<std::chrono::steady_clock::duration>(
      std::chrono::duration<double>(std::min(seconds, kSecondsMax)));
  const auto now = storage.clock_.now();
  std::chrono::steady_clock::time_point paid;
  {
    const std::lock_guard lock(mutex_);
    paid_ = std::max(paid_, now) + price;
    paid = paid_;
  }
  // Whether it is stopped meanwhile is no matter: what was asked for is done.
  if (bytes > 0) static_cast<void>(storage.clock_.sleep(std::chrono::ceil<std::chrono::milliseconds>(paid - now)));
}

Status ThrottledStorage::put(std::string_view key, Parts parts) {
  if (stop_.stopped()) return stopped();
  Status put = ForwardingStorage::put(key, parts);
  out_.pay(*this, bytes_of(parts));
  return put;
}

Result<bool> ThrottledStorage::put_if_absent(std::string_view key, Parts parts) {
  if (stop_.stopped()) return stopped();
  auto put = ForwardingStorage::put_if_absent(key, parts);
  out_.pay(*this, bytes_of(parts));
  return put;
}

Result<std::optional<std::vector<std::byte>>> ThrottledStorage::get(std::string_view key, std::uint64_t bytes_max) {
  if (stop_.stopped()) return stopped();
  auto bytes = ForwardingStorage::get(key, bytes_max);
  if (bytes.ok() && *bytes) in_.pay(*this, (*bytes)->size());
  return bytes;
}

Result<std::optional<std::vector<std::byte>>> ThrottledStorage::get_range(std::string_view key, const Range& range) {
  if (stop_.stopped()) return stopped();
  auto bytes = ForwardingStorage::get_range(key, range);
  in_.pay(*this, range.length);
  return bytes;
}

void ThrottledStorage::stop() {
  stop_.stop();
  ForwardingStorage::stop();
}

}  // namespace cairn
