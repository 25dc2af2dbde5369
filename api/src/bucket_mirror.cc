// SPDX-License-Identifier: Apache-2.0
//
// What a bucket's mirror does but for bringing content back, which is in bucket_pull.cc.
#include "api/src/bucket_mirror.h"

#include <algorithm>
#include <utility>

#include "api/src/mirror_repair.h"
#include "api/src/mirror_view.h"
#include "engine/base/progress_meter.h"
#include "replication/bucket_remote.h"
#include "replication/gc.h"
#include "replication/verify.h"

namespace cairn {
namespace {

constexpr std::size_t kParallel = 4;
constexpr std::size_t kAskParallel = 8;
// What a slow line is given at a time: about so many seconds of it.
constexpr std::uint64_t kSecondsPerPack = 4;
constexpr std::uint64_t kPackBytesMin = 4 * MiB;

}  // namespace

BucketMirror::BucketMirror(StoreImpl& store, MirrorInfo info, std::unique_ptr<ObjectStorage> storage)
    : OpenedMirror(store, std::move(info)), formats_(store.header().digest), storage_(std::move(storage)) {}

std::unique_ptr<mirror::Remote> BucketMirror::remote(mirror::Source& source, const MirroringOptions& options) {
  mirror::PushOptions push;
  push.parallel = std::max(options.parallel, 1u);
  if (options.bytes_per_second == 0) {
    return std::make_unique<mirror::BucketRemote>(source, *storage_, formats_, push);
  }
  throttled_ = std::make_unique<ThrottledStorage>(*storage_, options.bytes_per_second);
  const std::uint64_t usual = push.pack_bytes;
  const std::uint64_t rate = std::min(options.bytes_per_second, usual);
  push.pack_bytes = static_cast<std::uint32_t>(std::clamp(rate * kSecondsPerPack, kPackBytesMin, usual));
  return std::make_unique<mirror::BucketRemote>(source, *throttled_, formats_, push);
}

Result<mirror::Cursor> BucketMirror::add_stores(MirrorStatus& status) {
  mirror::Cursor end;
  CAIRN_TRY(const auto marker, mirror::read_marker(*storage_));
  if (!marker) return end;
  MirrorView view(*storage_, store_.header().digest, {}, kAskParallel);
  CAIRN_CHECK(view.refresh());
  for (const auto& [uuid, one] : view.stores()) {
    MirroredStoreInfo& info = status.stores.emplace_back();
    info.id = mirror::hex(uuid);
    info.is_this = uuid == store_.header().uuid;
    info.problem = one.problem;
    if (info.is_this) end = one.end;
    for (const auto& [ref, statement] : one.refs) info.names.push_back(ref.first + "@" + std::to_string(ref.second));
  }
  CAIRN_TRY(const auto packs, mirror::list_all(*storage_, mirror::kPacksPrefix));
  status.packs = packs.size();
  for (const auto& pack : packs) status.pack_bytes += pack.bytes;
  return end;
}

Result<MirrorStatus> BucketMirror::status() {
  MirrorStatus status;
  status.mirror = info_;
  CAIRN_TRY(const mirror::Cursor end, add_stores(status));
  store_.settle_puts();
  CAIRN_TRY(const auto left_out, mirror::read_left_out(*storage_, formats_, store_.header().uuid));
  status.behind_statements += left_out.size();
  CAIRN_CHECK(count_behind(end, status));
  return status;
}

Result<MirrorVerifyReport> BucketMirror::verify(bool read_data, const Progress& progress) {
  CAIRN_CHECK(require_mirror(*storage_, store_.header().digest));
  ProgressMeter meter(progress, "verify", 0);
  mirror::VerifyOptions options{.read_data = read_data, .parallel = kParallel, .progress = {}};
  options.progress = [&meter, told = std::uint64_t{0}](const mirror::VerifyReport& so_far) mutable {
    meter.add(so_far.bytes_read - std::exchange(told, so_far.bytes_read));
    return meter.check_stop();
  };
  CAIRN_TRY(mirror::VerifyReport report, mirror::verify(*storage_, formats_, options));
  return MirrorVerifyReport{.stores = report.stores,
                            .statements = report.statements,
                            .packs = report.packs,
                            .records = report.records,
                            .pack_bytes = report.pack_bytes,
                            .bytes_read = report.bytes_read,
                            .problems = std::move(report.problems)};
}

Result<MirrorGcReport> BucketMirror::gc(const MirrorGcOptions& options, const Progress& progress) {
  CAIRN_CHECK(require_mirror(*storage_, store_.header().digest));
  ProgressMeter meter(progress, "reclaim", 0);
  mirror::GcOptions how{.max_dead = options.max_dead,
                        .grace = options.grace,
                        .read_data = options.read_data,
                        .dry_run = options.dry_run,
                        .parallel = kParallel,
                        .progress = {}};
  how.progress = [&meter, told = std::uint64_t{0}](const mirror::GcReport& so_far) mutable {
    meter.add(so_far.copied_bytes - std::exchange(told, so_far.copied_bytes));
    return meter.check_stop();
  };
  CAIRN_TRY(mirror::GcReport report, mirror::gc(*storage_, formats_, how));
  return MirrorGcReport{.stores = report.stores,
                        .packs = report.packs,
                        .pack_bytes = report.pack_bytes,
                        .live_bytes = report.live_bytes,
                        .noted_packs = report.noted_packs,
                        .noted_bytes = report.noted_bytes,
                        .copied_records = report.copied_records,
                        .copied_bytes = report.copied_bytes,
                        .removed_packs = report.removed_packs,
                        .removed_bytes = report.removed_bytes,
                        .waits = report.waiting_notes > 0,
                        .lost = std::move(report.lost)};
}

Result<RepairReport> BucketMirror::repair(const Progress& progress) {
  CAIRN_CHECK(require_mirror(*storage_, store_.header().digest));
  return repair_from(store_, *storage_, progress);
}

}  // namespace cairn
