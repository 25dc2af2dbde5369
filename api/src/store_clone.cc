// SPDX-License-Identifier: Apache-2.0
#include <chrono>
#include <filesystem>

#include "api/src/clone_folder.h"
#include "api/src/store_impl.h"
#include "engine/base/errors.h"
#include "engine/base/progress_meter.h"
#include "engine/clone/cloner.h"

namespace cairn {
namespace {

using Clock = std::chrono::steady_clock;

// Each retry means that the index on the disk was replaced in the moments in which the clone got
// hold of it, so a few are plenty.
constexpr int kMomentAttemptsMax = 50;
// A checkpoint that finds no room ends all writing until the store is reopened: with less than
// this, the clone gets the index of the last one, and replays the log from there.
constexpr std::uint64_t kCheckpointRoomBytes = 64 * MiB;

bool is_below(const std::filesystem::path& path, const std::filesystem::path& folder) {
  return std::mismatch(folder.begin(), folder.end(), path.begin(), path.end()).first == folder.end();
}

// `to` without links in it, which is outside of the store.
Result<std::string> place_of_clone(const std::string& to, const std::string& store) {
  namespace fs = std::filesystem;
  const std::size_t end = to.find_last_not_of('/');
  if (end == std::string::npos) return make_error(ErrorCode::invalid_argument, "a clone needs a folder of its own");
  const fs::path wanted(to.substr(0, end + 1));
  std::error_code failed;
  if (fs::is_symlink(fs::symlink_status(wanted, failed)) && !fs::exists(wanted, failed)) {
    return make_error(ErrorCode::already_exists, "'" + to + "' is a link to nothing");
  }
  fs::path place = fs::canonical(wanted, failed);
  if (failed) {
    const fs::path parent = wanted.has_parent_path() ? wanted.parent_path() : fs::path(".");
    place = fs::canonical(parent, failed) / wanted.filename();
    if (failed) return error_from_errno(failed.value(), "the folder above '" + to + "'");
  }
  const fs::path original = fs::canonical(store, failed);
  if (failed) return error_from_errno(failed.value(), "the store's folder '" + store + "'");
  if (is_below(place, original)) {
    return make_error(ErrorCode::invalid_argument, "'" + to + "' is in the store itself: a clone is beside it");
  }
  return place.string();
}

}  // namespace

Result<CloneReport> StoreImpl::clone(const std::string& to, const CloneOptions& options, const Progress& progress) {
  CAIRN_CHECK(check_usable());
  settle_puts();
  ProgressMeter meter(progress, "clone", 0);
  CAIRN_TRY(const auto folder, CloneFolder::begin(fs_, to));
  Cloner cloner(fs_, {.log = layout_.log(), .index = layout_.index()},
                {.log = folder->layout().log(), .index = folder->layout().index()},
                {.store_tag = store_tag_of(header_.uuid), .share = !options.copy}, meter);
  CAIRN_TRY(const std::chrono::nanoseconds held, take_moment(cloner));
  CAIRN_CHECK(cloner.complete());
  CAIRN_CHECK(folder->finish(header_));
  const CloneCounters& counters = cloner.counters();
  return CloneReport{.segments = counters.segments,
                     .linked_bytes = counters.linked_bytes,
                     .copied_bytes = counters.copied_bytes,
                     .index = counters.index,
                     .held = held};
}

// How long others were held up.
Result<std::chrono::nanoseconds> StoreImpl::take_moment(Cloner& cloner) {
  const bool writes = options_.access == Access::read_write && !closed_;
  for (int attempt = 1; attempt <= kMomentAttemptsMax; ++attempt) {
    CAIRN_CHECK(cloner.bring_ahead());
    if (!writes) {
      const auto followed = [this]() -> Result<Position> {
        CAIRN_CHECK(follow());
        return index_->applied();
      };
      CAIRN_TRY(const bool taken, cloner.take_moment(followed));
      if (taken) return std::chrono::nanoseconds(0);
      continue;
    }
    // Whoever has the log's turn has committed what it appended when it gives it up.
    CAIRN_TRY(const Writing turn, begin_writing());
    const Clock::time_point began = Clock::now();
    CAIRN_CHECK(checkpoint_for_clone());
    CAIRN_TRY(const bool taken, cloner.take_moment([this]() -> Result<Position> { return index_->applied(); }));
    if (taken) return std::chrono::nanoseconds(Clock::now() - began);
  }
  Error error = make_error(ErrorCode::io, "the store changes faster than a clone can be made");
  error.retryable = true;
  return error;
}

// So that whoever opens the clone has nothing to replay.
Status StoreImpl::checkpoint_for_clone() {
  if (log_->failed() || (index_->applied() == checkpointed_ && !unsaved_)) return {};
  CAIRN_TRY(const SpaceInfo space, fs_.space(layout_.folder));
  if (space.available_bytes < kCheckpointRoomBytes) return {};
  CAIRN_CHECK(index_->checkpoint());
  checkpointed_ = index_->applied();
  unsaved_ = false;
  return {};
}

Result<CloneReport> Store::clone(const std::string& to, const CloneOptions& options, const Progress& progress) {
  CAIRN_TRY(const std::string place, place_of_clone(to, impl_->layout().folder));
  return impl_->clone(place, options, progress);
}

}  // namespace cairn
