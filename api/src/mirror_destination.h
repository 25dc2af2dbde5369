// SPDX-License-Identifier: Apache-2.0
//
// An open store as what a mirror gives things back to. All that comes is verified before anything can be reached by it:
// blocks and most objects by their ids when they come, blobs and model files, whose ids are those of their content,
// when that is there.
#pragma once

#include <memory>

#include "api/src/store_impl.h"
#include "engine/codec/block_codec.h"
#include "replication/destination.h"

namespace cairn {

class MirrorDestination final : public mirror::Destination {
 public:
  // Has the log's turn as long as it lives: others who write wait. The errors of StoreImpl::begin_writing().
  static Result<std::unique_ptr<MirrorDestination>> begin(StoreImpl& store);
  ~MirrorDestination() override;  // commits what was put: nothing keeps it, and the next pull finds it

  mirror::StoreFacts facts() const override;
  Result<std::optional<std::vector<mirror::ContentId>>> parts_of(const mirror::ContentId& id) override;
  Status put(const mirror::Content& content) override;
  Status commit() override;
  // Refs and roots that are there as they are said are not said again. conflict: the store has another version of the
  // same name and number. Entries are for a store that has none in use: one that is being restored.
  Status say(std::span<const mirror::Statement> statements) override;

 private:
  MirrorDestination(StoreImpl& store, StoreImpl::Writing writing);

  Result<std::optional<RecordLocation>> find_good(const mirror::ContentId& id);
  Status put_block(const mirror::Content& block);
  Status put_object(const mirror::Content& object);
  // Writes the blobs and model files that came, when their bytes have the digest which is their id.
  Status write_whole_contents();

  StoreImpl& store_;
  const StoreImpl::Writing writing_;
  BlockSink sink_;
  BlockDecoder decoder_;
  AlignedBuffer decoded_;
  // Blobs, and model files, that came: nobody takes them for what they say they are before their content is there.
  std::vector<std::pair<Digest, std::vector<std::byte>>> blobs_, models_;
  StoreClock clock_;  // that entries are said with
};

}  // namespace cairn
