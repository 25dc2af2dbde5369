// SPDX-License-Identifier: Apache-2.0
//
// Archive::restore: every file of a version back on disk, verified as a whole.
#include <algorithm>

#include "api/src/glob.h"
#include "api/src/object_info.h"
#include "api/src/ref_name.h"
#include "api/src/state_files.h"
#include "engine/base/errors.h"
#include "engine/base/progress_meter.h"
#include "engine/io/tree_writer.h"
#include "engine/read/file_reader.h"

namespace cairn {
namespace {

bool is_wanted(const std::string& path, const std::vector<std::string>& only) {
  if (only.empty()) return true;
  for (const std::string& pattern : only) {
    if (glob_match(pattern, path)) return true;
  }
  return false;
}

// A ref that resolves promises every part of what it names: one that is missing was lost.
bool is_damage(const Error& error) { return error.code == ErrorCode::corruption || error.code == ErrorCode::not_found; }

Status restore_file(StoreImpl& store, const TreeEntry& entry, TreeWriter& tree, ProgressMeter& meter) {
  CAIRN_TRY(const FilePieces pieces, pieces_of_entry(store, entry));
  if (pieces.total_bytes != entry.bytes) {
    return make_error(ErrorCode::corruption, "content has " + std::to_string(pieces.total_bytes) + " bytes, not " +
                                                 std::to_string(entry.bytes));
  }
  CAIRN_TRY(const std::unique_ptr<OutputFile> file, tree.create_file(entry.path, entry.bytes));
  const auto place = [&](std::uint64_t offset, Bytes bytes) { return file->write_at(offset, bytes); };
  FileReader reader(store.blocks(), store.pool());
  CAIRN_TRY(const Digest digest, reader.place(pieces, place, meter));
  if (digest != entry.blob) {
    CAIRN_CHECK(reader.verify(pieces, meter.stop()));
    return make_error(ErrorCode::corruption,
                      "content has digest " + store.id_text(digest) + ", not " + store.id_text(entry.blob));
  }
  return file->commit(entry.mode, entry.mtime_ns);
}

struct Restoring {
  StoreImpl& store;
  const std::vector<std::string>& only;
  TreeWriter& tree;
  ProgressMeter& meter;
  RestoreReport& report;
};

// Fails when restoring cannot go on; a damaged file is counted and left out.
Status count_file(Restoring& restoring, const std::string& path, std::uint64_t bytes, Status restored) {
  if (restored.ok()) {
    ++restoring.report.files;
    restoring.report.bytes += bytes;
    restoring.meter.file_done();
    return {};
  }
  if (!is_damage(restored.error())) return std::move(restored).error().with_context("'" + printable(path) + "'");
  ++restoring.report.damaged;
  restoring.meter.problem(printable(path), restored.error().message);
  return {};
}

// No digest of a whole one is known: each block is verified by its own.
Status restore_state_file(Restoring& restoring, const TreeEntry& entry, const std::string& path,
                          Result<StateFile> planned) {
  restoring.meter.begin(printable(path));
  const auto restore = [&]() -> Status {
    CAIRN_TRY(const StateFile file, std::move(planned));
    CAIRN_TRY(const std::unique_ptr<OutputFile> out, restoring.tree.create_file(path, file.bytes()));
    CAIRN_CHECK(out->write_at(0, file.head));
    const auto place = [&](std::uint64_t offset, Bytes bytes) {
      return out->write_at(file.head.size() + offset, bytes);
    };
    FileReader reader(restoring.store.blocks(), restoring.store.pool());
    CAIRN_CHECK(reader.scatter(file.pieces, place, restoring.meter));
    return out->commit(entry.mode, entry.mtime_ns);
  };
  const std::uint64_t bytes = planned.ok() ? planned->bytes() : 0;
  return count_file(restoring, path, bytes, restore());
}

Status restore_state(Restoring& restoring, const TreeEntry& entry) {
  const auto state = load_state(restoring.store.blocks(), entry.blob);
  if (!state.ok()) return count_file(restoring, entry.path, 0, state.error());
  if (const std::string path = state_tensors_path(entry); entry.tensors > 0 && is_wanted(path, restoring.only)) {
    CAIRN_CHECK(restore_state_file(restoring, entry, path, state_tensors_file(restoring.store, *state)));
  }
  for (const StateValue& value : state->values) {
    const std::string path = state_part_path(entry, value.name);
    if (value.kind == RecordKind::tensor || !is_wanted(path, restoring.only)) continue;
    CAIRN_CHECK(restore_state_file(restoring, entry, path, state_part_file(restoring.store, entry, value)));
  }
  return {};
}

Status restore_entry(Restoring& restoring, const TreeEntry& entry) {
  CAIRN_CHECK(restoring.meter.check_stop());
  restoring.meter.begin(printable(entry.path));
  Status restored;
  switch (entry.kind) {
    case EntryKind::directory: restored = restoring.tree.make_directory(entry.path, entry.mode, entry.mtime_ns); break;
    case EntryKind::symlink:
      restored = restoring.tree.make_symlink(entry.path, entry.link_target, entry.mtime_ns);
      break;
    case EntryKind::file:
      return count_file(restoring, entry.path, entry.bytes,
                        restore_file(restoring.store, entry, restoring.tree, restoring.meter));
    case EntryKind::state: return restore_state(restoring, entry);
  }
  if (!restored.ok()) return std::move(restored).error().with_context("'" + printable(entry.path) + "'");
  restoring.meter.file_done();
  return {};
}

}  // namespace

Result<RestoreReport> Archive::restore(const std::string& ref, const RestoreOptions& options,
                                       const Progress& progress) {
  if (options.to.empty()) return make_error(ErrorCode::invalid_argument, "restoring needs a folder");
  CAIRN_TRY(const RefRecord record, find_ref(*store_, ref));
  CAIRN_TRY(const TreeManifest tree, load_ref_tree(*store_, record));
  std::vector<const TreeEntry*> wanted;
  std::uint64_t total = 0;
  for (const TreeEntry& entry : tree.entries) {
    // What is wanted of a state is decided file by file.
    if (entry.kind != EntryKind::state && !is_wanted(entry.path, options.only)) continue;
    wanted.push_back(&entry);
    total += entry.bytes;
  }
  if (wanted.empty() && !options.only.empty()) {
    return make_error(ErrorCode::not_found, "nothing in '" + printable(ref) + "' matches");
  }
  CAIRN_TRY(TreeWriter writer, TreeWriter::open(options.to, options.overwrite));
  ProgressMeter meter(progress, "restore", total);
  RestoreReport report;
  Status status;
  Restoring restoring{.store = *store_, .only = options.only, .tree = writer, .meter = meter, .report = report};
  for (const TreeEntry* entry : wanted) {
    status = restore_entry(restoring, *entry);
    if (!status.ok()) break;
  }
  // Folders get their modes and times even when something in them failed.
  Status finished = writer.finish();
  CAIRN_CHECK(std::move(status));
  CAIRN_CHECK(std::move(finished));
  const bool only_states =
      std::all_of(wanted.begin(), wanted.end(), [](const TreeEntry* entry) { return entry->kind == EntryKind::state; });
  if (!options.only.empty() && only_states && report.files == 0 && report.damaged == 0) {
    return make_error(ErrorCode::not_found, "nothing in '" + printable(ref) + "' matches");
  }
  return report;
}

}  // namespace cairn
