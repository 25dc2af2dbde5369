// SPDX-License-Identifier: Apache-2.0
#include "api/src/mirror_destination.h"

#include <utility>

#include "api/src/mirror_formats.h"
#include "engine/base/errors.h"
#include "engine/base/progress_meter.h"
#include "engine/content/digester.h"
#include "engine/format/delta_head.h"
#include "engine/read/file_reader.h"
#include "engine/reclaim/verify_object.h"

namespace cairn {
namespace {

RecordKind kind_of(const mirror::ContentId& id) { return static_cast<RecordKind>(id.kind); }

Error came_damaged(const std::string& what, const std::string& why) {
  return make_error(ErrorCode::corruption, what + " came damaged from the mirror: " + why);
}

}  // namespace

Result<std::unique_ptr<MirrorDestination>> MirrorDestination::begin(StoreImpl& store) {
  CAIRN_CHECK(store.check_usable());
  store.settle_puts();
  CAIRN_TRY(StoreImpl::Writing writing, store.begin_writing());
  return std::unique_ptr<MirrorDestination>(new MirrorDestination(store, std::move(writing)));
}

MirrorDestination::MirrorDestination(StoreImpl& store, StoreImpl::Writing writing)
    : store_(store),
      writing_(std::move(writing)),
      sink_({.digest = store.header().digest, .block_bytes = store.header().block_bytes}, store.index(), *writing_.log,
            store.parts()) {}

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
  if (at->kind == RecordKind::block) {
    Parts bases;
    CAIRN_TRY(const auto references, store_.blocks().bases_of(id.digest, *at));
    for (const Reference& base : references) bases.push_back({mirror::kBlock, base.id});
    return std::optional(std::move(bases));
  }
  CAIRN_TRY(const auto payload, store_.blocks().read_object_at(id.digest, *at));
  CAIRN_TRY(auto parts, MirrorFormats(store_.header().digest).parts_of(id, payload));
  return std::optional(std::move(parts));
}

Status MirrorDestination::put(const mirror::Content& content) {
  CAIRN_TRY(const auto known, find_good(content.id));
  if (known && known->kind == kind_of(content.id)) return {};
  const std::string what = std::string(record_kind_name(kind_of(content.id))) + " " + store_.id_text(content.id.digest);
  // What is rarely wrong is told from what is meant to be.
  if (checksum_of(content.payload) != content.checksum) return came_damaged(what, "it does not match its checksum");
  auto put = kind_of(content.id) == RecordKind::block ? put_block(content) : put_object(content);
  if (!put.ok() && put.error().code == ErrorCode::corruption) return came_damaged(what, put.error().message);
  return put;
}

Status MirrorDestination::put_block(const mirror::Content& block) {
  if (block.logical_bytes == 0 || block.logical_bytes > BlockReader::kBlockBytesMax) {
    return make_error(ErrorCode::corruption, "no block has " + std::to_string(block.logical_bytes) + " bytes");
  }
  const auto codec = static_cast<CodecId>(block.codec);
  Bytes payload = block.payload;
  DeltaHead head;
  std::vector<Block> bases;
  std::vector<Bytes> base_contents;
  if (codec == CodecId::delta) {
    CAIRN_TRY(head, decode_delta_head(payload, block.id.digest));
    payload = payload.subspan(head.encoded_bytes());
    for (const Digest& base : head.bases) {
      CAIRN_TRY(Block content, store_.blocks().read_block(base));
      base_contents.push_back(content.content);
      bases.push_back(std::move(content));
    }
  }
  if (decoded_.capacity() < block.logical_bytes) decoded_ = AlignedBuffer::allocate(block.logical_bytes);
  if (!decoded_) return make_error(ErrorCode::resource_exhausted, "no memory for a block");
  const MutableBytes content = decoded_.first(block.logical_bytes);
  CAIRN_CHECK(decoder_.decode(codec, payload, content, base_contents));
  const Digest actual = digest_of(store_.header().digest, content);
  if (actual != block.id.digest) {
    return make_error(ErrorCode::corruption, "its content has digest " + store_.id_text(actual));
  }
  CAIRN_CHECK(sink_.replace(block.id.digest, block.logical_bytes, codec, payload, head.bases));
  return sink_.commit_if_due();
}

Status MirrorDestination::put_object(const mirror::Content& object) {
  const RecordKind kind = kind_of(object.id);
  CAIRN_CHECK(verify_payload(store_.header().digest, kind, object.id.digest, object.payload));
  if (kind == RecordKind::blob || kind == RecordKind::model) {
    auto& waiting = kind == RecordKind::blob ? blobs_ : models_;
    waiting.emplace_back(object.id.digest, std::vector<std::byte>(object.payload.begin(), object.payload.end()));
    return {};
  }
  return sink_.write_object(kind, object.id.digest, object.payload);
}

Status MirrorDestination::commit() { return sink_.commit(); }

// A model file is read through its blobs.
Status MirrorDestination::write_whole_contents() {
  const Progress silent;
  FileReader reader(store_.blocks(), store_.pool());
  const auto write = [&](RecordKind kind, const Digest& id, const FilePieces& pieces, Bytes payload) -> Status {
    ProgressMeter meter(silent, "verify", pieces.total_bytes);
    const auto nowhere = [](std::uint64_t, Bytes) { return Status(); };
    CAIRN_TRY(const Digest actual, reader.place(pieces, nowhere, meter));
    if (actual == id) return sink_.write_object(kind, id, payload);
    return came_damaged(std::string(record_kind_name(kind)) + " " + store_.id_text(id),
                        "its content has digest " + store_.id_text(actual));
  };
  for (const auto& [id, payload] : std::exchange(blobs_, {})) {
    CAIRN_TRY(const BlobManifest blob, decode_blob(payload));
    CAIRN_CHECK(write(RecordKind::blob, id, pieces_of(blob), payload));
  }
  CAIRN_CHECK(sink_.commit());
  for (const auto& [id, payload] : std::exchange(models_, {})) {
    CAIRN_TRY(const ModelManifest model, decode_model(payload));
    CAIRN_TRY(const FilePieces pieces, pieces_of_model(store_.blocks(), id, model));
    CAIRN_CHECK(write(RecordKind::model, id, pieces, payload));
  }
  return sink_.commit();
}

Status MirrorDestination::say(std::span<const mirror::Statement> statements) {
  CAIRN_CHECK(write_whole_contents());
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
