// SPDX-License-Identifier: Apache-2.0
//
// Content that comes back from a bucket: into a store that is there, or as one of its own.
#include <optional>
#include <utility>

#include "api/src/bucket_mirror.h"
#include "api/src/mirroring.h"
#include "engine/base/errors.h"
#include "engine/base/progress_meter.h"

namespace cairn {
namespace {

constexpr std::size_t kParallel = 8;  // requests under way at the same time

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

}  // namespace

Result<MirrorPullReport> BucketMirror::pull(const std::vector<std::string>& refs, const std::string& from,
                                            const Progress& progress) {
  if (refs.empty()) {
    return make_error(ErrorCode::invalid_argument,
                      "name the versions to pull; all that a mirror has of a store comes back with restore");
  }
  ProgressMeter meter(progress, "pull", 0);
  PullWish wish{.names = refs, .store = {}, .options = {}};
  CAIRN_TRY(wish.store, uuid_of(from));
  wish.options.fetch.parallel = kParallel;
  wish.options.progress = pull_progress(meter);
  wish.progress = progress;
  CAIRN_TRY(const auto report, cairn::pull(store_, *storage_, wish));
  return report_of(report);
}

Result<MirrorPullReport> restore_from_bucket(const std::string& path, ObjectStorage& storage, const std::string& from,
                                             const Progress& progress) {
  ProgressMeter meter(progress, "restore", 0);
  RestoreWish wish;
  CAIRN_TRY(wish.store, uuid_of(from));
  wish.pull.fetch.parallel = kParallel;
  wish.pull.progress = pull_progress(meter);
  wish.progress = progress;
  std::string folder = path;
  while (folder.size() > 1 && folder.ends_with('/')) folder.pop_back();
  CAIRN_TRY(const auto report, restore_store(posix_file_system(), folder, storage, wish));
  return report_of(report);
}

}  // namespace cairn
