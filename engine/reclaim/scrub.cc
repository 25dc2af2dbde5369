// SPDX-License-Identifier: Apache-2.0
#include "engine/reclaim/scrub.h"

#include <algorithm>
#include <thread>

#include "engine/content/digester.h"
#include "engine/io/read_twice.h"
#include "engine/log/segment_files.h"
#include "engine/reclaim/findings.h"
#include "engine/reclaim/segment_records.h"
#include "engine/reclaim/verify_object.h"

namespace cairn {
namespace {

// How long a stop waits at most.
constexpr std::chrono::milliseconds kNapMax{50};

class SegmentScrub {
 public:
  SegmentScrub(const OpenSegment& segment, BlockReader& reader, WorkerPool& pool, Pace& pace, ProgressMeter& meter)
      : segment_(segment), reader_(reader), pool_(pool), pace_(pace), meter_(meter) {}

  Result<ScrubbedSegment> run() {
    CAIRN_TRY(SegmentRecords found, records_of(segment_, reader_.index()));
    out_.unreadable = std::move(found.unreadable);
    // Where a sector is bad, what is behind it may be whole: nobody can tell.
    if (found.may_lack && out_.unreadable.empty()) {
      std::vector<std::uint64_t>& known = out_.known_statements.emplace();
      for (const RecordDescriptor& record : found.records) {
        if (is_statement(record.kind)) known.push_back(record.payload_offset);
      }
      std::ranges::sort(known);
    }
    auto next = [&, at = std::size_t{0}]() mutable -> Result<std::optional<Item>> {
      while (at < found.records.size()) {
        CAIRN_CHECK(meter_.check_stop());
        Item item{.record = found.records[at++], .at = {}};
        CAIRN_TRY(const bool wanted, find(item));
        if (!wanted) continue;
        CAIRN_CHECK(pace_.wait(item.record.stored_bytes, meter_));
        return std::optional<Item>(std::move(item));
      }
      return std::optional<Item>();
    };
    const auto work = [&](Item& item) -> Result<Verified> { return verify(item); };
    const auto consume = [&](const Item& item, Verified verified) -> Status {
      note(item, verified);
      return {};
    };
    CAIRN_CHECK((parallel_in_order<Item, Verified>(pool_, 4 * pool_.threads() + 4, next, work, consume)));
    return std::move(out_);
  }

 private:
  struct Item {
    RecordDescriptor record;
    std::optional<RecordLocation> at;  // of a block or object
  };
  struct Verified {
    bool damaged = false;
  };

  // False when nothing needs the record at this place.
  Result<bool> find(Item& item) {
    const RecordDescriptor& record = item.record;
    if (is_statement(record.kind)) return true;
    Index& index = reader_.index();
    CAIRN_TRY(item.at, record.kind == RecordKind::block ? index.find_block(record.key)
                                                        : index.find_object(record.kind, record.key));
    return item.at && item.at->segment == segment_.number && item.at->offset == record.payload_offset;
  }

  Result<Verified> verify(const Item& item) {
    const Status read = read_twice([&] { return try_to_read(item); });
    if (read.ok()) return Verified{};
    if (!is_damage(read.error())) return read.error();
    return Verified{.damaged = true};
  }

  Status try_to_read(const Item& item) {
    const RecordDescriptor& record = item.record;
    if (record.kind == RecordKind::block) {
      CAIRN_TRY(const Block block, reader_.read_block_at(record.key, *item.at));
      return {};
    }
    if (item.at) return verify_object(reader_, record.key, *item.at);
    if (record.stored_bytes > BlockReader::kObjectBytesMax) return damaged();
    std::vector<std::byte> payload(record.stored_bytes);
    CAIRN_TRY(const std::size_t got, segment_.file->read_at(record.payload_offset, payload));
    return got == payload.size() && checksum_of(payload) == record.checksum ? Status() : damaged();
  }

  static Error damaged() { return {.code = ErrorCode::corruption, .message = "does not match its checksum"}; }

  void note(const Item& item, const Verified& verified) {
    const RecordDescriptor& record = item.record;
    const RecordPlace place{segment_.number, record.payload_offset};
    ++out_.records;
    out_.bytes_read += record.stored_bytes;
    meter_.add(record.stored_bytes, verified.damaged ? record.logical_bytes : 0);
    if (!item.at) {
      if (verified.damaged) out_.bad_statements.push_back(place);
    } else if (verified.damaged || item.at->quarantined) {
      out_.verdicts.push_back({.key = record.key, .kind = record.kind, .place = place, .damaged = verified.damaged});
    }
  }

  const OpenSegment& segment_;
  BlockReader& reader_;
  WorkerPool& pool_;
  Pace& pace_;
  ProgressMeter& meter_;
  ScrubbedSegment out_;
};

}  // namespace

Status Pace::wait(std::uint64_t bytes, const ProgressMeter& meter) {
  if (bytes_per_second_ == 0) return {};
  const std::chrono::duration<double> due(static_cast<double>(bytes_) / static_cast<double>(bytes_per_second_));
  bytes_ += bytes;
  for (;;) {
    const std::chrono::duration<double> left = due - (Clock::now() - began_);
    if (left.count() <= 0) return {};
    CAIRN_CHECK(meter.check_stop());
    std::this_thread::sleep_for(std::min<std::chrono::duration<double>>(left, kNapMax));
  }
}

Result<ScrubbedSegment> scrub_segment(const OpenSegment& segment, BlockReader& reader, WorkerPool& pool, Pace& pace,
                                      ProgressMeter& meter) {
  return SegmentScrub(segment, reader, pool, pace, meter).run();
}

Result<std::vector<std::uint32_t>> segments_to_scrub(FileSystem& fs, const std::string& log_folder, Index& index) {
  CAIRN_TRY(std::vector<std::uint32_t> segments, list_segments(fs, log_folder));
  CAIRN_TRY(auto checks, index.segment_checks());
  std::stable_sort(segments.begin(), segments.end(),
                   [&](std::uint32_t a, std::uint32_t b) { return checks[a].number < checks[b].number; });
  return segments;
}

}  // namespace cairn
