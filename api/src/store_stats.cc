// SPDX-License-Identifier: Apache-2.0
#include "api/src/store_impl.h"
#include "engine/codec/block_codec.h"
#include "engine/log/disk_room.h"
#include "engine/log/segment_files.h"

namespace cairn {
Result<StoreStats> Store::stats() {
  CAIRN_CHECK(impl_->follow());
  StoreStats stats;
  Index& index = impl_->index();
  const auto count_block = [&](const Digest&, const RecordLocation& at) -> Status {
    ++stats.blocks;
    stats.unique_bytes += at.logical_bytes;
    stats.stored_bytes += at.stored_bytes;
    ++stats.blocks_by_codec[std::string(codec_name(static_cast<CodecId>(at.codec)))];
    return {};
  };
  CAIRN_CHECK(index.for_each_block(count_block));
  const auto count_object = [&](const Digest&, const RecordLocation& at) -> Status {
    switch (at.kind) {
      case RecordKind::blob: ++stats.blobs; break;
      case RecordKind::tensor: ++stats.tensors; break;
      case RecordKind::model: ++stats.models; break;
      case RecordKind::tree: ++stats.trees; break;
      case RecordKind::snapshot: ++stats.snapshots; break;
      case RecordKind::state: ++stats.states; break;
      case RecordKind::delta: ++stats.deltas; break;
      case RecordKind::block:
      case RecordKind::ref:
      case RecordKind::roots:
      case RecordKind::entries:
      case RecordKind::reclaimed: break;
    }
    return {};
  };
  CAIRN_CHECK(index.for_each_object(count_object));
  const auto count_ref = [&](const RefRecord& ref) -> Status {
    ++stats.refs;
    stats.logical_bytes += ref.logical_bytes;
    return {};
  };
  CAIRN_CHECK(index.for_each_ref(count_ref));
  std::optional<std::pair<RecordKind, Digest>> last;  // names of one object are together
  const auto count_root = [&](const Root& root) -> Result<bool> {
    if (last == std::pair(root.kind, root.id)) return true;
    last.emplace(root.kind, root.id);
    ++stats.objects;
    stats.object_bytes += root.bytes;
    return true;
  };
  CAIRN_CHECK(index.for_each_root({}, count_root));
  CAIRN_TRY(const auto uses, index.segment_uses());
  for (const auto& [segment, use] : uses) stats.dead_bytes += use.dead_bytes();
  const StoreLayout& layout = impl_->layout();
  CAIRN_TRY(stats.disk_bytes, disk_use(impl_->fs(), layout.folder));
  if (const auto reserve = impl_->fs().info(layout.reserve()); reserve.ok()) stats.reserve_bytes = reserve->disk_bytes;
  if (const DiskRoom* const room = impl_->room()) stats.disk_budget_bytes = room->budget();
  CAIRN_TRY(stats.log_bytes, disk_use(impl_->fs(), layout.log()));
  CAIRN_TRY(const auto segments, list_segments(impl_->fs(), layout.log()));
  stats.segments = segments.size();
  stats.index_memory_bytes = index.memory_bytes();
  return stats;
}

}  // namespace cairn
