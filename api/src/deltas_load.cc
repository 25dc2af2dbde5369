// SPDX-License-Identifier: Apache-2.0
//
// Deltas: the tensor again, from the base in the store or from the caller's.
#include "api/src/delta_store.h"
#include "api/src/object_info.h"
#include "engine/base/errors.h"
#include "engine/content/digester.h"
#include "engine/delta/tensor_delta.h"
#include "engine/write/stream_digester.h"

namespace cairn {
namespace {

class StoredStreams final : public DeltaInput {
 public:
  static Result<StoredStreams> open(StoreImpl& store, const DeltaManifest& delta) {
    StoredStreams streams;
    for (const DeltaStream& stream : delta.streams) {
      auto pieces = pieces_of_blob(store.blocks(), stream.blob, stream.bytes);
      if (!pieces.ok()) return lost(std::move(pieces).error());
      streams.streams_.push_back(
          std::make_unique<StoredBytes>(store.blocks(), store.pool(), std::move(pieces).value()));
    }
    streams.at_.resize(streams.streams_.size());
    return streams;
  }
  std::size_t streams() const override { return streams_.size(); }
  std::uint64_t left(std::size_t stream) const override { return streams_[stream]->size() - at_[stream]; }
  Status read(std::size_t stream, MutableBytes into) override {
    CAIRN_TRY(const Bytes bytes, streams_[stream]->read(at_[stream], into.size()));
    std::copy(bytes.begin(), bytes.end(), into.begin());
    at_[stream] += into.size();
    return {};
  }

