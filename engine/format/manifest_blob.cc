// SPDX-License-Identifier: Apache-2.0
//
// The manifest of a blob: its blocks in order. Layout: docs/format/manifests.md.
#include "engine/format/manifest.h"
#include "engine/format/manifest_codec.h"

namespace cairn {
namespace {

constexpr std::size_t kBlockRefBytes = Digest::kSize + sizeof(std::uint32_t);

}  // namespace

std::vector<std::byte> encode(const BlobManifest& blob) {
  std::vector<std::byte> out;
  out.reserve(14 + blob.blocks.size() * kBlockRefBytes);
  ByteWriter writer(out);
  put_manifest_start(writer, RecordKind::blob);
  writer.put(blob.total_bytes);
  writer.put(static_cast<std::uint32_t>(blob.blocks.size()));
  for (const BlockRef& block : blob.blocks) {
    put_digest(writer, block.digest);
    writer.put(block.bytes);
  }
  return out;
}

Result<BlobManifest> decode_blob(Bytes bytes) {
  FieldReader reader("blob manifest", bytes);
  CAIRN_CHECK(check_manifest_start(reader, RecordKind::blob));
  BlobManifest blob;
  CAIRN_TRY(blob.total_bytes, reader.get<std::uint64_t>("total_bytes"));
  CAIRN_TRY(const auto count, reader.get_count("blocks", kBlockRefBytes));
  if (count == 1) return reader.wrong("counts one block, which is a blob without a manifest");
  blob.blocks.reserve(count);
  std::uint64_t sum = 0;
  for (std::uint32_t i = 0; i < count; ++i) {
    BlockRef& block = blob.blocks.emplace_back();
    CAIRN_TRY(block.digest, reader.get_digest("block.digest"));
    CAIRN_TRY(block.bytes, reader.get<std::uint32_t>("block.bytes"));
    if (block.bytes == 0) return reader.wrong("is zero");
    sum += block.bytes;  // 2^32 blocks below 2^32 bytes: cannot overflow
  }
  if (sum != blob.total_bytes) {
    return reader.wrong("ends blocks of " + std::to_string(sum) + " bytes in all, not total_bytes, " +
                        std::to_string(blob.total_bytes));
  }
  CAIRN_CHECK(reader.expect_end());
  return blob;
}

}  // namespace cairn
