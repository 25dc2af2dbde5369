// SPDX-License-Identifier: Apache-2.0
#include "api/src/tables.h"

#include "engine/base/errors.h"

namespace cairn {

Result<StoreImpl::Tables*> StoreImpl::tables() {
  CAIRN_CHECK(check_usable());
  if (closed_) return make_error(ErrorCode::invalid_argument, "the store is closed");
  if (Tables* const ready = tables_ready_.load(std::memory_order_acquire)) return ready;
  const std::lock_guard lock(tables_mutex_);
  if (tables_) return tables_.get();
  LogEntryStore::Parts parts{.index = *index_, .log = log_.get(), .stored = *parts_, .turn = writing_};
  parts.turn_began = [this] { return quarantine_what_was_found(); };
  if (log_ == nullptr) parts.follow = [this] { return follow(); };
  auto tables = std::make_shared<Tables>(
      parts, LogEntryStore::Options{.digest = header_.digest, .cache_bytes = options_.memory_cache_bytes});
  CAIRN_CHECK(tables->entries.start(options_.nice));
  tables_ = std::move(tables);
  tables_ready_.store(tables_.get(), std::memory_order_release);
  return tables_.get();
}

void StoreImpl::close_tables() {
  const std::lock_guard lock(tables_mutex_);
  if (tables_) tables_->close();
}

Status StoreImpl::settle_tables() {
  Tables* const ready = tables_ready_.load(std::memory_order_acquire);
  return ready != nullptr ? ready->entries.settle() : Status();
}

Status StoreImpl::remove_expired() {
  CAIRN_TRY(const auto clock, index_->clock());
  if (!clock) return {};  // there never was an entry
  CAIRN_TRY(Tables * tables, this->tables());
  CAIRN_TRY(const std::uint64_t removed, tables->results.remove_expired());
  static_cast<void>(removed);
  return {};
}

}  // namespace cairn
