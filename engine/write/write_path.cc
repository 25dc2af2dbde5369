// SPDX-License-Identifier: Apache-2.0
#include "engine/write/write_path.h"

#include <algorithm>

#include "engine/base/errors.h"
#include "engine/content/digester.h"
#include "engine/write/opaque_cutter.h"
#include "engine/write/skeleton_source.h"
#include "engine/write/stream_digester.h"

namespace cairn {
namespace {

constexpr std::size_t kNoTensor = static_cast<std::size_t>(-1);

// Planes are cut for little-endian elements; ggml's blocks are no plain elements.
DType dtype_to_encode(const TensorRegion& region) {
  const bool plain = region.dtype != DType::ggml && (region.attribute & kBigEndian) == 0;
  return plain ? region.dtype : DType::opaque;
}

}  // namespace

// Bytes of a source, and what keeps their memory.
struct WritePath::ReadBlock {
  SharedBuffer hold;
  Bytes bytes;
};

struct WritePath::Cut {
  std::uint64_t offset = 0;  // in the source, when it is still to be read
  std::uint32_t length = 0;
  std::size_t tensor = kNoTensor;  // whose block this is; none for opaque bytes and gaps
  std::size_t number = 0;          // of the block in the tensor
  bool gap = false;                // only read: skeleton bytes pass through for the file's digest
  DType dtype = DType::opaque;
  std::shared_ptr<const void> hold;  // when it has been read already
  Bytes bytes;
  std::future<Result<ReadBlock>> coming;  // when it is being read
};

// A tensor while its blocks go by.
struct WritePath::TensorProgress {
  std::vector<BlockRef> blocks;
  std::unique_ptr<StreamDigester> whole;  // only when it has several blocks
};

WritePath::WritePath(const WriteOptions& options, Index& index, LogWriter& log, ObjectParts& stored, WorkerPool& pool,
                     WorkerPool& readers)
    : options_(options),
      sink_(options, index, log, stored),
      pool_(pool),
      readers_(readers),
      buffers_(options.block_bytes + 2 * kPageBytes) {}

Result<WrittenFile> WritePath::write_file(const ByteSource& source, const ModelFile& model, ProgressMeter& meter,
                                          BaseSource* bases) {
  if (model.tensors.empty()) {
    CAIRN_TRY(const Digest blob, write_blob(source, meter));
    return WrittenFile{.blob = blob};
  }
  auto written = write_model(source, model, meter, bases);
  if (!written.ok()) CAIRN_CHECK(sink_.abandon());
  return written;
}

Result<Digest> WritePath::write_blob(const ByteSource& source, ProgressMeter& meter) {
  auto written = write_opaque(source, meter);
  if (!written.ok()) CAIRN_CHECK(sink_.abandon());
  return written;
}

Result<Digest> WritePath::write_opaque(const ByteSource& source, ProgressMeter& meter) {
  OpaqueCutter cutter(source, options_.block_bytes);
  std::optional<StreamDigester> whole;  // from the second block on: that of one block is known
  BlockSink::Block first;
  std::vector<BlockRef> blocks;

  const auto next = [&]() -> Result<std::optional<Cut>> {
    CAIRN_CHECK(meter.check_stop());
    CAIRN_TRY(auto cut, cutter.next());
    if (!cut) return std::optional<Cut>();
    Cut out;
    out.length = static_cast<std::uint32_t>(cut->bytes.size());
    out.hold = std::move(cut->hold);
    out.bytes = cut->bytes;
    return std::optional<Cut>(std::move(out));
  };
  const auto work = [&](Cut& cut) { return sink_.prepare(std::move(cut.hold), cut.bytes, cut.dtype); };
  const auto consume = [&](Cut, const BlockSink::Block& block) -> Status {
    if (blocks.empty()) {
      first = block;
    } else {
      if (!whole) {
        whole.emplace(pool_, options_.digest).push(std::move(first.hold), first.content);
      }
      whole->push(block.hold, block.content);
    }
    blocks.push_back({block.digest, static_cast<std::uint32_t>(block.content.size())});
    return append(block, meter);
  };
  CAIRN_CHECK((parallel_in_order<Cut, BlockSink::Block>(pool_, window(), next, work, consume)));

  const Digest id = whole ? whole->finish() : blocks.empty() ? digest_of(options_.digest, {}) : blocks.front().digest;
  CAIRN_CHECK(sink_.write_blob_manifest(id, std::move(blocks), source.size()));
  return id;
}

Result<WrittenFile> WritePath::write_model(const ByteSource& source, const ModelFile& model, ProgressMeter& meter,
                                           BaseSource* bases) {
  StreamDigester whole(pool_, options_.digest);
  Digester gaps(options_.digest);
  std::vector<TensorProgress> tensors(model.tensors.size());
  std::uint64_t at = 0;
  std::size_t tensor = 0;

  // Walks the file front to back: gaps, and tensors in blocks from their own start.
  const auto next = [&]() -> Result<std::optional<Cut>> {
    CAIRN_CHECK(meter.check_stop());
    while (tensor < model.tensors.size()) {
      const TensorRegion& region = model.tensors[tensor];
      if (at < region.offset || at < region.offset + region.length) break;
      ++tensor;
    }
    if (at == source.size()) return std::optional<Cut>();
    const bool in_tensor = tensor < model.tensors.size() && at >= model.tensors[tensor].offset;
    const std::uint64_t end = in_tensor ? model.tensors[tensor].offset + model.tensors[tensor].length
                              : tensor < model.tensors.size() ? model.tensors[tensor].offset
                                                              : source.size();
    Cut cut;
    cut.offset = at;
    cut.length = static_cast<std::uint32_t>(std::min<std::uint64_t>(end - at, options_.block_bytes));
    cut.gap = !in_tensor;
    if (in_tensor) {
      cut.tensor = tensor;
      cut.number = (at - model.tensors[tensor].offset) / options_.block_bytes;
      cut.dtype = dtype_to_encode(model.tensors[tensor]);
    }
    // The workers alone would keep the device busy only while they do not work.
    if (source.is_on_device(cut.offset, cut.length)) {
      const auto read_cut = [this, &source, offset = cut.offset, length = cut.length] {
        return read(source, offset, length, true);
      };
      cut.coming = run_in(readers_, read_cut);
    }
    at += cut.length;
    return std::optional<Cut>(std::move(cut));
  };
  const auto work = [&](Cut& cut) { return process(source, cut, bases); };
  const auto consume = [&](const Cut& cut, const BlockSink::Block& block) -> Status {
    whole.push(block.hold, block.content);
    if (cut.gap) {
      gaps.update(block.content);
      return {};  // counted when the skeleton is written
    }
    TensorProgress& progress = tensors[cut.tensor];
    if (cut.length < model.tensors[cut.tensor].length) {
      if (!progress.whole) progress.whole = std::make_unique<StreamDigester>(pool_, options_.digest);
      progress.whole->push(block.hold, block.content);
    }
    progress.blocks.push_back({block.digest, cut.length});
    return append(block, meter);
  };
  CAIRN_CHECK((parallel_in_order<Cut, BlockSink::Block>(pool_, window(), next, work, consume)));

  ModelManifest manifest;
  manifest.format = static_cast<std::uint8_t>(model.format);
  manifest.total_bytes = source.size();
  manifest.tensors.reserve(tensors.size());
  for (std::size_t i = 0; i < tensors.size(); ++i) {
    const TensorRegion& region = model.tensors[i];
    TensorProgress& progress = tensors[i];
    const Digest blob = progress.whole            ? progress.whole->finish()
                        : progress.blocks.empty() ? digest_of(options_.digest, {})
                                                  : progress.blocks.front().digest;
    progress.whole.reset();
    CAIRN_CHECK(sink_.write_blob_manifest(blob, std::move(progress.blocks), region.length));
    const TensorManifest described{.dtype = region.dtype,
                                   .attribute = region.attribute,
                                   .shape = region.shape,
                                   .bytes = region.length,
                                   .blob = blob};
    const Digest id = tensor_id(options_.digest, region.dtype, region.attribute, region.shape, blob);
    CAIRN_CHECK(sink_.write_object(RecordKind::tensor, id, encode(described)));
    manifest.tensors.push_back({.name = region.name, .offset = region.offset, .bytes = region.length, .tensor = id});
  }
  const SkeletonSource skeleton(source, model);
  manifest.skeleton_bytes = skeleton.size();
  CAIRN_TRY(manifest.skeleton, write_opaque(skeleton, meter));
  // The skeleton was read twice, once for the digest of the whole and once to be written.
  if (manifest.skeleton != gaps.finish()) {
    return make_error(ErrorCode::io, "the file changed while it was read");
  }
  const Digest id = whole.finish();
  CAIRN_CHECK(sink_.write_object(RecordKind::model, id, encode(manifest)));
  return WrittenFile{.blob = id, .is_model = true, .tensors = static_cast<std::uint32_t>(tensors.size())};
}

Result<WritePath::ReadBlock> WritePath::read(const ByteSource& source, std::uint64_t offset, std::uint32_t length,
                                             bool from_device) {
  const std::shared_ptr<AlignedBuffer> buffer = buffers_.take();
  if (!buffer) return make_error(ErrorCode::resource_exhausted, "no memory to read a block");
  ReadBlock block{.hold = buffer, .bytes = buffer->first(length)};
  if (from_device) {
    CAIRN_TRY(block.bytes, source.read_pages(offset, length, buffer->span()));
  } else {
    CAIRN_CHECK(source.read_at(offset, buffer->first(length)));
  }
  return block;
}

// On a pool thread: read, digest, known? encode.
Result<BlockSink::Block> WritePath::process(const ByteSource& source, Cut& cut, BaseSource* bases) {
  CAIRN_TRY(ReadBlock read_block, cut.coming.valid() ? cut.coming.get() : read(source, cut.offset, cut.length, false));
  if (!cut.gap) {
    const BlockPlace place{.bases = bases, .tensor = cut.tensor, .number = cut.number};
    return sink_.prepare(std::move(read_block.hold), read_block.bytes, cut.dtype, place);
  }
  BlockSink::Block gap;
  gap.hold = std::move(read_block.hold);
  gap.content = read_block.bytes;
  return gap;
}

Status WritePath::append(const BlockSink::Block& block, ProgressMeter& meter) {
  CAIRN_TRY(const bool fresh, sink_.append(block));
  meter.add(block.content.size(), fresh ? block.content.size() : 0);
  return sink_.commit_if_due();
}

}  // namespace cairn
