// SPDX-License-Identifier: Apache-2.0
#include "api/src/mirror_repair.h"

#include <algorithm>
#include <utility>

#include "api/src/mirror_destination.h"
#include "api/src/mirror_formats.h"
#include "engine/base/progress_meter.h"
#include "engine/reclaim/findings.h"
#include "replication/pull.h"

namespace cairn {
namespace {

mirror::ContentId content_id(RecordKind kind, const Digest& id) { return {static_cast<std::uint8_t>(kind), id}; }

// Everything that the store says needs these, and what they rely on.
Result<std::vector<mirror::ContentId>> needed_by(Index& index) {
  std::vector<mirror::ContentId> needed;
  const auto visit_ref = [&](const RefRecord& ref) -> Status {
    if (!ref.removed) needed.push_back(content_id(RecordKind::snapshot, ref.snapshot));
    return {};
  };
  const auto visit_root = [&](const Root& root) -> Result<bool> {
    if (!root.removed) needed.push_back(content_id(root.kind, root.id));
    return true;
  };
  const auto visit_entry = [&](const Placed<StoredEntry>& entry) -> Result<bool> {
    for (const Reference& reference : entry.references) needed.push_back(content_id(reference.kind, reference.id));
    return true;
  };
  CAIRN_CHECK(index.for_each_ref(visit_ref));
  CAIRN_CHECK(index.for_each_root({}, visit_root));
  CAIRN_CHECK(index.for_each_entry({}, Index::Order::ascending, {}, visit_entry));
  return needed;
}

Result<std::vector<mirror::ContentId>> quarantined_in(Index& index) {
  std::vector<mirror::ContentId> quarantined;
  const auto visit = [&](const Digest& id, const RecordLocation& at) -> Status {
    if (at.quarantined) quarantined.push_back(content_id(at.kind, id));
    return {};
  };
  CAIRN_CHECK(index.for_each_block(visit));
  CAIRN_CHECK(index.for_each_object(visit));
  return quarantined;
}

// One call of repair_from().
class Healing {
 public:
  Healing(StoreImpl& store, ObjectStorage& storage, const Progress& progress)
      : store_(store), storage_(storage), formats_(store.header().digest), progress_(progress) {}

  Status run() {
    CAIRN_CHECK(index_.refresh(storage_, formats_, mirror::FetchOptions().parallel));
    CAIRN_TRY(std::vector<mirror::ContentId> wanted, needed_by(store_.index()));
    CAIRN_TRY(const auto quarantined, quarantined_in(store_.index()));
    wanted.insert(wanted.end(), quarantined.begin(), quarantined.end());
    Status all = heal(wanted);
    if (all.ok() || !is_damage(all.error())) return all;
    // Something in the mirror is not as it should be, or not enough to be of use: each by itself, what others are made
    // of first, so that it is in nobody's way.
    std::ranges::sort(wanted);
    wanted.erase(std::unique(wanted.begin(), wanted.end()), wanted.end());
    for (const mirror::ContentId& id : wanted) {
      Status one = heal({id});
      if (one.ok()) continue;
      if (!is_damage(one.error())) return one;
      lacking_.push_back({.what = one.error().message, .id = store_.id_text(id.digest), .affected = {}});
    }
    return {};
  }

  std::uint64_t records() const noexcept { return records_; }
  std::vector<Damage> lacking() { return std::move(lacking_); }

 private:
  Status heal(std::vector<mirror::ContentId> wanted) {
    CAIRN_TRY(const auto destination, MirrorDestination::begin(store_, progress_));
    mirror::PullOptions options;
    ProgressMeter meter(progress_, "fetch", 0);
    options.progress = [&meter, told = std::uint64_t{0}](const mirror::PullReport& so_far) mutable {
      const std::uint64_t more = so_far.fetched.bytes - std::exchange(told, so_far.fetched.bytes);
      meter.add(more, more);
      return meter.check_stop();
    };
    mirror::Puller puller(*destination, storage_, formats_, index_, options);
    const auto lacking = puller.heal(std::move(wanted));
    records_ += puller.report().records;
    if (!lacking.ok()) return lacking.error();
    for (const mirror::ContentId& id : *lacking) {
      lacking_.push_back(
          {.what = "the mirror does not have it either", .id = store_.id_text(id.digest), .affected = {}});
    }
    return {};
  }

  StoreImpl& store_;
  ObjectStorage& storage_;
  const MirrorFormats formats_;
  const Progress& progress_;
  mirror::PackIndex index_;
  std::uint64_t records_ = 0;
  std::vector<Damage> lacking_;
};

}  // namespace

Result<RepairReport> repair_from(StoreImpl& store, ObjectStorage& storage, const Progress& progress) {
  CAIRN_TRY(RepairReport first, store.repair(progress));
  CAIRN_TRY(const CheckReport before, store.check({}, progress));
  if (first.quarantined == 0 && before.damaged.empty()) return first;
  Healing healing(store, storage, progress);
  CAIRN_CHECK(healing.run());
  // What was damaged with something else is whole with it, and what is whole now may be a copy for more.
  CAIRN_TRY(RepairReport report, store.repair(progress));
  CAIRN_TRY(const CheckReport after, store.check({}, progress));
  report.blocks_repaired += first.blocks_repaired + healing.records();
  const auto add = [&report](const Damage& damage) {
    const auto same = [&damage](const Damage& known) { return known.what == damage.what && known.id == damage.id; };
    if (std::ranges::none_of(report.damaged, same)) report.damaged.push_back(damage);
  };
  for (const Damage& damage : after.damaged) add(damage);
  for (const Damage& lacking : healing.lacking()) add(lacking);
  return report;
}

}  // namespace cairn
