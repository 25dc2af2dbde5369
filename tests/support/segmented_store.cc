// SPDX-License-Identifier: Apache-2.0
#include "tests/support/segmented_store.h"

#include "engine/log/segment_files.h"

namespace cairn::testing {
namespace {

constexpr char kStore[] = "store";

}  // namespace

SegmentedStore::SegmentedStore() {
  const Status made = StoreImpl::create(fs_, kStore, kSmallStore);
  EXPECT_TRUE(made.ok());
  open();
}

void SegmentedStore::open() {
  auto impl = StoreImpl::open(fs_, kStore, {.threads = 2, .writer = {.budget_bytes = 8 << 20}}, {});
  ASSERT_TRUE(impl.ok()) << impl.error().message;
  for (const std::string& place : (*impl)->info().recovery.damage) ADD_FAILURE() << "recovery found damage: " << place;
  impl_ = impl->get();
  store_.emplace(StoreImpl::handle(std::move(impl).value()));
}

void SegmentedStore::reopen() {
  const Status closed = store_->close();
  ASSERT_TRUE(closed.ok()) << closed.error().message;
  store_.reset();
  open();
}

void SegmentedStore::rebuild() {
  const Status closed = store_->close();
  ASSERT_TRUE(closed.ok()) << closed.error().message;
  store_.reset();
  ASSERT_TRUE(Index::destroy(fs_, StoreLayout(kStore).index()).ok());
  open();
}

std::vector<std::uint32_t> SegmentedStore::segments() { return list_segments(fs_, StoreLayout(kStore).log()).value(); }

std::string SegmentedStore::file_of(std::uint32_t segment) const {
  return segment_path(StoreLayout(kStore).log(), segment);
}

std::string SegmentedStore::put(std::size_t bytes) {
  const std::string content = random_bytes(bytes, 1'000 + values_++);
  return store_->put({.bytes = std::as_bytes(std::span(content))}).value();
}

std::vector<std::string> SegmentedStore::fill() {
  std::vector<std::string> ids;
  for (const std::uint32_t before = segment(); segment() == before;) ids.push_back(put());
  return ids;
}

void SegmentedStore::remove(const std::vector<std::string>& ids) {
  for (const std::string& id : ids) ASSERT_TRUE(store_->remove(id).value());
}

}  // namespace cairn::testing
