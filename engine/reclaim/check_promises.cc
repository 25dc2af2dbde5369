// SPDX-License-Identifier: Apache-2.0
#include "engine/reclaim/check_promises.h"

#include <unordered_set>

#include "engine/base/errors.h"
#include "engine/base/progress_meter.h"
#include "engine/content/digester.h"
#include "engine/read/file_pieces.h"

namespace cairn {
namespace {

class PromiseCheck {
 public:
  PromiseCheck(BlockReader& reader, const Progress& progress, Findings& findings)
      : reader_(reader), progress_(progress), findings_(findings) {}

  Status run() {
    CAIRN_CHECK(check_refs());
    CAIRN_CHECK(check_roots());
    return check_entries();
  }

 private:
  std::string id_text(const Digest& digest) const { return to_text(reader_.digest_kind(), digest); }

  Status check_refs() {
    ProgressMeter meter(progress_, "check names", 0);
    const auto visit = [&](const RefRecord& ref) -> Status {
      CAIRN_CHECK(meter.check_stop());
      const std::string name = printable(ref.name) + "@" + std::to_string(ref.version);
      const auto snapshot = load_snapshot(reader_, ref.snapshot);
      if (!snapshot.ok()) return lost(snapshot.error(), {}, name);
      const auto tree = load_tree(reader_, snapshot->tree);
      if (!tree.ok()) return lost(tree.error(), {}, name);
      for (const TreeEntry& entry : tree->entries) {
        const std::string path = name + ":" + printable(entry.path);
        if (entry.kind == EntryKind::file) CAIRN_CHECK(check_entry(entry, path));
        if (entry.kind == EntryKind::state) CAIRN_CHECK(check_state(entry, path));
      }
      return {};
    };
    return findings_.walked(reader_.index().for_each_ref(visit));
  }

  // Files shared by many versions are looked at once, unless something is wrong.
  Status check_entry(const TreeEntry& entry, const std::string& name) {
    if (good_files_.contains(entry.blob)) return {};
    const auto pieces =
        entry.is_model ? pieces_of_model(reader_, entry.blob) : pieces_of_blob(reader_, entry.blob, entry.bytes);
    if (!pieces.ok()) return lost(pieces.error(), {}, name);
    CAIRN_TRY(const bool good, check_pieces(*pieces, name));
    if (good) good_files_.insert(entry.blob);
    return {};
  }

  // Values shared by many states are looked at once, unless something is wrong.
  Status check_state(const TreeEntry& entry, const std::string& name) {
    if (good_files_.contains(entry.blob)) return {};
    const auto state = load_state(reader_, entry.blob);
    if (!state.ok()) return lost(state.error(), {}, name);
    bool all_good = true;
    for (const StateValue& value : state->values) {
      if (good_files_.contains(value.id)) continue;
      const std::string value_name = name + ":" + printable(value.name);
      const auto pieces = pieces_of_value(reader_, value);
      if (!pieces.ok()) CAIRN_CHECK(lost(pieces.error(), {}, value_name));
      bool good = pieces.ok();
      if (good) {
        CAIRN_TRY(good, check_pieces(*pieces, value_name));
      }
      if (good) good_files_.insert(value.id);
      all_good = all_good && good;
    }
    if (all_good) good_files_.insert(entry.blob);
    return {};
  }

  // One with many names is looked at once, unless something is wrong.
  Status check_roots() {
    ProgressMeter meter(progress_, "check put objects", 0);
    std::optional<std::pair<RecordKind, Digest>> good;  // the latest; roots of one object are together
    const auto visit = [&](const Root& root) -> Result<bool> {
      CAIRN_CHECK(meter.check_stop());
      if (good == std::pair(root.kind, root.id)) return true;
      ++findings_.report.objects_checked;
      CAIRN_TRY(const bool whole, check_root(root));
      if (whole) good.emplace(root.kind, root.id);
      return true;
    };
    return findings_.walked(reader_.index().for_each_root({}, visit));
  }

  Result<bool> check_root(const Root& root) {
    const std::string id = id_text(root.id);
    const std::string name = root.name.empty() ? id : id + " (" + printable(root.name) + ")";
    const auto bad = [&](const Error& error) -> Result<bool> {
      CAIRN_CHECK(lost(error, id, name));
      return false;
    };
    if (root.kind == RecordKind::delta) return check_delta(root, id, name);
    Digest blob = root.id;
    if (root.kind == RecordKind::tensor) {
      const auto tensor = load_tensor(reader_, root.id);
      if (!tensor.ok()) return bad(tensor.error());
      blob = tensor->blob;
    }
    const auto pieces = pieces_of_blob(reader_, blob, root.bytes);
    if (!pieces.ok()) return bad(pieces.error());
    return check_pieces(*pieces, name);
  }

