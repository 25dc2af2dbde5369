// SPDX-License-Identifier: Apache-2.0
#include "engine/write/write_path.h"

#include <algorithm>
#include <cstring>

#include "engine/base/errors.h"
#include "engine/content/digester.h"
#include "engine/write/opaque_cutter.h"
#include "engine/write/skeleton_source.h"
#include "engine/write/stream_digester.h"

namespace cairn {
namespace {

// Appended bytes after which a commit is made: what an interrupted call need not write
// again, at the price of a device flush.
constexpr std::uint64_t kCommitBytes = 256 * MiB;

constexpr std::size_t kNoTensor = static_cast<std::size_t>(-1);

// Encoders keep scratch memory: one per thread serves every writer.
BlockEncoder& thread_encoder() {
  thread_local BlockEncoder encoder;
  return encoder;
}

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
  bool gap = false;                // only read: skeleton bytes pass through for the file's digest
  DType dtype = DType::opaque;
  SharedBuffer hold;  // when it has been read already
  Bytes bytes;
  std::future<Result<ReadBlock>> coming;  // when it is being read
};

struct WritePath::DoneBlock {
  Digest digest;
  SharedBuffer hold;
  Bytes content;
  bool fresh = false;  // this call writes it
  CodecId codec = CodecId::raw;
  SharedBuffer payload_hold;
  Bytes payload;
};

// A tensor while its blocks go by.
struct WritePath::TensorProgress {
  std::vector<BlockRef> blocks;
  std::unique_ptr<StreamDigester> whole;  // only when it has several blocks
};

WritePath::WritePath(const WriteOptions& options, Index& index, LogWriter& log, WorkerPool& pool, WorkerPool& readers)
    : options_(options),
      index_(index),
      log_(log),
      pool_(pool),
      readers_(readers),
      buffers_(options.block_bytes + 2 * kPageBytes) {}

Result<WrittenFile> WritePath::write_file(const ByteSource& source, const ModelFile& model, ProgressMeter& meter) {
  if (model.tensors.empty()) {
    CAIRN_TRY(const Digest blob, write_blob(source, meter));
    return WrittenFile{.blob = blob};
  }
  auto written = write_model(source, model, meter);
  if (!written.ok()) CAIRN_CHECK(abandon());
  return written;
}

Result<Digest> WritePath::write_blob(const ByteSource& source, ProgressMeter& meter) {
  auto written = write_opaque(source, meter);
  if (!written.ok()) CAIRN_CHECK(abandon());
  return written;
}

// After a source failed half-way. What was appended stays; what was claimed and never
// appended must not pass for known when another source brings it.
Status WritePath::abandon() {
  if (options_.dry_run) return {};
  CAIRN_CHECK(commit());
  const std::lock_guard lock(claims_mutex_);
  claims_.clear();
  return {};
}

Result<Digest> WritePath::write_opaque(const ByteSource& source, ProgressMeter& meter) {
  OpaqueCutter cutter(source, options_.block_bytes);
  StreamDigester whole(pool_, options_.digest);
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
  const auto work = [&](Cut& cut) { return process(nullptr, cut); };
  const auto consume = [&](Cut, DoneBlock block) -> Status {
    whole.push(block.hold, block.content);
    blocks.push_back({block.digest, static_cast<std::uint32_t>(block.content.size())});
    return append(block, meter);
  };
  CAIRN_CHECK((parallel_in_order<Cut, DoneBlock>(pool_, window(), next, work, consume)));

  const Digest id = whole.finish();
  CAIRN_CHECK(write_blob_manifest(id, std::move(blocks), source.size()));
  return id;
}

Result<WrittenFile> WritePath::write_model(const ByteSource& source, const ModelFile& model, ProgressMeter& meter) {
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
  const auto work = [&](Cut& cut) { return process(&source, cut); };
  const auto consume = [&](Cut cut, DoneBlock block) -> Status {
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
  CAIRN_CHECK((parallel_in_order<Cut, DoneBlock>(pool_, window(), next, work, consume)));

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
    CAIRN_CHECK(write_blob_manifest(blob, std::move(progress.blocks), region.length));
    const TensorManifest described{.dtype = region.dtype,
                                   .attribute = region.attribute,
                                   .shape = region.shape,
                                   .bytes = region.length,
                                   .blob = blob};
    const Digest id = tensor_id(options_.digest, region.dtype, region.attribute, region.shape, blob);
    CAIRN_CHECK(write_object(RecordKind::tensor, id, encode(described)));
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
  CAIRN_CHECK(write_object(RecordKind::model, id, encode(manifest)));
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
Result<WritePath::DoneBlock> WritePath::process(const ByteSource* source, Cut& cut) {
  DoneBlock block;
  block.hold = std::move(cut.hold);
  block.content = cut.bytes;
  if (!block.hold) {
    CAIRN_TRY(ReadBlock read_block,
              cut.coming.valid() ? cut.coming.get() : read(*source, cut.offset, cut.length, false));
    block.hold = std::move(read_block.hold);
    block.content = read_block.bytes;
  }
  if (cut.gap) return block;
  block.digest = digest_of(options_.digest, block.content);
  CAIRN_TRY(block.fresh, claim(block.digest));
  if (!block.fresh || options_.dry_run) return block;
  const Encoded encoded = thread_encoder().encode(block.content, cut.dtype, options_.encode);
  block.codec = encoded.codec;
  block.payload = encoded.payload;
  if (encoded.codec != CodecId::raw) {
    // The encoder's memory is good until its next call: the log thread needs a copy.
    const std::shared_ptr<AlignedBuffer> copy = buffers_.take();
    if (!copy) return make_error(ErrorCode::resource_exhausted, "no memory to encode a block");
    CAIRN_INVARIANT(encoded.payload.size() <= copy->capacity());
    std::memcpy(copy->data(), encoded.payload.data(), encoded.payload.size());
    block.payload = copy->first(encoded.payload.size());
    block.payload_hold = copy;
  }
  return block;
}

// True when the caller is to write the block. Claiming before looking in the index, and
// releasing only after the index has it, leaves no moment in which two callers write it.
Result<bool> WritePath::claim(const Digest& digest) {
  {
    const std::lock_guard lock(claims_mutex_);
    if (!claims_.insert(digest).second) return false;
  }
  CAIRN_TRY(const auto known, index_.find_block(digest));
  if (!known) return true;
  const std::lock_guard lock(claims_mutex_);
  claims_.erase(digest);
  return false;
}

Status WritePath::append(const DoneBlock& block, ProgressMeter& meter) {
  meter.add(block.content.size(), block.fresh ? block.content.size() : 0);
  if (!block.fresh) {
    ++counters_.known_blocks;
    return {};
  }
  ++counters_.new_blocks;
  counters_.new_bytes += block.content.size();
  if (options_.dry_run) return {};
  CAIRN_CHECK(log_.append(NewRecord{.kind = RecordKind::block,
                                    .codec = static_cast<std::uint8_t>(block.codec),
                                    .logical_bytes = static_cast<std::uint32_t>(block.content.size()),
                                    .key = block.digest,
                                    .payload = block.payload}));
  return commit_if_due();
}

Status WritePath::write_blob_manifest(const Digest& id, std::vector<BlockRef> blocks, std::uint64_t total_bytes) {
  if (blocks.size() == 1) return {};  // the block is the blob
  return write_object(RecordKind::blob, id,
                      encode(BlobManifest{.total_bytes = total_bytes, .blocks = std::move(blocks)}));
}

Status WritePath::write_object(RecordKind kind, const Digest& id, Bytes payload) {
  if (options_.dry_run || pending_objects_.contains({kind, id})) return {};
  CAIRN_TRY(const auto known, index_.find_object(kind, id));
  if (known) return {};
  if (payload.size() > 256 * MiB) {
    return make_error(ErrorCode::resource_exhausted, std::string(record_kind_name(kind)) + " " +
                                                         to_text(options_.digest, id) + " lists too many parts");
  }
  pending_objects_.emplace(kind, id);
  CAIRN_CHECK(log_.append(NewRecord{.kind = kind,
                                    .codec = 0,
                                    .logical_bytes = static_cast<std::uint32_t>(payload.size()),
                                    .key = id,
                                    .payload = payload}));
  return commit_if_due();
}

Status WritePath::write_ref(const RefRecord& ref) {
  if (options_.dry_run) return {};
  const std::vector<std::byte> payload = encode(ref);
  CAIRN_CHECK(log_.append(NewRecord{.kind = RecordKind::ref,
                                    .codec = 0,
                                    .logical_bytes = static_cast<std::uint32_t>(payload.size()),
                                    .key = ref_key(options_.digest, ref.name, ref.version),
                                    .payload = payload}));
  pending_refs_.push_back(ref);
  return {};
}

Status WritePath::commit_if_due() { return log_.unsynced_bytes() < kCommitBytes ? Status() : commit(); }

Status WritePath::commit() {
  if (options_.dry_run) return {};
  // Sync before commit: an index entry must never point at bytes a crash can take away.
  CAIRN_TRY(const LogWriter::Synced synced, log_.sync());
  IndexBatch batch;
  batch.records.reserve(synced.records.size());
  for (const auto& [segment, record] : synced.records) {
    if (record.kind == RecordKind::ref) continue;
    batch.records.push_back({record.key, location_of(segment, record)});
  }
  batch.refs = std::exchange(pending_refs_, {});
  batch.seen = std::exchange(seen_, {});
  if (synced.end_segment > 0) batch.applied = Position{synced.end_segment, synced.end_offset};
  batch.next_sequence = synced.next_sequence;
  if (Status applied = index_.apply(batch); !applied.ok()) {
    // A later batch would move the index's position past the one that is missing.
    log_.fail(applied.error());
    return applied;
  }
  pending_objects_.clear();
  const std::lock_guard lock(claims_mutex_);
  for (const auto& [segment, record] : synced.records) {
    if (record.kind == RecordKind::block) claims_.erase(record.key);
  }
  return {};
}

}  // namespace cairn
