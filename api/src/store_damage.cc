// SPDX-License-Identifier: Apache-2.0
//
// What was found damaged: noted by reads, verified by the scrub, mended by repair.
#include <algorithm>
#include <chrono>
#include <map>

#include "api/src/store_impl.h"
#include "engine/base/errors.h"
#include "engine/base/progress_meter.h"
#include "engine/io/read_twice.h"
#include "engine/log/segment_files.h"
#include "engine/reclaim/check.h"
#include "engine/reclaim/findings.h"
#include "engine/reclaim/scrub.h"
#include "engine/reclaim/whole_copies.h"

namespace cairn {
namespace {

// What reads may note between two turns at the log: the scrub finds what is more.
constexpr std::size_t kFoundMax = 16 * 1024;

std::int64_t wall_clock_ns() {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::system_clock::now().time_since_epoch())
      .count();
}

}  // namespace

void StoreImpl::note_damage(const Digest& key, const RecordLocation& at) {
  const std::lock_guard lock(found_mutex_);
  if (found_.size() >= kFoundMax) return;
  found_.push_back({.key = key, .kind = at.kind, .place = {at.segment, at.offset}, .damaged = true});
}

Status StoreImpl::quarantine_what_was_found() {
  IndexBatch batch;
  {
    const std::lock_guard lock(found_mutex_);
    batch.verdicts.swap(found_);
  }
  return batch.verdicts.empty() ? Status() : apply_verdicts(std::move(batch));
}

Status StoreImpl::apply_verdicts(IndexBatch batch) {
  batch.parts = parts_.get();
  CAIRN_CHECK(index_->apply(batch));
  unsaved_ = true;
  return {};
}

namespace {

// Where the log does not have a statement any more that it had.
struct LostPlaces {
  std::vector<RecordPlace> bad;
  // Of segments that lack records: the statements that they have.
  std::map<std::uint32_t, std::vector<std::uint64_t>> known;

  bool empty() const { return bad.empty() && known.empty(); }
  bool contains(const RecordPlace& place) const {
    if (std::ranges::find(bad, place) != bad.end()) return true;
    const auto segment = known.find(place.segment);
    return segment != known.end() && !std::ranges::binary_search(segment->second, place.offset);
  }
};

// The refs, roots and entries whose records are lost: the index knows what they said.
struct Statements {
  std::vector<RefRecord> refs;
  std::vector<Root> roots;
  std::vector<StoredEntry> entries;
};
Result<Statements> statements_at(Index& index, const LostPlaces& lost) {
  Statements found;
  if (lost.empty()) return found;
  const auto is_bad = [&](const std::optional<RecordPlace>& place) { return place && lost.contains(*place); };
  const auto visit_ref = [&](const RefRecord& ref) -> Status {
    CAIRN_TRY(const auto place, index.find_ref_place(ref.name, ref.version));
    if (is_bad(place)) found.refs.push_back(ref);
    return {};
  };
  const auto visit_root = [&](const Root& root) -> Result<bool> {
    CAIRN_TRY(const auto place, index.find_root_place(root.kind, root.id, root.name));
    if (is_bad(place)) found.roots.push_back(root);
    return true;
  };
  CAIRN_CHECK(index.for_each_ref(visit_ref));
  CAIRN_CHECK(index.for_each_root({}, visit_root));
  const auto visit_entry = [&](const Placed<StoredEntry>& entry) -> Result<bool> {
    if (is_bad(entry.place)) found.entries.push_back(entry);
    return true;
  };
  CAIRN_CHECK(index.for_each_entry({}, Index::Order::ascending, {}, visit_entry));
  return found;
}

// One call of scrub() or repair().
class Scrub {
 public:
  Scrub(StoreImpl& store, const ScrubOptions& options, const Progress& progress)
      : store_(store), options_(options), progress_(progress), pace_(options.bytes_per_second) {}

