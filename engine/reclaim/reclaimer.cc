// SPDX-License-Identifier: Apache-2.0
#include "engine/reclaim/reclaimer.h"

#include <algorithm>

#include "engine/base/errors.h"
#include "engine/content/digester.h"
#include "engine/log/segment_files.h"

namespace cairn {
namespace {

// What others wait for a step.
constexpr std::uint64_t kStepBytes = 64 * MiB;
constexpr std::chrono::milliseconds kStepTime{50};

}  // namespace

Result<ReclaimCounters> Reclaimer::plan() {
  CAIRN_TRY(std::vector<SegmentChoice> all, chooser_.all(held_));
  ReclaimCounters planned;
  for (;;) {
    const auto next = chooser_.pick(all, all.empty() ? 0 : all.front().segment);
    if (!next) break;
    CAIRN_TRY(const FileInfo info, parts_.fs.info(segment_path(parts_.log_folder, next->segment)));
    planned.freed_bytes += info.disk_bytes;
    planned.moved_bytes += next->use.live_bytes;
    ++planned.segments;
    std::erase_if(all, [&](const SegmentChoice& choice) { return choice.segment == next->segment; });
  }
  CAIRN_TRY(planned.dead_bytes, dead_bytes(parts_.index));
  return planned;
}

// --- A step ---

Result<bool> Reclaimer::step(const std::vector<Reference>& held) {
  // The index is behind a log that has failed: what seems dead may not be.
  if (parts_.log.failed()) return *parts_.log.failure();
  CAIRN_TRY(const auto doubt, parts_.index.doubt());
  if (doubt) {
    return make_error(ErrorCode::corruption, "nothing is reclaimed, because it is not sure what is dead: " + *doubt +
                                                 "; see 'check', and 'repair --index'");
  }
  // What somebody appended and gave up is dead from the start, not known after its parts went.
  if (parts_.log.has_unreported()) CAIRN_CHECK(commit(false));
  CAIRN_CHECK(held_.find(held, parts_.index, parts_.parts));
  CAIRN_CHECK(forget_dead_objects());
  began_ = Clock::now();
  carried_before_ = carried_.bytes;
  auto worked = work();
  counters_.moved_bytes = carried_.bytes;
  const bool removes = !emptied_.empty();
  Status status = worked.ok() ? commit(true) : Status(worked.error());
  // What was carried before something failed is as good as any, and nobody else can put it
  // into the index.
  if (!status.ok() && !parts_.log.failed()) {
    if (Status rest = commit(false); !rest.ok() && !parts_.log.failed()) parts_.log.fail(rest.error());
  }
  CAIRN_CHECK(status);
  // What says that something was removed may not be needed any more.
  if (*worked || removes) return true;
  CAIRN_TRY(counters_.dead_bytes, dead_bytes(parts_.index));
  return false;
}

// Who finds an object in the index relies on its parts being there: so none that is dead
// stays there when parts go.
Status Reclaimer::forget_dead_objects() {
  IndexBatch batch;
  batch.parts = &parts_.parts;
  CAIRN_TRY(batch.dropped, parts_.index.dead_objects());
  std::erase_if(batch.dropped, [&](const Reference& dead) { return held_.contains(dead.kind, dead.id); });
  return batch.dropped.empty() ? Status() : parts_.index.apply(batch);
}

// False when nothing is left to do.
Result<bool> Reclaimer::work() {
  while (!budget_is_spent()) {
    if (!copy_) {
      // There may be room for one segment's content alone: the next one waits for what it gives back.
      if (!emptied_.empty() && parts_.log.room() != nullptr && parts_.log.room()->is_tight()) return true;
      CAIRN_TRY(const bool chosen, choose());
      if (!chosen) return false;
    }
    if (copy_) CAIRN_CHECK(copy());
  }
  return true;
}

bool Reclaimer::budget_is_spent() const {
  return carried_.bytes - carried_before_ >= kStepBytes || Clock::now() - began_ >= kStepTime;
}

Result<bool> Reclaimer::choose() {
  CAIRN_TRY(std::vector<SegmentChoice> all, chooser_.all(held_));
  const std::uint32_t lowest = all.empty() ? 0 : all.front().segment;
  std::erase_if(all, [&](const SegmentChoice& choice) { return std::ranges::count(emptied_, choice.segment) > 0; });
  const auto next = chooser_.pick(all, lowest);
  if (!next) return false;
  // What was carried into the last segment is in the index before the segment is looked at; and
  // what is appended to is ended.
  if (next->segment == chooser_.last()) {
    if (parts_.log.has_unreported()) CAIRN_CHECK(commit(false));
    if (next->segment == parts_.log.open_segment_number()) CAIRN_CHECK(parts_.log.seal_open_segment());
  }
  copy_.emplace(parts_, held_, carried_, *next, next->segment == lowest);
  if (Status opened = copy_->open(); !opened.ok()) {
    copy_.reset();  // what is half open looks done
    return std::move(opened).error();
  }
  if (copy_->damage()) leave_alone(*copy_->damage());
  return true;
}

Status Reclaimer::copy() {
  while (!copy_->done()) {
    CAIRN_CHECK(copy_->carry_next());
    if (copy_->damage()) {
      leave_alone(*copy_->damage());
      return {};
    }
    if (budget_is_spent()) return {};
  }
  emptied_.push_back(copy_->segment());
  copy_.reset();
  return {};
}

void Reclaimer::leave_alone(const std::string& why) {
  damaged_.push_back(segment_path(parts_.log_folder, copy_->segment()) + ": " + why);
  chooser_.leave_alone(copy_->segment());
  copy_.reset();
}

// --- Making it so ---

// Sync before re-point: an index entry must never point at bytes that a crash can take away.
// Then the index forgets what was dropped; and the segments that are empty by that, all of
// it at once.
Status Reclaimer::commit(bool remove) {
  std::optional<ReclaimedRecord> reclaimed;
  if (remove && !emptied_.empty()) {
    CAIRN_TRY(reclaimed, append_reclaimed());
  }
  if (!parts_.log.has_unreported() && carried_.dropped.empty()) return {};
  CAIRN_TRY(const LogWriter::Synced synced, parts_.log.sync());
  IndexBatch batch = carried_.take(synced, reclaimed);
  batch.parts = &parts_.parts;
  if (reclaimed) batch.removed_segments = emptied_;
  // The index writes tables of its own accord as it fills.
  if (parts_.log.room() != nullptr) parts_.log.room()->make_room_for_checkpoint();
  if (Status applied = parts_.index.apply(batch); !applied.ok()) {
    parts_.log.fail(applied.error());
    return applied;
  }
  if (!reclaimed) return {};
  // An index that a crash brings back must not point into what is gone.
  CAIRN_CHECK(parts_.index.checkpoint());
  durable_ = true;
  return remove_emptied();
}

Result<std::optional<ReclaimedRecord>> Reclaimer::append_reclaimed() {
  CAIRN_TRY(const auto before, parts_.index.reclaimed());
  ReclaimedRecord reclaimed = before ? static_cast<const ReclaimedRecord&>(*before) : ReclaimedRecord{};
  for (const std::uint32_t segment : emptied_) reclaimed.add(segment);
  const std::vector<std::byte> payload = encode(reclaimed);
  CAIRN_CHECK(parts_.log.append(NewRecord{.kind = RecordKind::reclaimed,
                                          .codec = 0,
                                          .logical_bytes = static_cast<std::uint32_t>(payload.size()),
                                          .key = digest_of(parts_.digest, payload),
                                          .payload = payload,
                                          .gives_back = true}));
  return std::optional(std::move(reclaimed));
}

Status Reclaimer::remove_emptied() {
  CAIRN_INVARIANT(durable_);
  durable_ = false;
  ReclaimedRecord gone;
  for (const std::uint32_t segment : emptied_) {
    const std::string path = segment_path(parts_.log_folder, segment);
    CAIRN_TRY(const FileInfo info, parts_.fs.info(path));
    CAIRN_CHECK(parts_.fs.remove_file(path));
    counters_.freed_bytes += info.disk_bytes;
    ++counters_.segments;
    gone.add(segment);
  }
  emptied_.clear();
  CAIRN_CHECK(parts_.fs.sync_directory(parts_.log_folder));
  parts_.reader.forget(gone);
  return {};
}

}  // namespace cairn
