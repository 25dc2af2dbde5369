// SPDX-License-Identifier: Apache-2.0
#include "api/src/mirror_destination.h"

#include <algorithm>
#include <utility>

#include "api/src/mirror_formats.h"
#include "engine/base/errors.h"
#include "engine/base/progress_meter.h"
#include "engine/content/digester.h"
#include "engine/format/delta_head.h"
#include "engine/index/block_chain.h"
#include "engine/read/file_reader.h"
#include "engine/reclaim/findings.h"
#include "replication/in_flight.h"

namespace cairn {
namespace {

RecordKind kind_of(const mirror::ContentId& id) { return static_cast<RecordKind>(id.kind); }

// Objects whose content is read at the same time: each is digested by one thread.
constexpr std::size_t kVerifiedAtOnce = 4;
// Of blocks that wait to be put. What is not kept is read back where it is needed.
constexpr std::uint64_t kDecodedBytesMax = 256 * MiB;

// Objects are made of lower ones alone.
int height_of(RecordKind kind) {
  switch (kind) {
    case RecordKind::blob: return 1;
    case RecordKind::tensor: return 2;
    case RecordKind::tree: return 4;
    case RecordKind::snapshot: return 5;
    default: return 3;
  }
}

Error came_damaged(const std::string& what, const std::string& why) {
  return make_error(ErrorCode::corruption, what + " came damaged from the mirror: " + why);
}

}  // namespace

Result<std::unique_ptr<MirrorDestination>> MirrorDestination::begin(StoreImpl& store, const Progress& progress) {
  CAIRN_CHECK(store.check_usable());
  store.settle_puts();
  CAIRN_TRY(StoreImpl::Writing writing, store.begin_writing());
  return std::unique_ptr<MirrorDestination>(new MirrorDestination(store, std::move(writing), progress));
}

MirrorDestination::MirrorDestination(StoreImpl& store, StoreImpl::Writing writing, const Progress& progress)
    : store_(store),
      writing_(std::move(writing)),
      sink_({.digest = store.header().digest, .block_bytes = store.header().block_bytes}, store.index(), *writing_.log,
            store.parts()),
      buffers_(store.header().block_bytes),
      progress_{.report = {}, .problem = {}, .stop = progress.stop} {}

// The log's next owner expects to find nothing of others in it. What fails here fails for it as well.
MirrorDestination::~MirrorDestination() { static_cast<void>(sink_.abandon().ok()); }

mirror::StoreFacts MirrorDestination::facts() const {
  const StoreHeader& header = store_.header();
  return {.uuid = header.uuid,
          .digest = header.digest,
          .block_bytes = header.block_bytes,
          .segment_bytes = header.segment_bytes};
}

Result<std::optional<RecordLocation>> MirrorDestination::find_good(const mirror::ContentId& id) {
  std::optional<RecordLocation> at;
  if (kind_of(id) != RecordKind::block) {
    CAIRN_TRY(at, store_.index().find_object(kind_of(id), id.digest));
  }
  if (!at && (kind_of(id) == RecordKind::block || kind_of(id) == RecordKind::blob)) {
    CAIRN_TRY(at, store_.index().find_block(id.digest));
  }
  if (at && at->quarantined) at.reset();
  return at;
}

Result<std::optional<std::vector<mirror::ContentId>>> MirrorDestination::parts_of(const mirror::ContentId& id) {
  using Parts = std::vector<mirror::ContentId>;
  CAIRN_TRY(const auto at, find_good(id));
  if (!at) return std::optional<Parts>();
  if (!has_parts(*at)) return std::optional(Parts());
  auto parts = [&]() -> Result<Parts> {
    if (at->kind != RecordKind::block) {
      CAIRN_TRY(const auto payload, store_.blocks().read_object_at(id.digest, *at));
      return MirrorFormats(store_.header().digest).parts_of(id, payload);
    }
    CAIRN_TRY(const auto references, store_.blocks().bases_of(id.digest, *at));
    Parts bases;
    for (const Reference& base : references) bases.push_back({mirror::kBlock, base.id});
    return bases;
  }();
  if (parts.ok()) return std::optional(std::move(parts).value());
  if (!is_damage(parts.error())) return parts.error();
  CAIRN_CHECK(quarantine(id, *at));
  return std::optional<Parts>();
}

Status MirrorDestination::quarantine(const mirror::ContentId& id, const RecordLocation& at) {
  IndexBatch batch;
  batch.verdicts.push_back({.key = id.digest, .kind = at.kind, .place = {at.segment, at.offset}, .damaged = true});
  return store_.apply_verdicts(std::move(batch));
}

Status MirrorDestination::put(const mirror::Content& content) {
  CAIRN_TRY(const auto known, find_good(content.id));
  if (known && known->kind == kind_of(content.id)) return {};
  if (kind_of(content.id) == RecordKind::block) return told_what(content, put_block(content));
  CAIRN_CHECK(told_what(content, MirrorFormats(store_.header().digest).check_object(content)));
  Object& object = objects_.emplace_back();
  object.content = content;
  object.payload.assign(content.payload.begin(), content.payload.end());
  object.content.payload = object.payload;
  return {};
}

// Damage is told with the name of what is damaged.
Status MirrorDestination::told_what(const mirror::Content& content, Status status) const {
  if (status.ok() || status.error().code != ErrorCode::corruption) return status;
  const std::string kind(record_kind_name(kind_of(content.id)));
  return came_damaged(kind + " " + store_.id_text(content.id.digest), status.error().message);
}

Status MirrorDestination::check(mirror::Content& content) const {
  const bool alone = kind_of(content.id) == RecordKind::block && static_cast<CodecId>(content.codec) != CodecId::delta;
  return alone ? told_what(content, check_block(content)) : Status();
}

Status MirrorDestination::check_size(const mirror::Content& block) const {
  if (checksum_of(block.payload) != block.checksum) {
    return make_error(ErrorCode::corruption, "it does not match its checksum");
  }
  if (block.logical_bytes == 0 || block.logical_bytes > BlockReader::kBlockBytesMax) {
    return make_error(ErrorCode::corruption, "no block has " + std::to_string(block.logical_bytes) + " bytes");
  }
  if (block.logical_bytes > store_.header().block_bytes) {
    return make_error(ErrorCode::unsupported, "the mirror has a block of " + std::to_string(block.logical_bytes) +
                                                  " bytes, and this store's have at most " +
                                                  std::to_string(store_.header().block_bytes));
  }
  return {};
}

Status MirrorDestination::check_digest(const mirror::Content& block, Bytes content) const {
  const Digest actual = digest_of(store_.header().digest, content);
  if (actual == block.id.digest) return {};
  return make_error(ErrorCode::corruption, "its content has digest " + store_.id_text(actual));
}

Status MirrorDestination::check_block(mirror::Content& block) const {
  CAIRN_CHECK(check_size(block));
  const auto codec = static_cast<CodecId>(block.codec);
  block.checked = true;
  if (codec == CodecId::raw && block.payload.size() == block.logical_bytes) {
    block.decoded = block.payload;
    return check_digest(block, block.payload);
  }
  const auto buffer = buffers_.take(block.logical_bytes);
  if (!buffer) return make_error(ErrorCode::resource_exhausted, "no memory for a block");
  const MutableBytes content = buffer->first(block.logical_bytes);
  thread_local BlockDecoder decoder;
  CAIRN_CHECK(decoder.decode(codec, block.payload, content));
  CAIRN_CHECK(check_digest(block, content));
  keep_decoded(block, buffer, content);
  return {};
}

void MirrorDestination::keep_decoded(mirror::Content& block, SharedBuffer buffer, Bytes content) const {
  struct Kept {
    SharedBuffer buffer;
    std::atomic<std::uint64_t>& bytes;
    const std::uint64_t size;
    ~Kept() { bytes -= size; }
  };
  // A small block has a buffer for a large one.
  const std::uint64_t size = store_.header().block_bytes;
  if (decoded_bytes_ += size; decoded_bytes_ > kDecodedBytesMax) {
    decoded_bytes_ -= size;
    return;
  }
  block.hold_decoded = std::shared_ptr<const Kept>(new Kept{std::move(buffer), decoded_bytes_, size});
  block.decoded = content;
}

Status MirrorDestination::put_block(const mirror::Content& block) {
  const auto codec = static_cast<CodecId>(block.codec);
  if (codec == CodecId::delta) return put_delta(block);
  mirror::Content checked = block;
  if (!checked.checked) CAIRN_CHECK(check_block(checked));
  CAIRN_CHECK(sink_.replace(block.id.digest, block.logical_bytes, codec, block.payload));
  took(block, checked.decoded);
  return sink_.commit_if_due();
}

void MirrorDestination::took(const mirror::Content& block, mirror::Bytes content) {
  if (content.empty()) return;  // not kept
  if (!arriving_) {
    std::vector<const mirror::Content*> objects;
    for (const Object& object : objects_) objects.push_back(&object.content);
    arriving_.emplace(store_.header().digest);
    arriving_->expect(objects);
  }
  arriving_->take(block.id.digest, content);
}

Status MirrorDestination::put_delta(const mirror::Content& block) {
  CAIRN_CHECK(check_size(block));
  CAIRN_TRY(const DeltaHead head, decode_delta_head(block.payload, block.id.digest));
  if (head.bases != block.bases) return make_error(ErrorCode::corruption, "it has other bases than its index says");
  const Bytes payload = block.payload.subspan(head.encoded_bytes());
  std::vector<Block> bases;
  std::vector<Bytes> base_contents;
  for (const Digest& base : head.bases) {
    CAIRN_TRY(Block content, store_.blocks().read_block(base));
    base_contents.push_back(content.content);
    bases.push_back(std::move(content));
  }
  const auto buffer = buffers_.take(block.logical_bytes);
  if (!buffer) return make_error(ErrorCode::resource_exhausted, "no memory for a block");
  const MutableBytes content = buffer->first(block.logical_bytes);
  CAIRN_CHECK(decoder_.decode(CodecId::delta, payload, content, base_contents));
  CAIRN_CHECK(check_digest(block, content));
  CAIRN_TRY(const bool may, may_rely_on(block.id.digest, head.bases));
  if (may) {
    CAIRN_CHECK(sink_.replace(block.id.digest, block.logical_bytes, CodecId::delta, payload, head.bases));
  } else {
    // What it is the difference from is so itself here, more than anybody would follow.
    const Encoded whole = encoder_.encode(content, DType::opaque, {});
    CAIRN_CHECK(sink_.replace(block.id.digest, block.logical_bytes, whole.codec, whole.payload));
  }
  took(block, content);
  return sink_.commit_if_due();
}

Result<bool> MirrorDestination::may_rely_on(const Digest& block, const std::vector<Digest>& bases) {
  std::size_t count = bases.size();
  std::vector<Digest> pending = bases;
  while (!pending.empty()) {
    const Digest base = pending.back();
    pending.pop_back();
    CAIRN_TRY(const auto at, store_.index().find_block(base));
    if (!at || base == block) return false;
    if (!has_parts(*at)) continue;
    CAIRN_TRY(const auto further, store_.blocks().bases_of(base, *at));
    count += further.size();
    if (count > kChainBlocksMax) return false;
    for (const Reference& one : further) pending.push_back(one.id);
  }
  return true;
}

Status MirrorDestination::commit() { return sink_.commit(); }

Status MirrorDestination::write_objects() {
  CAIRN_CHECK(sink_.commit());
  std::vector<Object> objects = std::exchange(objects_, {});
  std::ranges::sort(objects, {}, [](const Object& object) { return height_of(kind_of(object.content.id)); });
  std::vector<mirror::Content> contents;
  for (const Object& object : objects) contents.push_back(object.content);
  std::span<const mirror::Content> left = contents;
  while (!left.empty()) {
    const int height = height_of(kind_of(left.front().id));
    const auto end = std::ranges::find_if(left, [&](const auto& one) { return height_of(kind_of(one.id)) != height; });
    const auto level = left.first(static_cast<std::size_t>(end - left.begin()));
    CAIRN_CHECK(write_objects(level));
    // What comes next is read through these.
    CAIRN_CHECK(sink_.commit());
    left = left.subspan(level.size());
  }
  return {};
}

// None of them is made of another one: they are verified beside each other.
Status MirrorDestination::write_objects(std::span<const mirror::Content> objects) {
  mirror::InFlight<const mirror::Content*> verified(kVerifiedAtOnce, [this](const mirror::Content* object) {
    return sink_.write_object(kind_of(object->id), object->id.digest, object->payload);
  });
  for (const mirror::Content& object : objects) {
    const RecordKind kind = kind_of(object.id);
    if (kind != RecordKind::blob && kind != RecordKind::model) {
      CAIRN_CHECK(sink_.write_object(kind, object.id.digest, object.payload));
      continue;
    }
    std::optional<ArrivingContent::Begun> begun;
    if (arriving_) begun = arriving_->end(object.id);
    const auto verify = [this, &object,
                         begun =
                             std::make_shared<decltype(begun)>(std::move(begun))]() -> Result<const mirror::Content*> {
      CAIRN_CHECK(verify_content(object, std::move(*begun)));
      return &object;
    };
    CAIRN_CHECK(verified.begin(verify));
  }
  return verified.finish();
}

// Any thread. What it is made of is committed.
Status MirrorDestination::verify_content(const mirror::Content& object, std::optional<ArrivingContent::Begun> begun) {
  const RecordKind kind = kind_of(object.id);
  const Digest& id = object.id.digest;
  const auto digest = [&]() -> Result<Digest> {
    if (begun && begun->all) return begun->digester.finish();
    CAIRN_TRY(const FilePieces pieces, pieces_of_content(kind, id, object.payload));
    ProgressMeter meter(progress_, "verify", pieces.total_bytes);
    FileReader reader(store_.blocks(), store_.pool());
    if (!begun) return reader.digest(pieces, Digester(store_.header().digest), meter);
    return reader.digest(pieces_behind(pieces, begun->bytes), std::move(begun->digester), meter);
  };
  CAIRN_TRY(const Digest actual, digest());
  if (actual == id) return {};
  return came_damaged(std::string(record_kind_name(kind)) + " " + store_.id_text(id),
                      "its content has digest " + store_.id_text(actual));
}

// A model file's content is found through tensors and blobs, which are read from the store.
Result<FilePieces> MirrorDestination::pieces_of_content(RecordKind kind, const Digest& id, Bytes payload) {
  if (kind == RecordKind::blob) {
    CAIRN_TRY(const BlobManifest blob, decode_blob(payload));
    return pieces_of(blob);
  }
  CAIRN_TRY(const ModelManifest model, decode_model(payload));
  return pieces_of_model(store_.blocks(), id, model);
}

Status MirrorDestination::say(std::span<const mirror::Statement> statements) {
  CAIRN_CHECK(write_objects());
  BlockSink::Statements said;
  EntriesRecord entries;
  for (const mirror::Statement& statement : statements) {
    switch (static_cast<RecordKind>(statement.kind)) {
      case RecordKind::ref: {
        CAIRN_TRY(RefRecord ref, ref_of(statement));
        CAIRN_TRY(const auto known, store_.index().find_ref(ref.name, ref.version));
        if (known && known->snapshot != ref.snapshot) {
          return make_error(ErrorCode::conflict, "'" + printable(ref.name) + "@" + std::to_string(ref.version) +
                                                     "' is something else in the store than in the mirror");
        }
        if (!known) said.refs.push_back(std::move(ref));
        break;
      }
      case RecordKind::roots: {
        CAIRN_TRY(Root root, root_of(statement));
        CAIRN_TRY(const auto known, store_.index().find_root(root.kind, root.id, root.name));
        if (!known) said.roots.push_back(std::move(root));
        break;
      }
      case RecordKind::entries: {
        if (is_clock(statement)) {
          CAIRN_TRY(clock_, clock_of(statement));
          break;
        }
        CAIRN_TRY(StoredEntry entry, entry_of(statement));
        // Below any that this store gives: those of the other store are nobody's here.
        entry.version = 1;
        entries.entries.push_back(std::move(entry));
        break;
      }
      default: return make_error(ErrorCode::corruption, "the mirror says something that no store does");
    }
  }
  if (!entries.entries.empty()) {
    entries.clock = clock_;
    said.entries = std::move(entries);
  }
  CAIRN_CHECK(sink_.write(std::move(said)));
  return sink_.commit();
}

}  // namespace cairn
