// SPDX-License-Identifier: Apache-2.0
//
// Mirrors: the public calls. Those of mirrors that are kept up to date are in mirror_upkeep.cc.
#include "cairn/mirrors.h"

#include <stop_token>
#include <utility>

#include "api/src/bucket_mirror.h"
#include "api/src/mirror_places.h"
#include "api/src/mirror_source.h"
#include "api/src/opened_mirror.h"
#include "api/src/running_mirrors.h"
#include "engine/base/errors.h"
#include "engine/base/progress_meter.h"

namespace cairn {
namespace {

// Requests under way at the same time, each with up to a pack in memory.
constexpr unsigned kPushParallel = 4;
// For whoever shares a mirror: a request to put something may be tried for some ten minutes.
constexpr std::chrono::seconds kGraceMin = std::chrono::hours(1);

// What a mirror that runs is not to do meanwhile: it would send the same, or change what is compared.
class Paused {
 public:
  explicit Paused(std::shared_ptr<RunningMirror> running) : running_(std::move(running)) {
    if (running_) running_->mirror().pause();
  }
  ~Paused() {
    if (running_) running_->mirror().resume();
  }
  Paused(const Paused&) = delete;
  Paused& operator=(const Paused&) = delete;

 private:
  const std::shared_ptr<RunningMirror> running_;
};

}  // namespace

Status Mirrors::add(const std::string& name, const MirrorPlace& place) {
  CAIRN_CHECK(store_->check_usable());
  CAIRN_CHECK(check_mirror_name(name));
  CAIRN_CHECK(check_mirror_place(place));
  CAIRN_TRY(const auto known, read_mirror_place(*store_, name));
  if (known && *known == place) return {};
  if (known) {
    return make_error(ErrorCode::already_exists, "the mirror '" + name + "' is at '" + printable(known->url) + "'");
  }
  return write_mirror_place(*store_, name, place);
}

Result<bool> Mirrors::remove(const std::string& name) {
  CAIRN_CHECK(store_->check_usable());
  store_->running_mirrors().stop(name);
  return remove_mirror_place(*store_, name);
}

Result<std::vector<MirrorInfo>> Mirrors::list() {
  CAIRN_CHECK(store_->check_usable());
  return read_mirror_places(*store_);
}

Result<MirrorPushReport> Mirrors::push(const std::string& name, const Progress& progress) {
  CAIRN_TRY(const auto opened, open_mirror(*store_, name));
  const Paused paused(store_->running_mirrors().find(name));
  store_->settle_puts();
  MirrorSource source(*store_);
  const auto remote = opened->remote(source, {.parallel = kPushParallel});
  ProgressMeter meter(progress, "push", 0);
  // Also a request that hangs.
  const std::stop_callback stopping(progress.stop, [&remote] { remote->stop(); });
  auto pushed = remote->push(
      [&meter, read = std::uint64_t{0}, sent = std::uint64_t{0}](const mirror::PushReport& so_far) mutable {
        meter.add(so_far.content_bytes - std::exchange(read, so_far.content_bytes),
                  so_far.sent_bytes - std::exchange(sent, so_far.sent_bytes));
        return meter.check_stop();
      });
  if (!pushed.ok()) CAIRN_CHECK(meter.check_stop());
  CAIRN_TRY(mirror::PushReport report, std::move(pushed));
  return push_report_of(std::move(report));
}

Result<MirrorPullReport> Mirrors::pull(const std::string& name, const std::vector<std::string>& refs,
                                       const std::string& from, const Progress& progress) {
  CAIRN_TRY(const auto opened, open_mirror(*store_, name));
  return opened->pull(refs, from, progress);
}

Result<MirrorStatus> Mirrors::status(const std::string& name) {
  CAIRN_TRY(const auto opened, open_mirror(*store_, name));
  return opened->status();
}

Result<MirrorVerifyReport> Mirrors::verify(const std::string& name, bool read_data, const Progress& progress) {
  CAIRN_TRY(const auto opened, open_mirror(*store_, name));
  const Paused paused(store_->running_mirrors().find(name));
  return opened->verify(read_data, progress);
}

Result<MirrorGcReport> Mirrors::gc(const std::string& name, const MirrorGcOptions& options, const Progress& progress) {
  if (!(options.max_dead >= 0 && options.max_dead <= 1)) {
    return make_error(ErrorCode::invalid_argument, "the share of a pack that nothing needs is from 0 to 1");
  }
  if (options.grace.count() != 0 && options.grace < kGraceMin) {
    return make_error(ErrorCode::invalid_argument,
                      "a grace is at least an hour, or 0 while nobody else uses the mirror");
  }
  CAIRN_TRY(const auto opened, open_mirror(*store_, name));
  return opened->gc(options, progress);
}

Result<RepairReport> Mirrors::repair(const std::string& name, const Progress& progress) {
  CAIRN_TRY(const auto opened, open_mirror(*store_, name));
  return opened->repair(progress);
}

Result<MirrorPullReport> Mirrors::restore(const std::string& path, const MirrorPlace& place, const std::string& from,
                                          const Progress& progress) {
  CAIRN_CHECK(check_mirror_place(place));
  CAIRN_TRY(const auto storage, open_mirror_storage(place));
  return restore_from_bucket(path, *storage, from, progress);
}

}  // namespace cairn
