// SPDX-License-Identifier: Apache-2.0
//
// Archive::add: walk the inputs, write each file, and when all are in, the tree, the
// snapshot and the ref that names it.
#include <algorithm>
#include <chrono>
#include <filesystem>

#include "api/src/add_bases.h"
#include "api/src/ref_name.h"
#include "engine/base/errors.h"
#include "engine/base/progress_meter.h"
#include "engine/io/tree_walk.h"
#include "engine/read/whole_content.h"

namespace cairn {
namespace {

class FileSource final : public ByteSource {
 public:
  explicit FileSource(const InputFile& file) : file_(file) {}
  std::uint64_t size() const override { return file_.size(); }
  Status read_at(std::uint64_t offset, MutableBytes into) const override { return file_.read_at(offset, into); }
  bool is_on_device(std::uint64_t offset, std::uint64_t length) const override {
    return file_.is_on_device(offset, length);
  }
  Result<Bytes> read_pages(std::uint64_t offset, std::size_t length, MutableBytes pages) const override {
    return file_.read_pages(offset, length, pages);
  }

 private:
  const InputFile& file_;
};

std::int64_t wall_clock_ns() {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::system_clock::now().time_since_epoch())
      .count();
}

// A file that was modified this recently may change again without its time telling.
constexpr std::int64_t kTimeGranularityNs = 2'000'000'000;

class Adding {
 public:
  Adding(StoreImpl& store, const AddOptions& options, const Progress& progress, LogWriter& log)
      : store_(store),
        options_(options),
        progress_(progress),
        log_(log),
        path_({.digest = store.header().digest,
               .block_bytes = store.header().block_bytes,
               .encode = {.choice = codec_choice(options.codec), .zstd_level = options.zstd_level},
               .dry_run = options.dry_run},
              store.index(), log, store.parts(), store.pool(), store.readers()) {}

  Result<AddReport> run(const std::vector<std::string>& paths) {
    const std::uint64_t log_before = log_.appended_bytes();
    CAIRN_CHECK(name_it(paths));
    CAIRN_CHECK(choose_base());
    CAIRN_TRY(std::vector<WalkedEntry> inputs, scan(paths));
    {
      ProgressMeter meter(progress_, "add", input_bytes_);
      for (const WalkedEntry& input : inputs) {
        Status added = add_entry(input, meter);
        if (added.ok()) continue;
        // An interrupted call keeps what it has: repeating it finds these blocks known.
        if (added.error().code == ErrorCode::cancelled) CAIRN_CHECK(path_.sink().commit());
        return std::move(added).error();
      }
    }
    if (tree_.entries.empty()) {
      return make_error(ErrorCode::io, "none of the inputs could be read: nothing was archived");
    }
    if (Status published = publish(); !published.ok()) {
      if (!log_.failed()) CAIRN_CHECK(path_.sink().commit());
      return std::move(published).error();
    }
    report_.new_bytes = path_.sink().counters().new_bytes;
    report_.new_blocks = path_.sink().counters().new_blocks;
    report_.known_blocks = path_.sink().counters().known_blocks;
    report_.delta_blocks = path_.sink().counters().delta_blocks;
    report_.stored_bytes = log_.appended_bytes() - log_before;
    return report_;
  }

 private:
  Status name_it(const std::vector<std::string>& paths) {
    if (paths.empty()) return make_error(ErrorCode::invalid_argument, "nothing to add");
    report_.name = options_.name;
    if (report_.name.empty()) {
      if (paths.size() > 1) {
        return make_error(ErrorCode::invalid_argument, "several paths need a name: give one with --as");
      }
      std::error_code failure;
      auto absolute = std::filesystem::absolute(paths.front(), failure).lexically_normal();
      if (!absolute.has_filename()) absolute = absolute.parent_path();
      report_.name = absolute.filename().string();
    }
    CAIRN_CHECK(check_ref_name(report_.name));
    for (const auto& [key, value] : options_.tags) {
      if (key.empty()) return make_error(ErrorCode::invalid_argument, "a tag has a name");
    }
    return {};
  }

  Status choose_base() {
    std::optional<RefRecord> version;
    if (options_.base == "auto") {
      if (options_.codec == Codec::automatic) {
        CAIRN_TRY(version, store_.index().latest_ref(report_.name));
      }
    } else if (options_.base != "none") {
      CAIRN_TRY(version, resolve_ref(store_, options_.base));
    }
    if (!version) return {};
    report_.base = version->name + "@" + std::to_string(version->version);
    bases_ = std::make_unique<AddBases>(store_, *std::move(version));
    return {};
  }

