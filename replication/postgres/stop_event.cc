// SPDX-License-Identifier: Apache-2.0
#include "replication/postgres/stop_event.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>

#include "replication/postgres/errors.h"

namespace cairn::postgres {

Result<std::unique_ptr<StopEvent>> StopEvent::create() {
  const int descriptor = ::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  if (descriptor >= 0) return std::unique_ptr<StopEvent>(new StopEvent(descriptor));
  Error error = make_error(ErrorCode::resource_exhausted, "PostgreSQL: eventfd failed");
  error.sys_errno = errno;
  return error;
}

StopEvent::~StopEvent() { ::close(descriptor_); }

void StopEvent::stop() noexcept {
  // Nobody reads it: the counter stays above zero. Where it cannot be raised any more, it was before.
  const std::uint64_t one = 1;
  [[maybe_unused]] const ssize_t written = ::write(descriptor_, &one, sizeof one);
}

bool StopEvent::sleep(std::chrono::milliseconds time) const noexcept {
  const auto end = std::chrono::steady_clock::now() + time;
  while (true) {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(end - std::chrono::steady_clock::now());
    pollfd event{.fd = descriptor_, .events = POLLIN, .revents = 0};
    if (::poll(&event, 1, static_cast<int>(std::clamp<std::int64_t>(left.count(), 0, 1 << 30))) > 0) return false;
    if (left.count() <= 0) return true;
  }
}

}  // namespace cairn::postgres
