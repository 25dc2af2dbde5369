// SPDX-License-Identifier: Apache-2.0
//
// Identity of what is not plain bytes. The domain in front keeps the ids of different
// kinds of things apart, whatever their fields are. Layouts: docs/format/ids.md.
#include "engine/content/digester.h"
#include "engine/format/manifest.h"
#include "engine/format/manifest_codec.h"

namespace cairn {
namespace {

// Domains are written with their terminating NUL, so that none is a prefix of another.
template <std::size_t N>
constexpr std::string_view domain(const char (&text)[N]) {
  return {text, N};
}

Digest digest_in(DigestKind kind, std::string_view prefix, Bytes fields) {
  Digester digester(kind);
  digester.update(as_bytes(prefix));
  digester.update(fields);
  return digester.finish();
}

}  // namespace

Digest tensor_id(DigestKind kind, DType dtype, std::uint8_t attribute, const std::vector<std::uint64_t>& shape,
                 const Digest& blob) {
  std::vector<std::byte> fields;
  fields.reserve(6 + shape.size() * sizeof(std::uint64_t) + Digest::kSize);
  ByteWriter writer(fields);
  writer.put(static_cast<std::uint8_t>(dtype));
  writer.put(attribute);
  writer.put(static_cast<std::uint32_t>(shape.size()));
  for (const std::uint64_t extent : shape) writer.put(extent);
  put_digest(writer, blob);
  return digest_in(kind, domain("cairn.tensor.v1"), fields);
}

Digest tree_id(DigestKind kind, Bytes encoded_tree) { return digest_in(kind, domain("cairn.tree.v1"), encoded_tree); }

Digest state_id(DigestKind kind, Bytes encoded_state) {
  return digest_in(kind, domain("cairn.state.v1"), encoded_state);
}

Digest delta_id(DigestKind kind, Bytes encoded_delta) {
  return digest_in(kind, domain("cairn.delta.v1"), encoded_delta);
}

Digest snapshot_id(DigestKind kind, Bytes encoded_snapshot) {
  return digest_in(kind, domain("cairn.snapshot.v1"), encoded_snapshot);
}

Digest ref_key(DigestKind kind, std::string_view name, std::uint64_t version) {
  std::vector<std::byte> fields;
  ByteWriter writer(fields);
  writer.put_string(name);
  writer.put(version);
  return digest_in(kind, domain("cairn.ref.v1"), fields);
}

}  // namespace cairn
