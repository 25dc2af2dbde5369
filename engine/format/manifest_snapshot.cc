// SPDX-License-Identifier: Apache-2.0
//
// The manifest of a snapshot: a tree and what is known about it. Layout:
// docs/format/manifests.md.
#include "engine/format/manifest.h"
#include "engine/format/manifest_codec.h"

namespace cairn {

std::vector<std::byte> encode(const SnapshotManifest& snapshot) {
  std::vector<std::byte> out;
  ByteWriter writer(out);
  put_manifest_start(writer, RecordKind::snapshot);
  put_digest(writer, snapshot.tree);
  writer.put(static_cast<std::uint8_t>(snapshot.has_parent ? 1 : 0));
  if (snapshot.has_parent) put_digest(writer, snapshot.parent);
  put_signed(writer, snapshot.created_ns);
  writer.put(snapshot.logical_bytes);
  writer.put(snapshot.files);
  writer.put(snapshot.tensors);
  put_map(writer, snapshot.metadata);
  return out;
}

Result<SnapshotManifest> decode_snapshot(Bytes bytes) {
  FieldReader reader("snapshot manifest", bytes);
  CAIRN_CHECK(check_manifest_start(reader, RecordKind::snapshot));
  SnapshotManifest snapshot;
  CAIRN_TRY(snapshot.tree, reader.get_digest("tree"));
  CAIRN_TRY(snapshot.has_parent, reader.get_bool("has_parent"));
  if (snapshot.has_parent) {
    CAIRN_TRY(snapshot.parent, reader.get_digest("parent"));
  }
  CAIRN_TRY(snapshot.created_ns, reader.get_signed("created_ns"));
  CAIRN_TRY(snapshot.logical_bytes, reader.get<std::uint64_t>("logical_bytes"));
  CAIRN_TRY(snapshot.files, reader.get<std::uint64_t>("files"));
  CAIRN_TRY(snapshot.tensors, reader.get<std::uint64_t>("tensors"));
  CAIRN_TRY(snapshot.metadata, get_map(reader, "metadata"));
  CAIRN_CHECK(reader.expect_end());
  return snapshot;
}

}  // namespace cairn
