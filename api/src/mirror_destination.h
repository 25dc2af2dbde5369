// SPDX-License-Identifier: Apache-2.0
//
// An open store as what a mirror gives things back to. All that comes is verified before anything can be reached by it:
// blocks and most objects by their ids when they come, blobs and model files, whose ids are those of their content,
// when that is there.
#pragma once

#include <atomic>
#include <memory>
#include <optional>

#include "api/src/arriving_content.h"
#include "api/src/store_impl.h"
#include "engine/codec/block_codec.h"
#include "engine/read/file_pieces.h"
#include "replication/destination.h"

namespace cairn {

class MirrorDestination final : public mirror::Destination {
 public:
  // Has the log's turn as long as it lives: others who write wait. The errors of StoreImpl::begin_writing().
  // `progress` may stop what takes long.
  static Result<std::unique_ptr<MirrorDestination>> begin(StoreImpl& store, const Progress& progress);
  ~MirrorDestination() override;  // commits what was put: nothing keeps it, and the next pull finds it

  mirror::StoreFacts facts() const override;
  Result<std::optional<std::vector<mirror::ContentId>>> parts_of(const mirror::ContentId& id) override;
  Status check(mirror::Content& content) const override;  // of a block that is no difference: all of it
  Status put(const mirror::Content& content) override;
  Status commit() override;
  // Refs and roots that are there as they are said are not said again. conflict: the store has another version of the
  // same name and number. Entries are for a store that has none in use: one that is being restored.
  Status say(std::span<const mirror::Statement> statements) override;

 private:
  MirrorDestination(StoreImpl& store, StoreImpl::Writing writing, const Progress& progress);

  Result<std::optional<RecordLocation>> find_good(const mirror::ContentId& id);
  Status told_what(const mirror::Content& content, Status status) const;
  Status check_block(mirror::Content& block) const;  // and decodes it
  // Keeps what it was decoded to for put(), unless too much is kept already.
  void keep_decoded(mirror::Content& block, SharedBuffer buffer, Bytes content) const;
  Status check_size(const mirror::Content& block) const;
  Status check_digest(const mirror::Content& block, Bytes content) const;
  Status put_block(const mirror::Content& block);
  // It is written: what it is a part of is digested on.
  void took(const mirror::Content& block, mirror::Bytes content);
  Status put_delta(const mirror::Content& block);
  // Whether the block may be the difference from these, all that they rely on included.
  Result<bool> may_rely_on(const Digest& block, const std::vector<Digest>& bases);
  // Writes the objects that came, those that others are made of first; blobs and model files when their bytes have the
  // digest which is their id.
  Status write_objects();
  Status write_objects(std::span<const mirror::Content> objects);
  // `begun`: what was digested of it when it came.
  Status verify_content(const mirror::Content& object, std::optional<ArrivingContent::Begun> begun);
  Result<FilePieces> pieces_of_content(RecordKind kind, const Digest& id, Bytes payload);
  // Takes what is damaged here for not there: what comes instead is written.
  Status quarantine(const mirror::ContentId& id, const RecordLocation& at);

  StoreImpl& store_;
  const StoreImpl::Writing writing_;
  BlockSink sink_;
  mutable BufferPool buffers_;                            // for blocks that are decoded to verify them
  mutable std::atomic<std::uint64_t> decoded_bytes_ = 0;  // of blocks that check() has decoded and put() not taken
  BlockDecoder decoder_;
  BlockEncoder encoder_;
  Progress progress_;  // its stop alone
  struct Object {
    mirror::Content content;  // its payload is this, wherever the object is moved
    std::vector<std::byte> payload;
  };
  // Nobody shall take them for granted before what they are made of is there.
  std::vector<Object> objects_;
  std::optional<ArrivingContent> arriving_;  // once blocks come
  StoreClock clock_;                         // that entries are said with
};

}  // namespace cairn
