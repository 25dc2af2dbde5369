// SPDX-License-Identifier: Apache-2.0
#include "engine/reclaim/check.h"

#include <algorithm>
#include <limits>
#include <unordered_map>
#include <unordered_set>

#include "engine/base/errors.h"
#include "engine/base/progress_meter.h"
#include "engine/content/digester.h"
#include "engine/log/segment_files.h"
#include "engine/log/segment_scan.h"
#include "engine/read/file_pieces.h"

namespace cairn {
namespace {

// An error that is about what is stored, not about this call.
bool is_damage(const Error& error) {
  return error.code == ErrorCode::corruption || error.code == ErrorCode::not_found || error.code == ErrorCode::io ||
         error.code == ErrorCode::unsupported;
}

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
    CAIRN_CHECK(check_segments());
    CAIRN_CHECK(check_blocks());
    CAIRN_CHECK(check_objects());
    CAIRN_CHECK(check_refs());
    return std::move(report_);
  }

 private:
  std::size_t damage(std::string what, std::string id = {}) {
    report_.damaged.push_back(Damage{.what = std::move(what), .id = std::move(id), .affected = {}});
    return report_.damaged.size() - 1;
  }
  std::string id_text(const Digest& digest) const { return to_text(reader_.digest_kind(), digest); }

  // The structure of the log: headers, heads and tables.
  Status check_segments() {
    CAIRN_TRY(const std::vector<std::uint32_t> segments, list_segments(fs_, log_folder_));
    ProgressMeter meter(progress_, "check log", 0);
    for (const std::uint32_t number : segments) {
      CAIRN_CHECK(meter.check_stop());
      CAIRN_TRY(const OpenSegment segment, open_segment(fs_, log_folder_, number, store_tag_));
      meter.begin(segment.path);
      segment_bytes_[number] = segment.size;
      CAIRN_CHECK(check_segment(segment, number == segments.back()));
      meter.add(segment.size);
    }
    return {};
  }

  Status check_segment(const OpenSegment& segment, bool last) {
    // The last one may be a husk, or be written at this moment by another process.
    const bool header_good = read_segment_header(segment).ok();
    const Position applied = reader_.index().applied();
    if (!header_good && !(last && applied.segment < segment.number)) {
      damage(segment.path + " at 0: segment header is damaged");
    }
    std::string wrong;
    CAIRN_TRY(const auto table, read_table(segment, wrong));
    // The last one may be about to be sealed, unless the index has seen its end already.
    const bool seal_applied = applied.segment == segment.number && applied.offset == segment.size;
    if (!wrong.empty() && (!last || seal_applied)) damage(wrong);
    if (!table && !last && wrong.empty() && header_good) {
      // Sealed before the next was begun; unless damage once made the log go on elsewhere.
      damage(segment.path + " at " + std::to_string(segment.size) + ": the table at the segment's end is damaged");
    }
    ScanOptions options{.verify_payloads = false};
    options.known_synced = applied.segment == segment.number ? applied.offset : 0;
    if (!last || table) options.known_synced = std::numeric_limits<std::uint64_t>::max();
    if (table) options.to = table->groups_end;
    CAIRN_TRY(const ScanResult scan, scan_groups(segment, options, [](const GroupHead&) { return Status(); }));
    if (table || last) {
      for (const std::string& place : scan.damage) damage(place);
    }
    return {};
  }

