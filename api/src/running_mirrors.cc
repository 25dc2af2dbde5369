// SPDX-License-Identifier: Apache-2.0
#include "api/src/running_mirrors.h"

#include <utility>

#include "engine/base/background_thread.h"
#include "engine/base/errors.h"

namespace cairn {
namespace {

mirror::MirrorOptions options_of(const MirroringOptions& options) {
  mirror::MirrorOptions out;
  out.linger = options.linger;
  out.linger_bytes = options.linger_bytes;
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

RunningMirror::RunningMirror(StoreImpl& store, std::unique_ptr<OpenedMirror> opened, const MirroringOptions& options)
    : source_(store),
      opened_(std::move(opened)),
      remote_(opened_->remote(source_, options)),
      mirror_(source_, *remote_, options_of(options)) {}

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
          .sent = push_report_of(std::move(stats.sent))};
}

Status RunningMirrors::start(const std::string& name, std::unique_ptr<OpenedMirror> opened,
                             const MirroringOptions& options) {
  const std::lock_guard lock(mutex_);
  if (closed_) return make_error(ErrorCode::invalid_argument, "the store is closed");
  if (running_.contains(name)) return make_error(ErrorCode::already_exists, "the mirror '" + name + "' runs already");
  auto mirror = std::make_shared<RunningMirror>(store_, std::move(opened), options);
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
