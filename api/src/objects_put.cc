// SPDX-License-Identifier: Apache-2.0
//
// Store: handing values over, and removing them.
#include "api/src/store_impl.h"
#include "engine/write/async_writer.h"
#include "engine/write/ticket_state.h"

namespace cairn {
namespace {

std::shared_ptr<TicketState> push(StoreImpl& store, std::vector<Put> puts, const PutOptions& options) {
  const auto writer = store.writer();
  if (writer.ok()) return (*writer)->queue().push(std::move(puts), options);
  for (const Put& put : puts) {
    if (put.handover == Handover::move && put.release) put.release();
  }
  auto failed = std::make_shared<TicketState>();
  failed->fail(writer.error(), false);
  return failed;
}

}  // namespace

Ticket Store::put_async(Put put, const PutOptions& options) {
  std::vector<Put> puts;
  puts.push_back(std::move(put));
  return put_many_async(std::move(puts), options);
}

Ticket Store::put_many_async(std::vector<Put> puts, const PutOptions& options) {
  return Ticket(push(*impl_, std::move(puts), options));
}

Result<std::string> Store::put(Put put) {
  std::vector<Put> puts;
  puts.push_back(std::move(put));
  CAIRN_TRY(const std::vector<std::string> ids, put_many(std::move(puts)));
  return ids.front();
}

// A put that failed may have memory in use for a moment longer.
Result<std::vector<std::string>> Store::put_many(std::vector<Put> puts) {
  const Ticket ticket = put_many_async(std::move(puts));
  const Status committed = ticket.committed().wait();
  static_cast<void>(ticket.staged().wait().ok());
  CAIRN_CHECK(committed);
  return ticket.ids();
}

Status Store::sync() {
  CAIRN_TRY(const std::shared_ptr<AsyncWriter> writer, impl_->writer());
  CAIRN_CHECK(writer->queue().settle());
  return impl_->settle_tables();
}

Status Store::warm_up() {
  CAIRN_TRY(const std::shared_ptr<AsyncWriter> writer, impl_->writer());
  return writer->queue().warm_up();
}

WriterStats Store::writer_stats() const { return impl_->writer_stats(); }

Result<bool> Store::remove(const std::string& id) {
  CAIRN_CHECK(impl_->check_usable());
  CAIRN_TRY(const Digest digest, parse_digest(impl_->header().digest, id));
  impl_->settle_puts();
  CAIRN_TRY(const StoreImpl::Writing writing, impl_->begin_writing());
  CAIRN_TRY(std::vector<Root> roots, impl_->index().find_roots(digest));
  if (roots.empty()) return false;
  for (Root& root : roots) root = Root{.kind = root.kind, .id = root.id, .name = std::move(root.name), .removed = true};
  BlockSink sink({.digest = impl_->header().digest, .block_bytes = impl_->header().block_bytes}, impl_->index(),
                 *writing.log, impl_->parts());
  CAIRN_CHECK(sink.write_roots(std::move(roots)));
  CAIRN_CHECK(sink.commit());
  return true;
}

}  // namespace cairn
