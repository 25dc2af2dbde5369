// SPDX-License-Identifier: Apache-2.0
#include "engine/reclaim/check.h"

#include <algorithm>

#include "engine/base/errors.h"
#include "engine/base/progress_meter.h"
#include "engine/content/digester.h"
#include "engine/log/segment_files.h"
#include "engine/reclaim/check_bases.h"
#include "engine/reclaim/check_counts.h"
#include "engine/reclaim/check_log.h"
#include "engine/reclaim/check_promises.h"
#include "engine/reclaim/verify_object.h"

namespace cairn {
namespace {

class Check {
 public:
  Check(FileSystem& fs, const std::string& log_folder, std::uint64_t store_tag, BlockReader& reader, WorkerPool& pool,
        const CheckOptions& options, const Progress& progress)
      : fs_(fs),
        log_folder_(log_folder),
        store_tag_(store_tag),
        reader_(reader),
        pool_(pool),
        options_(options),
        progress_(progress) {}

  Result<CheckReport> run() {
    CAIRN_CHECK(check_log(fs_, log_folder_, store_tag_, reader_, progress_, findings_));
    CAIRN_CHECK(check_blocks());
    CAIRN_CHECK(check_bases(reader_, unread_deltas_, findings_));
    CAIRN_CHECK(check_objects());
    CAIRN_CHECK(check_promises(reader_, progress_, findings_));
    CAIRN_CHECK(check_counts(reader_, progress_, findings_));
    return std::move(findings_.report);
  }

 private:
  std::string id_text(const Digest& digest) const { return to_text(reader_.digest_kind(), digest); }

  // Every block lies inside its segment; with read_data, it is read and its digest compared.
  Status check_blocks() {
    using Item = CheckedBlock;
    std::vector<Item> blocks;
    std::uint64_t bytes = 0;
    const auto collect = [&](const Digest& digest, RecordLocation at) -> Status {
      ++findings_.report.blocks_checked;
      if (!lies_in_log(at)) {
        CAIRN_TRY(const auto moved, reader_.find_moved(digest, at));
        if (moved) at = *moved;
      }
      if (!lies_in_log(at)) {
        CAIRN_TRY(const auto now, reader_.index().find_block(digest));
        if (!now) return {};  // reclaimed meanwhile
        findings_.bad_blocks[digest] =
            findings_.damage("block " + id_text(digest) + " in segment " + std::to_string(at.segment) + " at " +
                                 std::to_string(at.offset) + ": outside the log",
                             id_text(digest));
        return {};
      }
      if (options_.read_data && in_subset(digest)) {
        blocks.push_back({digest, at});
        bytes += at.stored_bytes;
      } else if (at.quarantined) {
        findings_.bad_blocks[digest] =
            findings_.damage("block " + id_text(digest) + " in segment " + std::to_string(at.segment) + " at " +
                                 std::to_string(at.offset) + ": was found damaged",
                             id_text(digest));
      } else if (has_parts(at)) {
        unread_deltas_.push_back({digest, at});
      }
      return {};
    };
    CAIRN_CHECK(findings_.walked(reader_.index().for_each_block(collect)));
    // In log order: the device reads forwards.
    std::sort(blocks.begin(), blocks.end(), [](const Item& a, const Item& b) {
      return std::pair(a.at.segment, a.at.offset) < std::pair(b.at.segment, b.at.offset);
    });
    ProgressMeter meter(progress_, "check data", bytes);
    struct Verdict {
      std::string wrong;
    };
    auto next = [&, at = std::size_t{0}]() mutable -> Result<std::optional<Item>> {
      CAIRN_CHECK(meter.check_stop());
      if (at == blocks.size()) return std::optional<Item>();
      return std::optional<Item>(blocks[at++]);
    };
    const auto work = [&](Item& item) -> Result<Verdict> {
      const auto block = reader_.read_block_at(item.digest, item.at);
      if (block.ok()) return Verdict{};
      if (!is_damage(block.error())) return block.error();
      CAIRN_TRY(const auto now, reader_.index().find_block(item.digest));
      if (!now) return Verdict{};  // reclaimed meanwhile
      CAIRN_TRY(const bool outlived, outlived_its_base(reader_, {item.digest, item.at}));
      if (outlived) return Verdict{};
      return Verdict{block.error().message};
    };
    const auto consume = [&](Item item, Verdict verdict) -> Status {
      findings_.report.bytes_read += item.at.stored_bytes;
      const bool bad = !verdict.wrong.empty();
      if (bad) findings_.bad_blocks[item.digest] = findings_.damage(std::move(verdict.wrong), id_text(item.digest));
      meter.add(item.at.stored_bytes, bad ? item.at.logical_bytes : 0);
      return {};
    };
    return parallel_in_order<Item, Verdict>(pool_, 4 * pool_.threads() + 4, next, work, consume);
  }

  bool lies_in_log(const RecordLocation& at) {
    const auto fits = [&](std::uint64_t bytes) { return at.offset <= bytes && at.stored_bytes <= bytes - at.offset; };
    std::uint64_t& bytes = findings_.segment_bytes[at.segment];
    if (fits(bytes)) return true;
    // It may have been written since the log was looked at.
    const auto info = fs_.info(segment_path(log_folder_, at.segment));
    if (info.ok()) bytes = std::max(bytes, info->size);
    return fits(bytes);
  }
  bool in_subset(const Digest& digest) const {
    return options_.of <= 1 || std::hash<Digest>()(digest) % options_.of == options_.subset - 1;
  }

  // Objects are small: each is read and decoded.
  Status check_objects() {
    ProgressMeter meter(progress_, "check objects", 0);
    const auto visit = [&](const Digest& id, const RecordLocation& at) -> Status {
      CAIRN_CHECK(meter.check_stop());
      ++findings_.report.objects_checked;
      findings_.report.bytes_read += at.stored_bytes;
      Status status = verify_object(reader_, id, at);
      if (status.ok()) return {};
      if (!is_damage(status.error())) return status;
      CAIRN_TRY(const auto now, reader_.index().find_object(at.kind, id));
      if (!now) return {};  // reclaimed meanwhile
      findings_.damage(status.error().message, id_text(id));
      return {};
    };
    return findings_.walked(reader_.index().for_each_object(visit));
  }

  FileSystem& fs_;
  const std::string& log_folder_;
  const std::uint64_t store_tag_;
  BlockReader& reader_;
  WorkerPool& pool_;
  const CheckOptions& options_;
  const Progress& progress_;
  std::vector<CheckedBlock> unread_deltas_;
  Findings findings_;
};

}  // namespace

Result<CheckReport> check_store(FileSystem& fs, const std::string& log_folder, std::uint64_t store_tag,
                                BlockReader& reader, WorkerPool& pool, const CheckOptions& options,
                                const Progress& progress) {
  if (options.of == 0 || options.subset == 0 || options.subset > options.of) {
    return make_error(ErrorCode::invalid_argument, "a subset is N/T with N from 1 to T");
  }
  return Check(fs, log_folder, store_tag, reader, pool, options, progress).run();
}

}  // namespace cairn