  Status run() {
    const std::string log_folder = store_.layout().log();
    CAIRN_TRY(const auto segments, segments_to_scrub(store_.fs(), log_folder, store_.index()));
    ProgressMeter meter(progress_, "scrub", 0);
    for (std::size_t i = 0; i < segments.size(); ++i) {
      CAIRN_CHECK(meter.check_stop());
      if (limits_are_reached()) {
        report_.segments_left = segments.size() - i;
        break;
      }
      auto opened = read_twice([&] { return open_segment(store_.fs(), log_folder, segments[i], store_.store_tag()); });
      if (!opened.ok() && opened.error().code == ErrorCode::not_found) continue;  // reclaimed meanwhile
      if (!opened.ok() && opened.error().code == ErrorCode::io) {
        ScrubbedSegment closed;
        closed.unreadable = opened.error().message;
        CAIRN_CHECK(note(segments[i], std::move(closed)));
        continue;
      }
      CAIRN_TRY(const OpenSegment segment, std::move(opened));
      meter.begin(segment.path);
      CAIRN_TRY(ScrubbedSegment scrubbed, scrub_segment(segment, store_.blocks(), store_.pool(), pace_, meter));
      CAIRN_CHECK(note(segments[i], std::move(scrubbed)));
    }
    return {};
  }

  // Says how things are now.
  Result<ScrubReport> report() {
    report_.quarantined = store_.index().quarantined();
    if (report_.quarantined > 0) {
      CAIRN_TRY(CheckReport check, store_.check({}, progress_));
      report_.damaged = std::move(check.damaged);
    }
    for (const std::string& place : unreadable_) {
      const auto is_place = [&](const Damage& damage) { return damage.what == place; };
      if (std::ranges::none_of(report_.damaged, is_place)) {
        report_.damaged.push_back({.what = place, .id = {}, .affected = {}});
      }
    }
    CAIRN_TRY(const Statements lost, statements_at(store_.index(), lost_));
    const auto add = [this](std::string affected) {
      report_.damaged.push_back(
          {.what = "the record of a name is damaged; the index has what it said, and 'repair' writes it again",
           .id = {},
           .affected = {std::move(affected)}});
    };
    for (const RefRecord& ref : lost.refs) add(ref.name + "@" + std::to_string(ref.version));
    for (const Root& root : lost.roots)
      add(store_.id_text(root.id) + (root.name.empty() ? "" : " (" + root.name + ")"));
    for (const StoredEntry& entry : lost.entries) add("entry " + printable(entry.key));
    CAIRN_TRY(const auto segments, segments_to_scrub(store_.fs(), store_.layout().log(), store_.index()));
    CAIRN_TRY(auto checks, store_.index().segment_checks());
    if (!segments.empty()) report_.oldest_ns = checks[segments.front()].time_ns;
    return std::move(report_);
  }

  const LostPlaces& lost() const { return lost_; }

 private:
  bool limits_are_reached() const {
    const std::chrono::duration<double> passed = std::chrono::steady_clock::now() - began_;
    return (options_.max_bytes > 0 && report_.bytes_read >= options_.max_bytes) ||
           (options_.max_seconds > 0 && passed.count() >= options_.max_seconds);
  }

  Status note(std::uint32_t segment, ScrubbedSegment scrubbed) {
    ++report_.segments;
    report_.records += scrubbed.records;
    report_.bytes_read += scrubbed.bytes_read;
    lost_.bad.insert(lost_.bad.end(), scrubbed.bad_statements.begin(), scrubbed.bad_statements.end());
    if (scrubbed.known_statements) lost_.known[segment] = *std::move(scrubbed.known_statements);
    if (!scrubbed.unreadable.empty()) unreadable_.push_back(std::move(scrubbed.unreadable));
    CAIRN_TRY(const StoreImpl::Writing writing, store_.begin_writing());
    // It may have been reclaimed meanwhile.
    if (!store_.fs().info(segment_path(store_.layout().log(), segment)).ok()) return {};
    CAIRN_TRY(const auto checks, store_.index().segment_checks());
    IndexBatch batch;
    batch.verdicts = std::move(scrubbed.verdicts);
    batch.checked.emplace(segment, SegmentCheck{.number = 1, .time_ns = wall_clock_ns()});
    for (const auto& [other, check] : checks) {
      batch.checked->second.number = std::max(batch.checked->second.number, check.number + 1);
    }
    return store_.apply_verdicts(std::move(batch));
  }

  StoreImpl& store_;
  const ScrubOptions options_;
  const Progress& progress_;
  Pace pace_;
  const std::chrono::steady_clock::time_point began_ = std::chrono::steady_clock::now();
  ScrubReport report_;
  LostPlaces lost_;
  std::vector<std::string> unreadable_;  // tables and heads
};

// Writes again what is whole elsewhere: new records, as anything that is written. For whoever
// has the log's turn.
class Mending {
 public:
  Mending(StoreImpl& store, LogWriter& log)
      : store_(store),
        sink_({.digest = store.header().digest, .block_bytes = store.header().block_bytes}, store.index(), log,
              store.parts()) {}

