// SPDX-License-Identifier: Apache-2.0
#include "engine/write/block_sink.h"

#include <algorithm>
#include <cstring>
#include <iterator>

#include "engine/base/errors.h"
#include "engine/content/digester.h"
#include "engine/index/block_chain.h"
#include "engine/log/disk_room.h"
#include "engine/write/delta_choice.h"

namespace cairn {
namespace {

// Appended bytes after which a commit is made: what an interrupted call need not write
// again, at the price of a device flush. More than a segment of the usual size, which is
// synced when it is sealed, so that its commit costs no flush of its own.
constexpr std::uint64_t kCommitBytes = 320 * MiB;

// Encoders keep scratch memory: one per thread serves every writer.
BlockEncoder& thread_encoder() {
  thread_local BlockEncoder encoder;
  return encoder;
}

// References that are remembered until they count: more are read back.
constexpr std::size_t kRememberedMax = 256 * 1024;

bool gives_back(const IndexBatch& batch) {
  const auto removed = [](const auto& one) { return one.removed; };
  return std::ranges::any_of(batch.refs, removed) || std::ranges::any_of(batch.roots, removed) ||
         std::ranges::any_of(batch.entries, removed);
}

}  // namespace

void BlockSink::Parts::remember(RecordKind kind, const Digest& id, Bytes payload) {
  if (auto references = references_of(kind, payload); references.ok()) {
    remember(kind, id, payload, std::move(references).value());
  }
}

void BlockSink::Parts::remember_delta(const Digest& id, Bytes payload) {
  if (auto bases = bases_in(payload, id); bases.ok()) {
    remember(RecordKind::block, id, payload, std::move(bases).value());
  }
}

void BlockSink::Parts::remember(RecordKind kind, const Digest& id, Bytes payload, std::vector<Reference> references) {
  if (references_ + references.size() > kRememberedMax) return;
  references_ += references.size();
  recent_.insert_or_assign({kind, id, checksum_of(payload)}, std::move(references));
}

void BlockSink::Parts::forget() {
  recent_.clear();
  references_ = 0;
}

Result<std::optional<std::vector<Reference>>> BlockSink::Parts::parts_of(const Digest& id, const RecordLocation& at) {
  const auto found = recent_.find({at.kind, id, at.checksum});
  if (found == recent_.end()) return stored_.parts_of(id, at);
  return std::optional(found->second);
}

BlockSink::BlockSink(const WriteOptions& options, Index& index, LogWriter& log, ObjectParts& stored)
    : options_(options), index_(index), log_(log), buffers_(options.block_bytes), stored_(stored), parts_(stored) {}

// What a ref or a root means is not in its descriptor. They come out of the log in the order
// in which they went in.
IndexBatch BlockSink::batch_of(const LogWriter::Synced& synced) {
  IndexBatch batch;
  batch.parts = &parts_;
  batch.records.reserve(synced.records.size());
  for (const auto& [segment, record] : synced.records) {
    const RecordPlace place{segment, record.payload_offset};
    if (record.kind == RecordKind::ref) {
      CAIRN_INVARIANT(!pending_refs_.empty());
      batch.refs.emplace_back(std::move(pending_refs_.front()), place);
      pending_refs_.pop_front();
    } else if (record.kind == RecordKind::roots) {
      CAIRN_INVARIANT(!pending_roots_.empty());
      for (Root& root : pending_roots_.front()) batch.roots.emplace_back(std::move(root), place);
      pending_roots_.pop_front();
    } else if (record.kind == RecordKind::entries) {
      CAIRN_INVARIANT(!pending_entries_.empty());
      batch.clock = pending_entries_.front().clock;
      for (StoredEntry& entry : pending_entries_.front().entries) batch.entries.emplace_back(std::move(entry), place);
      pending_entries_.pop_front();
    } else {
      batch.records.push_back({record.key, location_of(segment, record)});
    }
  }
  if (synced.end_segment > 0) batch.applied = Position{synced.end_segment, synced.end_offset};
  batch.next_sequence = synced.next_sequence;
  return batch;
}

Result<BlockSink::Block> BlockSink::prepare(std::shared_ptr<const void> hold, Bytes content, DType dtype,
                                            const BlockPlace& place) {
  Block block;
  block.digest = digest_of(options_.digest, content);
  block.dtype = dtype;
  block.hold = std::move(hold);
  block.content = content;
  CAIRN_CHECK(claim(block));
  if (!block.claimed || options_.dry_run) return block;
  if (Status encoded = encode_block(block, place); !encoded.ok()) {
    disclaim(block);
    return std::move(encoded).error();
  }
  return block;
}

// What heals is whole: others may rely on it, and how many stand between is not known here.
Result<bool> BlockSink::may_become_delta(const Block& block) {
  CAIRN_TRY(const auto at, index_.find_block(block.digest));
  if (at) return false;
  CAIRN_TRY(const std::uint64_t references, index_.references(RecordKind::block, block.digest));
  return references == 0;
}

Status BlockSink::encode_block(Block& block, const BlockPlace& place) {
  const auto size = static_cast<std::uint32_t>(block.content.size());
  std::optional<Base> base;
  if (place.bases != nullptr) {
    CAIRN_TRY(const bool may, may_become_delta(block));
    if (may) base = place.bases->find(place.tensor, place.number, size);
  }
  BlockEncoder& encoder = thread_encoder();
  const Encoded encoded = base ? encode_beside(encoder, block.content, block.dtype, base->content, options_.encode)
                               : encoder.encode(block.content, block.dtype, options_.encode);
  std::vector<std::byte> head;
  block.base.reset();
  if (encoded.codec == CodecId::delta) {
    block.base = base->digest;
    block.bases = place.bases;
    head = encode(DeltaHead{.bases = {base->digest}}, block.digest);
  }
  if (base) place.bases->tried(place.tensor, size, block.base.has_value());
  block.codec = encoded.codec;
  block.payload = encoded.payload;
  block.payload_hold.reset();
  if (encoded.codec == CodecId::raw) {
    block.checksum = checksum_of(block.payload);
    return {};
  }
  // The encoder's memory is good until its next call: the log thread needs a copy.
  const std::shared_ptr<AlignedBuffer> copy = buffers_.take();
  if (!copy) return make_error(ErrorCode::resource_exhausted, "no memory to encode a block");
  const std::size_t bytes = head.size() + encoded.payload.size();
  CAIRN_INVARIANT(bytes <= copy->capacity());
  std::copy(head.begin(), head.end(), copy->data());
  std::memcpy(copy->data() + head.size(), encoded.payload.data(), encoded.payload.size());
  block.payload = copy->first(bytes);
  block.payload_hold = copy;
  block.checksum = checksum_of(block.payload);
  return {};
}

// Claiming before looking in the index, and releasing only after the index has it, leaves
// no moment in which two callers write it.
Status BlockSink::claim(Block& block) {
  {
    const std::lock_guard lock(claims_mutex_);
    if (!claims_.try_emplace(block.digest, Claim::taken).second) return {};
  }
  const auto known = [&]() -> Result<bool> {
    CAIRN_TRY(const auto at, index_.find_block(block.digest));
    return is_good(block.digest, at);
  }();
  block.known = known.ok() && *known;
  block.claimed = known.ok() && !block.known;
  if (block.claimed) return {};
  const std::lock_guard lock(claims_mutex_);
  claims_.erase(block.digest);
  return known.ok() ? Status() : Status(known.error());
}

// What a delta block relies on may be damaged, or missing where a segment was lost.
Result<bool> BlockSink::is_good(const Digest& block, const std::optional<RecordLocation>& known) {
  if (!known || known->quarantined) return false;
  if (!has_parts(*known)) return true;
  return is_sound(index_, stored_, block, *known);
}

void BlockSink::disclaim(const Block& block) {
  if (!block.claimed) return;
  const std::lock_guard lock(claims_mutex_);
  const auto claim = claims_.find(block.digest);
  if (claim != claims_.end() && claim->second == Claim::taken) claims_.erase(claim);
}

// Whether the block is to be written now. Blocks are prepared in any order and appended in
// one. Whoever comes first in the log writes the block, also when a later one has claimed it:
// what follows may rely on it. Only the thread that appends commits: what is in the index
// stays as it is meanwhile.
Result<bool> BlockSink::begin_append(const Block& block) {
  if (options_.dry_run) return block.claimed;
  if (block.known) return false;
  CAIRN_TRY(const auto committed, index_.find_block(block.digest));
  CAIRN_TRY(const bool good, is_good(block.digest, committed));
  if (good) return false;
  const std::lock_guard lock(claims_mutex_);
  const auto claim = claims_.try_emplace(block.digest, Claim::taken).first;
  return std::exchange(claim->second, Claim::appended) == Claim::taken;
}

Result<bool> BlockSink::append(const Block& block) {
  CAIRN_TRY(const bool fresh, begin_append(block));
  if (!fresh) {
    ++counters_.known_blocks;
    return false;
  }
  if (!options_.dry_run) {
    auto written = write_block(block);
    if (!written.ok()) {
      // Whoever brings it next shall write it.
      const std::lock_guard lock(claims_mutex_);
      claims_.erase(block.digest);
      return std::move(written).error();
    }
    counters_.delta_blocks += *written ? 1 : 0;
  }
  ++counters_.new_blocks;
  counters_.new_bytes += block.content.size();
  return true;
}

// A block may be prepared before this thread has the log's turn: its base is looked at again.
Result<bool> BlockSink::write_block(Block block) {
  const auto bytes = static_cast<std::uint32_t>(block.content.size());
  bool encoded = block.claimed;
  if (encoded && block.base) {
    CAIRN_TRY(const auto base, index_.find_block(*block.base));
    encoded = is_fit_as_base(base, bytes);
  }
  if (!encoded) CAIRN_CHECK(encode_block(block));
  if (block.base) parts_.remember_delta(block.digest, block.payload);
  CAIRN_CHECK(log_.append(NewRecord{.kind = RecordKind::block,
                                    .codec = static_cast<std::uint8_t>(block.codec),
                                    .logical_bytes = bytes,
                                    .key = block.digest,
                                    .payload = block.payload,
                                    .hold = block.codec == CodecId::raw ? block.hold : block.payload_hold,
                                    .checksum = block.checksum}));
  if (block.base) block.bases->relies(block.digest, *block.base);
  return block.base.has_value();
}

Status BlockSink::replace(const Digest& digest, std::uint32_t logical_bytes, CodecId codec, Bytes payload,
                          const std::vector<Digest>& bases) {
  CAIRN_INVARIANT(bases.empty() == (codec != CodecId::delta));
  std::vector<std::byte> delta;
  if (codec == CodecId::delta) {
    delta = encode(DeltaHead{.bases = bases}, digest);
    delta.insert(delta.end(), payload.begin(), payload.end());
    payload = delta;
    parts_.remember_delta(digest, payload);
  }
  return log_.append(NewRecord{.kind = RecordKind::block,
                               .codec = static_cast<std::uint8_t>(codec),
                               .logical_bytes = logical_bytes,
                               .key = digest,
                               .payload = payload});
}

Status BlockSink::write_blob_manifest(const Digest& id, std::vector<BlockRef> blocks, std::uint64_t total_bytes) {
  if (blocks.size() == 1) return {};  // the block is the blob
  return write_object(RecordKind::blob, id,
                      encode(BlobManifest{.total_bytes = total_bytes, .blocks = std::move(blocks)}));
}

Status BlockSink::append_blob_manifest(const Digest& id, std::vector<BlockRef> blocks, std::uint64_t total_bytes) {
  if (blocks.size() == 1) return {};
  CAIRN_CHECK(append_object(RecordKind::blob, id,
                            encode(BlobManifest{.total_bytes = total_bytes, .blocks = std::move(blocks)})));
  return {};
}

Status BlockSink::write_object(RecordKind kind, const Digest& id, Bytes payload) {
  CAIRN_TRY(const bool appended, append_object(kind, id, payload));
  return appended ? commit_if_due() : Status();
}

Result<bool> BlockSink::append_object(RecordKind kind, const Digest& id, Bytes payload) {
  if (options_.dry_run || pending_objects_.contains({kind, id})) return false;
  CAIRN_TRY(const auto known, index_.find_object(kind, id));
  // The new record takes the place of a damaged one.
  if (known && !known->quarantined) return false;
  if (payload.size() > 256 * MiB) {
    return make_error(ErrorCode::resource_exhausted, std::string(record_kind_name(kind)) + " " +
                                                         to_text(options_.digest, id) + " lists too many parts");
  }
  CAIRN_CHECK(log_.append(NewRecord{.kind = kind,
                                    .codec = 0,
                                    .logical_bytes = static_cast<std::uint32_t>(payload.size()),
                                    .key = id,
                                    .payload = payload}));
  pending_objects_.emplace(kind, id);
  parts_.remember(kind, id, payload);
  return true;
}

Status BlockSink::write(Statements statements) {
  if (options_.dry_run) return {};
  std::deque<std::vector<std::byte>> payloads;  // that the records borrow
  std::vector<NewRecord> records;
  const auto add = [&](RecordKind kind, std::vector<std::byte> payload, const Digest& key, bool removes) {
    const Bytes bytes = payloads.emplace_back(std::move(payload));
    records.push_back({.kind = kind,
                       .codec = 0,
                       .logical_bytes = static_cast<std::uint32_t>(bytes.size()),
                       .key = key,
                       .payload = bytes,
                       .gives_back = removes});
  };
  if (!statements.roots.empty()) {
    RootsRecord record{.roots = std::move(statements.roots)};
    std::vector<std::byte> payload = encode(record);
    const Digest key = digest_of(options_.digest, payload);
    add(RecordKind::roots, std::move(payload), key, std::ranges::all_of(record.roots, &Root::removed));
    statements.roots = std::move(record.roots);
  }
  if (statements.entries) {
    std::vector<std::byte> payload = encode(*statements.entries);
    const Digest key = digest_of(options_.digest, payload);
    add(RecordKind::entries, std::move(payload), key,
        std::ranges::all_of(statements.entries->entries, &StoredEntry::removed));
  }
  for (const RefRecord& ref : statements.refs) {
    std::vector<std::byte> payload = encode(ref);
    if (payload.size() > kRefBytesMax) {
      return make_error(ErrorCode::invalid_argument, "the tags of '" + printable(ref.name) + "' take more than 1 MiB");
    }
    add(RecordKind::ref, std::move(payload), ref_key(options_.digest, ref.name, ref.version), ref.removed);
  }
  if (records.empty()) return {};
  CAIRN_CHECK(log_.append(records));
  if (!statements.roots.empty()) pending_roots_.push_back(std::move(statements.roots));
  if (statements.entries) pending_entries_.push_back(std::move(*statements.entries));
  std::ranges::move(statements.refs, std::back_inserter(pending_refs_));
  return {};
}

bool BlockSink::has_statements() const {
  return !pending_refs_.empty() || !pending_roots_.empty() || !pending_entries_.empty();
}

Status BlockSink::commit_if_due() {
  if (log_.unsynced_bytes() >= kCommitBytes) return commit();
  // A position behind a ref, a root or an entry must not be reached without it.
  if (!log_.has_sealed() || has_statements()) return {};
  const LogWriter::Synced sealed = log_.take_sealed();
  return apply(sealed, batch_of(sealed));
}

Status BlockSink::commit() {
  if (options_.dry_run) return {};
  // Sync before commit: an index entry must never point at bytes a crash can take away.
  CAIRN_TRY(const LogWriter::Synced synced, log_.sync());
  IndexBatch batch = batch_of(synced);
  CAIRN_INVARIANT(!has_statements());
  batch.seen = std::exchange(seen_, {});
  CAIRN_CHECK(apply(synced, batch));
  for (const Settled& settled : std::exchange(settled_, {})) settled({});
  return {};
}

// What was appended and not committed is in a log that has failed.
BlockSink::~BlockSink() {
  if (settled_.empty()) return;
  const Status lost = log_.failure() ? *log_.failure() : make_error(ErrorCode::io, "the log was not committed");
  for (const Settled& settled : settled_) settled(lost);
}

Status BlockSink::apply(const LogWriter::Synced& synced, const IndexBatch& batch) {
  // The index writes tables of its own accord as it fills: removals find room for that.
  if (log_.room() != nullptr && gives_back(batch)) log_.room()->make_room_for_checkpoint();
  if (Status applied = index_.apply(batch); !applied.ok()) {
    // A later batch would move the index's position past the one that is missing.
    log_.fail(applied.error());
    return applied;
  }
  if (!batch.refs.empty() || !batch.roots.empty() || !batch.entries.empty()) parts_.forget();
  const std::lock_guard lock(claims_mutex_);
  for (const auto& [segment, record] : synced.records) {
    if (record.kind == RecordKind::block) {
      claims_.erase(record.key);
    } else {
      pending_objects_.erase({record.kind, record.key});
    }
  }
  return {};
}

// What was appended stays. Claims to what was never appended go: whoever brings it next
// prepares it in the pool.
Status BlockSink::abandon() {
  if (options_.dry_run) return {};
  CAIRN_CHECK(commit());
  const std::lock_guard lock(claims_mutex_);
  claims_.clear();
  return {};
}

}  // namespace cairn
