// SPDX-License-Identifier: Apache-2.0
//
// The manifest of a tree: paths and what they are. Layout: docs/format/manifests.md.
#include "engine/format/manifest.h"
#include "engine/format/manifest_codec.h"

namespace cairn {
namespace {

// Path (a length and at least a byte), kind, mode, mtime and the length of the note.
constexpr std::size_t kEntryBytesMin = 4 + 1 + 1 + 4 + 8 + 4;
constexpr std::uint32_t kModeMax = 07777;

Status get_file(FieldReader& reader, TreeEntry& entry) {
  CAIRN_TRY(entry.bytes, reader.get<std::uint64_t>("entry.bytes"));
  CAIRN_TRY(entry.blob, reader.get_digest("entry.blob"));
  CAIRN_TRY(entry.is_model, reader.get_bool("entry.is_model"));
  if (entry.is_model) {
    CAIRN_TRY(entry.tensors, reader.get<std::uint32_t>("entry.tensors"));
  }
  return {};
}

Status get_state(FieldReader& reader, TreeEntry& entry) {
  CAIRN_TRY(entry.bytes, reader.get<std::uint64_t>("entry.bytes"));
  CAIRN_TRY(entry.blob, reader.get_digest("entry.state"));
  CAIRN_TRY(entry.tensors, reader.get<std::uint32_t>("entry.tensors"));
  return {};
}

Status get_link(FieldReader& reader, TreeEntry& entry) {
  CAIRN_TRY(entry.link_target, reader.get_string("entry.link_target"));
  if (entry.link_target.empty()) return reader.wrong("is empty");
  if (entry.link_target.find('\0') != std::string::npos) return reader.wrong("holds a NUL");
  return {};
}

Result<TreeEntry> get_entry(FieldReader& reader) {
  TreeEntry entry;
  CAIRN_TRY(entry.path, reader.get_string("entry.path"));
  if (Status valid = check_tree_path(entry.path); !valid.ok())
    return reader.wrong("is refused: " + valid.error().message);
  CAIRN_TRY(const auto kind, reader.get<std::uint8_t>("entry.kind"));
  if (kind < static_cast<std::uint8_t>(EntryKind::file) || kind > static_cast<std::uint8_t>(EntryKind::state)) {
    return reader.wrong("is " + std::to_string(kind) + ", no kind of entry");
  }
  entry.kind = static_cast<EntryKind>(kind);
  CAIRN_TRY(entry.mode, reader.get<std::uint32_t>("entry.mode"));
  if (entry.mode > kModeMax) return reader.wrong("is above 07777");
  CAIRN_TRY(entry.mtime_ns, reader.get_signed("entry.mtime_ns"));
  CAIRN_TRY(entry.note, reader.get_string("entry.note"));
  if (entry.kind == EntryKind::file) CAIRN_CHECK(get_file(reader, entry));
  if (entry.kind == EntryKind::symlink) CAIRN_CHECK(get_link(reader, entry));
  if (entry.kind == EntryKind::state) CAIRN_CHECK(get_state(reader, entry));
  return entry;
}

// Finds entries that lie under a file, a link or a state, given paths in ascending order. All
// paths that begin with another path follow it without a gap, so a stack of the files and
// links that are prefixes of the current path is enough. Only its top can be the parent:
// what lies deeper is a prefix of the top, which was checked against it.
class ParentCheck {
 public:
  // False when a file or link is a parent of `entry`.
  bool accepts(const TreeEntry& entry) {
    while (!leaves_.empty() && !std::string_view(entry.path).starts_with(leaves_.back())) leaves_.pop_back();
    if (!leaves_.empty() && entry.path[leaves_.back().size()] == '/') return false;
    if (entry.kind != EntryKind::directory) leaves_.push_back(entry.path);
    return true;
  }

 private:
  std::vector<std::string_view> leaves_;
};

}  // namespace

std::vector<std::byte> encode(const TreeManifest& tree) {
  std::vector<std::byte> out;
  ByteWriter writer(out);
  put_manifest_start(writer, RecordKind::tree);
  writer.put(static_cast<std::uint32_t>(tree.entries.size()));
  for (const TreeEntry& entry : tree.entries) {
    writer.put_string(entry.path);
    writer.put(static_cast<std::uint8_t>(entry.kind));
    writer.put(entry.mode);
    put_signed(writer, entry.mtime_ns);
    writer.put_string(entry.note);
    if (entry.kind == EntryKind::file) {
      writer.put(entry.bytes);
      put_digest(writer, entry.blob);
      writer.put(static_cast<std::uint8_t>(entry.is_model ? 1 : 0));
      if (entry.is_model) writer.put(entry.tensors);
    }
    if (entry.kind == EntryKind::symlink) writer.put_string(entry.link_target);
    if (entry.kind == EntryKind::state) {
      writer.put(entry.bytes);
      put_digest(writer, entry.blob);
      writer.put(entry.tensors);
    }
  }
  return out;
}

Result<TreeManifest> decode_tree(Bytes bytes) {
  FieldReader reader("tree manifest", bytes);
  CAIRN_CHECK(check_manifest_start(reader, RecordKind::tree));
  TreeManifest tree;
  CAIRN_TRY(const auto count, reader.get_count("entries", kEntryBytesMin));
  tree.entries.reserve(count);  // the views in `parents` stay valid: entries never move
  ParentCheck parents;
  for (std::uint32_t i = 0; i < count; ++i) {
    CAIRN_TRY(TreeEntry decoded, get_entry(reader));
    if (!tree.entries.empty() && decoded.path <= tree.entries.back().path) {
      return reader.wrong("ends an entry whose path is out of order: '" + printable(decoded.path) + "'");
    }
    const TreeEntry& entry = tree.entries.emplace_back(std::move(decoded));
    if (!parents.accepts(entry)) {
      return reader.wrong("ends an entry that lies under a file, a link or a state: '" + printable(entry.path) + "'");
    }
  }
  CAIRN_CHECK(reader.expect_end());
  return tree;
}

}  // namespace cairn
