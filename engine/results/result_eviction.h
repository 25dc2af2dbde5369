// SPDX-License-Identifier: Apache-2.0
//
// What a result is worth keeping: GreedyDual-Size-Frequency (Cherkasova, "Improving WWW Proxies
// Performance with Greedy-Dual-Size-Frequency Caching Policy", HP Labs HPL-98-69R1, 1998). The
// time that computing it again would take, per byte, as often as it was wanted; on top of a clock
// that rises with what was evicted, so that what was wanted long ago goes in the end.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "engine/results/access_counts.h"
#include "engine/results/entry_key.h"
#include "engine/results/result_value.h"

namespace cairn {

// In nanoseconds per byte. `bytes` are not 0.
double priority_of(const ResultEnvelope& envelope, std::uint64_t bytes, const ResultAccess& access);

// The index keys of results that may be evicted. They sort by the priority that a result had when
// it was put: no result's is ever below that.
EntryKey evictable_index();
std::string evictable_key(const ResultEnvelope& envelope, std::uint64_t bytes);
struct Evictable {
  double priority_at_least = 0;
  std::uint64_t bytes = 0;
};
std::optional<Evictable> parse_evictable_key(std::string_view index_key);

}  // namespace cairn
