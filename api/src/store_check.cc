// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "api/src/store_impl.h"
#include "engine/reclaim/check.h"

namespace cairn {

Result<CheckReport> StoreImpl::check(const CheckOptions& options, const Progress& progress) {
  CAIRN_CHECK(check_usable());
  CAIRN_TRY(CheckReport report, check_store(fs_, layout_.log(), store_tag(), *blocks_, *pool_, options, progress));
  // What opening found in the part of the log that the index did not cover yet.
  for (const std::string& place : info_.recovery.damage) {
    const bool told = std::any_of(report.damaged.begin(), report.damaged.end(),
                                  [&](const Damage& damage) { return damage.what == place; });
    if (!told) report.damaged.push_back(Damage{.what = place, .id = {}, .affected = {}});
  }
  return report;
}

Result<CheckReport> Store::check(const CheckOptions& options, const Progress& progress) {
  return impl_->check(options, progress);
}

}  // namespace cairn