  Status write_copies(const ProgressMeter& meter) {
    CAIRN_TRY(const auto copies,
              find_whole_copies(store_.fs(), store_.layout().log(), store_.store_tag(), store_.blocks(), meter));
    for (const WholeCopy& copy : copies) {
      if (copy.at.kind == RecordKind::block) {
        CAIRN_TRY(Block whole, store_.blocks().read_block_at(copy.key, copy.at));
        CAIRN_TRY(const BlockSink::Block block, sink_.prepare(std::move(whole.hold), whole.content, DType::opaque));
        CAIRN_TRY(const bool fresh, sink_.append(block));
        written_ += fresh ? 1 : 0;
      } else {
        CAIRN_TRY(const auto payload, store_.blocks().read_object_at(copy.key, copy.at));
        CAIRN_CHECK(sink_.write_object(copy.at.kind, copy.key, payload));
        ++written_;
      }
      CAIRN_CHECK(sink_.commit_if_due());
    }
    return {};
  }

  Status write_statements(const LostPlaces& lost) {
    CAIRN_TRY(Statements found, statements_at(store_.index(), lost));
    written_ += found.refs.size() + found.roots.size() + found.entries.size();
    for (const RefRecord& ref : found.refs) CAIRN_CHECK(sink_.write_ref(ref));
    for (Root& root : found.roots) CAIRN_CHECK(sink_.write_roots({std::move(root)}));
    CAIRN_TRY(const auto clock, store_.index().clock());
    for (StoredEntry& entry : found.entries) {
      EntriesRecord record{.clock = clock.value_or(StoreClock{})};
      record.entries.push_back(std::move(entry));
      CAIRN_CHECK(sink_.write_entries(std::move(record)));
    }
    return {};
  }

  // What was appended counts also when something failed in between.
  Status commit() { return sink_.commit(); }
  std::uint64_t written() const { return written_; }

 private:
  StoreImpl& store_;
  BlockSink sink_;
  std::uint64_t written_ = 0;
};

}  // namespace

Result<ScrubReport> StoreImpl::scrub(const ScrubOptions& options, const Progress& progress) {
  if (!(options.max_seconds >= 0)) return make_error(ErrorCode::invalid_argument, "a time is not below 0");
  { CAIRN_TRY(const Writing writing, begin_writing()); }
  Scrub scrub(*this, options, progress);
  CAIRN_CHECK(scrub.run());
  return scrub.report();
}

// A delta block is damaged with its base, and whole with it.
Status StoreImpl::clear_healed_deltas() {
  IndexBatch batch;
  const auto visit = [&](const Digest& digest, const RecordLocation& at) -> Status {
    if (!at.quarantined || !has_parts(at)) return {};
    const auto read = read_twice([&] { return blocks_->read_block_at(digest, at); });
    if (read.ok()) batch.verdicts.push_back({.key = digest, .place = {at.segment, at.offset}, .damaged = false});
    return read.ok() || is_damage(read.error()) ? Status() : Status(read.error());
  };
  if (index_->quarantined() > 0) CAIRN_CHECK(index_->for_each_block(visit));
  return batch.verdicts.empty() ? Status() : apply_verdicts(std::move(batch));
}

Result<RepairReport> StoreImpl::repair(const Progress& progress) {
  { CAIRN_TRY(const Writing writing, begin_writing()); }
  Scrub scrub(*this, {}, progress);
  CAIRN_CHECK(scrub.run());
  RepairReport repaired;
  {
    ProgressMeter meter(progress, "repair", 0);
    CAIRN_TRY(const Writing writing, begin_writing());
    Mending mending(*this, *writing.log);
    Status mended = mending.write_copies(meter);
    if (mended.ok()) mended = mending.write_statements(scrub.lost());
    if (!writing.log->failed()) {
      Status committed = mending.commit();
      if (mended.ok()) mended = std::move(committed);
    }
    CAIRN_CHECK(mended);
    CAIRN_CHECK(clear_healed_deltas());
    repaired.blocks_repaired = mending.written();
  }
  CAIRN_TRY(ScrubReport now, scrub.report());
  repaired.quarantined = now.quarantined;
  repaired.damaged = std::move(now.damaged);
  return repaired;
}

}  // namespace cairn
