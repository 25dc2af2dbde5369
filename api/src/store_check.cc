// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "api/src/store_impl.h"
#include "engine/reclaim/check.h"

namespace cairn {

Result<CheckReport> Store::check(const CheckOptions& options, const Progress& progress) {
  CAIRN_CHECK(impl_->check_usable());
  const std::string log_folder = impl_->layout().log();
  CAIRN_TRY(CheckReport report, check_store(impl_->fs(), log_folder, store_tag_of(impl_->header().uuid),
                                            impl_->blocks(), impl_->pool(), options, progress));
  // What opening found in the part of the log that the index did not cover yet.
  for (const std::string& place : impl_->info().recovery.damage) {
    const bool told = std::any_of(report.damaged.begin(), report.damaged.end(),
                                  [&](const Damage& damage) { return damage.what == place; });
    if (!told) report.damaged.push_back(Damage{.what = place, .id = {}, .affected = {}});
  }
  return report;
}

}  // namespace cairn