  // Content that entries keep is looked at as that of roots.
  Status check_entries() {
    ProgressMeter meter(progress_, "check entries", 0);
    const auto visit = [&](const Placed<StoredEntry>& entry) -> Result<bool> {
      CAIRN_CHECK(meter.check_stop());
      for (const Reference& reference : entry.references) {
        ++findings_.report.objects_checked;
        Root root{.kind = reference.kind, .id = reference.id, .name = entry.key};
        CAIRN_TRY(root.bytes, bytes_of(reference));
        CAIRN_TRY(const bool whole, check_root(root));
        static_cast<void>(whole);
      }
      return true;
    };
    return findings_.walked(reader_.index().for_each_entry({}, Index::Order::ascending, {}, visit));
  }

  // As the store knows it; 0 of what cannot be read, which is found to be damaged then.
  Result<std::uint64_t> bytes_of(const Reference& reference) {
    Digest blob = reference.id;
    if (reference.kind == RecordKind::delta) return std::uint64_t{0};  // its manifest says what it has
    if (reference.kind == RecordKind::tensor) {
      const auto tensor = load_tensor(reader_, reference.id);
      return tensor.ok() ? tensor->bytes : 0;
    }
    CAIRN_TRY(const auto manifest_at, reader_.index().find_object(RecordKind::blob, blob));
    if (manifest_at) {
      const auto manifest = load_blob(reader_, blob);
      return manifest.ok() ? manifest->total_bytes : 0;
    }
    CAIRN_TRY(const auto block_at, reader_.index().find_block(blob));
    return block_at ? block_at->logical_bytes : 0;
  }

  // A delta needs its base, or what is stored instead of it, and all its streams.
  Result<bool> check_delta(const Root& root, const std::string& id, const std::string& name) {
    const auto delta = load_delta(reader_, root.id);
    if (!delta.ok()) {
      CAIRN_CHECK(lost(delta.error(), id, name));
      return false;
    }
    std::vector<DeltaStream> parts = delta->streams;
    const auto tensor = load_tensor(reader_, delta->kind == DeltaKind::whole ? delta->target : delta->base);
    bool good = tensor.ok();
    if (!good) CAIRN_CHECK(lost(tensor.error(), id, name));
    if (good) parts.push_back({.bytes = tensor->bytes, .blob = tensor->blob});
    for (const DeltaStream& part : parts) {
      const auto pieces = pieces_of_blob(reader_, part.blob, part.bytes);
      bool whole = pieces.ok();
      if (!whole) CAIRN_CHECK(lost(pieces.error(), id, name));
      if (whole) {
        CAIRN_TRY(whole, check_pieces(*pieces, name));
      }
      good = good && whole;
    }
    return good;
  }

  Status lost(const Error& error, const std::string& id, const std::string& name) {
    if (!is_damage(error)) return error;
    affect(findings_.damage(error.message, id), name);
    return {};
  }
  void affect(std::size_t damaged, const std::string& name) {
    findings_.report.damaged[damaged].affected.push_back(name);
  }

  // False when a block is missing or damaged, which `name` is told to suffer from.
  Result<bool> check_pieces(const FilePieces& pieces, const std::string& name) {
    bool good = true;
    std::unordered_set<Digest> seen;
    for (const Piece& piece : pieces.pieces) {
      const Digest& digest = piece.block.digest;
      if (!seen.insert(digest).second) continue;
      auto bad = findings_.bad_blocks.find(digest);
      if (bad == findings_.bad_blocks.end()) {
        CAIRN_TRY(const auto at, reader_.index().find_block(digest));
        if (at) continue;
        const std::size_t missing = findings_.damage("block " + id_text(digest) + ": missing", id_text(digest));
        bad = findings_.bad_blocks.emplace(digest, missing).first;
      }
      affect(bad->second, name);
      good = false;
    }
    return good;
  }

  BlockReader& reader_;
  const Progress& progress_;
  Findings& findings_;
  std::unordered_set<Digest> good_files_;
};

}  // namespace

Status check_promises(BlockReader& reader, const Progress& progress, Findings& findings) {
  return PromiseCheck(reader, progress, findings).run();
}

}  // namespace cairn
