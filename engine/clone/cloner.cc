// SPDX-License-Identifier: Apache-2.0
#include "engine/clone/cloner.h"

#include <algorithm>
#include <cerrno>
#include <iterator>

#include "engine/base/aligned_buffer.h"
#include "engine/base/errors.h"
#include "engine/log/segment_files.h"
#include "engine/log/segment_scan.h"

namespace cairn {
namespace {

constexpr std::size_t kCopyBytes = 4 * MiB;
// Files that are held open at once: what is more than that is brought ahead first.
constexpr std::size_t kPendingMax = 128;

// Between these two places, or of this file, the kernel makes no link.
bool cannot_be_shared(const Error& error) {
  switch (error.sys_errno) {
    case EXDEV:
    case EMLINK:
    case EPERM:
    case EACCES:
    case EINVAL:
    case ENOSYS:
    case ENOTTY:
    case EOPNOTSUPP: return true;
    default: return false;
  }
}

bool is_missing(const Error& error) { return error.code == ErrorCode::not_found; }

// The index is in doubt, and left behind: whoever opens the copy rebuilds it.
bool is_in_doubt(const Error& error) { return error.code == ErrorCode::corruption || is_missing(error); }

bool is_same(const Result<std::optional<Guard>>& a, const Result<std::optional<Guard>>& b) {
  return a.ok() == b.ok() && (!a.ok() || *a == *b);
}

}  // namespace

Cloner::Cloner(FileSystem& fs, Places from, Places to, const Options& options, ProgressMeter& meter)
    : fs_(fs), from_(std::move(from)), to_(std::move(to)), options_(options), meter_(meter) {}

// A moment that was not the right one.
void Cloner::let_go() {
  for (const Pending& pending : std::exchange(pending_, {})) counters_.copied_bytes -= pending.bytes;
  std::erase_if(segments_, [](const auto& entry) { return entry.second.how == How::held; });
  std::erase_if(index_files_, [](const auto& entry) { return entry.second.second.how == How::held; });
  guard_.reset();
}

// Every segment but the last is final: it was sealed, or left alone for its damage, before the
// next was begun.
Status Cloner::bring_ahead() {
  let_go();
  CAIRN_TRY(const auto listed, list_segments(fs_, from_.log));
  for (const std::uint32_t segment : listed) {
    CAIRN_CHECK(meter_.check_stop());
    if (segment == listed.back() || segments_.contains(segment)) continue;
    CAIRN_TRY(const auto brought, bring(segment_path(from_.log, segment), segment_path(to_.log, segment)));
    if (brought) segments_.emplace(segment, *brought);
  }
  const auto guard = read_guard(fs_, from_.index);
  if (!guard.ok() || !*guard) return {};
  for (const GuardedFile& file : (*guard)->files) {
    CAIRN_CHECK(meter_.check_stop());
    if (!is_table(file.name) || index_files_.contains(file.name)) continue;
    CAIRN_TRY(const auto brought, bring(from_.index + "/" + file.name, to_.index + "/" + file.name));
    if (brought) index_files_.emplace(file.name, std::pair(file, *brought));
  }
  return {};
}

// A segment is removed after an index that does not need it has been made durable. So while the
// guard stays as it is, everything is there that its index and the log behind it need.
Result<bool> Cloner::take_moment(const std::function<Result<Position>()>& log_end) {
  let_go();
  const auto before = read_guard(fs_, from_.index);
  if (!before.ok() && !is_in_doubt(before.error())) return before.error();
  CAIRN_TRY(Position end, log_end());
  // What the index had applied is in the log, whatever a reader has heard of.
  if (before.ok() && *before) end = std::max(end, (*before)->applied);
  CAIRN_CHECK(take_log(end));
  if (before.ok() && *before && !(*before)->nothing_durable()) guard_ = **before;
  if (guard_) CAIRN_CHECK(take_index());
  return is_same(before, read_guard(fs_, from_.index)) && pending_.size() <= kPendingMax;
}

Status Cloner::take_log(const Position& end) {
  CAIRN_TRY(const auto listed, list_segments(fs_, from_.log));
  // A segment that stays though it was reclaimed would bring back what was removed: the word
  // that says so may be gone by now.
  for (auto at = segments_.begin(); at != segments_.end();) {
    const bool is_there = std::ranges::binary_search(listed, at->first);
    if (!is_there) CAIRN_CHECK(remove(segment_path(to_.log, at->first), at->second));
    at = is_there ? std::next(at) : segments_.erase(at);
  }
  for (const std::uint32_t segment : listed) {
    if (segment > end.segment || segments_.contains(segment) || pending_.size() > kPendingMax) continue;
    std::optional<std::uint64_t> cut;
    if (segment == listed.back() && segment == end.segment) {
      CAIRN_TRY(const bool sealed, is_sealed(end));
      if (!sealed) cut = end.offset;
      if (sealed) unsynced_.insert(segment_path(to_.log, segment));
    }
    CAIRN_TRY(const auto held, hold(segment_path(from_.log, segment), segment_path(to_.log, segment), cut));
    if (held) segments_.emplace(segment, *held);
  }
  return {};
}

// Whether the segment that the log ends in was ended, so that nothing of it will change.
Result<bool> Cloner::is_sealed(const Position& end) const {
  auto opened = open_segment(fs_, from_.log, end.segment, options_.store_tag);
  if (!opened.ok() && is_missing(opened.error())) return false;
  CAIRN_TRY(const OpenSegment segment, std::move(opened));
  std::string damage;
  CAIRN_TRY(const auto table, read_table(segment, damage));
  return table.has_value() && segment.size == end.offset;
}

Status Cloner::take_index() {
  for (auto at = index_files_.begin(); at != index_files_.end();) {
    const bool is_listed = std::ranges::count(guard_->files, at->second.first) > 0;
    if (!is_listed) CAIRN_CHECK(remove(to_.index + "/" + at->first, at->second.second));
    at = is_listed ? std::next(at) : index_files_.erase(at);
  }
  for (const GuardedFile& file : guard_->files) {
    if (index_files_.contains(file.name) || pending_.size() > kPendingMax) continue;
    // A MANIFEST grows behind what the guard knows of it.
    const auto cut = is_table(file.name) ? std::nullopt : std::optional(file.size);
    CAIRN_TRY(const auto held, hold(from_.index + "/" + file.name, to_.index + "/" + file.name, cut));
    if (held) index_files_.emplace(file.name, std::pair(file, *held));
  }
  return {};
}

Status Cloner::complete() {
  for (const Pending& pending : pending_) CAIRN_CHECK(copy(pending));
  pending_.clear();
  for (const std::string& path : unsynced_) {
    CAIRN_TRY(const auto file, fs_.open(path, {}));
    CAIRN_CHECK(file->sync());
  }
  CAIRN_CHECK(fs_.sync_directory(to_.log));
  if (guard_) {
    const auto checked = check_files(fs_, to_.index, *guard_);
    if (!checked.ok() && !is_in_doubt(checked.error())) return checked.error();
    if (!checked.ok()) guard_.reset();
  }
  if (!guard_) {
    for (const auto& [name, file] : index_files_) CAIRN_CHECK(remove(to_.index + "/" + name, file.second));
    index_files_.clear();
  }
  CAIRN_CHECK(fs_.sync_directory(to_.index));
  if (guard_) CAIRN_CHECK(write_guard(fs_, to_.index, *guard_));
  counters_.index = guard_.has_value();
  counters_.segments = segments_.size();
  return {};
}

// --- Single files ---

Result<std::optional<Cloner::Brought>> Cloner::bring(const std::string& from, const std::string& to) {
  CAIRN_TRY(auto brought, hold(from, to, std::nullopt));
  if (!brought || brought->how == How::shared) return brought;
  const Pending pending = std::move(pending_.back());
  pending_.pop_back();
  CAIRN_CHECK(copy(pending));
  brought->how = How::copied;
  return brought;
}

Result<std::optional<Cloner::Brought>> Cloner::hold(const std::string& from, const std::string& to,
                                                    std::optional<std::uint64_t> cut) {
  const auto unless_missing = [](const Error& error) -> Result<std::optional<Brought>> {
    if (is_missing(error)) return std::optional<Brought>();
    return error;
  };
  meter_.begin(from);
  const auto info = fs_.info(from);
  if (!info.ok()) return unless_missing(info.error());
  Brought brought{.bytes = cut ? std::min(*cut, info->size) : info->size};
  if (!cut && options_.share) {
    const auto shared = share(from, to);
    if (!shared.ok()) return unless_missing(shared.error());
    if (*shared) {
      brought.how = How::shared;
      counters_.linked_bytes += brought.bytes;
      meter_.add(brought.bytes);
      return std::optional(brought);
    }
  }
  auto file = fs_.open(from, {.direct = info->size % kPageBytes == 0});
  if (!file.ok()) return unless_missing(file.error());
  counters_.copied_bytes += brought.bytes;
  pending_.push_back({std::move(*file), to, brought.bytes});
  return std::optional(brought);
}

// False when that cannot be done here.
Result<bool> Cloner::share(const std::string& from, const std::string& to) {
  Status shared = fs_.link(from, to);
  if (!shared.ok() && cannot_be_shared(shared.error())) {
    shared = fs_.clone_file(from, to);
    if (shared.ok()) unsynced_.insert(to);
  }
  if (shared.ok()) return true;
  if (cannot_be_shared(shared.error())) return false;
  return std::move(shared).error();
}

// Whole pages go around the page cache: a copy should not push out what others have in it.
Status Cloner::copy(const Pending& pending) {
  File& from = *pending.file;
  const std::string& to = pending.to;
  const bool direct = from.direct() && pending.bytes % kPageBytes == 0;
  CAIRN_TRY(const auto file, fs_.open(to, {.write = true, .create = true, .exclusive = true, .direct = direct}));
  const AlignedBuffer buffer = AlignedBuffer::allocate(kCopyBytes);
  if (!buffer) return make_error(ErrorCode::resource_exhausted, "no memory to copy " + to);
  for (std::uint64_t at = 0; at < pending.bytes;) {
    CAIRN_CHECK(meter_.check_stop());
    const std::uint64_t wanted = std::min<std::uint64_t>(pending.bytes - at, kCopyBytes);
    const std::uint64_t whole = from.direct() ? align_up(wanted, kPageBytes) : wanted;
    CAIRN_TRY(const std::size_t got, from.read_at(at, buffer.first(whole)));
    const std::size_t useful = std::min<std::uint64_t>(got, wanted);
    if (useful < wanted) return make_error(ErrorCode::io, to + ": what it is a copy of became shorter meanwhile");
    CAIRN_CHECK(file->write_at(at, buffer.first(useful)));
    at += useful;
    meter_.add(useful, useful);
  }
  return file->sync();
}

Status Cloner::remove(const std::string& path, const Brought& brought) {
  (brought.how == How::shared ? counters_.linked_bytes : counters_.copied_bytes) -= brought.bytes;
  unsynced_.erase(path);
  return fs_.remove_file(path);
}

}  // namespace cairn
