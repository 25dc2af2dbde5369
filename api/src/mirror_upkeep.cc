// SPDX-License-Identifier: Apache-2.0
//
// Mirrors: the public calls of mirrors that are kept up to date.
#include <algorithm>
#include <utility>

#include "api/src/opened_mirror.h"
#include "api/src/running_mirrors.h"
#include "cairn/mirrors.h"
#include "engine/base/errors.h"
#include "engine/write/async_writer.h"

namespace cairn {
namespace {

// Bytes a second. Below it is not kept up to date, but in the way of reclaiming it.
constexpr std::uint64_t kRateMin = 64 * KiB;

Result<std::shared_ptr<RunningMirror>> find_running(StoreImpl& store, const std::string& name) {
  CAIRN_CHECK(store.check_usable());
  auto running = store.running_mirrors().find(name);
  if (running) return running;
  return make_error(ErrorCode::not_found, "the mirror '" + printable(name) + "' is not kept up to date here");
}

// Everything that was put is committed, or why it is not.
Status settle(StoreImpl& store) {
  store.settle_puts();
  CAIRN_CHECK(store.settle_tables());
  if (store.room() == nullptr) return {};
  CAIRN_TRY(const std::shared_ptr<AsyncWriter> writer, store.writer());
  return writer->queue().settle();
}

std::chrono::nanoseconds time_left(std::chrono::steady_clock::time_point began, std::chrono::nanoseconds time) {
  if (time == std::chrono::nanoseconds::max()) return time;
  return std::max(std::chrono::nanoseconds(0), time - (std::chrono::steady_clock::now() - began));
}

}  // namespace

Status Mirrors::start(const std::string& name, const MirroringOptions& options) {
  if (options.nice < 0 || options.nice > 19 || options.linger.count() < 0) {
    return make_error(ErrorCode::invalid_argument, "a mirror's niceness is 0 to 19, and its linger not negative");
  }
  if (options.bytes_per_second > 0 && options.bytes_per_second < kRateMin) {
    return make_error(ErrorCode::invalid_argument,
                      "a mirror is sent at least " + std::to_string(kRateMin) + " bytes a second");
  }
  CAIRN_TRY(auto opened, open_mirror(*store_, name));
  return store_->running_mirrors().start(name, std::move(opened), options);
}

Result<bool> Mirrors::stop(const std::string& name) {
  CAIRN_CHECK(store_->check_usable());
  return store_->running_mirrors().stop(name);
}

Status Mirrors::pause(const std::string& name) {
  CAIRN_TRY(const auto running, find_running(*store_, name));
  running->mirror().pause();
  return {};
}

Status Mirrors::resume(const std::string& name) {
  CAIRN_TRY(const auto running, find_running(*store_, name));
  running->mirror().resume();
  return {};
}

Result<MirroringStats> Mirrors::mirroring(const std::string& name) {
  CAIRN_TRY(const auto running, find_running(*store_, name));
  return running->stats();
}

Status Mirrors::wait_until_mirrored(const std::string& name, std::chrono::nanoseconds time) {
  CAIRN_TRY(const auto running, find_running(*store_, name));
  CAIRN_CHECK(settle(*store_));
  CAIRN_CHECK(store_->follow());
  const Position end = store_->index().applied();
  return running->mirror().wait_until({.segment = end.segment, .offset = end.offset}, time);
}

Status Mirrors::wait_until_mirrored(const std::string& name, const Ticket& put, std::chrono::nanoseconds time) {
  CAIRN_TRY(const auto running, find_running(*store_, name));
  const auto began = std::chrono::steady_clock::now();
  const auto committed = put.committed().wait_for(time);
  if (!committed) {
    return Error{.code = ErrorCode::cancelled, .message = "not committed yet", .retryable = true};
  }
  CAIRN_CHECK(*committed);
  const Position end = store_->index().applied();
  return running->mirror().wait_until({.segment = end.segment, .offset = end.offset}, time_left(began, time));
}

}  // namespace cairn