  // Finds the inputs, in the order of a tree.
  Result<std::vector<WalkedEntry>> scan(const std::vector<std::string>& paths) {
    ProgressMeter meter(progress_, "scan", 0);
    std::vector<WalkedEntry> inputs;
    const auto visit = [&](const WalkedEntry& entry) -> Status {
      CAIRN_CHECK(meter.check_stop());
      if (Status valid = check_tree_path(entry.relative_path); !valid.ok()) {
        leave_out(meter, entry.open_path, valid.error().message);
        return {};
      }
      if (entry.kind == WalkedKind::file) input_bytes_ += entry.identity.size;
      meter.begin(entry.open_path);
      meter.add(0);
      inputs.push_back(entry);
      return {};
    };
    const auto problem = [&](const std::string& path, const Error& error) { leave_out(meter, path, error.message); };
    for (const std::string& path : paths) CAIRN_CHECK(walk_tree(path, visit, problem));
    std::sort(inputs.begin(), inputs.end(),
              [](const auto& a, const auto& b) { return a.relative_path < b.relative_path; });
    const auto twice = std::adjacent_find(
        inputs.begin(), inputs.end(), [](const auto& a, const auto& b) { return a.relative_path == b.relative_path; });
    if (twice != inputs.end()) {
      return make_error(ErrorCode::invalid_argument,
                        "two inputs would both be '" + printable(twice->relative_path) + "' in the archive");
    }
    return inputs;
  }

  void leave_out(const ProgressMeter& meter, const std::string& path, const std::string& why) {
    ++report_.unreadable;
    meter.problem(printable(path), printable(why));
  }

  Status add_entry(const WalkedEntry& input, ProgressMeter& meter) {
    meter.begin(printable(input.relative_path));
    TreeEntry entry{.path = input.relative_path, .mode = input.mode, .mtime_ns = input.identity.mtime_ns};
    if (input.kind == WalkedKind::directory) {
      entry.kind = EntryKind::directory;
    } else if (input.kind == WalkedKind::symlink) {
      entry.kind = EntryKind::symlink;
      entry.link_target = input.link_target;
    } else {
      CAIRN_TRY(const bool added, add_file(input, entry, meter));
      if (!added) return {};
      ++report_.files;
      report_.tensors += entry.tensors;
      report_.opaque_files += entry.is_model ? 0 : 1;
      report_.logical_bytes += entry.bytes;
      meter.file_done();
    }
    tree_.entries.push_back(std::move(entry));
    return {};
  }

  // False when the file had to be left out. Fails when the store does, or on request.
  Result<bool> add_file(const WalkedEntry& input, TreeEntry& entry, ProgressMeter& meter) {
    std::error_code failure;
    const std::string memory_key = std::filesystem::absolute(input.open_path, failure).lexically_normal().string();
    if (!options_.force) {
      CAIRN_TRY(const bool unchanged, is_unchanged(memory_key, input, entry));
      if (unchanged) {
        ++report_.unchanged_files;
        meter.add(entry.bytes);
        return true;
      }
    }
    const auto file = InputFile::open(input.open_path);
    if (!file.ok()) {
      leave_out(meter, input.open_path, file.error().message);
      return false;
    }
    const FileSource source(**file);
    const auto model = parse_model_file(source, input.relative_path);
    if (!model.ok()) {
      leave_out(meter, input.open_path, model.error().message);
      return false;
    }
    if (!model->note.empty()) meter.problem(printable(input.open_path), printable(model->note));
    const std::unique_ptr<BaseSource> bases = bases_ ? bases_->of_file(input.relative_path, *model) : nullptr;
    const auto written = path_.write_file(source, *model, meter, bases.get());
    if (!written.ok()) {
      if (is_stores_failure(written.error())) return written.error();
      leave_out(meter, input.open_path, written.error().message);
      return false;
    }
    const auto now = (*file)->identity_now();
    if (!now.ok() || !(*now == (*file)->identity())) {
      leave_out(meter, input.open_path, "changed while it was read");
      return false;
    }
    entry.bytes = source.size();
    entry.blob = written->blob;
    entry.is_model = written->is_model;
    entry.tensors = written->tensors;
    entry.note = model->note;
    remember(memory_key, *now, entry);
    return true;
  }

  // The one kind of failure that is not the input's.
  bool is_stores_failure(const Error& error) const {
    switch (error.code) {
      case ErrorCode::no_space:
      case ErrorCode::poisoned:
      case ErrorCode::cancelled:
      case ErrorCode::corruption:
      case ErrorCode::resource_exhausted: return true;
      default: return log_.failed();
    }
  }

