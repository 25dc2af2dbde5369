// SPDX-License-Identifier: Apache-2.0
#include "engine/reclaim/reclaimer.h"

#include <algorithm>

#include "engine/base/errors.h"
#include "engine/content/digester.h"
#include "engine/index/keys.h"
#include "engine/io/read_twice.h"
#include "engine/log/segment_files.h"
#include "engine/reclaim/segment_records.h"

namespace cairn {
namespace {

// What others wait for a step.
constexpr std::uint64_t kStepBytes = 64 * MiB;
constexpr std::chrono::milliseconds kStepTime{50};

}  // namespace

Reclaimer::Reclaimer(const Parts& parts, double max_dead)
    : parts_(parts), max_dead_(max_dead), last_(parts.log.last_segment_number()) {}

bool Reclaimer::budget_is_spent() const { return moved_in_step_ >= kStepBytes || Clock::now() - began_ >= kStepTime; }

// --- What to do ---

Result<std::vector<Reclaimer::Choice>> Reclaimer::choices() {
  CAIRN_TRY(const auto segments, list_segments(parts_.fs, parts_.log_folder));
  CAIRN_TRY(const auto uses, parts_.index.segment_uses());
  std::vector<Choice> choices;
  for (const std::uint32_t segment : segments) {
    const auto use = uses.find(segment);
    // One that the index knows nothing of was emptied before: its removal was cut short.
    choices.push_back({segment, use == uses.end() ? SegmentUse{} : use->second});
    // What is held would have to be copied, and be dead still.
    if (const auto held = held_bytes_.find(segment); held != held_bytes_.end()) {
      choices.back().use.live_bytes += held->second;
    }
  }
  return choices;
}

// The one with nothing in it that is needed, or the one with the largest share of dead bytes.
std::optional<Reclaimer::Choice> Reclaimer::pick(const std::vector<Choice>& choices, std::uint32_t lowest) const {
  std::uint64_t record_bytes = 0, dead_bytes = 0;
  for (const Choice& choice : choices) {
    if (left_alone_.contains(choice.segment)) continue;
    record_bytes += choice.use.record_bytes;
    dead_bytes += choice.use.dead_bytes();
  }
  const bool too_much = static_cast<double>(dead_bytes) > max_dead_ * static_cast<double>(record_bytes);
  std::optional<Choice> best;
  double best_share = 0;
  for (const Choice& choice : choices) {
    if (choice.segment > last_ || left_alone_.contains(choice.segment)) continue;
    const SegmentUse& use = choice.use;
    const bool is_open = choice.segment == parts_.log.open_segment_number();
    // What says that something was removed is needed while it may be there, in an older one.
    const bool empty = use.live_bytes == 0 && (use.tombstone_bytes == 0 || choice.segment == lowest) && !is_open;
    if (empty) return choice;
    if (!too_much || use.dead_bytes() == 0) continue;
    const double share = static_cast<double>(use.dead_bytes()) / static_cast<double>(use.record_bytes);
    if (share <= best_share) continue;
    best = choice;
    best_share = share;
  }
  return best;
}

Result<ReclaimCounters> Reclaimer::plan() {
  CAIRN_TRY(std::vector<Choice> all, choices());
  ReclaimCounters planned;
  for (;;) {
    const auto next = pick(all, all.empty() ? 0 : all.front().segment);
    if (!next) break;
    CAIRN_TRY(const FileInfo info, parts_.fs.info(segment_path(parts_.log_folder, next->segment)));
    planned.freed_bytes += info.disk_bytes;
    planned.moved_bytes += next->use.live_bytes;
    ++planned.segments;
    std::erase_if(all, [&](const Choice& choice) { return choice.segment == next->segment; });
  }
  CAIRN_TRY(planned.dead_bytes, dead_bytes());
  return planned;
}

Result<std::uint64_t> Reclaimer::dead_bytes() {
  CAIRN_TRY(const auto uses, parts_.index.segment_uses());
  std::uint64_t bytes = 0;
  for (const auto& [segment, use] : uses) bytes += use.dead_bytes();
  return bytes;
}

// False when nothing is left to do.
Result<bool> Reclaimer::choose() {
  CAIRN_TRY(std::vector<Choice> all, choices());
  const std::uint32_t lowest = all.empty() ? 0 : all.front().segment;
  std::erase_if(all, [&](const Choice& choice) { return std::ranges::count(emptied_, choice.segment) > 0; });
  const auto next = pick(all, lowest);
  if (!next) return false;
  // What was carried into the last segment is in the index before the segment is looked at; and
  // what is appended to is ended.
  if (next->segment == last_) {
    if (parts_.log.has_unreported()) CAIRN_CHECK(commit(false));
    if (next->segment == parts_.log.open_segment_number()) CAIRN_CHECK(parts_.log.seal_open_segment());
  }
  CAIRN_CHECK(begin(*next, next->segment == lowest));
  return true;
}

// Without a table and with damaged heads, the index knows what is there, but for what says that
// something was named or removed.
Status Reclaimer::begin(const Choice& choice, bool lowest) {
  work_ = Work{.file = {}, .records = {}, .next = 0, .lowest = lowest};
  work_->tombstones = choice.use.tombstone_bytes > 0 && !lowest;
  work_->file.number = choice.segment;
  auto opened =
      read_twice([&] { return open_segment(parts_.fs, parts_.log_folder, choice.segment, parts_.store_tag); });
  if (!opened.ok() && opened.error().code == ErrorCode::io) return leave_alone(opened.error().message);
  CAIRN_TRY(work_->file, std::move(opened));
  CAIRN_TRY(SegmentRecords found, records_of(work_->file, parts_.index));
  if (!found.unreadable.empty()) return leave_alone(found.unreadable);
  if (!found.damage.empty()) {
    const auto here = [&](const RecordPlace& place) { return place.segment == choice.segment; };
    CAIRN_TRY(const bool names, holds_names(here));
    if (names || work_->tombstones) return leave_alone(found.damage);
  }
  work_->records = std::move(found.records);
  return {};
}

Result<bool> Reclaimer::holds_names(const std::function<bool(const RecordPlace&)>& at) {
  bool holds = false;
  const auto visit_ref = [&](const RefRecord& ref) -> Status {
    CAIRN_TRY(const auto place, parts_.index.find_ref_place(ref.name, ref.version));
    holds = holds || (place && at(*place));
    return {};
  };
  const auto visit_root = [&](const Root& root) -> Result<bool> {
    CAIRN_TRY(const auto place, parts_.index.find_root_place(root.kind, root.id, root.name));
    holds = holds || (place && at(*place));
    return true;
  };
  CAIRN_CHECK(parts_.index.for_each_ref(visit_ref));
  CAIRN_CHECK(parts_.index.for_each_root({}, visit_root));
  return holds;
}

// Of a ref's or roots' record that is damaged: no, when what it said was said again elsewhere.
Result<bool> Reclaimer::may_be_needed(const RecordDescriptor& statement) {
  if (work_->tombstones) return true;
  const RecordPlace here{work_->file.number, statement.payload_offset};
  return holds_names([&](const RecordPlace& place) { return place == here; });
}

// Nothing damaged is deleted while it is needed. What was carried already has two places, and the index the new one.
Status Reclaimer::leave_alone(const std::string& why) {
  const std::uint32_t segment = work_->file.number;
  damaged_.push_back(segment_path(parts_.log_folder, segment) + ": " + why);
  left_alone_.insert(segment);
  work_.reset();
  return {};
}

// --- What is held, and what is dead ---

Status Reclaimer::hold(const std::vector<Reference>& held) {
  held_.clear();
  held_bytes_.clear();
  const auto count = [this](const RecordLocation& at, std::uint64_t references) {
    if (references == 0) held_bytes_[at.segment] += use_of(at);
  };
  std::vector<Reference> pending = held;
  while (!pending.empty()) {
    const Reference next = pending.back();
    pending.pop_back();
    const bool shared = next.kind == RecordKind::block || next.kind == RecordKind::blob;
    if (!held_.insert(count_key(next.kind, next.id)).second) continue;
    CAIRN_TRY(const std::uint64_t references, parts_.index.references(next.kind, next.id));
    if (shared) {
      CAIRN_TRY(const auto block, parts_.index.find_block(next.id));
      if (block) count(*block, references);
    }
    const RecordKind kind = shared ? RecordKind::blob : next.kind;
    CAIRN_TRY(const auto at, parts_.index.find_object(kind, next.id));
    if (!at) continue;
    count(*at, references);
    CAIRN_TRY(const auto parts, parts_.parts.parts_of(next.id, *at));
    if (parts) pending.insert(pending.end(), parts->begin(), parts->end());
  }
  return {};
}

// Who finds an object in the index relies on its parts being there: so none that is dead
// stays there when parts go.
Status Reclaimer::forget_dead_objects(const std::vector<Reference>& held) {
  CAIRN_CHECK(hold(held));
  IndexBatch batch;
  batch.parts = &parts_.parts;
  CAIRN_TRY(batch.dropped, parts_.index.dead_objects());
  std::erase_if(batch.dropped, [&](const Reference& dead) { return held_.contains(count_key(dead.kind, dead.id)); });
  return batch.dropped.empty() ? Status() : parts_.index.apply(batch);
}

// --- One segment ---

Status Reclaimer::carry_or_drop() {
  while (work_ && work_->next < work_->records.size()) {
    CAIRN_CHECK(carry_or_drop(work_->records[work_->next]));
    if (!work_) return {};  // it is damaged
    ++work_->next;
    if (budget_is_spent()) return {};
  }
  if (!work_ || work_->next < work_->records.size()) return {};
  emptied_.push_back(work_->file.number);
  work_.reset();
  return {};
}

Status Reclaimer::carry_or_drop(const RecordDescriptor& record) {
  if (record.kind == RecordKind::reclaimed) return {};  // a new one replaces it
  if (!is_statement(record.kind)) return carry_content(record);
  std::string wrong;
  CAIRN_TRY(const auto payload, whole_payload(record, wrong));
  if (!payload) {
    CAIRN_TRY(const bool needed, may_be_needed(record));
    return needed ? leave_alone(wrong) : Status();
  }
  return record.kind == RecordKind::ref ? carry_ref(record, *payload) : carry_roots(record, *payload);
}

Status Reclaimer::carry_content(const RecordDescriptor& record) {
  CAIRN_TRY(const auto at, record.kind == RecordKind::block ? parts_.index.find_block(record.key)
                                                            : parts_.index.find_object(record.kind, record.key));
  if (!at || at->segment != work_->file.number || at->offset != record.payload_offset) return {};  // it is elsewhere
  CAIRN_TRY(const std::uint64_t references, parts_.index.references(record.kind, record.key));
  if (references == 0 && !held_.contains(count_key(record.kind, record.key))) {
    dropped_.push_back({record.kind, record.key});
    return {};
  }
  if (at->quarantined) {
    return leave_alone(std::string(record_kind_name(record.kind)) + " record at " +
                       std::to_string(record.payload_offset) + " was found damaged");
  }
  std::string wrong;
  CAIRN_TRY(const auto payload, whole_payload(record, wrong));
  return payload ? append(record, *payload) : leave_alone(wrong);
}

Status Reclaimer::carry_ref(const RecordDescriptor& record, Bytes payload) {
  const auto ref = decode_ref(payload);
  if (!ref.ok()) return leave_alone(ref.error().message);
  CAIRN_TRY(const auto place, parts_.index.find_ref_place(ref->name, ref->version));
  const RecordPlace here{work_->file.number, record.payload_offset};
  const bool needed = ref->removed ? !place && !work_->lowest : place == here;
  if (!needed) return {};
  CAIRN_CHECK(append(record, payload));
  refs_.push_back(*ref);
  return {};
}

// Those that are current go on together.
Status Reclaimer::carry_roots(const RecordDescriptor& record, Bytes payload) {
  auto decoded = decode_roots(payload);
  if (!decoded.ok()) return leave_alone(decoded.error().message);
  const RecordPlace here{work_->file.number, record.payload_offset};
  RootsRecord needed;
  for (Root& root : decoded->roots) {
    CAIRN_TRY(const auto place, parts_.index.find_root_place(root.kind, root.id, root.name));
    if (root.removed) {
      if (place || work_->lowest) continue;
    } else {
      if (place != here) continue;
      // One name may have been given twice in a record: the last word counts.
      CAIRN_TRY(const auto current, parts_.index.find_root(root.kind, root.id, root.name));
      if (current != root) continue;
    }
    needed.roots.push_back(std::move(root));
  }
  if (needed.roots.empty()) return {};
  const std::vector<std::byte> encoded = encode(needed);
  RecordDescriptor carried = record;
  carried.key = digest_of(parts_.digest, encoded);
  carried.checksum = checksum_of(encoded);
  carried.logical_bytes = static_cast<std::uint32_t>(encoded.size());
  CAIRN_CHECK(append(carried, encoded));
  roots_.push_back(std::move(needed.roots));
  return {};
}

// Verified; nothing when it is damaged, and `wrong` says how.
Result<std::optional<Bytes>> Reclaimer::whole_payload(const RecordDescriptor& record, std::string& wrong) {
  const auto payload = read_twice(
      [&] { return parts_.reader.read(work_->file.number, record.payload_offset, record.stored_bytes, buffer_); });
  if (payload.ok() && checksum_of(*payload) == record.checksum) return std::optional(*payload);
  if (!payload.ok() && payload.error().code != ErrorCode::corruption && payload.error().code != ErrorCode::io) {
    return payload.error();
  }
  wrong = std::string(record_kind_name(record.kind)) + " record at " + std::to_string(record.payload_offset) +
          (payload.ok() ? " does not match its checksum" : ": " + payload.error().message);
  return std::optional<Bytes>();
}

Status Reclaimer::append(const RecordDescriptor& record, Bytes payload) {
  CAIRN_CHECK(parts_.log.append(NewRecord{.kind = record.kind,
                                          .codec = record.codec,
                                          .logical_bytes = record.logical_bytes,
                                          .key = record.key,
                                          .payload = payload,
                                          .checksum = record.checksum,
                                          .carried = record.sequence}));
  moved_in_step_ += payload.size();
  counters_.moved_bytes += payload.size();
  return {};
}

// --- Making it so ---

// Sync before re-point: an index entry must never point at bytes that a crash can take away.
// Then the index forgets what was dropped; and the segments that are empty by that, all of
// it at once.
Status Reclaimer::commit(bool remove) {
  std::optional<ReclaimedRecord> reclaimed;
  if (remove && !emptied_.empty()) {
    CAIRN_TRY(const auto before, parts_.index.reclaimed());
    reclaimed.emplace(before ? static_cast<const ReclaimedRecord&>(*before) : ReclaimedRecord{});
    for (const std::uint32_t segment : emptied_) reclaimed->add(segment);
    const std::vector<std::byte> payload = encode(*reclaimed);
    CAIRN_CHECK(parts_.log.append(NewRecord{.kind = RecordKind::reclaimed,
                                            .codec = 0,
                                            .logical_bytes = static_cast<std::uint32_t>(payload.size()),
                                            .key = digest_of(parts_.digest, payload),
                                            .payload = payload}));
  }
  if (!parts_.log.has_unreported() && dropped_.empty()) return {};
  CAIRN_TRY(const LogWriter::Synced synced, parts_.log.sync());
  IndexBatch batch;
  batch.parts = &parts_.parts;
  for (const auto& [segment, record] : synced.records) {
    const RecordPlace place{segment, record.payload_offset};
    if (record.kind == RecordKind::ref) {
      CAIRN_INVARIANT(!refs_.empty());
      batch.refs.emplace_back(std::move(refs_.front()), place);
      refs_.pop_front();
    } else if (record.kind == RecordKind::roots) {
      CAIRN_INVARIANT(!roots_.empty());
      for (Root& root : roots_.front()) batch.roots.emplace_back(std::move(root), place);
      roots_.pop_front();
    } else if (record.kind == RecordKind::reclaimed) {
      CAIRN_INVARIANT(reclaimed.has_value());
      batch.reclaimed.emplace(*reclaimed, place);
    } else {
      batch.records.push_back({record.key, location_of(segment, record)});
    }
  }
  if (synced.end_segment > 0) batch.applied = Position{synced.end_segment, synced.end_offset};
  batch.next_sequence = synced.next_sequence;
  batch.dropped = std::exchange(dropped_, {});
  if (reclaimed) batch.removed_segments = emptied_;
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
  CAIRN_CHECK(forget_dead_objects(held));
  began_ = Clock::now();
  moved_in_step_ = 0;
  bool more = true;
  Status worked;
  while (worked.ok() && more && !budget_is_spent()) {
    if (!work_) {
      auto chosen = choose();
      if (!chosen.ok()) {
        worked = std::move(chosen).error();
        break;
      }
      more = *chosen;
      if (!work_) continue;
    }
    worked = carry_or_drop();
  }
  const bool removes = !emptied_.empty();
  if (worked.ok()) worked = commit(true);
  // What was carried before something failed is as good as any, and nobody else can put it
  // into the index.
  if (!worked.ok() && !parts_.log.failed()) {
    if (Status rest = commit(false); !rest.ok() && !parts_.log.failed()) parts_.log.fail(rest.error());
  }
  CAIRN_CHECK(worked);
  // What says that something was removed may not be needed any more.
  if (more || removes) return true;
  CAIRN_TRY(counters_.dead_bytes, dead_bytes());
  return false;
}

}  // namespace cairn
