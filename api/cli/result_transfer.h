// SPDX-License-Identifier: Apache-2.0
//
// Results out of a store and into one, as lines of JSON (result_line.h).
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "api/cli/input_file.h"
#include "api/cli/session.h"

namespace cairn::cli {

using TextOutput = std::function<Status(std::string_view text)>;

// Those whose key matches the glob, by key. How many there were.
Result<std::uint64_t> export_results(Session& session, Store& store, const std::string& name_space,
                                     const std::string& glob, const TextOutput& output);

// How many were put, and are durable. Lines are read in batches of bounded size: when one of a batch is wrong, the
// error names its number and nothing of the batch is put; the batches before it are, as the error says too. What is
// put together has one experiment, TTL and cost, and is there together or not at all. `name_space`: puts all of them
// there; empty: each in its own.
Result<std::uint64_t> import_results(Store& store, InputFile& in, const std::string& name_space);

}  // namespace cairn::cli