  Result<bool> is_unchanged(const std::string& key, const WalkedEntry& input, TreeEntry& entry) {
    CAIRN_TRY(const auto seen, store_.index().find_seen(key));
    const FileIdentity& now = input.identity;
    if (!seen || seen->device != now.device || seen->inode != now.inode || seen->size != now.size ||
        seen->mtime_ns != now.mtime_ns || seen->ctime_ns != now.ctime_ns) {
      return false;
    }
    // What is remembered counts only while the content is there.
    if (seen->is_model) {
      CAIRN_TRY(const auto model, store_.index().find_object(RecordKind::model, seen->blob));
      if (!model) return false;
    } else {
      CAIRN_TRY(const auto blob, store_.index().find_object(RecordKind::blob, seen->blob));
      CAIRN_TRY(const auto block, store_.index().find_block(seen->blob));
      if (!blob && !block) return false;
    }
    if (store_.index().quarantined() > 0) {
      const Reference content{seen->is_model ? RecordKind::model : RecordKind::blob, seen->blob};
      CAIRN_TRY(const bool whole, whole_.is_whole(content));
      if (!whole) return false;
    }
    entry.bytes = seen->size;
    entry.blob = seen->blob;
    entry.is_model = seen->is_model;
    entry.tensors = seen->tensors;
    entry.note = seen->note;
    return true;
  }

  void remember(const std::string& key, const FileIdentity& identity, const TreeEntry& entry) {
    if (options_.dry_run || wall_clock_ns() - std::max(identity.mtime_ns, identity.ctime_ns) < kTimeGranularityNs) {
      return;
    }
    path_.sink().remember(key, SeenFile{.device = identity.device,
                                        .inode = identity.inode,
                                        .size = identity.size,
                                        .mtime_ns = identity.mtime_ns,
                                        .ctime_ns = identity.ctime_ns,
                                        .blob = entry.blob,
                                        .is_model = entry.is_model,
                                        .tensors = entry.tensors,
                                        .note = entry.note});
  }

  // The name changes in the record that is synced last: until then nothing refers to
  // what was written.
  Status publish() {
    if (options_.dry_run) return {};
    const DigestKind digest = store_.header().digest;
    CAIRN_TRY(const auto latest, store_.index().latest_ref(report_.name));
    if (latest && latest->version == UINT64_MAX) {
      return make_error(ErrorCode::invalid_argument, "'" + printable(report_.name) + "' has no number left");
    }
    const std::vector<std::byte> tree = encode(tree_);
    SnapshotManifest snapshot{.tree = tree_id(digest, tree),
                              .created_ns = wall_clock_ns(),
                              .logical_bytes = report_.logical_bytes,
                              .files = report_.files,
                              .tensors = report_.tensors};
    if (latest) {
      snapshot.has_parent = true;
      snapshot.parent = latest->snapshot;
    }
    const std::vector<std::byte> encoded = encode(snapshot);
    const Digest id = snapshot_id(digest, encoded);
    CAIRN_CHECK(path_.sink().write_object(RecordKind::tree, snapshot.tree, tree));
    CAIRN_CHECK(path_.sink().write_object(RecordKind::snapshot, id, encoded));
    const RefRecord ref{.name = report_.name,
                        .version = latest ? latest->version + 1 : 1,
                        .snapshot = id,
                        .created_ns = snapshot.created_ns,
                        .logical_bytes = report_.logical_bytes,
                        .tags = options_.tags};
    CAIRN_CHECK(path_.sink().write_ref(ref));
    CAIRN_CHECK(path_.sink().commit());
    report_.version = ref.version;
    report_.snapshot = store_.id_text(id);
    return {};
  }

  StoreImpl& store_;
  const AddOptions& options_;
  const Progress& progress_;
  LogWriter& log_;
  WritePath path_;
  WholeContent whole_{store_.blocks()};
  std::unique_ptr<AddBases> bases_;  // null: blocks are kept whole
  TreeManifest tree_;
  AddReport report_;
  std::uint64_t input_bytes_ = 0;
};

}  // namespace

Result<AddReport> Archive::add(const std::vector<std::string>& paths, const AddOptions& options,
                               const Progress& progress) {
  CAIRN_TRY(const StoreImpl::Writing writing, store_->begin_writing());
  if (options.zstd_level < 1 || options.zstd_level > 19) {
    return make_error(ErrorCode::invalid_argument, "zstd levels are 1 to 19");
  }
  return Adding(*store_, options, progress, *writing.log).run(paths);
}

}  // namespace cairn
