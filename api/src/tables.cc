// SPDX-License-Identifier: Apache-2.0
#include "api/src/tables.h"

#include <system_error>

#include "engine/base/errors.h"

namespace cairn {
namespace {

// Content of an entry: one block as a rule, and never much.
Result<std::string> read_small_blob(BlockReader& blocks, const Digest& id) {
  auto alone = blocks.read_block(id);
  if (alone.ok()) return std::string(as_text(alone->content));
  if (alone.error().code != ErrorCode::not_found) return std::move(alone).error();
  const auto manifest = load_blob(blocks, id);
  if (!manifest.ok()) return manifest.error().code == ErrorCode::not_found ? alone.error() : manifest.error();
  if (manifest->total_bytes > kEntryContentBytesMax) {
    return make_error(ErrorCode::corruption, "the content of an entry has more than 64 MiB");
  }
  std::string content;
  content.reserve(manifest->total_bytes);
  for (const BlockRef& part : manifest->blocks) {
    auto block = blocks.read_block(part.digest);
    if (!block.ok() && block.error().code == ErrorCode::not_found) {
      // Gone with the content, or from under it.
      if (const auto still = load_blob(blocks, id); !still.ok()) return still.error();
      block.error().code = ErrorCode::corruption;
    }
    if (!block.ok()) return std::move(block).error().with_context("a part of the content of an entry");
    if (block->content.size() != part.bytes) {
      return make_error(ErrorCode::corruption, "a part of the content of an entry has another size");
    }
    content.append(as_text(block->content));
  }
  return content;
}

}  // namespace

Status StoreImpl::Tables::start(int nice, bool has_entries) {
  CAIRN_CHECK(entries.start(nice));
  if (!entries.writable() || !has_entries) return {};
  CAIRN_TRY(const std::uint64_t taken, operations.take_over());
  static_cast<void>(taken);
  return {};
}

Result<MetricLog*> StoreImpl::Tables::metrics(const MetricLogOptions& metric_options) {
  MetricLog* const none = nullptr;
  if (!entries.writable()) return none;
  const std::lock_guard lock(mutex_);
  if (closed_) return make_error(ErrorCode::invalid_argument, "the store is closed");
  if (metrics_) return metrics_.get();
  try {
    metrics_ = std::make_unique<MetricLog>(entries, metric_options);
  } catch (const std::system_error&) {
    return make_error(ErrorCode::resource_exhausted, "metrics: the system starts no more threads");
  }
  return metrics_.get();
}

Status StoreImpl::Tables::close() {
  operations.close();
  Status status;
  {
    const std::lock_guard lock(mutex_);
    closed_ = true;
    if (metrics_) status = metrics_->close();
  }
  // Counts are worth no failure.
  static_cast<void>(results.flush_accesses().ok());
  entries.close();
  return status;
}

Result<StoreImpl::Tables*> StoreImpl::tables() {
  CAIRN_CHECK(check_usable());
  if (closed_) return make_error(ErrorCode::invalid_argument, "the store is closed");
  if (Tables* const ready = tables_ready_.load(std::memory_order_acquire)) return ready;
  const std::lock_guard lock(tables_mutex_);
  if (tables_) return tables_.get();
  // close() says so before it comes here.
  if (closed_) return make_error(ErrorCode::invalid_argument, "the store is closed");
  LogEntryStore::Parts parts{.index = *index_, .log = log_.get(), .stored = *parts_, .turn = writing_};
  parts.turn_began = [this] { return quarantine_what_was_found(); };
  if (log_ == nullptr) parts.follow = [this] { return follow(); };
  parts.read_blob = [this](const Digest& id) { return read_small_blob(*blocks_, id); };
  auto tables =
      std::make_shared<Tables>(parts, LogEntryStore::Options{.digest = header_.digest,
                                                             .pending_bytes_max = options_.results_pending_bytes,
                                                             .cache_bytes = options_.memory_cache_bytes,
                                                             .block_bytes = header_.block_bytes});
  CAIRN_TRY(const auto clock, index_->clock());
  CAIRN_CHECK(tables->start(options_.nice, clock.has_value()));
  tables_ = std::move(tables);
  tables_ready_.store(tables_.get(), std::memory_order_release);
  return tables_.get();
}

Result<ExperimentTable*> StoreImpl::experiments() {
  CAIRN_TRY(Tables * tables, this->tables());
  return &tables->experiments;
}

Result<OperationTable*> StoreImpl::operations() {
  CAIRN_TRY(Tables * tables, this->tables());
  return &tables->operations;
}

Experiments Store::experiments() { return Experiments(*impl_); }
Operations Store::operations() { return Operations(*impl_); }
Result<Metrics> Store::metrics() {
  CAIRN_TRY(StoreImpl::Tables * tables, impl_->tables());
  CAIRN_TRY(MetricLog * log, tables->metrics(impl_->metric_options()));
  return Metrics(tables->entries, log);
}

Status Store::set_memory_cache_bytes(std::uint64_t bytes) {
  CAIRN_TRY(StoreImpl::Tables * tables, impl_->tables());
  return tables->entries.set_memory_bytes(bytes);
}

Status StoreImpl::close_tables() {
  const std::lock_guard lock(tables_mutex_);
  return tables_ ? tables_->close() : Status();
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