  // Every block lies inside its segment; with read_data, it is read and its digest compared.
  Status check_blocks() {
    struct Item {
      Digest digest;
      RecordLocation at;
    };
    std::vector<Item> blocks;
    std::uint64_t bytes = 0;
    const auto collect = [&](const Digest& digest, const RecordLocation& at) -> Status {
      ++report_.blocks_checked;
      if (!lies_in_log(at)) {
        bad_blocks_[digest] = damage("block " + id_text(digest) + " in segment " + std::to_string(at.segment) + " at " +
                                         std::to_string(at.offset) + ": outside the log",
                                     id_text(digest));
        return {};
      }
      if (options_.read_data && in_subset(digest)) {
        blocks.push_back({digest, at});
        bytes += at.stored_bytes;
      }
      return {};
    };
    if (Status walked = reader_.index().for_each_block(collect); !walked.ok()) {
      if (!is_damage(walked.error())) return walked;
      damage("index: " + walked.error().message);
    }
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
      return Verdict{block.error().message};
    };
    const auto consume = [&](Item item, Verdict verdict) -> Status {
      report_.bytes_read += item.at.stored_bytes;
      const bool bad = !verdict.wrong.empty();
      if (bad) bad_blocks_[item.digest] = damage(std::move(verdict.wrong), id_text(item.digest));
      meter.add(item.at.stored_bytes, bad ? item.at.logical_bytes : 0);
      return {};
    };
    return parallel_in_order<Item, Verdict>(pool_, 4 * pool_.threads() + 4, next, work, consume);
  }

  bool lies_in_log(const RecordLocation& at) const {
    const auto segment = segment_bytes_.find(at.segment);
    return segment != segment_bytes_.end() && at.offset <= segment->second &&
           at.stored_bytes <= segment->second - at.offset;
  }
  bool in_subset(const Digest& digest) const {
    return options_.of <= 1 || std::hash<Digest>()(digest) % options_.of == options_.subset - 1;
  }

  // Objects are small: each is read and decoded.
  Status check_objects() {
    ProgressMeter meter(progress_, "check objects", 0);
    const auto visit = [&](const Digest& id, const RecordLocation& at) -> Status {
      CAIRN_CHECK(meter.check_stop());
      ++report_.objects_checked;
      const Status status = check_object(id, at);
      if (status.ok()) return {};
      if (!is_damage(status.error())) return status;
      bad_objects_.insert(id);
      damage(status.error().message, id_text(id));
      return {};
    };
    Status walked = reader_.index().for_each_object(visit);
    if (walked.ok() || !is_damage(walked.error())) return walked;
    damage("index: " + walked.error().message);
    return {};
  }

  Status check_object(const Digest& id, const RecordLocation& at) {
    CAIRN_TRY(const std::vector<std::byte> bytes, reader_.read_object_at(id, at));
    report_.bytes_read += bytes.size();
    const DigestKind digest = reader_.digest_kind();
    Digest actual = id;
    switch (at.kind) {
      case RecordKind::blob: {
        CAIRN_TRY(const BlobManifest blob, decode_blob(bytes));
        return {};
      }
      case RecordKind::model: {
        CAIRN_TRY(const ModelManifest model, decode_model(bytes));
        return {};
      }
      case RecordKind::tensor: {
        CAIRN_TRY(const TensorManifest tensor, decode_tensor(bytes));
        actual = tensor_id(digest, tensor.dtype, tensor.attribute, tensor.shape, tensor.blob);
        break;
      }
      case RecordKind::tree: {
        CAIRN_TRY(const TreeManifest tree, decode_tree(bytes));
        actual = tree_id(digest, bytes);
        break;
      }
      case RecordKind::snapshot: {
        CAIRN_TRY(const SnapshotManifest snapshot, decode_snapshot(bytes));
        actual = snapshot_id(digest, bytes);
        break;
      }
      case RecordKind::block:
      case RecordKind::ref:
      case RecordKind::roots: return make_error(ErrorCode::corruption, "index: an object of another kind");
    }
    if (actual != id) {
      return make_error(ErrorCode::corruption, std::string(record_kind_name(at.kind)) + " " + id_text(id) +
                                                   ": content has id " + id_text(actual));
    }
    return {};
  }

  // Everything a name promises is there; what is damaged is told by name.
  Status check_refs() {
    ProgressMeter meter(progress_, "check names", 0);
    const auto visit = [&](const RefRecord& ref) -> Status {
      CAIRN_CHECK(meter.check_stop());
      const std::string name = printable(ref.name) + "@" + std::to_string(ref.version);
      const auto snapshot = load_snapshot(reader_, ref.snapshot);
      if (!snapshot.ok()) return lost(snapshot.error(), name);
      const auto tree = load_tree(reader_, snapshot->tree);
      if (!tree.ok()) return lost(tree.error(), name);
      for (const TreeEntry& entry : tree->entries) {
        if (entry.kind == EntryKind::file) CAIRN_CHECK(check_entry(entry, name + ":" + printable(entry.path)));
      }
      return {};
    };
    Status walked = reader_.index().for_each_ref(visit);
    if (walked.ok() || !is_damage(walked.error())) return walked;
    damage("index: " + walked.error().message);
    return {};
  }

  Status lost(const Error& error, const std::string& name) {
    if (!is_damage(error)) return error;
    report_.damaged[damage(error.message)].affected.push_back(name);
    return {};
  }

  // Files shared by many versions are looked at once, unless something is wrong.
  Status check_entry(const TreeEntry& entry, const std::string& name) {
    if (good_files_.contains(entry.blob)) return {};
    const auto pieces =
        entry.is_model ? pieces_of_model(reader_, entry.blob) : pieces_of_blob(reader_, entry.blob, entry.bytes);
    if (!pieces.ok()) return lost(pieces.error(), name);
    bool good = true;
    std::unordered_set<Digest> seen;
    for (const Piece& piece : pieces->pieces) {
      if (!seen.insert(piece.block.digest).second) continue;
      if (const auto bad = bad_blocks_.find(piece.block.digest); bad != bad_blocks_.end()) {
        report_.damaged[bad->second].affected.push_back(name);
        good = false;
        continue;
      }
      CAIRN_TRY(const auto at, reader_.index().find_block(piece.block.digest));
      if (at) continue;
      const std::size_t missing =
          damage("block " + id_text(piece.block.digest) + ": missing", id_text(piece.block.digest));
      report_.damaged[missing].affected.push_back(name);
      bad_blocks_[piece.block.digest] = missing;
      good = false;
    }
    if (good) good_files_.insert(entry.blob);
    return {};
  }

  FileSystem& fs_;
  const std::string& log_folder_;
  const std::uint64_t store_tag_;
  BlockReader& reader_;
  WorkerPool& pool_;
  const CheckOptions& options_;
  const Progress& progress_;
  CheckReport report_;
  std::unordered_map<std::uint32_t, std::uint64_t> segment_bytes_;
  std::unordered_map<Digest, std::size_t> bad_blocks_;  // to their place in report_.damaged
  std::unordered_set<Digest> bad_objects_;
  std::unordered_set<Digest> good_files_;
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
