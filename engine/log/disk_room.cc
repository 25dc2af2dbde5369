// SPDX-License-Identifier: Apache-2.0
#include "engine/log/disk_room.h"

#include <algorithm>

#include "engine/base/errors.h"

namespace cairn {
namespace {

// A store that chooses the size itself grows by no more than one such share of its content, and by a
// larger one where the disk has no more than so many reserves left.
constexpr std::uint64_t kContentPerReserve = 32, kContentPerReserveWhenScarce = 8, kReservesWhenScarce = 8;
// Of the index's checkpoint: a memtable and what it is merged with.
constexpr std::uint64_t kCheckpointBytesMin = 4 * MiB, kCheckpointBytesMax = 64 * MiB;

std::uint64_t checkpoint_room(std::uint64_t segment_bytes) {
  return std::clamp(segment_bytes / 4, kCheckpointBytesMin, kCheckpointBytesMax);
}

Error no_room(const std::string& why) {
  Error error = make_error(ErrorCode::no_space, why);
  error.retryable = true;
  return error;
}

}  // namespace

std::uint64_t reserve_for(std::uint64_t segment_bytes) { return segment_bytes + checkpoint_room(segment_bytes); }

Result<std::uint64_t> disk_use(FileSystem& fs, const std::string& folder) {
  CAIRN_TRY(const std::vector<std::string> names, fs.list_directory(folder));
  std::uint64_t total = 0;
  for (const std::string& name : names) {
    const std::string path = folder + '/' + name;
    const auto info = fs.info(path);
    if (!info.ok()) {
      if (info.error().code == ErrorCode::not_found) continue;
      return info.error();
    }
    total += info->disk_bytes;
    if (!info->is_directory) continue;
    CAIRN_TRY(const std::uint64_t below, disk_use(fs, path));
    total += below;
  }
  return total;
}

DiskRoom::DiskRoom(FileSystem& fs, std::string folder, const DiskRoomOptions& options)
    : fs_(fs),
      folder_(std::move(folder)),
      path_(reserve_path(folder_)),
      options_(options),
      wanted_(options.reserve_bytes.value_or(reserve_for(options.segment_bytes))) {}

// What cannot be looked at is as it was.
void DiskRoom::measure() {
  if (const auto use = disk_use(fs_, folder_); use.ok()) use_ = *use;
  const auto info = fs_.info(path_);
  if (info.ok()) {
    held_ = info->disk_bytes;
  } else if (info.error().code == ErrorCode::not_found) {
    held_ = 0;
  }
}

bool DiskRoom::is_wanted() const {
  if (options_.reserve_bytes || given_up_) return wanted_ > 0;
  if (use_ >= kContentPerReserve * wanted_) return true;
  return use_ >= kContentPerReserveWhenScarce * wanted_ && has_less_than(kReservesWhenScarce * wanted_);
}

// A reserve whose size somebody else has chosen stays as it is.
std::uint64_t DiskRoom::target() const {
  if (options_.reserve_bytes) return *options_.reserve_bytes;
  return is_wanted() ? std::max<std::uint64_t>(wanted_, held_) : held_.load();
}

void DiskRoom::refill() {
  measure();
  const std::uint64_t whole = target();
  if (held_ > (whole > 0 ? whole + MiB : 0)) {
    static_cast<void>(fs_.remove_file(path_).ok());
    measure();
  }
  std::uint64_t bytes = whole;
  if (options_.budget_bytes > 0) {
    const std::uint64_t others = use_ - std::min<std::uint64_t>(use_, held_);
    bytes = std::min(bytes, options_.budget_bytes - std::min(options_.budget_bytes, others));
  }
  if (held_ < bytes) {
    make(bytes);
    measure();
  }
  // A budget that leaves less for it does not make the disk less full.
  const bool made = held_ >= bytes && (bytes == whole || !has_less_than(whole - bytes));
  given_up_ = given_up_ && !made;
}

// What it holds is never read, so nothing is synced: a crash leaves it, or some of it, or none.
// On a disk without room for it, all but what the index may need meanwhile is taken. Some file
// systems keep what they found when there was not enough: it is asked for no more than there is.
void DiskRoom::make(std::uint64_t bytes) {
  const auto space = fs_.space(folder_);
  const std::uint64_t index = checkpoint_room(options_.segment_bytes) / 4;
  if (space.ok() && bytes - held_ > space->available_bytes) {
    if (space->available_bytes <= index) return;
    bytes = held_ + space->available_bytes - index;
  }
  const auto file = fs_.open(path_, {.write = true, .create = true});
  if (!file.ok()) return;
  const Status made = (*file)->preallocate(bytes);
  if (!made.ok() && made.error().code == ErrorCode::no_space) static_cast<void>((*file)->truncate(0).ok());
}

Status DiskRoom::admit(std::uint64_t more, bool gives_back) {
  measure();
  if (!gives_back && is_wanted() && held_ < wanted_) refill();
  if (options_.budget_bytes == 0 || use_ + more <= options_.budget_bytes) return {};
  beyond_budget_ = beyond_budget_ || gives_back;
  if (gives_back) return {};
  return no_room("the store takes " + std::to_string(use_) + " bytes of a budget of " +
                 std::to_string(options_.budget_bytes) + ", and needs " + std::to_string(more) + " more");
}

Status DiskRoom::open_to_all() {
  if (!given_up_ && !beyond_budget_) return {};
  refill();
  if (given_up_) return no_room("the disk is full: what is left is for removing and reclaiming");
  beyond_budget_ = beyond_budget_ && use_ > options_.budget_bytes;
  if (!beyond_budget_) return {};
  return no_room("the store takes " + std::to_string(use_) + " bytes, more than its budget of " +
                 std::to_string(options_.budget_bytes));
}

bool DiskRoom::give_up() {
  const auto info = fs_.info(path_);
  if (!info.ok() || !fs_.remove_file(path_).ok()) return false;
  // Some file systems hand out what was freed once that is durable. The reserve is gone either way.
  static_cast<void>(fs_.sync_directory(folder_).ok());
  held_ = 0;
  given_up_ = given_up_ || info->disk_bytes > 0;
  return info->disk_bytes > 0;
}

void DiskRoom::make_room_for_checkpoint() {
  if (has_less_than(checkpoint_room(options_.segment_bytes))) static_cast<void>(give_up());
}

bool DiskRoom::is_tight() const {
  return given_up_ || beyond_budget_ ||
         has_less_than(2 * options_.segment_bytes + checkpoint_room(options_.segment_bytes));
}

bool DiskRoom::has_less_than(std::uint64_t bytes) const {
  const auto space = fs_.space(folder_);
  return space.ok() && space->available_bytes < bytes;
}

}  // namespace cairn
