// SPDX-License-Identifier: Apache-2.0
//
// An open store as a mirror sees it. Needs no right to write: a program that reads beside the writer can mirror as
// well.
#pragma once

#include "api/src/store_impl.h"
#include "engine/base/buffer_pool.h"
#include "engine/log/segment_scan.h"
#include "replication/source.h"

namespace cairn {

class MirrorSource final : public mirror::Source {
 public:
  // Borrows the store, which stays open.
  explicit MirrorSource(StoreImpl& store);

  mirror::StoreFacts facts() const override;
  Result<Changes> changes(const mirror::Cursor& from, std::size_t bytes_max) override;
  Result<std::optional<mirror::Statement>> current(const mirror::Statement& like) override;
  Result<Head> head() override;
  std::uint64_t bytes_between(const mirror::Cursor& from, const mirror::Cursor& to) override;
  Result<std::optional<std::uint64_t>> mark_at(const mirror::Cursor& at) override;
  Result<std::optional<mirror::Content>> read(const mirror::ContentId& id) override;

 private:
  class Scan;

  Result<std::optional<mirror::Content>> read_at(const Digest& digest, const RecordLocation& at);

  StoreImpl& store_;
  BufferPool buffers_;
};

}  // namespace cairn
