// SPDX-License-Identifier: Apache-2.0
#include "api/src/read_through.h"

#include <utility>

#include "api/src/mirror_places.h"
#include "api/src/mirroring.h"
#include "api/src/opened_mirror.h"
#include "engine/base/errors.h"

namespace cairn {
namespace {

constexpr std::size_t kParallel = 8;
// What the mirror did not have is not asked for again for so long.
constexpr std::chrono::seconds kLookAgain{10};

}  // namespace

Result<std::unique_ptr<ReadThrough>> ReadThrough::open(StoreImpl& store, const std::string& mirrors) {
  if (store.room() == nullptr) {
    return make_error(ErrorCode::invalid_argument, "a store that is open read-only keeps nothing that a mirror has");
  }
  const auto now = [] { return Clock::now(); };
  MirrorReaders readers;
  for (std::size_t begin = 0, end = 0; end != std::string::npos; begin = end + 1) {
    end = mirrors.find(',', begin);
    const std::string mirror = mirrors.substr(begin, end - begin);
    CAIRN_TRY(const auto place, read_mirror_place(store, mirror));
    if (!place) return make_error(ErrorCode::not_found, "the store has no mirror '" + printable(mirror) + "'");
    auto opened = open_mirror_readers(store, *place);
    if (!opened.ok()) return std::move(opened).error().with_context("the mirror '" + mirror + "'");
    if ((opened->content && readers.content) || (opened->results && readers.results)) {
      return make_error(ErrorCode::invalid_argument,
                        "'" + mirror + "' is a second mirror of one kind: a store is read through one of each at most");
    }
    if (opened->content) readers.content = std::move(opened->content);
    if (opened->results) readers.results = std::move(opened->results);
  }
  std::unique_ptr<ResultReadThrough> results;
  if (readers.results) results = std::make_unique<ResultReadThrough>(store, std::move(readers.results), now);
  return std::make_unique<ReadThrough>(store, std::move(readers.content), now, std::move(results));
}

ReadThrough::ReadThrough(StoreImpl& store, std::unique_ptr<ObjectStorage> storage,
                         std::function<Clock::time_point()> now, std::unique_ptr<ResultReadThrough> results)
    : store_(store), storage_(std::move(storage)), results_(std::move(results)), now_(std::move(now)) {}

Result<bool> ReadThrough::bring_name(const std::string& name) {
  return bring([&](const MirrorView& view) -> Result<std::vector<mirror::Statement>> {
    auto chosen = view.choose({name});
    if (!chosen.ok() && chosen.error().code == ErrorCode::not_found) return std::vector<mirror::Statement>();
    return chosen;
  });
}

Result<bool> ReadThrough::bring_object(const Digest& id) {
  return bring([&](const MirrorView& view) -> Result<std::vector<mirror::Statement>> { return view.roots_of(id); });
}

Result<bool> ReadThrough::bring(const Choose& choose) {
  if (!storage_) return false;
  const std::lock_guard lock(mutex_);
  CAIRN_TRY(const auto statements, find(choose));
  if (statements.empty()) return false;
  mirror::PullOptions options;
  options.fetch.parallel = kParallel;
  auto pulled = pull(store_, *storage_, *view_, statements, options, {});
  if (pulled.ok()) return true;
  // Packs may have moved since, by a reclaiming of the bucket.
  view_.reset();
  if (pulled.error().code != ErrorCode::corruption && pulled.error().code != ErrorCode::not_found) {
    return pulled.error();
  }
  CAIRN_TRY(const auto again, find(choose));
  if (again.empty()) return false;
  CAIRN_TRY(pulled, pull(store_, *storage_, *view_, again, options, {}));
  return true;
}

Result<std::vector<mirror::Statement>> ReadThrough::find(const Choose& choose) {
  if (view_) {
    auto known = choose(*view_);
    if (now_() - looked_ < kLookAgain || (known.ok() && !known->empty())) return known;
  }
  if (failed_ && now_() - looked_ < kLookAgain) return *failed_;
  // What this store has said and does not have was removed here.
  const MirrorView::Stores others{.but = store_.header().uuid};
  if (!view_) view_ = std::make_unique<MirrorView>(*storage_, store_.header().digest, others, kParallel);
  failed_.reset();
  looked_ = now_();
  Status seen = view_->refresh();
  if (seen.ok()) seen = view_->refresh_index();
  // Nobody has pushed to the mirror yet.
  if (!seen.ok() && seen.error().code == ErrorCode::not_found) seen = {};
  if (!seen.ok()) {
    view_.reset();
    failed_ = seen.error();
    return *failed_;
  }
  return choose(*view_);
}

}  // namespace cairn
