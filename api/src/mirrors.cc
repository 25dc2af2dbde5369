// SPDX-License-Identifier: Apache-2.0
//
// Mirrors: the public calls.
#include "cairn/mirrors.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "api/src/mirror_formats.h"
#include "api/src/mirror_places.h"
#include "api/src/mirror_repair.h"
#include "api/src/mirror_source.h"
#include "api/src/mirroring.h"
#include "api/src/running_mirrors.h"
#include "engine/base/errors.h"
#include "engine/base/progress_meter.h"
#include "engine/write/async_writer.h"
#include "replication/gc.h"
#include "replication/verify.h"

namespace cairn {
namespace {

// Requests under way at the same time, each with up to a pack in memory while pushing.
constexpr std::size_t kPushParallel = 4;
constexpr std::size_t kAskParallel = 8;
// Bytes a second. Below it is not kept up to date, but in the way of reclaiming it.
constexpr std::uint64_t kRateMin = 64 * KiB;
// For whoever shares a mirror: a request to put something may be tried for some ten minutes.
constexpr std::chrono::seconds kGraceMin = std::chrono::hours(1);

struct OpenedMirror {
  MirrorInfo info;
  std::unique_ptr<ObjectStorage> storage;
};

Result<OpenedMirror> open_mirror(StoreImpl& store, const std::string& name) {
  CAIRN_CHECK(store.check_usable());
  CAIRN_TRY(const auto place, read_mirror_place(store, name));
  if (!place) return make_error(ErrorCode::not_found, "the store has no mirror '" + printable(name) + "'");
  CAIRN_TRY(auto storage, open_mirror_storage(*place));
  return OpenedMirror{.info = {.name = name, .place = *place}, .storage = std::move(storage)};
}

Result<std::optional<mirror::Uuid>> uuid_of(const std::string& text) {
  if (text.empty()) return std::optional<mirror::Uuid>();
  mirror::Uuid uuid{};
  if (mirror::from_hex(text, uuid)) return std::optional(uuid);
  return make_error(ErrorCode::invalid_argument, "'" + printable(text) + "' is no store's id: 32 hexadecimal digits");
}

MirrorPullReport report_of(const mirror::PullReport& report) {
  return {.names = report.statements,
          .records = report.records,
          .fetched_bytes = report.fetched.bytes,
          .requests = report.fetched.requests};
}

// For PullOptions: tells how much more has come.
std::function<Status(const mirror::PullReport&)> pull_progress(ProgressMeter& meter) {
  return [&meter, told = std::uint64_t{0}](const mirror::PullReport& so_far) mutable {
    const std::uint64_t more = so_far.fetched.bytes - std::exchange(told, so_far.fetched.bytes);
    meter.add(more, more);
    return meter.check_stop();
  };
}

Status count_behind(StoreImpl& store, mirror::Cursor from, MirrorStatus& status) {
  MirrorSource source(store);
  CAIRN_TRY(const mirror::Source::Head head, source.head());
  status.behind_bytes = source.bytes_between(from, head.at);
  for (bool has_more = true; has_more;) {
    CAIRN_TRY(const auto changes, source.changes(from, 8 * MiB));
    status.behind_statements += changes.statements.size();
    has_more = changes.has_more && changes.to > from;
    from = changes.to;
  }
  return {};
}

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

// A push of one's own: the mirror that runs would send the same.
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
  CAIRN_TRY(const OpenedMirror mirror, open_mirror(*store_, name));
  const Paused paused(store_->running_mirrors().find(name));
  store_->settle_puts();
  MirrorSource source(*store_);
  const MirrorFormats formats(store_->header().digest);
  ProgressMeter meter(progress, "push", 0);
  mirror::PushOptions options;
  options.parallel = kPushParallel;
  options.progress = [&meter, read = std::uint64_t{0},
                      sent = std::uint64_t{0}](const mirror::PushReport& so_far) mutable {
    meter.add(so_far.content_bytes - std::exchange(read, so_far.content_bytes),
              so_far.sent_bytes - std::exchange(sent, so_far.sent_bytes));
    return meter.check_stop();
  };
  CAIRN_TRY(mirror::PushReport report, mirror::Pusher(source, *mirror.storage, formats, options).push());
  return MirrorPushReport{.statements = report.statements,
                          .records = report.records,
                          .content_bytes = report.content_bytes,
                          .sent_bytes = report.sent_bytes,
                          .requests = report.requests,
                          .left_out = std::move(report.left_out)};
}

Status Mirrors::start(const std::string& name, const MirroringOptions& options) {
  if (options.nice < 0 || options.nice > 19 || options.linger.count() < 0) {
    return make_error(ErrorCode::invalid_argument, "a mirror's niceness is 0 to 19, and its linger not negative");
  }
  if (options.bytes_per_second > 0 && options.bytes_per_second < kRateMin) {
    return make_error(ErrorCode::invalid_argument,
                      "a mirror is sent at least " + std::to_string(kRateMin) + " bytes a second");
  }
  CAIRN_TRY(OpenedMirror mirror, open_mirror(*store_, name));
  return store_->running_mirrors().start(name, std::move(mirror.storage), options);
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

Result<MirrorPullReport> Mirrors::pull(const std::string& name, const std::vector<std::string>& refs,
                                       const std::string& from, const Progress& progress) {
  CAIRN_TRY(const OpenedMirror mirror, open_mirror(*store_, name));
  ProgressMeter meter(progress, "pull", 0);
  PullWish wish{.names = refs, .store = {}, .options = {}};
  CAIRN_TRY(wish.store, uuid_of(from));
  wish.options.fetch.parallel = kAskParallel;
  wish.options.progress = pull_progress(meter);
  wish.progress = progress;
  CAIRN_TRY(const auto report, cairn::pull(*store_, *mirror.storage, wish));
  return report_of(report);
}

Result<MirrorStatus> Mirrors::status(const std::string& name) {
  CAIRN_TRY(const OpenedMirror mirror, open_mirror(*store_, name));
  MirrorStatus status{.mirror = mirror.info, .stores = {}};
  const DigestKind digest = store_->header().digest;
  mirror::Cursor end;
  CAIRN_TRY(const auto marker, mirror::read_marker(*mirror.storage));
  if (marker) {
    MirrorView view(*mirror.storage, digest, {}, kAskParallel);
    CAIRN_CHECK(view.refresh());
    for (const auto& [uuid, one] : view.stores()) {
      MirroredStoreInfo& info = status.stores.emplace_back();
      info.id = mirror::hex(uuid);
      info.is_this = uuid == store_->header().uuid;
      info.problem = one.problem;
      if (info.is_this) end = one.end;
      for (const auto& [ref, statement] : one.refs) info.names.push_back(ref.first + "@" + std::to_string(ref.second));
    }
    CAIRN_TRY(const auto packs, mirror::list_all(*mirror.storage, mirror::kPacksPrefix));
    status.packs = packs.size();
    for (const auto& pack : packs) status.pack_bytes += pack.bytes;
  }
  store_->settle_puts();
  const MirrorFormats formats(digest);
  CAIRN_TRY(const auto left_out, mirror::read_left_out(*mirror.storage, formats, store_->header().uuid));
  status.behind_statements += left_out.size();
  CAIRN_CHECK(count_behind(*store_, end, status));
  return status;
}

Result<MirrorVerifyReport> Mirrors::verify(const std::string& name, bool read_data, const Progress& progress) {
  CAIRN_TRY(const OpenedMirror mirror, open_mirror(*store_, name));
  const MirrorFormats formats(store_->header().digest);
  CAIRN_CHECK(require_mirror(*mirror.storage, store_->header().digest));
  ProgressMeter meter(progress, "verify", 0);
  mirror::VerifyOptions options{.read_data = read_data, .parallel = kPushParallel, .progress = {}};
  options.progress = [&meter, told = std::uint64_t{0}](const mirror::VerifyReport& so_far) mutable {
    meter.add(so_far.bytes_read - std::exchange(told, so_far.bytes_read));
    return meter.check_stop();
  };
  CAIRN_TRY(mirror::VerifyReport report, mirror::verify(*mirror.storage, formats, options));
  return MirrorVerifyReport{.stores = report.stores,
                            .statements = report.statements,
                            .packs = report.packs,
                            .records = report.records,
                            .pack_bytes = report.pack_bytes,
                            .bytes_read = report.bytes_read,
                            .problems = std::move(report.problems)};
}

Result<MirrorGcReport> Mirrors::gc(const std::string& name, const MirrorGcOptions& options, const Progress& progress) {
  const bool is_grace = options.grace.count() == 0 || options.grace >= kGraceMin;
  if (!(options.max_dead >= 0 && options.max_dead <= 1) || !is_grace) {
    return make_error(ErrorCode::invalid_argument,
                      "a share is from 0 to 1, and a grace at least an hour, or 0 while nobody else uses the mirror");
  }
  CAIRN_TRY(const OpenedMirror mirror, open_mirror(*store_, name));
  CAIRN_CHECK(require_mirror(*mirror.storage, store_->header().digest));
  ProgressMeter meter(progress, "reclaim", 0);
  mirror::GcOptions how{.max_dead = options.max_dead,
                        .grace = options.grace,
                        .read_data = options.read_data,
                        .dry_run = options.dry_run,
                        .parallel = kPushParallel,
                        .progress = {}};
  how.progress = [&meter, told = std::uint64_t{0}](const mirror::GcReport& so_far) mutable {
    meter.add(so_far.copied_bytes - std::exchange(told, so_far.copied_bytes));
    return meter.check_stop();
  };
  CAIRN_TRY(mirror::GcReport report, mirror::gc(*mirror.storage, MirrorFormats(store_->header().digest), how));
  return MirrorGcReport{.stores = report.stores,
                        .packs = report.packs,
                        .pack_bytes = report.pack_bytes,
                        .live_bytes = report.live_bytes,
                        .noted_packs = report.noted_packs,
                        .noted_bytes = report.noted_bytes,
                        .copied_records = report.copied_records,
                        .copied_bytes = report.copied_bytes,
                        .removed_packs = report.removed_packs,
                        .removed_bytes = report.removed_bytes,
                        .waits = report.waiting_notes > 0,
                        .lost = std::move(report.lost)};
}

Result<RepairReport> Mirrors::repair(const std::string& name, const Progress& progress) {
  CAIRN_TRY(const OpenedMirror mirror, open_mirror(*store_, name));
  CAIRN_CHECK(require_mirror(*mirror.storage, store_->header().digest));
  return repair_from(*store_, *mirror.storage, progress);
}

Result<MirrorPullReport> Mirrors::restore(const std::string& path, const MirrorPlace& place, const std::string& from,
                                          const Progress& progress) {
  CAIRN_CHECK(check_mirror_place(place));
  CAIRN_TRY(const auto storage, open_mirror_storage(place));
  ProgressMeter meter(progress, "restore", 0);
  RestoreWish wish;
  CAIRN_TRY(wish.store, uuid_of(from));
  wish.pull.fetch.parallel = kAskParallel;
  wish.pull.progress = pull_progress(meter);
  wish.progress = progress;
  std::string folder = path;
  while (folder.size() > 1 && folder.ends_with('/')) folder.pop_back();
  CAIRN_TRY(const auto report, restore_store(posix_file_system(), folder, *storage, wish));
  return report_of(report);
}

}  // namespace cairn
