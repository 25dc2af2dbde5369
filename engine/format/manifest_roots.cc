// SPDX-License-Identifier: Apache-2.0
//
// The payload of a roots record: objects that were put directly, and deltas. Layout: docs/format/manifests.md.
#include "engine/format/manifest.h"
#include "engine/format/manifest_codec.h"

namespace cairn {
namespace {

// kind, id, name's length, removed.
constexpr std::size_t kRootBytesMin = 1 + Digest::kSize + 4 + 1;

Result<Root> decode_root(FieldReader& reader) {
  Root root;
  CAIRN_TRY(const auto kind, reader.get<std::uint8_t>("kind"));
  root.kind = static_cast<RecordKind>(kind);
  if (root.kind != RecordKind::blob && root.kind != RecordKind::tensor && root.kind != RecordKind::delta) {
    return reader.wrong("is no blob, tensor or delta");
  }
  CAIRN_TRY(root.id, reader.get_digest("id"));
  CAIRN_TRY(root.name, reader.get_string("name"));
  CAIRN_TRY(root.removed, reader.get_bool("removed"));
  if (root.removed) return root;
  CAIRN_TRY(root.bytes, reader.get<std::uint64_t>("bytes"));
  CAIRN_TRY(root.created_ns, reader.get_signed("created_ns"));
  CAIRN_TRY(root.attributes, get_map(reader, "attributes"));
  return root;
}

}  // namespace

std::vector<std::byte> encode(const RootsRecord& record) {
  std::vector<std::byte> out;
  ByteWriter writer(out);
  put_manifest_start(writer, RecordKind::roots);
  writer.put(static_cast<std::uint32_t>(record.roots.size()));
  for (const Root& root : record.roots) {
    writer.put(static_cast<std::uint8_t>(root.kind));
    put_digest(writer, root.id);
    writer.put_string(root.name);
    writer.put(static_cast<std::uint8_t>(root.removed ? 1 : 0));
    if (root.removed) continue;
    writer.put(root.bytes);
    put_signed(writer, root.created_ns);
    put_map(writer, root.attributes);
  }
  return out;
}

Result<RootsRecord> decode_roots(Bytes bytes) {
  FieldReader reader("roots record", bytes);
  CAIRN_CHECK(check_manifest_start(reader, RecordKind::roots));
  RootsRecord record;
  CAIRN_TRY(const auto count, reader.get_count("roots", kRootBytesMin));
  record.roots.reserve(count);
  for (std::uint32_t i = 0; i < count; ++i) {
    CAIRN_TRY(Root root, decode_root(reader));
    record.roots.push_back(std::move(root));
  }
  CAIRN_CHECK(reader.expect_end());
  return record;
}

}  // namespace cairn
