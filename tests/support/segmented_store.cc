// SPDX-License-Identifier: Apache-2.0
#include "tests/support/segmented_store.h"

#include <algorithm>

#include "engine/log/segment_files.h"

namespace cairn::testing {
namespace {

constexpr char kStore[] = "store";

}  // namespace

SegmentedStore::SegmentedStore() {
  const Status made = StoreImpl::create(fs_, kStore, kSmallStore);
  EXPECT_TRUE(made.ok());
  open({});
}

void SegmentedStore::open(StoreOptions options) {
  options.threads = 2;
  options.writer.budget_bytes = 8 << 20;
  auto impl = StoreImpl::open(fs_, kStore, options, {});
  ASSERT_TRUE(impl.ok()) << impl.error().message;
  impl_ = impl->get();
  store_.emplace(StoreImpl::handle(std::move(impl).value()));
}

void SegmentedStore::close() {
  const Status closed = store_->close();
  EXPECT_TRUE(closed.ok()) << closed.error().message;
  store_.reset();
}

void SegmentedStore::reopen(const StoreOptions& options) {
  close();
  open(options);
}

std::vector<std::string> SegmentedStore::rebuild() {
  close();
  EXPECT_TRUE(Index::destroy(fs_, StoreLayout(kStore).index()).ok());
  open({});
  return store_->info().recovery.damage;
}

std::vector<std::uint32_t> SegmentedStore::segments() { return list_segments(fs_, StoreLayout(kStore).log()).value(); }

std::string SegmentedStore::file_of(std::uint32_t segment) const {
  return segment_path(StoreLayout(kStore).log(), segment);
}

std::string SegmentedStore::put() {
  const std::string content = random_bytes(15 * 4'096, 1'000 + values_++);
  return store_->put({.bytes = std::as_bytes(std::span(content))}).value();
}

std::vector<std::string> SegmentedStore::fill() {
  std::vector<std::string> ids;
  const std::uint32_t filled = std::max(segment(), 1U);
  while (segment() <= filled) ids.push_back(put());
  return ids;
}

void SegmentedStore::remove(const std::vector<std::string>& ids) {
  for (const std::string& id : ids) ASSERT_TRUE(store_->remove(id).value());
}

}  // namespace cairn::testing
