// SPDX-License-Identifier: Apache-2.0
//
// The payload of a ref record: what name@version means. Layout: docs/format/manifests.md.
#include "engine/format/manifest.h"
#include "engine/format/manifest_codec.h"

namespace cairn {

std::vector<std::byte> encode(const RefRecord& ref) {
  std::vector<std::byte> out;
  ByteWriter writer(out);
  put_manifest_start(writer, RecordKind::ref);
  writer.put_string(ref.name);
  writer.put(ref.version);
  writer.put(static_cast<std::uint8_t>(ref.removed ? 1 : 0));
  if (ref.removed) return out;
  put_digest(writer, ref.snapshot);
  put_signed(writer, ref.created_ns);
  writer.put(ref.logical_bytes);
  put_map(writer, ref.tags);
  return out;
}

Result<RefRecord> decode_ref(Bytes bytes) {
  FieldReader reader("ref record", bytes);
  CAIRN_CHECK(check_manifest_start(reader, RecordKind::ref));
  RefRecord ref;
  CAIRN_TRY(ref.name, reader.get_string("name"));
  if (Status valid = check_ref_name(ref.name); !valid.ok()) return reader.wrong("is refused: " + valid.error().message);
  CAIRN_TRY(ref.version, reader.get<std::uint64_t>("version"));
  CAIRN_TRY(ref.removed, reader.get_bool("removed"));
  if (!ref.removed) {
    CAIRN_TRY(ref.snapshot, reader.get_digest("snapshot"));
    CAIRN_TRY(ref.created_ns, reader.get_signed("created_ns"));
    CAIRN_TRY(ref.logical_bytes, reader.get<std::uint64_t>("logical_bytes"));
    CAIRN_TRY(ref.tags, get_map(reader, "tags"));
  }
  CAIRN_CHECK(reader.expect_end());
  return ref;
}

}  // namespace cairn
