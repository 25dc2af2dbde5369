// SPDX-License-Identifier: Apache-2.0
#include "api/src/running_mirrors.h"

#include <algorithm>
#include <utility>

#include "engine/base/background_thread.h"
#include "engine/base/errors.h"

namespace cairn {
namespace {

// What a slow line is given at a time: about so many seconds of it.
constexpr std::uint64_t kSecondsPerPack = 4;
constexpr std::uint64_t kPackBytesMin = 4 * MiB;

mirror::MirrorOptions options_of(const MirroringOptions& options) {
  mirror::MirrorOptions out;
  out.linger = options.linger;
  out.linger_bytes = options.linger_bytes;
  out.push.parallel = std::max(options.parallel, 1u);
  if (options.bytes_per_second > 0) {
    const std::uint64_t usual = out.push.pack_bytes;
    const std::uint64_t rate = std::min(options.bytes_per_second, usual);
    out.push.pack_bytes = static_cast<std::uint32_t>(std::clamp(rate * kSecondsPerPack, kPackBytesMin, usual));
  }
  out.on_thread = [nice = options.nice] { become_background_thread("cairn-mirror", nice); };
  return out;
}

MirroringState state_of(mirror::MirrorState state) {
  switch (state) {
    case mirror::MirrorState::starting: return MirroringState::starting;
    case mirror::MirrorState::current: return MirroringState::current;
    case mirror::MirrorState::waiting: return MirroringState::waiting;
    case mirror::MirrorState::pushing: return MirroringState::pushing;
    case mirror::MirrorState::failing: return MirroringState::failing;
    case mirror::MirrorState::paused: return MirroringState::paused;
    case mirror::MirrorState::stopped: break;
  }
  return MirroringState::stopped;
}

}  // namespace

RunningMirror::RunningMirror(StoreImpl& store, std::unique_ptr<ObjectStorage> storage, const MirroringOptions& options)
    : source_(store),
      formats_(store.header().digest),
      storage_(std::move(storage)),
      throttled_(options.bytes_per_second > 0 ? std::make_unique<ThrottledStorage>(*storage_, options.bytes_per_second)
                                              : nullptr),
      mirror_(source_, throttled_ ? static_cast<ObjectStorage&>(*throttled_) : *storage_, formats_,
              options_of(options)) {}

MirroringStats RunningMirror::stats() const {
  mirror::MirrorStats stats = mirror_.stats();
  return {.state = state_of(stats.state),
          .lag_bytes = stats.lag_bytes,
          .lag_records = stats.lag_records,
          .lag = stats.lag,
          .pushes = stats.pushes,
          .failures = stats.failures,
          .error = std::move(stats.error),
          .retry_in = stats.retry_in,
          .sent = {.statements = stats.sent.statements,
                   .records = stats.sent.records,
                   .content_bytes = stats.sent.content_bytes,
                   .sent_bytes = stats.sent.sent_bytes,
                   .requests = stats.sent.requests,
                   .left_out = std::move(stats.sent.left_out)}};
}

Status RunningMirrors::start(const std::string& name, std::unique_ptr<ObjectStorage> storage,
                             const MirroringOptions& options) {
  const std::lock_guard lock(mutex_);
  if (closed_) return make_error(ErrorCode::invalid_argument, "the store is closed");
  if (running_.contains(name)) return make_error(ErrorCode::already_exists, "the mirror '" + name + "' runs already");
  auto mirror = std::make_shared<RunningMirror>(store_, std::move(storage), options);
  CAIRN_CHECK(mirror->start());
  running_.emplace(name, std::move(mirror));
  return {};
}

bool RunningMirrors::stop(const std::string& name) {
  const std::shared_ptr<RunningMirror> mirror = find(name);
  if (!mirror) return false;
  // It is there until it has ended: whoever closes the store meanwhile waits for it as well.
  mirror->mirror().stop();
  const std::lock_guard lock(mutex_);
  const auto at = running_.find(name);
  if (at != running_.end() && at->second == mirror) running_.erase(at);
  return true;
}

void RunningMirrors::stop_all() {
  {
    const std::lock_guard lock(mutex_);
    closed_ = true;
  }
  for (const Named& one : all()) one.mirror->mirror().stop();
}

std::shared_ptr<RunningMirror> RunningMirrors::find(const std::string& name) const {
  const std::lock_guard lock(mutex_);
  const auto at = running_.find(name);
  return at == running_.end() ? nullptr : at->second;
}

std::vector<RunningMirrors::Named> RunningMirrors::all() const {
  const std::lock_guard lock(mutex_);
  std::vector<Named> all;
  for (const auto& [name, mirror] : running_) all.push_back({.name = name, .mirror = mirror});
  return all;
}

}  // namespace cairn
