// SPDX-License-Identifier: Apache-2.0
//
// The manifest of a state: what a training process held at one moment. Layout:
// docs/format/manifests.md.
#include "engine/format/manifest.h"
#include "engine/format/manifest_codec.h"

namespace cairn {
namespace {

// Name's length, kind, bytes, id.
constexpr std::size_t kValueBytesMin = 4 + 1 + 8 + Digest::kSize;

}  // namespace

std::vector<std::byte> encode(const StateManifest& state) {
  std::vector<std::byte> out;
  ByteWriter writer(out);
  put_manifest_start(writer, RecordKind::state);
  writer.put(static_cast<std::uint32_t>(state.values.size()));
  for (const StateValue& value : state.values) {
    writer.put_string(value.name);
    writer.put(static_cast<std::uint8_t>(value.kind));
    writer.put(value.bytes);
    put_digest(writer, value.id);
  }
  return out;
}

Result<StateManifest> decode_state_manifest(Bytes bytes) {
  FieldReader reader("state manifest", bytes);
  CAIRN_CHECK(check_manifest_start(reader, RecordKind::state));
  StateManifest state;
  CAIRN_TRY(const auto count, reader.get_count("values", kValueBytesMin));
  state.values.reserve(count);
  std::uint64_t sum = 0;
  for (std::uint32_t i = 0; i < count; ++i) {
    StateValue value;
    CAIRN_TRY(value.name, reader.get_string("value.name"));
    if (i > 0 && value.name <= state.values.back().name) return reader.wrong("is out of order");
    CAIRN_TRY(const auto kind, reader.get<std::uint8_t>("value.kind"));
    value.kind = static_cast<RecordKind>(kind);
    if (value.kind != RecordKind::blob && value.kind != RecordKind::tensor) {
      return reader.wrong("is no blob and no tensor");
    }
    CAIRN_TRY(value.bytes, reader.get<std::uint64_t>("value.bytes"));
    if (!add_checked(sum, value.bytes)) return reader.wrong("overflows the sum of all sizes");
    CAIRN_TRY(value.id, reader.get_digest("value.id"));
    state.values.push_back(std::move(value));
  }
  CAIRN_CHECK(reader.expect_end());
  return state;
}

}  // namespace cairn
