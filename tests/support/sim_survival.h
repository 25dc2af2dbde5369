// SPDX-License-Identifier: Apache-2.0
//
// Which bytes of one file survive power loss, and the source of chance behind the choice.
#pragma once

#include "tests/support/sim_disk.h"

namespace cairn::testing {

// A fixed function of its arguments (the finaliser of splitmix64), so that every choice
// can be replayed from its seed whatever was chosen before it.
std::uint64_t mix(std::uint64_t a, std::uint64_t b, std::uint64_t c = 0);

// Does `change` to `content`, growing it with zeros.
void apply_change(const SimChange& change, std::vector<std::byte>& content);

// `last` is the last change kept by Loss::keep_prefix, and is not looked at otherwise.
std::vector<std::byte> surviving_content(const SimNode& node, std::uint64_t seed, Loss loss, std::uint64_t last);

}  // namespace cairn::testing
