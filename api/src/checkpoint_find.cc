// SPDX-License-Identifier: Apache-2.0
//
// Checkpoints: which there are, from the index alone; and those that go.
#include "api/src/checkpoint_ref.h"
#include "api/src/read_through.h"
#include "api/src/retention.h"
#include "engine/base/errors.h"

namespace cairn {
namespace {

CheckpointInfo to_checkpoint(const StoreImpl& store, const RefRecord& ref) {
  return {.generation = ref.version,
          .created_ns = ref.created_ns,
          .logical_bytes = ref.logical_bytes,
          .snapshot = store.id_text(ref.snapshot),
          .tags = ref.tags};
}

// What was saved before is there, and what another process has saved by now.
Status look(StoreImpl& store, const std::string& name) {
  CAIRN_CHECK(check_ref_name(name));
  CAIRN_CHECK(store.follow());
  store.settle_puts();
  return {};
}

}  // namespace

Result<RefRecord> find_checkpoint(StoreImpl& store, const std::string& name, std::uint64_t generation) {
  CAIRN_CHECK(look(store, name));
  CAIRN_TRY(auto ref, store.index().find_ref(name, generation));
  if (!ref && store.read_through() != nullptr) {
    CAIRN_TRY(const bool came, store.read_through()->bring_name(name + "@" + std::to_string(generation)));
    if (came) {
      CAIRN_TRY(ref, store.index().find_ref(name, generation));
    }
  }
  if (!ref) {
    return make_error(ErrorCode::not_found, "no generation " + std::to_string(generation) + " of '" + name + "'");
  }
  return *std::move(ref);
}

Result<std::optional<CheckpointInfo>> Checkpoints::latest() {
  CAIRN_CHECK(look(*store_, name_));
  CAIRN_TRY(auto ref, store_->index().latest_ref(name_));
  if (!ref && store_->read_through() != nullptr) {
    CAIRN_TRY(const bool came, store_->read_through()->bring_name(name_));
    if (came) {
      CAIRN_TRY(ref, store_->index().latest_ref(name_));
    }
  }
  if (!ref) return std::optional<CheckpointInfo>();
  return std::optional(to_checkpoint(*store_, *ref));
}

Result<std::optional<CheckpointInfo>> Checkpoints::best(const std::string& metric, Best best) {
  CAIRN_CHECK(look(*store_, name_));
  std::optional<RefRecord> found;
  double value = 0;
  const auto compare = [&](const RefRecord& ref) -> Result<bool> {
    const auto own = metric_of(ref.tags, metric);
    if (!own || (found && !is_better(best, *own, ref.version, value, found->version))) return true;
    found = ref;
    value = *own;
    return true;
  };
  CAIRN_CHECK(store_->index().for_each_version(name_, 0, compare));
  if (!found) return std::optional<CheckpointInfo>();
  return std::optional(to_checkpoint(*store_, *found));
}

Result<CheckpointInfo> Checkpoints::info(std::uint64_t generation) {
  CAIRN_TRY(const RefRecord ref, find_checkpoint(*store_, name_, generation));
  return to_checkpoint(*store_, ref);
}

Result<CheckpointPage> Checkpoints::list(std::uint64_t from, std::size_t limit) {
  if (limit == 0) return make_error(ErrorCode::invalid_argument, "a page has at least one checkpoint");
  CAIRN_CHECK(look(*store_, name_));
  CheckpointPage page;
  const auto collect = [&](const RefRecord& ref) -> Result<bool> {
    if (page.checkpoints.size() == limit) {
      page.next = ref.version;
      return false;
    }
    page.checkpoints.push_back(to_checkpoint(*store_, ref));
    return true;
  };
  CAIRN_CHECK(store_->index().for_each_version(name_, from, collect));
  return page;
}

Result<CheckpointStats> Checkpoints::stats() {
  CAIRN_CHECK(look(*store_, name_));
  CheckpointStats stats;
  const auto count = [&](const RefRecord& ref) -> Result<bool> {
    ++stats.count;
    stats.pinned += ref.tags.contains(std::string(kPinnedTag)) ? 1 : 0;
    stats.logical_bytes += ref.logical_bytes;
    if (!stats.first) stats.first = ref.version;
    stats.latest = ref.version;
    return true;
  };
  CAIRN_CHECK(store_->index().for_each_version(name_, 0, count));
  return stats;
}

Status Checkpoints::remove(std::uint64_t generation) {
  CAIRN_TRY(const ForgetReport report, Archive(*store_).remove(name_ + "@" + std::to_string(generation)));
  return {};
}

Status Checkpoints::pin(std::uint64_t generation, bool pinned) {
  CAIRN_CHECK(look(*store_, name_));
  const Tags change{{std::string(kPinnedTag), pinned ? "yes" : ""}};
  CAIRN_TRY(const RefInfo info, Archive(*store_).tag(name_ + "@" + std::to_string(generation), change));
  return {};
}

Result<ForgetReport> Checkpoints::forget(const RetentionPolicy& policy, bool dry_run) {
  return Archive(*store_).forget(name_, policy, dry_run);
}

}  // namespace cairn
