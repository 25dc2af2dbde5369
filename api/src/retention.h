// SPDX-License-Identifier: Apache-2.0
//
// The one place that decides what a RetentionPolicy removes.
#pragma once

#include <set>
#include <span>
#include <vector>

#include "cairn/retention.h"
#include "engine/format/manifest.h"

namespace cairn {

// Which of `versions` (of one name, ascending) goes; true at its place. `spared` stay: those
// that were just saved, however old their numbers.
std::vector<bool> to_be_removed(std::span<const RefRecord> versions, const RetentionPolicy& policy,
                                const std::set<std::uint64_t>& spared = {});

// Whether metric `a` of version `version_a` comes before the other: what is best comes first.
bool is_better(Best best, double a, std::uint64_t version_a, double b, std::uint64_t version_b);

// What is wrong with a policy that a caller gave, or nothing.
Status check_policy(const RetentionPolicy& policy);

}  // namespace cairn
