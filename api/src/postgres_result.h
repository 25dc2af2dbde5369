// SPDX-License-Identifier: Apache-2.0
//
// A row of a result as what a store keeps of one.
#pragma once

#include <cstdint>
#include <optional>

#include "engine/results/result_value.h"
#include "replication/postgres/rows.h"

namespace cairn {

// `left_ns`: of its time; nothing: it stays. `now_ns`: the time of the store that is to keep it. Its cost counts from
// then on. corruption: no store writes such a row, or it is not of the key that it says.
Result<ResultEnvelope> envelope_of(const postgres::ResultRow& row, std::optional<std::uint64_t> left_ns,
                                   std::uint64_t now_ns);

}  // namespace cairn
