// SPDX-License-Identifier: Apache-2.0
//
// Archive::restore: every file of a version back on disk, verified as a whole.
#include "api/src/glob.h"
#include "api/src/object_info.h"
#include "api/src/ref_name.h"
#include "engine/base/errors.h"
#include "engine/base/progress_meter.h"
#include "engine/io/tree_writer.h"
#include "engine/read/file_reader.h"

namespace cairn {
namespace {

bool is_wanted(const TreeEntry& entry, const std::vector<std::string>& only) {
  if (only.empty()) return true;
  for (const std::string& pattern : only) {
    if (glob_match(pattern, entry.path)) return true;
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

// Fails when restoring cannot go on; a damaged file is counted and left out.
Status restore_entry(StoreImpl& store, const TreeEntry& entry, TreeWriter& tree, ProgressMeter& meter,
                     RestoreReport& report) {
  CAIRN_CHECK(meter.check_stop());
  meter.begin(printable(entry.path));
  Status restored;
  switch (entry.kind) {
    case EntryKind::directory: restored = tree.make_directory(entry.path, entry.mode, entry.mtime_ns); break;
    case EntryKind::symlink: restored = tree.make_symlink(entry.path, entry.link_target, entry.mtime_ns); break;
    case EntryKind::file: restored = restore_file(store, entry, tree, meter); break;
  }
  if (restored.ok()) {
    report.files += entry.kind == EntryKind::file ? 1 : 0;
    report.bytes += entry.bytes;
    meter.file_done();
    return {};
  }
  if (entry.kind == EntryKind::file && is_damage(restored.error())) {
    ++report.damaged;
    meter.problem(printable(entry.path), restored.error().message);
    return {};
  }
  return std::move(restored).error().with_context("'" + printable(entry.path) + "'");
}

}  // namespace

Result<RestoreReport> Archive::restore(const std::string& ref, const RestoreOptions& options,
                                       const Progress& progress) {
  if (options.to.empty()) return make_error(ErrorCode::invalid_argument, "restoring needs a folder");
  CAIRN_TRY(const RefRecord record, resolve_ref(*store_, ref));
  CAIRN_TRY(const TreeManifest tree, load_ref_tree(*store_, record));
  std::vector<const TreeEntry*> wanted;
  std::uint64_t total = 0;
  for (const TreeEntry& entry : tree.entries) {
    if (!is_wanted(entry, options.only)) continue;
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
  for (const TreeEntry* entry : wanted) {
    status = restore_entry(*store_, *entry, writer, meter, report);
    if (!status.ok()) break;
  }
  // Folders get their modes and times even when something in them failed.
  Status finished = writer.finish();
  CAIRN_CHECK(std::move(status));
  CAIRN_CHECK(std::move(finished));
  return report;
}

}  // namespace cairn
