// SPDX-License-Identifier: Apache-2.0
//
// The one place that decides what a RetentionPolicy removes.
#pragma once

#include <span>
#include <vector>

#include "cairn/retention.h"
#include "engine/format/manifest.h"

namespace cairn {

// Which of `versions` (of one name, ascending) goes; true at its place. `spared` stays: the
// one that was just saved, however old its number.
std::vector<bool> to_be_removed(std::span<const RefRecord> versions, const RetentionPolicy& policy,
                                std::optional<std::uint64_t> spared = {});

// Whether metric `a` of version `version_a` comes before the other: what is best comes first.
bool is_better(Best best, double a, std::uint64_t version_a, double b, std::uint64_t version_b);

// What is wrong with a policy that a caller gave, or nothing.
Status check_policy(const RetentionPolicy& policy);

}  // namespace cairn
