// SPDX-License-Identifier: Apache-2.0
//
// The members of a JSON object as the texts that stand there: what is read into numbers and written again is often
// another text, and a value that is copied must stay the same.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "api/cli/output.h"

namespace cairn::cli {

// Each borrows from the text that it was found in.
using JsonMembers = std::map<std::string, std::string_view, std::less<>>;

// Hostile text: invalid_argument unless it is one JSON object without a name that occurs twice.
Result<JsonMembers> members_of(std::string_view text);

// The member as a text, or as a number: NaN and infinities as exact_number() writes them. Nothing when there is none;
// invalid_argument, with the field, when it is something else.
Result<std::optional<std::string>> text_member(const JsonMembers& members, const std::string& field);
Result<std::optional<double>> number_member(const JsonMembers& members, const std::string& field);

// A number that comes back as it is: what JSON has no way to hold becomes "NaN", "Infinity" or "-Infinity".
Json exact_number(double value);
// Nothing when it is no such number.
std::optional<double> read_exact_number(const Json& json);

}  // namespace cairn::cli
