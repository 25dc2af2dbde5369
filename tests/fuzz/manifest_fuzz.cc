// SPDX-License-Identifier: Apache-2.0
//
// Manifests and names as hostile bytes. The first byte selects the decoder. What a decoder
// accepts must encode to the same bytes and hold what manifest.h promises its callers.
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <vector>

#include "engine/format/delta_head.h"
#include "engine/format/manifest.h"

namespace cairn {
namespace {

void require(bool condition) {
  if (!condition) std::abort();
}

void promise(const BlobManifest& blob) {
  std::uint64_t sum = 0;
  for (const BlockRef& block : blob.blocks) sum += block.bytes;
  require(sum == blob.total_bytes && blob.blocks.size() != 1);
}

void promise(const TensorManifest& tensor) { require(dtype_is_valid(static_cast<std::uint8_t>(tensor.dtype))); }

// Filling the gaps between tensors from the skeleton uses it up and ends at the end.
void promise(const ModelManifest& model) {
  std::uint64_t at = 0, gaps = 0;
  for (const ModelTensor& tensor : model.tensors) {
    require(tensor.offset >= at && tensor.bytes <= model.total_bytes - tensor.offset);
    gaps += tensor.offset - at;
    at = tensor.offset + tensor.bytes;
  }
  require(at <= model.total_bytes && gaps + (model.total_bytes - at) == model.skeleton_bytes);
}

// Slow and obvious, against the decoder's stack of prefixes.
void promise(const TreeManifest& tree) {
  const auto& entries = tree.entries;
  for (std::size_t i = 0; i < entries.size(); ++i) {
    require(check_tree_path(entries[i].path).ok());
    if (i > 0) require(entries[i - 1].path < entries[i].path);
    for (std::size_t slash = entries[i].path.find('/'); slash != std::string::npos;
         slash = entries[i].path.find('/', slash + 1)) {
      const std::string parent = entries[i].path.substr(0, slash);
      const auto found = std::find_if(entries.begin(), entries.end(), [&](const auto& e) { return e.path == parent; });
      require(found == entries.end() || found->kind == EntryKind::directory);
    }
  }
}

void promise(const EntriesRecord& record) {
  const auto is_key = [](const std::string& key) { return !key.empty() && key.size() <= kEntryKeyBytesMax; };
  for (const StoredEntry& entry : record.entries) {
    require(is_key(entry.key) && entry.version != 0 && entry.value.size() <= kEntryValueBytesMax);
    require(std::all_of(entry.index_keys.begin(), entry.index_keys.end(), is_key));
    if (entry.removed) require(entry.value.empty() && entry.index_keys.empty() && entry.references.empty());
    const auto body = encode_entry_body(entry);
    const auto again = decode_entry_body(entry.key, body);
    require(again.ok() && *again == entry);
  }
}

void promise(const StateManifest& state) {
  for (std::size_t i = 1; i < state.values.size(); ++i) require(state.values[i - 1].name < state.values[i].name);
}

void promise(const DeltaManifest& delta) {
  require(delta_kind_is_valid(static_cast<std::uint8_t>(delta.kind)));
  require(dtype_is_valid(static_cast<std::uint8_t>(delta.dtype)));
  require(delta.streams.size() <= DeltaManifest::kStreamsMax);
  require(delta.largest_error >= 0 && delta.largest_error <= delta.max_error);
  require(delta.axis == 0 || delta.axis < delta.shape.size());
  std::uint64_t sum = 0;
  for (const DeltaStream& stream : delta.streams) require(!__builtin_add_overflow(sum, stream.bytes, &sum));
}

void promise(const SnapshotManifest&) {}

void promise(const RefRecord& ref) { require(check_ref_name(ref.name).ok()); }

template <auto kDecode>
void fuzz(Bytes bytes) {
  const auto value = kDecode(bytes);
  if (!value.ok()) {
    require(!value.error().message.empty());
    return;
  }
  promise(*value);
  const auto again = encode(*value);
  require(std::equal(again.begin(), again.end(), bytes.begin(), bytes.end()));
  require(*kDecode(again) == *value);
}

// What follows a head is none of its business.
void fuzz_delta_head(Bytes bytes) {
  if (bytes.size() < Digest::kSize) return;
  Digest block;
  std::copy_n(bytes.begin(), Digest::kSize, block.bytes.begin());
  bytes = bytes.subspan(Digest::kSize);
  const auto head = decode_delta_head(bytes, block);
  if (!head.ok()) {
    require(!head.error().message.empty());
    return;
  }
  require(!head->bases.empty() && head->bases.size() <= DeltaHead::kBasesMax);
  require(std::find(head->bases.begin(), head->bases.end(), block) == head->bases.end());
  const auto again = encode(*head, block);
  require(again.size() == head->encoded_bytes() && std::equal(again.begin(), again.end(), bytes.begin()));
}

void fuzz_names(Bytes bytes) {
  const std::string_view text = as_text(bytes);
  const std::string shown = printable(text);
  require(printable(shown) == shown);
  require(std::none_of(shown.begin(), shown.end(), [](unsigned char c) { return c < 0x20 || c == 0x7f; }));
  for (const Status& status : {check_ref_name(text), check_tree_path(text)}) {
    if (!status.ok()) require(printable(status.error().message) == status.error().message);
  }
  if (check_ref_name(text).ok()) require(shown == text);
}

}  // namespace
}  // namespace cairn

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace cairn;
  if (size == 0) return 0;
  const Bytes bytes = std::as_bytes(std::span(data + 1, size - 1));
  switch (data[0]) {
    case 0: fuzz<&decode_blob>(bytes); break;
    case 1: fuzz<&decode_tensor>(bytes); break;
    case 2: fuzz<&decode_model>(bytes); break;
    case 3: fuzz<&decode_tree>(bytes); break;
    case 4: fuzz<&decode_snapshot>(bytes); break;
    case 5: fuzz<&decode_ref>(bytes); break;
    case 6: fuzz_names(bytes); break;
    case 7: fuzz<&decode_state_manifest>(bytes); break;
    case 8: fuzz_delta_head(bytes); break;
    case 9: fuzz<&decode_delta>(bytes); break;
    case 10: fuzz<&decode_entries>(bytes); break;
    default: break;
  }
  return 0;
}
