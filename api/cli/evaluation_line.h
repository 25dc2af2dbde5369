// SPDX-License-Identifier: Apache-2.0
//
// An evaluation as one line of JSON: what `experiments export` writes and `experiments put` reads.
//
// Fields: architecture, as JSON or as a text that is JSON; hash; fitness; metrics, an object of numbers; generation;
// worker; duration_seconds. All but one of the first two may be missing. Numbers that JSON has no way to hold are
// "NaN", "Infinity" and "-Infinity".
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "api/cli/input_file.h"
#include "cairn/experiments.h"

namespace cairn::cli {

// Ends in a line break.
std::string line_of(const Evaluation& evaluation);

// Hostile text: invalid_argument says what is wrong. Fields that mean nothing here are passed over.
Result<Evaluation> read_evaluation_line(std::string_view line);

// Reads `in` to its end, in batches of bounded size, each of which `write` is given whole, the last one though it be
// empty. An error names its line, or the lines that write() was given, and nothing that is read after it is written.
using WriteEvaluations = std::function<Status(std::vector<Evaluation> batch)>;
Status read_evaluation_lines(InputFile& in, const WriteEvaluations& write);

}  // namespace cairn::cli
