// SPDX-License-Identifier: Apache-2.0
//
// How far apart the places are that a sweep tries.
#pragma once

#include "engine/base/sanitizers.h"
#include "tests/support/store_scenario.h"

namespace cairn::testing {

// Under AddressSanitizer every third of them: it is to see each kind of place, and takes five times as long.
inline std::size_t sweep_step(std::size_t quick, std::size_t longer) {
  return scaled(quick, longer) * (CAIRN_ADDRESS_SANITIZER ? 3 : 1);
}

}  // namespace cairn::testing