 private:
  std::vector<std::unique_ptr<StoredBytes>> streams_;
  std::vector<std::uint64_t> at_;
};

DeltaPlan plan_of(const DeltaManifest& delta) {
  return {.kind = delta.kind,
          .dtype = delta.dtype,
          .shape = delta.shape,
          .bytes = delta.bytes,
          .axis = delta.axis,
          .step = delta.step};
}

Error damaged(StoreImpl& store, const Digest& id, const std::string& why) {
  return make_error(ErrorCode::corruption, "delta " + store.id_text(id) + ": " + why);
}

Status check_id(StoreImpl& store, const Digest& id, const DeltaManifest& delta, const Digest& blob) {
  const Digest actual = tensor_id(store.header().digest, delta.dtype, 0, delta.shape, blob);
  const Digest& expected = is_lossless(delta.kind) ? delta.target : delta.result;
  if (actual == expected) return {};
  return damaged(store, id, "gives tensor " + store.id_text(actual) + ", not " + store.id_text(expected));
}

// `base` has what check_base() asks for.
Status reconstruct(StoreImpl& store, const Digest& id, const DeltaManifest& delta, const ReadableTensor& base,
                   MutableBytes into) {
  CAIRN_TRY(StoredStreams streams, StoredStreams::open(store, delta));
  TensorDeltaDecoder decoder(plan_of(delta));
  CAIRN_CHECK(decoder.check_streams(streams));
  CAIRN_CHECK(decoder.begin(streams));
  StreamDigester content(store.pool(), store.header().digest);
  for (std::uint64_t at = 0; at < delta.bytes; at += kDeltaPieceBytes) {
    const MutableBytes piece = into.subspan(at, std::min<std::uint64_t>(kDeltaPieceBytes, delta.bytes - at));
    CAIRN_TRY(const Bytes of_base, base.content->read(at, piece.size()));
    CAIRN_CHECK(decoder.decode(at, streams, of_base, piece));
    content.push(nullptr, piece);
  }
  CAIRN_CHECK(TensorDeltaDecoder::finish(streams));
  return check_id(store, id, delta, content.finish());
}

// The content itself, where there is no difference.
Status read_whole(StoreImpl& store, const Digest& id, const DeltaManifest& delta, const ReadableTensor& tensor,
                  MutableBytes into) {
  StreamDigester content(store.pool(), store.header().digest);
  for (std::uint64_t at = 0; at < delta.bytes; at += MiB) {
    CAIRN_TRY(const Bytes piece, tensor.content->read(at, std::min<std::uint64_t>(MiB, delta.bytes - at)));
    std::copy(piece.begin(), piece.end(), into.begin() + static_cast<std::ptrdiff_t>(at));
    content.push(nullptr, into.subspan(at, piece.size()));
  }
  return check_id(store, id, delta, content.finish());
}

Status check_room(const FoundDelta& found, MutableBytes into) {
  if (into.size() == found.manifest.bytes) return {};
  return make_error(ErrorCode::invalid_argument, "the delta gives " + std::to_string(found.manifest.bytes) +
                                                     " bytes, not " + std::to_string(into.size()));
}

// What a manifest says is as hostile as its payload.
Status check_manifest(StoreImpl& store, const FoundDelta& found) {
  if (Status plan = check_plan(plan_of(found.manifest)); !plan.ok()) {
    return damaged(store, found.id, plan.error().message);
  }
  if (found.manifest.bytes != found.roots.front().bytes)
    return damaged(store, found.id, "is of another size than its name says");
  return {};
}

// What it is loaded from, the base or the content itself: as large as it says, before anybody takes memory for it.
Result<ReadableTensor> open_source(StoreImpl& store, const FoundDelta& found) {
  const DeltaManifest& delta = found.manifest;
  CAIRN_CHECK(check_manifest(store, found));
  auto source = open_stored(store, delta.kind == DeltaKind::whole ? delta.target : delta.base);
  if (!source.ok()) return lost(std::move(source).error());
  if (source->dtype != delta.dtype || source->shape != delta.shape || source->bytes != delta.bytes) {
    return damaged(store, found.id, "what it is made from has another dtype or shape");
  }
  return source;
}

Status load_from(StoreImpl& store, const FoundDelta& found, const ReadableTensor& source, MutableBytes into) {
  if (found.manifest.kind == DeltaKind::whole) return read_whole(store, found.id, found.manifest, source, into);
  return reconstruct(store, found.id, found.manifest, source, into);
}

}  // namespace

Result<std::vector<std::byte>> Deltas::load(const std::string& id) {
  CAIRN_TRY(const FoundDelta found, find_delta_or_fail(*store_, id));
  CAIRN_TRY(const ReadableTensor source, open_source(*store_, found));
  std::vector<std::byte> content(found.manifest.bytes);
  CAIRN_CHECK(load_from(*store_, found, source, content));
  return content;
}

Status Deltas::load_into(const std::string& id, std::span<std::byte> into) {
  CAIRN_TRY(const FoundDelta found, find_delta_or_fail(*store_, id));
  CAIRN_CHECK(check_room(found, into));
  CAIRN_TRY(const ReadableTensor source, open_source(*store_, found));
  return load_from(*store_, found, source, into);
}

Status Deltas::apply(const std::string& id, const TensorBytes& base, std::span<std::byte> into) {
  CAIRN_TRY(const FoundDelta found, find_delta_or_fail(*store_, id));
  CAIRN_CHECK(check_room(found, into));
  if (found.manifest.kind == DeltaKind::whole) {
    CAIRN_TRY(const ReadableTensor source, open_source(*store_, found));
    return load_from(*store_, found, source, into);
  }
  CAIRN_CHECK(check_manifest(*store_, found));
  CAIRN_TRY(const ReadableTensor given, open_given(base, "base"));
  CAIRN_TRY(const Digest actual, id_of(store_->header().digest, given));
  const bool fits = given.dtype == found.manifest.dtype && given.shape == found.manifest.shape;
  if (actual != found.manifest.base || !fits || given.bytes != found.manifest.bytes) {
    return make_error(ErrorCode::invalid_argument, "delta " + printable(id) + ": its base is " +
                                                       store_->id_text(found.manifest.base) + ", not " +
                                                       store_->id_text(actual));
  }
  return reconstruct(*store_, found.id, found.manifest, given, into);
}

}  // namespace cairn
